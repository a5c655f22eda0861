"""Barriers of a dear engine for few of its evaluations, against a full band from a straight line.

    python benchmarks/guided_barriers.py                       # the 14 published hops
    python benchmarks/guided_barriers.py --systems Na3OCl KNiF3 --remember FOLDER
    python benchmarks/guided_barriers.py --ours                # all but atomate2, which is kept
    python benchmarks/guided_barriers.py --table               # what is in results/

SevenNet 7net-l3i5 stands for the dear engine, 7net-0 for the guide. Three roads per hop, each from
the published end points: `refined` and `dft` as a recipe asks for them, and atomate2's makers with
the dear engine alone (see band_force_calls.py): both ends relaxed, as many images as `dft` has,
interpolated with IDPP, climbing, the same force on the climbing image. Counted are the evaluations
of the dear engine, ends included. The guide's band is the same for both guided roads, so what an
engine said of a geometry is remembered; with `--remember` in a folder too, so that a run that was
cut goes on where it was (its seconds then tell nothing). Written to results/guided_barriers.json.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from band_force_calls import END_FMAX, ForceField, peers
from published_hops import RESULTS, file_row, hops, structure
from sevenn.calculator import SevenNetCalculator

from defectflow.engines.guided import GuidedEngine
from defectflow.engines.potentials import SevenNet
from defectflow.engines.registry import engine
from defectflow.flows import EndpointsBarrierMaker, Provenance
from defectflow.launch import run_flow
from defectflow.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from defectflow.engines.contract import Engine

DEAR, GUIDE = "7net-l3i5", "7net-0"
TARGET = RESULTS / "guided_barriers.json"
#: What counts as the same barrier, eV.
AGREE_EV = {"dft": 0.010, "refined": 0.040}


class Remembering(Calculator):
    """A calculator that evaluates no geometry twice.

    Attributes
    ----------
    folder
        Where it keeps what it has said; only in memory by default.
    """

    implemented_properties: ClassVar = ["energy", "free_energy", "energies", "forces", "stress"]
    said: ClassVar[dict[str, dict[str, Any]]] = {}
    folder: ClassVar[Path | None] = None

    def __init__(self, inner: Calculator, label: str) -> None:
        super().__init__()
        self.inner, self.label = inner, label

    def calculate(
        self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
    ) -> None:
        """Look the geometry up, or evaluate it."""
        super().calculate(atoms, properties, system_changes)
        parts = (atoms.numbers, atoms.cell.array, atoms.positions)
        whole = b"".join(part.tobytes() for part in parts)
        key = f"{self.label}-{hashlib.sha256(whole).hexdigest()}"
        if key not in self.said:
            self.said[key] = self._kept(key) or self._asked(key, atoms)
        self.results = dict(self.said[key])

    def _kept(self, key: str) -> dict[str, Any]:
        """Return what an earlier run has kept; nothing if there is none."""
        if self.folder is None or not (self.folder / f"{key}.npz").exists():
            return {}
        with np.load(self.folder / f"{key}.npz", allow_pickle=False) as kept:
            return {name: kept[name] if kept[name].ndim else float(kept[name]) for name in kept}

    def _asked(self, key: str, atoms: Any) -> dict[str, Any]:
        self.inner.calculate(atoms, ["energy"], all_changes)
        said = {name: self.inner.results[name] for name in self.implemented_properties}
        if self.folder is not None:
            part = self.folder / f"{key}.{os.getpid()}.part.npz"
            np.savez(part, **said)
            part.rename(self.folder / f"{key}.npz")
        return said


class RememberingSevenNet(Remembering):
    """SevenNet as atomate2's makers make it, by name, with a memory around it."""

    def __init__(self, model: str, device: str) -> None:
        super().__init__(SevenNetCalculator(model=model, device=device), model)


def remember(calculator: Callable[[SevenNet], Any]) -> Callable[[SevenNet], Any]:
    """Return the method that makes SevenNet's calculators, with a memory around them."""
    return lambda self: Remembering(calculator(self), self.options["model"])


