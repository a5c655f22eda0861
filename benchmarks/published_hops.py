"""Our barriers beside the published DFT barriers of 14 hops, for each embedded potential.

    python benchmarks/published_hops.py --engine sevennet --engine chgnet
    python benchmarks/published_hops.py --table          # what is in results/, nothing computed

Structures and barriers: data/README.md. Bands start straight between the published end points,
which are relaxed with the potential in the published cell; with --explore also through voids. Each
engine's rows go into results/published_hops-<engine>.json, with the time and the force calls.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from pymatgen.core import Lattice, Structure
from scipy.stats import spearmanr

from defectflow.engines.registry import engine
from defectflow.flows import EndpointsBarrierMaker, Provenance
from defectflow.launch import run_flow
from defectflow.store import open_store

ROOT = Path(__file__).resolve().parent.parent
HOPS = ROOT / "benchmarks" / "data" / "published_hops.json"
RESULTS = ROOT / "results"


def hops() -> list[dict[str, Any]]:
    """Return the published hops, smallest cell first."""
    data: list[dict[str, Any]] = json.loads(HOPS.read_text(encoding="utf-8"))
    return sorted(data, key=lambda hop: len(hop["initial"]["coords"]))


def structure(end: dict[str, Any] | Structure) -> Structure:
    """Return one end point, read or as it is."""
    if isinstance(end, Structure):
        return end
    return Structure(
        Lattice(end["lattice_mat"]),
        end["elements"],
        end["coords"],
        coords_are_cartesian=end["cartesian"],
    )


def compute(label: str, asked: argparse.Namespace) -> None:
    """Run the hops asked for with one engine, given as ``name`` or ``name:model``."""
    name, _, model = label.partition(":")
    chosen = engine(name, **({"model": model} if model else {}))
    maker = EndpointsBarrierMaker(chosen, explore=asked.explore)
    mark = "-explore" if asked.explore else ""
    target = RESULTS / f"published_hops-{label.replace(':', '-')}{mark}.json"
    RESULTS.mkdir(exist_ok=True)
    with open_store(asked.store) as store:
        for hop in hops():
            if asked.systems and hop["system"] not in asked.systems:
                continue
            row: dict[str, Any] = {"system": hop["system"], "published_eV": hop["barrier_eV"]}
            initial, final = structure(hop["initial"]), structure(hop["final"])
            origin = Provenance.of(hop["system"], maker.as_dict(), hop)
            summary = run_flow(maker.make(initial, final, provenance=origin), store)
            found = store.find(key=origin.key)
            if summary.state != "completed" or not found:
                row["error"] = str(summary.failures[:1])
            else:
                row |= described(found[0])
            print(json.dumps(row), flush=True)
            record = {
                "engine": label,
                "bands": "straight and through voids" if asked.explore else "straight",
                "stamp": chosen.stamp().model_dump(mode="json"),
            }
            file_row(target, record, row)


def file_row(target: Path, record: dict[str, Any], row: dict[str, Any]) -> None:
    """Put a row into the file of its engine, in the place of an older row of the same hop."""
    rows = {}
    if target.exists():
        rows = {old["system"]: old for old in json.loads(target.read_text("utf-8"))["hops"]}
    rows[row["system"]] = row
    order = {hop["system"]: place for place, hop in enumerate(hops())}
    ordered = sorted(rows.values(), key=lambda one: order.get(one["system"], len(order)))
    text = json.dumps(record | {"hops": ordered}, indent=1)
    target.write_text(text + "\n", encoding="utf-8")


def described(document: Any) -> dict[str, Any]:
    """Return what the table shows of a result."""
    band = document.hops[0].band
    return {
        "barrier_eV": document.value,
        "spline_eV": document.spline_barrier_eV,
        "converged": document.converged,
        "atoms": len(band.images[0].structure),
        "images": len(band.images) - 2,
        "mirrored": band.mirrored,
        "strain": document.strain,
        "climbing_fmax_eV_per_A": band.climbing_fmax_eV_per_A,
        "force_calls": document.force_calls,
        "band_force_calls": band.force_calls,
        "wall_time_s": document.wall_time_s,
    }


def error_line(label: str, rows: list[dict[str, Any]]) -> str:
    """Return mean absolute error, mean error and rank correlation of the converged hops."""
    done = [row for row in rows if row.get("barrier_eV") is not None]
    errors = [row["barrier_eV"] - row["published_eV"] for row in done]
    if len(errors) < 3:
        return f"{label:24s} {len(done)}/{len(rows)} converged"
    mae = statistics.mean(map(abs, errors))
    ours, published = zip(*((row["barrier_eV"], row["published_eV"]) for row in done), strict=True)
    rank = float(spearmanr(ours, published).statistic)
    calls = sum(row["force_calls"] for row in done)
    return (
        f"{label:24s} {len(done)}/{len(rows)} converged  MAE {mae:.3f} eV  "
        f"mean error {statistics.mean(errors):+.3f} eV  Spearman {rank:.2f}  {calls} force calls"
    )


def print_table() -> None:
    """Print every engine's rows that are in results/."""
    tables = {}
    for path in sorted(RESULTS.glob("published_hops-*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        straight = record["bands"] == "straight"
        tables[record["engine"] + ("" if straight else " explore")] = record["hops"]
    for label, rows in tables.items():
        print(f"\n{label}")
        for row in rows:
            ours = row.get("barrier_eV")
            shown = f"{ours:6.3f}" if ours is not None else row.get("error", "   not converged")
            print(
                f"  {row['system']:12s} {row.get('atoms', 0):4d} atoms  ours {shown}  "
                f"published {row['published_eV']:6.3f}  {row.get('force_calls', 0):4d} force calls"
            )
    print()
    for label, rows in tables.items():
        print(error_line(label, rows))


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="append", default=[], help="name or name:model")
    parser.add_argument("--store", default=str(ROOT / ".defectflow" / "published_hops.sqlite"))
    parser.add_argument("--systems", nargs="*", default=[], help="only these hops")
    parser.add_argument("--explore", action="store_true", help="bands through voids too")
    parser.add_argument("--table", action="store_true", help="print results/ only")
    asked = parser.parse_args()
    if not asked.table:
        for label in asked.engine or ["sevennet", "chgnet"]:
            compute(label, asked)
    print_table()


if __name__ == "__main__":
    main()
