"""What a campaign of many jobs costs besides the physics: submission, running, filing, asking.

- a flow of 10,000 jobs is built, turned into a FireWorks workflow and submitted;
- chains of trivial jobs are run by the local runner: time per job at 100, 1,000 and 10,000;
- 100,000 documents are filed into an SQLite store, and asked for as the command line asks.

CPU seconds of this process are given beside wall time: on a busy machine only they mean anything.

    python benchmarks/scale.py [--only submit run store] [--output results/scale.json]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import platform
import resource
import statistics
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from database import fresh_database
from jobflow import Flow, job

from defectflow.documents import EngineStamp, MigrationBarrierDocument
from defectflow.launch import run_flow
from defectflow.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULTS = Path(__file__).parent.parent / "results" / "scale.json"
JOBS = 10_000
DOCUMENTS = 100_000
#: Every so many documents are results; the others are outputs of steps.
STEPS_PER_RESULT = 10
REPEATS = 40


@dataclass
class Cost:
    """Time of a block, and what the peak memory of the process rose by."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    memory_MB: float = 0.0

    def row(self) -> dict[str, float]:
        """Return the numbers, rounded."""
        return {name: round(value, 3) for name, value in vars(self).items()}


@contextmanager
def measured() -> Iterator[Cost]:
    """Yield a cost that is filled in when the block ends."""
    cost, before = Cost(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    yield cost
    cost.wall_s, cost.cpu_s = time.perf_counter() - wall, time.process_time() - cpu
    cost.memory_MB = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


@job
def add(a: int, b: int) -> int:
    """Return the sum."""
    return a + b


def chains(count: int, length: int = 4) -> Flow:
    """Return a flow of `count` jobs in chains, as many small recipes make."""
    jobs = []
    for number in range(count):
        first = number if number % length == 0 else jobs[-1].output
        jobs.append(add(first, 1))
    return Flow(jobs)


def submission() -> dict[str, Any]:
    """Build a flow and submit it to FireWorks as one workflow."""
    from defectflow.launch.execution import steps_of
    from defectflow.launch.launchpads import claimed, open_launchpad
    from defectflow.launch.rockets import workflow

    with fresh_database() as (url, server):
        pad = open_launchpad(url)
        with measured() as built:
            flow = chains(JOBS)
        with measured() as sorted_:
            steps = steps_of(flow)
        place = {"store": url, "folder": "/scratch", "kinds": []}
        with measured() as turned:
            whole = workflow(steps, place, "benchmark", key="k" * 64)
        with measured() as added:
            claimed(pad, "k" * 64, lambda: whole)
        count = pad.fireworks.count_documents({})
        assert count == JOBS  # noqa: S101 - the number that is claimed
        with measured() as counted:
            pad.fireworks.count_documents({"state": "READY"})
    steps_ = {"build": built, "sort": sorted_, "to FireWorks": turned, "submit": added}
    return {
        "jobs": count,
        "server": server,
        **{name: cost.row() for name, cost in (steps_ | {"count ready": counted}).items()},
    }


def local_runs() -> dict[str, Any]:
    """Run flows of trivial jobs here; return milliseconds per job."""
    rows = {}
    for count in (100, 1_000, JOBS):
        flow = chains(count)
        with tempfile.TemporaryDirectory() as folder, open_store(f"{folder}/a.sqlite") as store:
            with measured() as cost:
                summary = run_flow(flow, store)
            assert summary.computed == count  # noqa: S101 - the number that is claimed
            with measured() as again:
                assert run_flow(chains(count), store).reused == count  # noqa: S101 - same
        rows[str(count)] = {
            "wall_ms_per_job": round(cost.wall_s / count * 1000, 3),
            "cpu_ms_per_job": round(cost.cpu_s / count * 1000, 3),
            "again_cpu_ms_per_job": round(again.cpu_s / count * 1000, 3),
        }
    return rows


def documents(start: int, count: int) -> list[dict[str, Any]]:
    """Return outputs of steps, of about 4 kB, and a result after each nine."""
    stamp = EngineStamp(name="emt", fidelity="stand-in", level="fast")
    sites = [[0.25 * number, 0.5, 0.75, 1.5] for number in range(100)]
    made = []
    for number in range(start, start + count):
        output: dict[str, Any] = {"energy_eV": -3.5 - number, "sites": sites}
        if number % STEPS_PER_RESULT == 0:
            output = result(number, stamp)
        kept = {"uuid": f"u{number}", "index": 1, "name": "relax", "output": output}
        made.append({**kept, "job_key": f"k{number}", "completed_at": "2026-01-01"})
    return made


def result(number: int, stamp: EngineStamp) -> dict[str, Any]:
    """Return a barrier of one of many hosts."""
    document = MigrationBarrierDocument(
        recipe=f"recipe-{number}",
        value=0.5,
        barrier_eV=0.5,
        spline_barrier_eV=0.5,
        host=f"host-{number // 100}",
        defect="Mg_i",
        species=("Mg", "Li", "Na", "K")[number // 10 % 4],
        converged=True,
        key=f"r{number}",
        created="2026-01-01T00:00:00+00:00",
        engine=stamp,
        limit="charged",
        host_formula="TiS2",
        dimensions=2,
        host_cell="keep",
        host_lattice=((3.4, 0.0, 0.0), (0.0, 3.4, 0.0), (0.0, 0.0, 5.7)),
        nearest_image_A=10.2,
        hops=(),
        diffusion=None,
        force_calls=120,
        wall_time_s=12.0,
    )
    return document.model_dump(mode="json")


def large_store() -> dict[str, Any]:
    """Fill a store and ask it; return milliseconds, median and worst of each question."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.sqlite"
        with measured() as filled, open_store(path) as store:
            for start in range(0, DOCUMENTS, 1000):
                store.jobs.docs_store.update(documents(start, 1000), key=["uuid", "index"])
        with measured() as opened:
            store = open_store(path)
        questions = {
            "output of a job": lambda at: store.jobs.get_output(f"u{at + 1}"),
            "finished job by its key": lambda at: store.finished(f"k{at + 1}"),
            "result by its key": lambda at: store.find(key=f"r{at}"),
            "results of one host": lambda at: store.find(host=f"host-{at // 100}"),
            "results of a recipe": lambda at: store.find(recipe=f"recipe-{at}"),
            "barriers of Mg in one host": lambda at: store.find(
                quantity="migration_barrier", species="Mg", host=f"host-{at // 100}"
            ),
            "file one more": lambda at: store.file(documents(DOCUMENTS + at, 1)[0]) or True,
        }
        with store:
            answers = {name: timed(ask) for name, ask in questions.items()}
            assert store.jobs.count() == DOCUMENTS + REPEATS  # noqa: S101 - the number that is claimed
            with measured() as everything:
                count = len(store.find())
        size_MB = path.stat().st_size / 1e6
    return {
        "documents": DOCUMENTS,
        "size_MB": round(size_MB, 1),
        "fill": filled.row(),
        "open": opened.row(),
        "questions": answers,
        f"all {count} results": everything.row(),
    }


def timed(ask: Any) -> dict[str, float]:
    """Ask at places all over a store; return the median and the worst, by the wall and in CPU, ms.

    Each place is asked once, so that none is in memory because it was asked before; the first
    question of all is the first that a newly opened store is asked.
    """
    walls, cpus = [], []
    for number in range(REPEATS):
        at = number * DOCUMENTS // REPEATS // 100 * 100
        began, cpu = time.perf_counter(), time.process_time()
        answer = ask(at)
        cpus.append((time.process_time() - cpu) * 1000)
        walls.append((time.perf_counter() - began) * 1000)
        assert answer  # noqa: S101 - each question has an answer
    return {
        "median_ms": round(statistics.median(walls), 2),
        "worst_ms": round(max(walls), 2),
        "median_cpu_ms": round(statistics.median(cpus), 2),
        "worst_cpu_ms": round(max(cpus), 2),
    }


PARTS = {"submit": submission, "run": local_runs, "store": large_store}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    kept = json.loads(options.output.read_text()) if options.output.exists() else {}
    for name in options.only:
        kept[name] = {
            "load_average": round(os.getloadavg()[0], 1),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            **PARTS[name](),
        }
        print(json.dumps({name: kept[name]}, indent=2), flush=True)
        options.output.write_text(json.dumps(kept, indent=2) + "\n")


if __name__ == "__main__":
    main()
