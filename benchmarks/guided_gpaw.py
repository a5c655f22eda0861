"""Barriers of GPAW for few of its evaluations, against a full band from a straight line.

    python benchmarks/guided_gpaw.py                       # both hops: hours
    python benchmarks/guided_gpaw.py --systems Al_vacancy
    python benchmarks/guided_gpaw.py --table               # what is in results/

The roads are those of guided_barriers.py: `refined` and `dft`, guided by SevenNet 7net-0, and
atomate2's makers with GPAW alone, from the same end points, with as many images and the same inputs
of GPAW. Meshes and cutoffs are coarser than those of workflows/, since the roads are compared with
each other and not with a published value. Evaluations of GPAW are counted, ends included. Written
to results/guided_gpaw.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from band_force_calls import ForceField, peers
from guided_barriers import AGREE_EV, guided, print_table
from published_hops import RESULTS, file_row
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.engines.registry import engine
from defectflow.engines.request import Request
from defectflow.structures import hosts, insertion_sites

if TYPE_CHECKING:
    from pymatgen.core import Structure

TARGET = RESULTS / "guided_gpaw.json"


class PeerGpaw(Calculator):
    """Our process of GPAW as a calculator that atomate2's makers can name."""

    implemented_properties: ClassVar = ["energy", "free_energy", "forces"]

    def __init__(self, settings: dict[str, float], **named: Any) -> None:
        super().__init__(**named)
        self.engine = engine("gpaw", "fast", settings)
        self.folder = tempfile.TemporaryDirectory()
        self.part: Any = None

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Evaluate the atoms; the density of the last geometry is the start."""
        super().calculate(atoms, properties, system_changes)
        if self.part is None:
            structure = AseAtomsAdaptor.get_structure(atoms)
            numbers = self.engine.settings("static")
            request = Request(structure, numbers, folder=Path(self.folder.name))
            self.part = self.engine.part(request)
        self.part.calculate(atoms, ["energy", "forces"], all_changes)
        self.results = {name: self.part.results[name] for name in self.implemented_properties}

    def __del__(self) -> None:
        if self.part is not None:
            self.part.close()


@dataclass(frozen=True)
class Case:
    """One hop and the numbers of GPAW for it."""

    system: str
    initial: Structure
    final: Structure
    settings: dict[str, float]


def magnesium() -> Case:
    """Return Mg from an octahedral site of 1T-TiS2 to the nearest tetrahedral one: 13 atoms."""
    host = hosts.load("1T-TiS2").structure
    octahedral, tetrahedral = insertion_sites(host, "Mg")[:2]
    empty = host.make_supercell([2, 2, 1], in_place=False)
    start = empty.copy()
    start.append("Mg", np.array(octahedral.frac_coords) / [2, 2, 1])
    ends = []
    for sign in (1, -1):
        for i, j in np.ndindex(2, 2):
            end = empty.copy()
            end.append("Mg", (sign * np.array(tetrahedral.frac_coords) + [i, j, 0]) / [2, 2, 1])
            moved = start[-1].distance(end[-1])
            ends.append((moved, len(ends), end))
    settings = {"cutoff_eV": 300.0, "kpoint_spacing_per_A": 0.6}
    return Case("TiS2_Mg", start, min(ends)[2], settings)


def aluminium() -> Case:
    """Return a vacancy of aluminium and its neighbour that change places: 31 atoms."""
    whole = hosts.load("fcc-Al").structure.to_conventional()
    whole.make_supercell([2, 2, 2])
    neighbour = min(range(1, len(whole)), key=lambda i: whole.get_distance(0, i))
    start, end = whole.copy(), whole.copy()
    end.replace(neighbour, "Al", whole[0].frac_coords)
    for structure in (start, end):
        structure.remove_sites([0])
    settings = {"cutoff_eV": 200.0, "kpoint_spacing_per_A": 0.4, "smearing_eV": 0.2}
    return Case("Al_vacancy", start, end, settings)


CASES = {"TiS2_Mg": magnesium, "Al_vacancy": aluminium}


def compared(case: Case, peer: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run all three roads on one hop; only ours if what the peer came to is given."""
    hop = {"system": case.system, "initial": case.initial, "final": case.final}
    row: dict[str, Any] = {"system": case.system, "atoms": len(case.initial)}
    row["settings"] = case.settings
    dear = engine("gpaw", "fast", case.settings)
    field = ForceField(PeerGpaw, {"settings": case.settings})
    with tempfile.TemporaryDirectory() as folder:
        for path in AGREE_EV:
            row[path] = guided(hop, path, Path(folder), dear)
        if peer is not None:
            return {**row, "atomate2": peer}
        try:
            row["atomate2"] = peers(hop, row["dft"].get("images", 3), Path(folder), field)
        except Exception as error:  # noqa: BLE001 - a peer's failure is a row of the table
            row["atomate2"] = {"error": f"{type(error).__name__}: {error}"[:200]}
    return row


def main() -> None:
    """Run the hops asked for; rows are written as they are finished."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--systems", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--ours", action="store_true", help="keep what is filed of atomate2")
    asked = parser.parse_args()
    filed = json.loads(TARGET.read_text(encoding="utf-8"))["hops"] if TARGET.exists() else []
    if asked.table:
        print_table(filed)
        return
    peer = {row["system"]: row["atomate2"] for row in filed} if asked.ours else {}
    for name in asked.systems:
        row = compared(CASES[name](), peer.get(name))
        print_table([row])
        record = {"command": "python benchmarks/guided_gpaw.py", "dear": "gpaw", "guide": "7net-0"}
        file_row(TARGET, record, row)


if __name__ == "__main__":
    main()
