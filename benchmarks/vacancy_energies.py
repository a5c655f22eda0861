"""Vacancy energies of five metals with the embedded potentials, beside the published ones.

    python benchmarks/vacancy_energies.py                       # all potentials
    python benchmarks/vacancy_energies.py --engine chgnet --metals Al Cu
    python benchmarks/vacancy_energies.py --table               # what is in results/

Each is the recipe of workflows/ with 107 of 108 atoms. The published values are those of the tables
that `defectflow compare` uses. Written to results/vacancy_energies.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from filed_rows import FiledRows

from defectflow import hosts
from defectflow.engines.registry import engine
from defectflow.flows import DefectFormationEnergyMaker
from defectflow.launch import run
from defectflow.reference import compare

ROOT = Path(__file__).resolve().parent.parent
ROWS = FiledRows(ROOT / "results" / "vacancy_energies.json", ("engine", "metal"))
METALS = ("Al", "Cu", "Ni", "Pt", "Ag")
ENGINES = ("sevennet:7net-0", "sevennet:7net-l3i5", "chgnet")
THREE = [[3, 0, 0], [0, 3, 0], [0, 0, 3]]


def computed(label: str, metal: str) -> dict[str, Any]:
    """Return one row: ours, the published value, and their difference."""
    name, _, model = label.partition(":")
    used = engine(name, **({"model": model} if model else {}))
    maker = DefectFormationEnergyMaker(used, supercell=THREE)
    document = run(
        maker.make(hosts.load(f"fcc-{metal}"), metal), ROOT / ".defectflow" / "vacancies.sqlite"
    )
    compared = compare([document])[0]
    published = compared.published
    return {
        "engine": label,
        "metal": metal,
        "value_eV": document.value,
        "published_eV": None if published is None else published.value,
        "error_eV": compared.error,
        "published_id": None if published is None else published.id,
        "atoms": len(document.pristine.structure),
        "force_calls": document.force_calls,
        "wall_time_s": round(document.wall_time_s, 1),
        "stamp": document.engine.model_dump(mode="json"),
    }


def print_table() -> None:
    """Print every row, and the mean absolute error of each engine."""
    for label in sorted({row["engine"] for row in ROWS.read()}):
        mine = [row for row in ROWS.read() if row["engine"] == label]
        for row in mine:
            numbers = [row[key] for key in ("value_eV", "published_eV", "error_eV")]
            shown = "  ".join("   -  " if x is None else f"{x:+6.3f}" for x in numbers)
            print(f"{label:20} {row['metal']:3} {shown}")
        errors = [abs(row["error_eV"]) for row in mine if row["error_eV"] is not None]
        if errors:
            print(f"{label:20} mean absolute error {sum(errors) / len(errors):.3f} eV")


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="append", default=[], help="name or name:model")
    parser.add_argument("--metals", nargs="*", default=list(METALS))
    parser.add_argument("--table", action="store_true", help="print results/ only")
    asked = parser.parse_args()
    if not asked.table:
        for label in asked.engine or ENGINES:
            for metal in asked.metals:
                ROWS.file(computed(label, metal))
    print_table()


if __name__ == "__main__":
    main()
