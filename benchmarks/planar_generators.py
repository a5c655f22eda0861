"""How long the generators of planar defects take: cells of 500 atoms, a γ-surface, a scan of Σ.

Times are processor seconds of one process, the first import left out. Wanted: each generator below
2 s for cells of at least 500 atoms, a γ-surface of 100 points below 1 s, every boundary of one
metal up to Σ 29 below 60 s. Run as ``python benchmarks/planar_generators.py``; writes
results/planar_generators.json.
"""

from __future__ import annotations

import itertools
import json
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defectflow.structures import hosts
from defectflow.structures.boundary_planes import BoundaryChoice, tilt_planes
from defectflow.structures.coincidence import Lattices, rotations
from defectflow.structures.gamma_grid import gamma_grid, gamma_surface
from defectflow.structures.grain_boundaries import BoundaryScan, grain_boundaries
from defectflow.structures.planar import planar_cells

if TYPE_CHECKING:
    from collections.abc import Callable

RESULT = Path(__file__).parents[1] / "results" / "planar_generators.json"
AXES = ((0, 0, 1), (1, 1, 0), (1, 1, 1))
MOST_SIGMA = 29
#: Kind, host and what is asked for: cells of 500 atoms or somewhat more.
CASES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("stacking_fault", "fcc-Cu", "intrinsic", {"fault": "intrinsic", "min_height_A": 1045.0}),
    ("stacking_fault", "fcc-Cu", "extrinsic", {"fault": "extrinsic", "min_height_A": 1045.0}),
    ("stacking_fault", "hcp-Mg", "I2", {"fault": "I2", "min_height_A": 1310.0}),
    (
        "stacking_fault",
        "rutile-TiO2",
        "(101), by shift",
        {"miller": (1, 0, 1), "shift": (0, 0.5, 0), "min_height_A": 211.0},
    ),
    (
        "stacking_fault",
        "spinel-MgAl2O4",
        "(111), slab",
        {"miller": (1, 1, 1), "shift": (0.25, -0.25, 0), "min_height_A": 170.0, "vacuum_A": 15.0},
    ),
    ("twin", "fcc-Cu", "(111)", {"miller": (1, 1, 1), "min_thickness_A": 525.0}),
    ("twin", "rutile-TiO2", "(101)", {"miller": (1, 0, 1), "min_thickness_A": 106.0}),
    (
        "grain_boundary",
        "fcc-Al",
        "Σ5(310)[001]",
        {"axis": (0, 0, 1), "sigma": 5, "miller": (3, 1, 0), "min_thickness_A": 165.0},
    ),
    (
        "grain_boundary",
        "rocksalt-MgO",
        "Σ5 twist",
        {"axis": (0, 0, 1), "sigma": 5, "character": "twist", "min_thickness_A": 54.0},
    ),
    (
        "grain_boundary",
        "rutile-TiO2",
        "Σ5(310)[001]",
        {"axis": (0, 0, 1), "sigma": 5, "miller": (3, 1, 0), "min_thickness_A": 60.0},
    ),
    (
        "grain_boundary",
        "O3-LiCoO2",
        "Σ7 about the axis of the layers",
        {"axis": (0, 0, 1), "sigma": 7, "min_thickness_A": 55.0},
    ),
    (
        "layer_stacking",
        "O3-NaCoO2",
        "P2/O3 intergrowth",
        {"galleries": ("P2", "P2", "O3", "O3") * 32, "guests": ("Na",)},
    ),
    (
        "layer_stacking",
        "O3-NaCoO2",
        "glides of one layer of 125",
        {"guests": ("Na",), "layers": 125},
    ),
    (
        "kink",
        "O3-LiCoO2",
        "kink of 5.7°",
        {"guests": ("Li",), "angle_deg": 5.7},
    ),
)


def main() -> None:
    """Print and file all times."""
    next(planar_cells("twin", hosts.load("fcc-Cu").structure, miller=(1, 1, 1)))  # imports
    rows = [first_cell(*case) for case in CASES]
    rows += [surface(), scan()]
    for row in rows:
        print(f"{row['what']:55s} {row['atoms']:>6} atoms  {row['cpu_s']:7.2f} s")
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    RESULT.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    print(f"wrote {RESULT}")


def first_cell(kind: str, host: str, said: str, options: dict[str, Any]) -> dict[str, Any]:
    """Time the most likely cell of a kind, all that decides which one it is included."""
    structure = hosts.load(host).structure
    cell, seconds = timed(lambda: next(planar_cells(kind, structure, **options)))
    atoms = len(cell.structure)
    return {"what": f"{kind} {host}, {said}", "cells": 1, "atoms": atoms, "cpu_s": seconds}


def surface() -> dict[str, Any]:
    """Time every distinct point of a grid of 10 x 10."""
    copper = hosts.load("fcc-Cu").structure
    cells, seconds = timed(lambda: list(gamma_surface(gamma_grid(copper, (1, 1, 1), (10, 10)))))
    points = sum(cell.multiplicity for cell in cells)
    what = f"gamma surface fcc-Cu (111), {points} points, {len(cells)} distinct"
    return {"what": what, "cells": len(cells), "atoms": len(cells[0].structure), "cpu_s": seconds}


def scan() -> dict[str, Any]:
    """Time one cell of every boundary of aluminium: all Σ, tilt on each symmetric plane, twist."""

    def every() -> list[Any]:
        aluminium = hosts.load("fcc-Al").structure
        lattices = Lattices.of(aluminium)
        coarse = BoundaryScan(shifts=(1, 1))
        made = []
        for axis in AXES:
            for turn in rotations(lattices, axis, MOST_SIGMA):
                base = {"axis": axis, "sigma": turn.sigma, "angle_deg": turn.angle_deg}
                choices = [
                    BoundaryChoice(**base, miller=miller)
                    for miller, symmetric, _ in tilt_planes(lattices, turn)
                    if symmetric
                ]
                choices.append(BoundaryChoice(**base, character="twist"))
                for choice in choices:
                    made += itertools.islice(grain_boundaries(aluminium, choice, coarse), 1)
        return made

    cells, seconds = timed(every)
    most = max(len(cell.structure) for cell in cells)
    what = f"scan fcc-Al, {len(cells)} boundaries up to Σ{MOST_SIGMA} about three axes"
    return {"what": what, "cells": len(cells), "atoms": most, "cpu_s": seconds}


def timed(make: Callable[[], Any]) -> tuple[Any, float]:
    """Return what is made and the processor seconds it took."""
    begun = time.process_time()
    made = make()
    return made, round(time.process_time() - begun, 3)


if __name__ == "__main__":
    main()
