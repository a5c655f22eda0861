"""Real density functional numbers beside the published ones, recomputed from the recipes.

    python benchmarks/dft_numbers.py                              # all recipes for gpaw: hours
    python benchmarks/dft_numbers.py equation_of_state-al         # one of them
    python benchmarks/dft_numbers.py --table                      # what is in results/

Recipes are those of workflows/ whose engine is gpaw. Whatever the store holds is not computed
again. Each result becomes a row of results/dft_numbers.json, and its whole document a file of
results/documents/ (crystals, vibrations, references, the recipe), unless it holds densities of
states, which are large.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from defectflow.launch import run_flow
from defectflow.recipes import build, load, result_key
from defectflow.reference import compare
from defectflow.store import open_store

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "results" / "dft_numbers.json"
DOCUMENTS = ROOT / "results" / "documents"
#: A larger document is not kept, characters.
LARGEST = 200_000
ENGINE = "gpaw"


def recipes(names: list[str]) -> list[Any]:
    """Return the recipes asked for, or all that are for the engine."""
    files = sorted((ROOT / "workflows").glob("*.yaml"))
    found = [load(file) for file in files if not names or file.stem in names]
    return [recipe for recipe in found if names or recipe.content.engine.name == ENGINE]


def row(recipe: Any, store: Any) -> dict[str, Any]:
    """Compute one recipe, if the store has no converged result of it, file and describe it."""
    found = store.find(key=result_key(recipe))
    if not (found and found[0].converged):
        summary = run_flow(build(recipe), store)
        found = store.find(key=result_key(recipe))
        if not found:
            return {"recipe": recipe.name, "error": str(summary.failures[:1])[:300]}
    document = found[0]
    file_document(document)
    compared = compare([document])[0]
    published = compared.published
    extra = {name: getattr(document, name, None) for name in ("path", "guide", "error_eV")}
    return {
        **document.row(),
        "published": None if published is None else published.value,
        "citation": None if published is None else published.citation.text,
        "force_calls": getattr(document, "force_calls", None),
        "wall_time_s": getattr(document, "wall_time_s", None),
        **{name: value for name, value in extra.items() if value is not None},
        "notes": list(getattr(document, "notes", ())),
        "remark": compared.note,
        "stamp": document.engine.model_dump(mode="json"),
    }


def file_document(document: Any) -> None:
    """Keep what a number rests on, so that it can be looked at later."""
    text = document.model_dump_json()
    if len(text) > LARGEST:
        print(f"{document.recipe}: a document of {len(text)} characters is not kept")
        return
    DOCUMENTS.mkdir(exist_ok=True)
    (DOCUMENTS / f"{document.recipe}.json").write_text(text + "\n", encoding="utf-8")


def file_row(new: dict[str, Any]) -> None:
    """Put a row into the file, in the place of an older row of the same recipe."""
    rows = {}
    if TARGET.exists():
        rows = {old["recipe"]: old for old in json.loads(TARGET.read_text("utf-8"))["rows"]}
    rows[new["recipe"]] = new
    record = {
        "command": "python benchmarks/dft_numbers.py",
        "rows": sorted(rows.values(), key=lambda one: one["recipe"]),
    }
    TARGET.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def print_table() -> None:
    """Print the rows of the file."""
    for one in json.loads(TARGET.read_text("utf-8"))["rows"]:
        if "error" in one:
            print(f"{one['recipe']:44s} {one['error']}")
            continue
        value = "not converged" if one["value"] is None else f"{one['value']:.3f}"
        published = "-" if one["published"] is None else f"{one['published']:.3f}"
        print(
            f"{one['recipe']:44s} {value:>13s} {one['unit']:8s} published {published:>8s}   "
            f"{one['force_calls']} calls, {one['wall_time_s'] / 60:.0f} min"
        )


def main() -> None:
    """Run the recipes asked for; rows are written as they are finished."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--store", default=".defectflow/store.sqlite")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if not asked.table:
        with open_store(asked.store) as store:
            for recipe in recipes(asked.recipes):
                file_row(row(recipe, store))
    print_table()


if __name__ == "__main__":
    main()
