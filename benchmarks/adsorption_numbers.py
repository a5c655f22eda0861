"""Adsorption by a potential beside the density functional and the published numbers.

    python benchmarks/adsorption_numbers.py                       # all, the shortest first
    python benchmarks/adsorption_numbers.py --recipes adsorption_free_energy-oh-pt111
    python benchmarks/adsorption_numbers.py --table               # what is in results/

The recipes are those of workflows/, with the potential in the place of their engine. Numbers of the
density functional come from results/dft_numbers.json, where they are. The energy of a molecule in a
box is the weak point of a potential for crystals, and the same for all surfaces: errors of hydrogen
on the six metals are given as they are and after the mean error has been taken off.

Written to results/adsorption_numbers.json. d-band centres have no row: a potential has no
electrons.
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
TARGET = ROOT / "results" / "adsorption_numbers.json"
DFT = ROOT / "results" / "dft_numbers.json"
METALS = ("pt", "pd", "cu", "ag", "au", "ni")
HYDROGEN = tuple(f"adsorption_free_energy-h-{metal}111" for metal in METALS)
RECIPES = (
    *HYDROGEN,
    "adsorption_free_energy-h-ag111-four-layers",
    "adsorption_free_energy-h-ag111-fault",
    "adsorption_free_energy-o-pt111",
    "adsorption_free_energy-h-mos2",
    "adsorption_free_energy-h-mos2-s-vacancy",
    "adsorption_free_energy-oh-pt111",
    "adsorption_free_energy-ooh-pt111",
    "adsorption_free_energy-ooh-con4",
    "adsorption_free_energy-ooh-con4-o",
)


def row(name: str, engine: str, store: Any) -> dict[str, Any]:
    """Compute one recipe with the potential, and put the other two numbers beside it."""
    recipe = load(ROOT / "workflows" / f"{name}.yaml").changed(engine, None)
    key = result_key(recipe)
    if not store.find(key=key):
        run_flow(build(recipe), store)
    document = store.find(key=key)[0]
    published = compare([document])[0].published
    return {
        "recipe": name,
        "value": document.value,
        "unit": document.unit,
        "site": document.site,
        "published": None if published is None else published.value,
        "force_calls": document.force_calls,
        "engine": document.engine.name,
        "model": document.engine.model,
    }


def dft_numbers() -> dict[str, float]:
    """Return the converged numbers of the density functional, by recipe."""
    if not DFT.exists():
        return {}
    rows = json.loads(DFT.read_text("utf-8"))["rows"]
    return {one["recipe"]: one["value"] for one in rows if one.get("value") is not None}


def with_errors(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the whole record: rows with errors, and their means."""
    dft = dft_numbers()
    record: dict[str, Any] = {"command": "python benchmarks/adsorption_numbers.py", "means": {}}
    for one in rows:
        one["dft"] = dft.get(one["recipe"])
        for against in ("published", "dft"):
            known = None not in (one["value"], one[against])
            one[f"error_{against}"] = one["value"] - one[against] if known else None
    metals = [one for one in rows if one["recipe"] in HYDROGEN]
    both = [one for one in metals if None not in (one["dft"], one["published"])]
    errors = {
        "potential against published": [one["error_published"] for one in metals],
        "potential against dft": [one["error_dft"] for one in metals],
        "dft against published": [one["dft"] - one["published"] for one in both],
    }
    record["means"] = {
        name: means
        for name, found in errors.items()
        if (means := _means([one for one in found if one is not None]))
    }
    return record | {"rows": rows}


def _means(errors: list[float]) -> dict[str, float]:
    """Return mean errors; empty if there are none."""
    if not errors:
        return {}
    mean = sum(errors) / len(errors)
    return {
        "count": len(errors),
        "mean_error": mean,
        "mean_absolute_error": sum(map(abs, errors)) / len(errors),
        "after_the_mean": sum(abs(one - mean) for one in errors) / len(errors),
    }


def file_rows(new: list[dict[str, Any]]) -> dict[str, Any]:
    """Put rows into the file, in the place of older ones, and return the record."""
    rows = {}
    if TARGET.exists():
        rows = {one["recipe"]: one for one in json.loads(TARGET.read_text("utf-8"))["rows"]}
    rows |= {one["recipe"]: one for one in new}
    record = with_errors(list(rows.values()))
    TARGET.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


def print_table(record: dict[str, Any]) -> None:
    """Print the rows, and the means over hydrogen on the six metals, eV."""
    names = ("value", "dft", "published", "error_dft", "error_published")
    print(f"{'recipe':44s} {'site':8s}" + "".join(f"{name:>17s}" for name in names))
    for one in record["rows"]:
        cells = ("-" if one[name] is None else f"{one[name]:.3f}" for name in names)
        print(f"{one['recipe']:44s} {one['site']:8s}" + "".join(f"{cell:>17s}" for cell in cells))
    for name, mean in record["means"].items():
        print(
            f"{name} ({mean['count']}): mean {mean['mean_error']:+.3f}, mean absolute "
            f"{mean['mean_absolute_error']:.3f}, after the mean {mean['after_the_mean']:.3f} eV"
        )


def main() -> None:
    """Compute what is asked for, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="*", default=RECIPES, metavar="RECIPE")
    parser.add_argument("--engine", default="sevennet")
    parser.add_argument("--store", default=".defectflow/store.sqlite")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    rows = []
    if not asked.table:
        with open_store(asked.store) as store:
            rows = [row(name, asked.engine, store) for name in asked.recipes]
    print_table(file_rows(rows))


if __name__ == "__main__":
    main()
