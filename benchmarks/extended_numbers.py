"""Energies of surfaces, interfaces, dislocations and faults, each recipe by an engine fit for it.

    python benchmarks/extended_numbers.py                     # all: hours on one core
    python benchmarks/extended_numbers.py surface_energy-fe-110
    python benchmarks/extended_numbers.py --table             # what is in results/

Rows by `eam` need potential files, which defectflow does not carry: those of Debian's package
lammps-data, in /usr/share/lammps/potentials or in the folder that --potentials names. Written to
results/extended_numbers.json: the rows of `defectflow compare --format json`, with the engine's
model. None of these engines is density functional theory.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from filed_rows import FiledRows

from defectflow.documents import SurfaceEnergyDocument
from defectflow.launch import run
from defectflow.recipes import build, load
from defectflow.recipes.parts import EngineChoice
from defectflow.reference import compare

ROOT = Path(__file__).resolve().parent.parent
ROWS = FiledRows(ROOT / "results" / "extended_numbers.json", ("recipe", "engine"))
STORE = ROOT / ".defectflow" / "extended_numbers.sqlite"
POTENTIALS = Path("/usr/share/lammps/potentials")
#: Recipes of workflows/; after an @ the potential file for those that `eam` computes.
RUNS: Final = (
    "surface_energy-fe-100",
    "surface_energy-fe-110",
    "surface_energy-fe-111",
    "surface_energy-fe-112",
    "surface_energy-fe-100@Fe_mm.eam.fs",
    "surface_energy-fe-110@Fe_mm.eam.fs",
    "surface_energy-fe-111@Fe_mm.eam.fs",
    "surface_energy-fe-112@Fe_mm.eam.fs",
    "surface_energy-ag-low-index",
    "surface_energy-cu-low-index@Cu_mishin1.eam.alloy",
    "surface_energy-lnmo",
    "stacking_fault_energy-cu-intrinsic@Cu_mishin1.eam.alloy",
    "dislocation_core_energy-fe-screw@Fe_mm.eam.fs",
    "dislocation_core_energy-al-screw@Al_mm.eam.fs",
    "interface_formation_energy-ag-cu111",
    "interface_formation_energy-ni-cu111@CuNi.eam.alloy",
    "work_of_adhesion-ni-cu111@CuNi.eam.alloy",
    "work_of_adhesion-mos2-graphene",
    "amorphous_surface_energy-cuzr@CuZr_mm.eam.fs",
)


def computed(name: str, potentials: Path) -> dict[str, Any]:
    """Return the row of one recipe, `recipe` or `recipe@potential`."""
    name, _, potential = name.partition("@")
    recipe = load(ROOT / "workflows" / f"{name}.yaml")
    if potential:
        choice = EngineChoice(name="eam", options={"potential": str(potentials / potential)})
        recipe = replace(recipe, content=recipe.content.model_copy(update={"engine": choice}))
    STORE.parent.mkdir(exist_ok=True)
    document = run(build(recipe), STORE)
    (compared,) = compare([document])
    published = compared.published
    return {
        **compared.row(),
        "model": document.engine.model_dump(mode="json").get("model"),
        "condition": None if published is None else published.condition,
        "more": _more(document),
    }


def _more(document: Any) -> dict[str, Any]:
    """Return what a result says beside its value."""
    if isinstance(document, SurfaceEnergyDocument):
        planes = {one.name: one.energy_J_per_m2 for one in document.surfaces}
        return {"surfaces_J_per_m2": planes, "wulff": document.wulff, "notes": document.notes}
    fields = (
        "cores",
        "line_energy_eV_per_A",
        "principal_strains",
        "gap_built_A",
        "gap_relaxed_A",
        "displaced_fraction",
        "disordered_A",
        "quench_K_per_ps",
        "notes",
    )
    told = document.model_dump(mode="json", include=set(fields))
    for part in ("layer_order", "rest_order"):
        order = getattr(document, part, None)
        if order is not None:
            told[part] = order.model_dump(include={"coordination", "spread", "order"})
    for core in told.get("cores", ()):
        del core["relaxed"]
    return told


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=RUNS)
    parser.add_argument("--table", action="store_true", help="print results/ only")
    parser.add_argument("--potentials", type=Path, default=POTENTIALS)
    asked = parser.parse_args()
    if not asked.table:
        for name in asked.recipes:
            ROWS.file(computed(name, asked.potentials))
    ROWS.print(40, 9)


if __name__ == "__main__":
    main()
