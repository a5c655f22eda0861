"""The documents kept in results/: each is read, and is what its row says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from defectflow.documents import load_result
from defectflow.recipes import load

CHECKOUT = Path(__file__).parent.parent
KEPT = sorted((CHECKOUT / "results" / "documents").glob("*.json"))


@pytest.fixture(scope="module")
def rows():
    filed = json.loads((CHECKOUT / "results" / "dft_numbers.json").read_text("utf-8"))["rows"]
    return {row["recipe"]: row for row in filed}


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_kept_document_is_that_of_its_row_and_of_the_recipe_as_it_stands(file, rows):
    document = load_result(json.loads(file.read_text("utf-8")))
    row = rows[file.stem]
    assert document.recipe == file.stem
    assert (document.value, document.unit, document.converged) == (
        row["value"],
        row["unit"],
        row["converged"],
    )
    assert document.engine.model_dump(mode="json") == row["stamp"]
    recipe = load(CHECKOUT / "workflows" / f"{file.stem}.yaml").content
    assert document.recipe_input == recipe.model_dump(mode="json", exclude_defaults=True)


def test_documents_are_kept():
    assert KEPT
