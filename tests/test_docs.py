"""The pages of docs/: generated ones are up to date, links lead somewhere, examples are right."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
PAGES = [
    *sorted((CHECKOUT / "docs").glob("*.md")),
    *sorted(CHECKOUT.glob("*.md")),
    *sorted((CHECKOUT / "benchmarks").rglob("*.md")),
]


@pytest.fixture(scope="module")
def generate():
    spec = importlib.util.spec_from_file_location("generate", CHECKOUT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(generate):
    for name, page in generate.PAGES.items():
        committed = (CHECKOUT / "docs" / name).read_text("utf-8")
        assert committed == page(), f"docs/{name} is out of date; run: make docs"


def test_every_key_of_every_recipe_is_described(generate):
    from defectflow.recipes import MODELS

    page = generate.recipe_reference()
    for quantity, model in MODELS.items():
        section = page.partition(f"## `quantity: {quantity}`\n")[2].partition("\n##")[0]
        rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:3] == "| `"]
        meanings = {row[0].strip("`"): row[3:] for row in rows}
        assert set(meanings) == set(model.model_fields)
        assert all(meanings.values()), meanings


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"type": "number", "exclusiveMinimum": 0}, "number > 0"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "text or none"),
        ({"enum": ["a", "b"]}, "`a`, `b`"),
        ({"type": "array", "items": {"type": "integer"}}, "list of whole number"),
        ({"format": "path", "type": "string"}, "path"),
        ({"$ref": "#/$defs/HostChoice"}, "[HostChoice](#hostchoice)"),
    ],
)
def test_types_in_words(generate, entry, words):
    assert generate.kind(entry) == words


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(CHECKOUT).as_posix())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name}: {target} does not exist"


def test_layout_names_every_room():
    page = (CHECKOUT / "docs" / "index.md").read_text("utf-8")
    rooms = {
        path.stem
        for path in (CHECKOUT / "src" / "defectflow").iterdir()
        if not path.name.startswith(("_", "py."))
    }
    assert {room for room in rooms if f"`{room}`" not in page} == set()
