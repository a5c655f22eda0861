"""Force calls of our bands against atomate2's makers, same potential, same ends, same barrier.

    python benchmarks/band_force_calls.py                  # all hops, smallest cell first
    python benchmarks/band_force_calls.py --systems Na3OCl KNiF3

For each published hop both roads start from the published end points: relax the ends to the same
force, interpolate with IDPP, relax as many images to the same force on the climbing image. Every
evaluation of CHGNet is counted where it happens, in its calculator. atomate2's road is its
ForceFieldRelaxMaker for each end (brought into one cell by us: it refuses two) and its
ForceFieldNebFromImagesMaker on its IDPP images, with its DEFAULT_NEB_KWARGS (climbing, improved
tangent) passed on, which the maker by itself does not do: it would not climb. (Its
ForceFieldNebFromEndpointsMaker would be the direct peer, but in 0.1.5 its `make` takes images and
neither relaxes nor interpolates.)

Written to results/band_force_calls.json: calls, barriers, ratio; a row counts as equal if the two
barriers agree within 10 meV.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atomate2.ase.utils import DEFAULT_NEB_KWARGS
from atomate2.common.jobs.neb import get_images_from_endpoints
from atomate2.forcefields.jobs import ForceFieldRelaxMaker
from atomate2.forcefields.neb import ForceFieldNebFromImagesMaker
from chgnet.model.dynamics import CHGNetCalculator
from jobflow import Flow, run_locally
from jobflow.core.store import JobStore
from maggma.stores import MemoryStore
from published_hops import RESULTS, file_row, hops, structure

from defectflow.engines.registry import engine
from defectflow.flows import EndpointsBarrierMaker, Provenance
from defectflow.launch import run_flow
from defectflow.store import open_store
from defectflow.structures.bands import common_cell

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class ForceField:
    """How atomate2 is told of a potential, and the class whose evaluations are counted."""

    calculator: type[Any]
    arguments: dict[str, Any] = field(default_factory=dict)

    def named(self) -> dict[str, Any]:
        """Return the arguments of atomate2's makers."""
        kind = self.calculator
        name = {"@module": kind.__module__, "@callable": kind.__qualname__}
        return {"force_field_name": name, "calculator_kwargs": dict(self.arguments)}


CHGNET = ForceField(CHGNetCalculator)
END_FMAX, BAND_FMAX = 0.03, 0.05
AGREE_EV = 0.010


@contextlib.contextmanager
def counted(kind: type[Any]) -> Iterator[list[int]]:
    """Count the evaluations of a calculator's class while the block runs."""
    count = [0]
    original = kind.calculate

    def calculate(self: Any, *args: Any, **kwargs: Any) -> Any:
        count[0] += 1
        return original(self, *args, **kwargs)

    kind.calculate = calculate
    try:
        yield count
    finally:
        kind.calculate = original


def ours(hop: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run our road; return barrier, evaluations and images."""
    maker = EndpointsBarrierMaker(
        engine("chgnet"), explore=False, relax={"fmax_eV_per_A": END_FMAX}
    )
    origin = Provenance.of(hop["system"], "band_force_calls")
    started = time.perf_counter()
    with counted(CHGNET.calculator) as count, open_store("memory://") as store:
        flow = maker.make(structure(hop["initial"]), structure(hop["final"]), provenance=origin)
        summary = run_flow(flow, store, root=folder)
        if summary.state != "completed":
            return {"error": str(summary.failures[0].error)}
        document = store.find(key=origin.key)[0]
    band = document.hops[0].band
    return {
        "barrier_eV": document.hops[0].span_eV,
        "converged": document.converged,
        "calls": count[0],
        "images": len(band.images) - 2,
        "seconds": time.perf_counter() - started,
    }


def peers(
    hop: dict[str, Any], images: int, folder: Path, force_field: ForceField = CHGNET
) -> dict[str, Any]:
    """Run atomate2's road with the same number of images."""
    shared = {**force_field.named(), "relax_kwargs": {"fmax": END_FMAX}}
    ends = [
        ForceFieldRelaxMaker(**shared, relax_cell=False, steps=500).make(end)
        for end in common_cell(structure(hop["initial"]), structure(hop["final"]))[:2]
    ]
    path = get_images_from_endpoints(
        [end.output.structure for end in ends], images, interpolation_method="IDPP"
    )
    band = ForceFieldNebFromImagesMaker(
        **force_field.named(),
        neb_kwargs=dict(DEFAULT_NEB_KWARGS),
        relax_kwargs={"fmax": BAND_FMAX},
        steps=300,
    ).make(path.output)
    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    started = time.perf_counter()
    with counted(force_field.calculator) as count:
        run_locally(
            Flow([*ends, path, band]), store=store, ensure_success=True, log=False, root_dir=folder
        )
        result = store.get_output(band.uuid, load=True)
    energies = result["energies"]
    return {
        "barrier_eV": max(energies) - min(energies),
        "converged": str(result["state"]) == "successful",
        "calls": count[0],
        "images": images,
        "energies_eV": list(energies),
        "seconds": time.perf_counter() - started,
    }


def compared(hop: dict[str, Any]) -> dict[str, Any]:
    """Run both roads on one hop."""
    row: dict[str, Any] = {"system": hop["system"]}
    with tempfile.TemporaryDirectory() as folder:
        row["ours"] = ours(hop, Path(folder))
        try:
            row["atomate2"] = peers(hop, row["ours"].get("images", 5), Path(folder))
        except Exception as error:  # noqa: BLE001 - a peer's failure is a row of the table
            row["atomate2"] = {"error": f"{type(error).__name__}: {error}"[:200]}
    if "calls" in row["ours"] and row["atomate2"].get("converged"):
        row["ratio"] = row["atomate2"]["calls"] / row["ours"]["calls"]
        difference = row["ours"]["barrier_eV"] - row["atomate2"]["barrier_eV"]
        row["difference_eV"] = difference
        row["equal"] = abs(difference) < AGREE_EV
    return row


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print one line per hop and the mean ratio."""
    for row in rows:
        mine, other = row["ours"], row["atomate2"]
        if "ratio" not in row:
            print(f"{row['system']:12s} {mine.get('error', '')} {other.get('error', '')}")
            continue
        print(
            f"{row['system']:12s} ours {mine['barrier_eV']:.3f} eV {mine['calls']:4d} calls   "
            f"atomate2 {other['barrier_eV']:.3f} eV {other['calls']:4d} calls   "
            f"ratio {row['ratio']:.1f}   {'equal' if row['equal'] else 'barriers differ'}"
        )
    equal = [row["ratio"] for row in rows if row.get("equal")]
    if equal:
        mean = math.exp(sum(map(math.log, equal)) / len(equal))
        print(f"geometric mean of the ratio over {len(equal)} hops of equal barrier: {mean:.1f}")


def main() -> None:
    """Run the hops asked for; rows are written as they are finished."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--systems", nargs="*")
    asked = parser.parse_args()
    rows = []
    for hop in hops():
        if asked.systems and hop["system"] not in asked.systems:
            continue
        rows.append(compared(hop))
        print_table(rows[-1:])
        RESULTS.mkdir(exist_ok=True)
        record = {"command": "python benchmarks/band_force_calls.py"}
        file_row(RESULTS / "band_force_calls.json", record, rows[-1])
    print_table(rows)


if __name__ == "__main__":
    main()
