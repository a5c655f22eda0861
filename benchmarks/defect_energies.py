"""Energies of ions and defects from recipes of workflows/, beside the published ones.

    python benchmarks/defect_energies.py                    # all, an hour on one core
    python benchmarks/defect_energies.py intercalation_voltage-mg-mn2o4-spinel
    python benchmarks/defect_energies.py --table            # what is in results/

Written to results/defect_energies.json: the rows of `defectflow compare --format json`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from filed_rows import FiledRows

from defectflow.launch import run
from defectflow.recipes import build, load
from defectflow.reference import compare

ROOT = Path(__file__).resolve().parent.parent
ROWS = FiledRows(ROOT / "results" / "defect_energies.json", ("recipe",))
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


def computed(name: str) -> dict[str, Any]:
    """Return the row of one recipe."""
    recipe = load(ROOT / "workflows" / f"{name}.yaml")
    document = run(build(recipe), ROOT / ".defectflow" / "defect_energies.sqlite")
    (compared,) = compare([document])
    published = compared.published
    return {**compared.row(), "condition": None if published is None else published.condition}


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--table", action="store_true", help="print results/ only")
    asked = parser.parse_args()
    if not asked.table:
        for name in asked.recipes:
            ROWS.file(computed(name))
    ROWS.print(48)


if __name__ == "__main__":
    main()
