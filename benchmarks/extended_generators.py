"""How long the generators of lines, surfaces and interfaces take for cells of some 500 atoms.

    python benchmarks/extended_generators.py

The first cell of each is made, processor time in one process, imports apart; no energies.
Results: results/extended_generators.json. Planar defects: benchmarks/planar_generators.py.
"""

from __future__ import annotations

import json
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defectflow.recipes.kinds.interfaces import Interface
from defectflow.recipes.kinds.lines import Dislocation, DislocationStrain
from defectflow.recipes.kinds.surfaces import Surface, SurfaceDefect, SurfaceGroup
from defectflow.structures import hosts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from defectflow.recipes.kinds.choice import DefectChoice

RESULTS = Path(__file__).parent.parent / "results" / "extended_generators.json"
COMMAND = "python benchmarks/extended_generators.py"
LIMIT_S = 2.0
EDGE: Mapping[str, Any] = {"burgers": (0.5, -0.5, 0.0), "line": (1, 1, -2)}
RUTILE: Mapping[str, Any] = {"miller": (1, 1, 0), "thickness_A": 25.0, "repeat": (4, 3)}
CASES: tuple[tuple[str, str, DefectChoice], ...] = (
    ("edge dislocation", "fcc-Cu", Dislocation(**EDGE, separation_A=26.0)),
    ("edge dislocation", "rocksalt-MgO", Dislocation(**EDGE, separation_A=22.0)),
    ("screw dislocation", "bcc-Fe", Dislocation(burgers=(0.5,) * 3, line=(1, 1, 1), length_A=17.0)),
    ("dislocation strain", "fcc-Pt", DislocationStrain(**EDGE)),
    ("all surfaces to index 2", "fcc-Pt", Surface(highest=2)),
    ("surface", "spinel-LiMn2O4", Surface(miller=(1, 1, 1), thickness_A=130.0)),
    ("surface vacancy", "rutile-TiO2", SurfaceDefect(species="O", **RUTILE)),
    ("hydroxyl group", "rutile-TiO2", SurfaceGroup(group="hydroxyl", on="Ti", **RUTILE)),
    ("interface", "anatase-TiO2", Interface(film="bronze-TiO2", miller=(1, 0, 1), film_slices=4)),
    ("interface", "graphene", Interface(film="2H-MoS2", gap_A=3.3, max_area_A2=700.0)),
    (
        "bonded interface",
        "graphene",
        Interface(film="black-P", film_miller=(0, 0, 1), bond=("P", "C"), bridge="O"),
    ),
)


def timed(said: str, host: str, choice: DefectChoice) -> dict[str, Any]:
    """Return and print the size of the largest cell of a few, and the time for each."""
    crystal = hosts.load(host).structure
    started = time.process_time()
    made, largest = 0, 0
    for cell in choice.cells(crystal):
        made, largest = made + 1, max(largest, len(cell.structure))
        if made >= 5:
            break
    cpu_s = (time.process_time() - started) / made
    print(f"{said:24s} {host:16s} {largest:4d} atoms {cpu_s:6.2f} s per cell ({made})", flush=True)
    return {"what": said, "host": host, "atoms": largest, "cells": made, "cpu_s_per_cell": cpu_s}


def main() -> None:
    """Print a line per generator and write the results."""
    warnings.simplefilter("ignore")
    next(Surface(miller=(1, 1, 1)).cells(hosts.load("fcc-Cu").structure))  # imports
    rows = [timed(*case) for case in CASES]
    slowest = max(row["cpu_s_per_cell"] for row in rows)
    print(f"slowest {slowest:.2f} s; limit {LIMIT_S:g} s: {'kept' if slowest < LIMIT_S else 'not'}")
    packages = {name: version(name) for name in ("defectflow", "spglib", "pymatgen")}
    result = {"command": COMMAND, "packages": packages, "slowest_cpu_s": slowest, "rows": rows}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
