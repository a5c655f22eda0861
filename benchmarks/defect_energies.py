"""Energies of ions and defects from recipes of workflows/, beside the published ones.

    python benchmarks/defect_energies.py                    # all, an hour on one core
    python benchmarks/defect_energies.py intercalation_voltage-mg-mn2o4-spinel
    python benchmarks/defect_energies.py --table            # what is in results/

Written to results/defect_energies.json: the rows of `defectflow compare --format json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from defectflow.launch import run
from defectflow.recipes import build, load
from defectflow.reference import compare

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "results" / "defect_energies.json"
RECIPES = (
    "intercalation_voltage-mg-mn2o4-spinel",
    "intercalation_voltage-mg-cr2o4-spinel",
    "intercalation_energy-mg-tio2-anatase",
    "defect_formation_energy-mgo-o-vacancy",
    "binding_energy-li-graphene-vacancy",
    "defect_formation_energy-mgo-o-vacancy-charges",
    "binding_energy-k-ti3c2o2-ti-vacancy",
    "binding_energy-mg-tio2-anatase-ti-vacancy",
)


def rows() -> list[dict[str, Any]]:
    """Return what is in results/."""
    found: list[dict[str, Any]] = json.loads(TARGET.read_text()) if TARGET.is_file() else []
    return found


def computed(name: str) -> dict[str, Any]:
    """Return the row of one recipe."""
    recipe = load(ROOT / "workflows" / f"{name}.yaml")
    document = run(build(recipe), ROOT / ".defectflow" / "defect_energies.sqlite")
    (compared,) = compare([document])
    published = compared.published
    return {**compared.row(), "condition": None if published is None else published.condition}


def file_row(new: dict[str, Any]) -> None:
    """Put a row into the file, in the place of an older one of the same recipe."""
    kept = [row for row in rows() if row["recipe"] != new["recipe"]]
    ordered = sorted([*kept, new], key=lambda row: row["recipe"])
    TARGET.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")


def print_table() -> None:
    """Print every row: ours, the published value, and the difference."""
    for row in rows():
        numbers = [row[key] for key in ("value", "published", "error")]
        shown = "  ".join("   -  " if x is None else f"{x:+6.3f}" for x in numbers)
        print(f"{row['recipe']:48} {shown} {row['unit']}")


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--table", action="store_true", help="print results/ only")
    asked = parser.parse_args()
    if not asked.table:
        for name in asked.recipes:
            file_row(computed(name))
    print_table()


if __name__ == "__main__":
    main()
