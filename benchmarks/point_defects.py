"""Every inequivalent point defect of twelve hosts: sites found and time taken, against doped.

    pip install doped                        # not needed by defectflow; minutes for all hosts
    python benchmarks/point_defects.py

For each host both make its vacancies, antisites and self-interstitials in a supercell of at least
10 Å, with likely charges. A site of doped is found if one of ours lies within 0.5 Å of its orbit;
of each it is also said how near to one of ours an atom comes that climbs from there to the place
farthest from its neighbours.
Times are of the processor, in one process; their ratio is over the hosts whose counts are equal.
Before that an enumeration of 10,000 cells is drawn one by one, and the memory of the process noted.
Results: results/point_defects.json.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import resource
import time
import warnings
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from defectflow.structures import hosts, orbit, primitive, supercell_matrix
from defectflow.structures.charges import charged
from defectflow.structures.complexes import Neighbourhood, complexes
from defectflow.structures.points import antisites, interstitials, vacancies
from defectflow.structures.sites import insertion_sites

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

HOSTS = (
    "fcc-Al",
    "rocksalt-MgO",
    "fluorite-CeO2",
    "rutile-TiO2",
    "anatase-TiO2",
    "spinel-MgAl2O4",
    "O3-LiNiO2",
    "P2-CoO2",
    "2H-MoS2",
    "alpha-V2O5",
    "olivine-LiFePO4",
    "graphene",
)
IMAGE_DISTANCE_A = 10.0
SAME_SITE_A = 0.5
#: Steps of the climb out of a narrow place, and how many directions are tried for each.
FIRST_STEP_A = 0.05
LAST_STEP_A = 1e-3
DIRECTIONS = 300
STREAMED = 10_000
RESULTS = Path(__file__).parent.parent / "results" / "point_defects.json"
COMMAND = "python benchmarks/point_defects.py"


def ours(structure: Structure) -> dict[str, Any]:
    """Make all cells, and note orbits by kind and the time."""
    supercell_matrix.__globals__["_searched"].cache_clear()  # the search belongs to the time
    started = time.process_time()
    cell = structure.make_supercell(
        supercell_matrix(structure, IMAGE_DISTANCE_A, max_atoms=1000), in_place=False
    )
    counts = {}
    made = 0
    for family in (vacancies(cell), antisites(cell), interstitials(cell, min_contact=0.0)):
        for one in charged(family, "guess"):
            made += 1
            if one.charge == 0:
                key = f"{one.kind} {one.name.partition('_')[0]}" + (
                    "" if one.kind == "interstitial" else f" {one.changed[0].before}"
                )
                counts.setdefault(key, []).append(one.multiplicity)
    return {
        "cpu_s": time.process_time() - started,
        "supercell_atoms": len(cell),
        "cells": made,
        "orbits": {key: sorted(sizes) for key, sizes in sorted(counts.items())},
    }


def theirs(structure: Structure) -> dict[str, Any]:
    """Let doped make the same."""
    from doped.generation import DefectsGenerator

    started = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        made = DefectsGenerator(structure, processes=1)
    cpu_s = time.process_time() - started
    words = {"vacancies": "vacancy", "substitutions": "antisite", "interstitials": "interstitial"}
    counts: dict[str, list[int]] = {}
    sites = []
    for family, defects in made.defects.items():
        for one in defects:
            new, _, old = one.name.partition("_")
            key = f"{words[family]} {'V' if new == 'v' else new}"
            if family != "interstitials":
                key += f" {old}"
            else:
                sites.append((one.site.specie.symbol, one.site.frac_coords, one.multiplicity))
            counts.setdefault(key, []).append(int(one.multiplicity))
    first = sites[0][0] if sites else ""
    return {
        "cpu_s": cpu_s,
        "supercell_atoms": len(made.bulk_supercell),
        "cells": len(made.defect_entries),
        "orbits": {key: sorted(sizes) for key, sizes in sorted(counts.items())},
        "sites": [(frac, size) for symbol, frac, size in sites if symbol == first],
        "primitive": made.primitive_structure,
    }


def compared(cell: Structure, sites: list[tuple[np.ndarray, int]]) -> list[dict[str, Any]]:
    """Return, for each interstitial site of doped in its cell, how near one of ours is."""
    found = insertion_sites(cell, cell[0].specie.symbol)
    orbits = np.vstack([orbit(cell, site.frac_coords) for site in found])
    return [
        {
            "multiplicity": int(size),
            "orbit": len(orbit(cell, frac)),
            "radius_A": float(cell.lattice.get_all_distances(cell.frac_coords, frac).min()),
            "from_ours_A": float(cell.lattice.get_all_distances(orbits, frac).min()),
            "climbed_from_ours_A": float(
                cell.lattice.get_all_distances(orbits, climbed(cell, frac)).min()
            ),
        }
        for frac, size in sites
    ]


def climbed(cell: Structure, place: np.ndarray) -> np.ndarray:
    """Return where an atom comes to that goes away from its nearest neighbours in short steps."""
    lattice = cell.lattice.matrix
    images = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))
    atoms = ((cell.frac_coords % 1.0)[:, None, :] + images).reshape(-1, 3) @ lattice
    random = np.random.default_rng(0)
    step_A = FIRST_STEP_A
    while step_A > LAST_STEP_A:
        ways = random.normal(size=(DIRECTIONS, 3))
        ways *= step_A / np.linalg.norm(ways, axis=1)[:, None]
        trials = np.vstack([place, place + ways @ np.linalg.inv(lattice)]) % 1.0
        gaps = np.linalg.norm((trials @ lattice)[:, None, :] - atoms, axis=2).min(axis=1)
        if gaps.argmax() == 0:
            step_A *= 0.7
        place = trials[gaps.argmax()]
    return np.asarray(place)


def one_host(name: str, *, with_doped: bool) -> dict[str, Any]:
    """Return and print what both find in a host."""
    structure = hosts.load(name).structure
    row: dict[str, Any] = {"host": name, "ours": ours(structure)}
    row["same_from_primitive_cell"] = ours(primitive(structure))["orbits"] == row["ours"]["orbits"]
    said = f"{name:16s} ours {row['ours']['cpu_s']:6.2f} s {row['ours']['cells']:4d} cells"
    if with_doped:
        doped = theirs(structure)
        sites = compared(doped.pop("primitive"), doped.pop("sites"))
        row |= {"doped": doped, "sites_of_doped": sites}
        row["ratio"] = doped["cpu_s"] / row["ours"]["cpu_s"]
        row["equal_counts"] = doped["orbits"] == row["ours"]["orbits"]
        row["same_sites"] = all(site["from_ours_A"] < SAME_SITE_A for site in sites)
        said += (
            f"  doped {doped['cpu_s']:6.1f} s {doped['cells']:4d} cells  {row['ratio']:6.1f} x"
            f"  counts {'equal' if row['equal_counts'] else 'differ'}"
            f"  sites of doped found: {sum(s['from_ours_A'] < SAME_SITE_A for s in sites)}"
            f" of {len(sites)}"
        )
    print(said, flush=True)
    return row


def streamed() -> dict[str, Any]:
    """Draw cells and drop each: the peak memory after few and after all of them."""
    structure = hosts.load("rutile-TiO2").structure
    cell = structure.make_supercell(supercell_matrix(structure, 11.0), in_place=False)
    members = ["V_Ti", "4 F_O"]
    started = time.process_time()
    peaks = {}
    drawn = complexes(cell, members, Neighbourhood(7, within=True))
    for number, _ in enumerate(itertools.islice(drawn, STREAMED), start=1):
        if number in {10, 100, 1000, STREAMED}:
            peaks[number] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{number:6d} cells of {len(cell)} atoms: peak {peaks[number]:.0f} MiB", flush=True
            )
    return {
        "complex": members,
        "atoms": len(cell),
        "cells": number,
        "cpu_s": time.process_time() - started,
        "peak_MiB": peaks,
    }


def main() -> None:
    """Print a line per host and the ratio, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hosts", nargs="+", default=HOSTS, choices=HOSTS)
    parser.add_argument("--without-doped", action="store_true", help="time ours alone")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    stream = streamed()  # first, so that the peak is that of the enumeration
    packages = {}
    for package in ("defectflow", "spglib", "pymatgen", "doped", "pymatgen-analysis-defects"):
        with contextlib.suppress(PackageNotFoundError):
            packages[package] = version(package)
    if not asked.without_doped and "doped" not in packages:
        parser.error("doped is not installed: pip install doped, or give --without-doped")
    insertion_sites(hosts.load("fcc-Al").structure, "Al")  # imports count on neither side
    if not asked.without_doped:
        import doped.generation  # noqa: F401
    rows = [one_host(name, with_doped=not asked.without_doped) for name in asked.hosts]
    equal = [row for row in rows if row.get("equal_counts")]
    summary: dict[str, Any] = {"hosts_with_equal_counts": [row["host"] for row in equal]}
    if equal:
        summary["ratio_over_equal_hosts"] = sum(row["doped"]["cpu_s"] for row in equal) / sum(
            row["ours"]["cpu_s"] for row in equal
        )
        summary["least_ratio"] = min(row["ratio"] for row in equal)
        print(f"{len(equal)} hosts with equal counts: {summary['ratio_over_equal_hosts']:.1f} x")
    if not asked.without_doped and tuple(asked.hosts) == HOSTS:
        result = {"command": COMMAND, "packages": packages, **summary, "hosts": rows} | {
            "stream": stream
        }
        RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
