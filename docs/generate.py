"""Write the generated pages of this folder from the models they describe.

Run as ``python docs/generate.py`` (or ``make docs``); a test checks that the committed pages are
what this script writes.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defectflow.recipes import MODELS

if TYPE_CHECKING:
    from pydantic import BaseModel

FOLDER = Path(__file__).parent
HEADER = "<!-- Written by docs/generate.py from the recipe models; change those. -->\n"
INTRODUCTION = """
A recipe is one YAML file that says what to compute. Its `quantity` decides which of the following
keys it may hold; any other key is refused with the line it stands in and the nearest known key.
Every key that has a default may be left out. Paths are relative to the recipe.
"""
#: Keys whose meaning is the same everywhere.
MEANINGS = {"quantity": "what is computed"}
#: Quantity of each recipe model: a recipe within a recipe is described in its own section.
RECIPES = {model.__name__: quantity for quantity, model in MODELS.items()}
WORDS = {
    "string": "text",
    "integer": "whole number",
    "boolean": "true or false",
    "object": "mapping",
    "null": "none",
}


def recipe_reference() -> str:
    """Return the page that describes every key of every recipe."""
    sections = [f"{HEADER}# Recipe reference\n{INTRODUCTION}"]
    for quantity, model in sorted(MODELS.items()):
        sections.append(f"## `quantity: {quantity}`\n\n{description(model)}\n")
        sections.append(example(quantity))
        sections.append(table(model.model_json_schema(), model))
        sections += [part for part in parts(model) if part not in sections]
    return "\n".join(section for section in sections if section)


def description(model: type[BaseModel]) -> str:
    """Return the docstring of a model, without its sections."""
    text = inspect.getdoc(model) or ""
    return text.partition("\nAttributes\n")[0].strip()


def example(quantity: str) -> str:
    """Return the first shipped recipe of a quantity as a block of YAML."""
    shipped = sorted((FOLDER.parent / "workflows").glob(f"{quantity}-*.yaml"))
    if not shipped:
        return ""
    text = shipped[0].read_text("utf-8").strip()
    return f"`workflows/{shipped[0].name}`:\n\n```yaml\n{text}\n```\n"


def parts(model: type[BaseModel]) -> list[str]:
    """Return a section for each model that the keys of `model` refer to."""
    schema = model.model_json_schema()
    return [
        f"### `{name}`\n\n{definition.get('description', '').strip()}\n\n{table(definition)}"
        for name, definition in sorted(schema.get("$defs", {}).items())
        if definition.get("type") == "object" and name not in RECIPES
    ]


def table(schema: dict[str, Any], model: type[BaseModel] | None = None) -> str:
    """Return the keys of a JSON schema as a table: key, type, default, meaning."""
    required = set(schema.get("required", ()))
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, entry in schema["properties"].items():
        default = "needed" if key in required else f"`{default_of(key, entry, model)}`"
        meaning = entry.get("description", MEANINGS.get(key, "")).replace("\n", " ")
        cells = (f"`{key}`", kind(entry), default, meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def default_of(key: str, entry: dict[str, Any], model: type[BaseModel] | None) -> str:
    """Return the default of a key as it would be written in a recipe."""
    default = entry.get("default")
    if "default" not in entry and model is not None:
        made: Any = model.model_fields[key].get_default(
            call_default_factory=True, validated_data={}
        )
        default = made.model_dump(exclude_defaults=True) if hasattr(made, "model_dump") else made
    elif "default" not in entry:
        default = {}
    if isinstance(default, dict) and list(default) == ["name"]:
        default = default["name"]
    if default is None:
        return "none"
    if isinstance(default, float):
        return f"{default:g}"
    return default or '""' if isinstance(default, str) else json.dumps(default)


def kind(entry: dict[str, Any]) -> str:
    """Return the type of a key in words."""
    if "$ref" in entry:
        name = entry["$ref"].rpartition("/")[2]
        if name in RECIPES:
            return f"[{RECIPES[name]}](#quantity-{RECIPES[name]})"
        return f"[{name}](#{name.lower()})"
    choices = entry.get("anyOf", entry.get("oneOf"))
    if choices:
        return " or ".join(dict.fromkeys(kind(choice) for choice in choices))
    if "const" in entry:
        return f"`{entry['const']}`"
    if "enum" in entry:
        return ", ".join(f"`{choice}`" for choice in entry["enum"])
    return simple_kind(entry)


def simple_kind(entry: dict[str, Any]) -> str:
    """Return a JSON type in words, with the range of a number."""
    word = "path" if entry.get("format") == "path" else str(entry.get("type", "any value"))
    if word == "array":
        items = entry.get("items") or next(iter(entry.get("prefixItems", ())), {})
        return f"list of {kind(items)}"
    if word == "object" and isinstance(entry.get("additionalProperties"), dict):
        return f"mapping to {kind(entry['additionalProperties'])}"
    return WORDS.get(word, word) + bounds(entry)


def bounds(entry: dict[str, Any]) -> str:
    """Return the range of a number, with a leading blank."""
    signs = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    limits = [f"{sign} {entry[name]:g}" for name, sign in signs.items() if name in entry]
    return " " + ", ".join(limits) if limits else ""


PAGES = {"recipe_reference.md": recipe_reference}


def main() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        print(f"wrote docs/{name}")


if __name__ == "__main__":
    main()
