"""What it costs to run a job that does nothing: our runner and store beside jobflow's own.

A chain of trivial jobs (each adds one to the output of the one before) is run with

- defectflow: `run_flow` into an SQLite file, every job in a folder of its own;
- jobflow's `run_locally` with maggma's MemoryStore (nothing is kept after the run);
- jobflow's `run_locally` with maggma's JSONStore (a file, rewritten at each job).

The time to build the flow is left out. A run of a peer that is expected to take longer than
``--patience`` seconds, judging by its growth so far, is left out and the expectation is printed
with a tilde.

    python benchmarks/orchestration.py [--counts 100 1000 3000] [--patience 120]
"""

from __future__ import annotations

import argparse
import logging
import math
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from jobflow import Flow, JobStore, job, run_locally
from maggma.stores import JSONStore, MemoryStore

from defectflow.launch import run_flow
from defectflow.store import open_store

if TYPE_CHECKING:
    from collections.abc import Callable

#: Small counts from which the growth of a peer is judged before a large one is tried.
PROBES = (50, 100, 200, 400)


@job
def add(a: int, b: int) -> int:
    """Return the sum."""
    return a + b


def chain(count: int) -> Flow:
    """Return a flow of `count` jobs, each waiting for the one before."""
    jobs = [add(0, 1)]
    for _ in range(count - 1):
        jobs.append(add(jobs[-1].output, 1))
    return Flow(jobs)


def ours(flow: Flow, folder: Path) -> None:
    """Run the flow with our runner."""
    with open_store(folder / "store.sqlite") as store:
        summary = run_flow(flow, store)
        assert summary.computed == len(flow.jobs)  # noqa: S101 - nothing may be reused


def ours_again(flow: Flow, folder: Path) -> None:
    """Run an equal flow in the store of an earlier run: nothing is computed."""
    with open_store(folder.parent / "again" / "store.sqlite") as store:
        run_flow(chain(len(flow.jobs)), store)
        began = time.perf_counter()
        summary = run_flow(flow, store)
        assert summary.reused == len(flow.jobs)  # noqa: S101 - all must be reused
        raise _Measured(time.perf_counter() - began)


def with_memory_store(flow: Flow, folder: Path) -> None:
    """Run the flow with jobflow into memory."""
    run_locally(flow, store=JobStore(MemoryStore()), log=False, root_dir=folder)


def with_json_store(flow: Flow, folder: Path) -> None:
    """Run the flow with jobflow into a JSON file."""
    store = JobStore(JSONStore(str(folder / "store.json"), read_only=False, key="uuid"))
    run_locally(flow, store=store, log=False, root_dir=folder)


class _Measured(Exception):
    """Carries a time out of a run that has preparations."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


def seconds(run: Callable[[Flow, Path], None], count: int) -> float:
    """Return the wall time of one run."""
    flow = chain(count)
    with tempfile.TemporaryDirectory() as folder:
        inner = Path(folder) / "run"
        inner.mkdir()
        began = time.perf_counter()
        try:
            run(flow, inner)
        except _Measured as measured:
            return measured.seconds
        return time.perf_counter() - began


def expected(known: dict[int, float], count: int) -> float:
    """Return the time that a run of `count` jobs will take if it goes on growing as it did."""
    (small, before), (large, last) = sorted(known.items())[-2:]
    power = math.log(last / before) / math.log(large / small)
    return last * (count / large) ** max(1.0, power)


def measure(
    run: Callable[[Flow, Path], None], counts: list[int], patience_s: float
) -> dict[int, tuple[float, bool]]:
    """Return seconds and whether they were measured (else expected) for each count."""
    known: dict[int, float] = {}
    for count in sorted({*PROBES, *counts}):
        forecast = expected(known, count) if len(known) > 1 else 0.0
        if forecast <= patience_s and (count in counts or count < max(counts)):
            known[count] = seconds(run, count)
    return {
        count: (known[count], True) if count in known else (expected(known, count), False)
        for count in counts
    }


def main() -> None:
    """Print milliseconds per job and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 3000])
    parser.add_argument("--patience", type=float, default=120.0, help="seconds per run of a peer")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    seconds(ours, 10)  # imports are not what is measured
    runs = {
        "defectflow, SQLite": ours,
        "defectflow, second run": ours_again,
        "run_locally, MemoryStore": with_memory_store,
        "run_locally, JSONStore": with_json_store,
    }
    table = {name: measure(run, options.counts, options.patience) for name, run in runs.items()}
    print("ms per job, and how many times the cost of defectflow with SQLite\n")
    print(f"{'':26}" + "".join(f"{f'{count} jobs':>22}" for count in options.counts))
    for name, row in table.items():
        cells = []
        for count in options.counts:
            taken, measured = row[count]
            ratio = taken / table["defectflow, SQLite"][count][0]
            mark = "" if measured else "~"
            cells.append(f"{f'{mark}{taken / count * 1000:.2f}':>13}{f'{mark}x{ratio:.1f}':>9}")
        print(f"{name:26}" + "".join(cells))
    if any(not measured for row in table.values() for _, measured in row.values()):
        print(f"\n~ not run (over {options.patience:.0f} s), continued with its growth so far")


if __name__ == "__main__":
    main()