def guided(hop: dict[str, Any], path: Any, folder: Path, dear: Engine) -> dict[str, Any]:
    """Run one guided road; return barrier, evaluations of both engines, and the error estimate."""
    guide = engine("sevennet", model=GUIDE)
    maker = EndpointsBarrierMaker(
        GuidedEngine.of(dear, guide, path), explore=False, relax={"fmax_eV_per_A": END_FMAX}
    )
    origin = Provenance.of(hop["system"], "guided_barriers", path)
    with open_store("memory://") as store:
        flow = maker.make(structure(hop["initial"]), structure(hop["final"]), provenance=origin)
        summary = run_flow(flow, store, root=folder)
        if summary.state == "interrupted":
            raise KeyboardInterrupt
        found = store.find(key=origin.key)
        if not found:
            why = summary.failures[0].error if summary.failures else summary.state
            return {"error": str(why)[:200]}
    document, band = found[0], found[0].hops[0].band
    return {
        "barrier_eV": document.hops[0].span_eV,
        "converged": document.converged,
        "calls": document.force_calls,
        "guide_calls": band.guidance.guide_calls,
        "images": len(band.images) - 2,
        "energies_eV": [image.energy_eV for image in band.images],
        "error_estimate_eV": document.error_eV,
        "seconds": document.wall_time_s,
    }


def compared(hop: dict[str, Any], peer: dict[str, Any] | None = None) -> dict[str, Any]:
    """Run all three roads on one hop; only ours if what the peer came to is given."""
    row: dict[str, Any] = {"system": hop["system"], "atoms": len(hop["initial"]["coords"])}
    field = ForceField(RememberingSevenNet, {"model": DEAR, "device": "cpu"})
    with tempfile.TemporaryDirectory() as folder:
        for path in AGREE_EV:
            row[path] = guided(hop, path, Path(folder), engine("sevennet", model=DEAR))
        if peer is not None:
            return {**row, "atomate2": peer}
        try:
            row["atomate2"] = peers(hop, row["dft"].get("images", 5), Path(folder), field)
        except Exception as error:  # noqa: BLE001 - a peer's failure is a row of the table
            row["atomate2"] = {"error": f"{type(error).__name__}: {error}"[:200]}
    return row


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print one line per hop, and per road the mean ratio of the hops of equal barrier."""
    ratios: dict[str, list[float]] = {path: [] for path in AGREE_EV}
    for row in rows:
        full = row["atomate2"]
        line = f"{row['system']:12s} atomate2 {_shown(full)}"
        for path, agree_eV in AGREE_EV.items():
            road = row[path]
            line += f"   {path} {_shown(road)}"
            if _settled(full) and _settled(road):
                ratio = full["calls"] / road["calls"]
                same = abs(full["barrier_eV"] - road["barrier_eV"]) < agree_eV
                line += f" {ratio:5.1f}x{'' if same else ' DIFFERS'}"
                if same:
                    ratios[path].append(ratio)
        print(line)
    whole = sum(_settled(row["atomate2"]) for row in rows)
    for path, found in ratios.items():
        if found:
            mean = math.exp(sum(map(math.log, found)) / len(found))
            print(
                f"{path}: {len(found)} of {whole} hops within {1000 * AGREE_EV[path]:.0f} meV, "
                f"geometric mean of the ratio {mean:.1f}"
            )


def _settled(road: dict[str, Any]) -> bool:
    """Tell whether a road has a barrier; rows of before 'converged' was kept all have one."""
    return "calls" in road and road.get("converged", True)


def _shown(road: dict[str, Any]) -> str:
    if "calls" not in road:
        return "no result"
    mark = "" if road.get("converged", True) else " not converged"
    return f"{road['barrier_eV']:.3f} eV {road['calls']:4d} calls{mark}"


def main() -> None:
    """Run the hops asked for; rows are written as they are finished."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--systems", nargs="*")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--remember", type=Path, help="folder for what the engines have said")
    parser.add_argument("--ours", action="store_true", help="keep what is filed of atomate2")
    asked = parser.parse_args()
    filed = json.loads(TARGET.read_text(encoding="utf-8"))["hops"] if TARGET.exists() else []
    if asked.table:
        print_table(filed)
        return
    peer = {row["system"]: row["atomate2"] for row in filed} if asked.ours else {}
    if asked.remember is not None:
        asked.remember.mkdir(parents=True, exist_ok=True)
        Remembering.folder = asked.remember
    SevenNet.calculator = remember(SevenNet.calculator)  # type: ignore[assignment, method-assign]
    for hop in hops():
        if asked.systems and hop["system"] not in asked.systems:
            continue
        row = compared(hop, peer.get(hop["system"]))
        print_table([row])
        record = {"command": "python benchmarks/guided_barriers.py", "dear": DEAR, "guide": GUIDE}
        file_row(TARGET, record, row)


if __name__ == "__main__":
    main()
