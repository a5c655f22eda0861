"""What forward differences of forces save in vibrations, and what they cost in accuracy.

    python benchmarks/vibration_differences.py           # two minutes
    python benchmarks/vibration_differences.py --table   # what is in results/

Adsorbates on Pt(111), relaxed and vibrated with SevenNet 7net-l3i5. Central differences at 0.015 Å
are compared with forward ones, whose error falls with the displacement. Modes below 12.4 meV count
as that, as in every free energy.
Written to results/vibration_differences.json.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from filed_rows import FiledRows
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.analysis.thermochemistry import ROOM_K, harmonic
from defectflow.analysis.vibrations import SOFTEST_EV
from defectflow.engines import engine
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.engines.vibrations import vibrations

ROWS = FiledRows(
    Path(__file__).resolve().parent.parent / "results" / "vibration_differences.json",
    ("case", "displacement_A"),
)
#: Adsorbates with their height (Å) above a site.
ADSORBED = {
    "H": (Atoms("H"), "fcc", 0.9),
    "O": (Atoms("O"), "fcc", 1.2),
    "OH": (Atoms("OH", [[0, 0, 0], [0.8, 0.1, 0.6]]), "ontop", 2.0),
    "OOH": (Atoms("OOH", [[0, 0, 0], [1.2, 0, 0.75], [1.9, 0.3, 1.6]]), "ontop", 2.0),
}
CASES = ("H-2x2", "O-2x2", "OH-2x2", "OOH-2x2")
STEPS_A = (0.015, 0.01, 0.005)


def start(case: str) -> tuple[Any, list[int], list[int]]:
    """Return a structure, its frozen atoms and those that are displaced."""
    name, cells = case.split("-")
    one, site, height_A = ADSORBED[name]
    size = int(cells[0])
    slab = fcc111("Pt", (size, size, 3), a=3.97, vacuum=6.0, periodic=True)
    frozen = list(range(2 * size * size))
    add_adsorbate(slab, one, height_A, site)
    plain = Atoms(slab.numbers, slab.positions, cell=slab.cell, pbc=True)
    return AseAtomsAdaptor.get_structure(plain), frozen, list(range(3 * size * size, len(plain)))


def compared(case: str) -> list[dict[str, Any]]:
    """Return a row for each length of the forward displacements."""
    chosen: Any = engine("sevennet", model="7net-l3i5")
    structure, frozen, displaced = start(case)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        settings = chosen.settings("relax", fmax_eV_per_A=0.02)
        relaxed = relax(Request(structure, settings, folder=Path(folder)), chosen, frozen=frozen)

        def vibrated(step_A: float, *, central: bool) -> Any:
            asked = {"displacement_A": step_A, "central_differences": central}
            settings = chosen.settings("vibrations", **asked)
            request = Request(relaxed.structure, settings, folder=Path(folder))
            return vibrations(request, chosen, displaced)

        exact = vibrated(STEPS_A[0], central=True)
        for step_A in STEPS_A:
            found = vibrated(step_A, central=False)
            modes = np.subtract(found.energies_eV, exact.energies_eV)
            counted = [np.maximum(one.energies_eV, SOFTEST_EV) for one in (found, exact)]
            free = [harmonic(energies, ROOM_K) for energies in counted]
            rows.append(
                {
                    "case": case,
                    "displacement_A": step_A,
                    "calls": found.force_calls,
                    "calls_central": exact.force_calls,
                    "modes_eV": list(exact.energies_eV),
                    "zero_point_error_eV": free[0].zero_point_eV - free[1].zero_point_eV,
                    "free_energy_error_eV": free[0].free_energy_eV - free[1].free_energy_eV,
                    "largest_mode_error_eV": float(np.abs(modes).max()),
                    "stamp": chosen.stamp().model_dump(mode="json"),
                }
            )
    return rows


def print_rows(rows: list[dict[str, Any]]) -> None:
    """Print a line per case and displacement."""
    for row in rows:
        errors = [
            1000 * row[f"{key}_error_eV"] for key in ("zero_point", "free_energy", "largest_mode")
        ]
        print(
            f"{row['case']:8s} {row['displacement_A']:5.3f} Å  "
            f"{row['calls']:2d} calls instead of {row['calls_central']:2d}   zero point "
            f"{errors[0]:+6.1f}, free energy {errors[1]:+6.1f}, a mode {errors[2]:5.1f} meV"
        )


def main() -> None:
    """Run the cases; rows are written as they are finished."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        print_rows(ROWS.read())
        return
    for case in CASES:
        rows = compared(case)
        print_rows(rows)
        for row in rows:
            ROWS.file(row)


if __name__ == "__main__":
    main()
