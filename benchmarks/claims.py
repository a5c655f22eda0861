"""Workers that take jobs from one launchpad at the same time: none lost, none done twice.

A number of worker processes, as queue jobs start them, work through many jobs. Each job leaves a
line in a file when it runs; the lines, the fireworks, the launches and the outputs are counted.

    python benchmarks/claims.py [--workers 4] [--jobs 2000] [--output results/scale.json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from database import fresh_database
from jobflow import Flow, job

from defectflow.launch.execution import steps_of
from defectflow.launch.launchpads import open_launchpad
from defectflow.launch.rockets import workflow
from defectflow.store import open_store

RESULTS = Path(__file__).parent.parent / "results" / "scale.json"
#: Jobs of one workflow: recipes are of this size, and are submitted one by one.
LENGTH = 4


@job
def mark(number: int, after: int | None = None) -> int:
    """Leave a line; return the number."""
    del after
    with Path(os.environ["CLAIMS_LOG"]).open("a") as log:
        log.write(f"{number} {os.getpid()}\n")
    return number


def chain(start: int) -> Flow:
    """Return jobs that wait for each other."""
    jobs = [mark(start)]
    for number in range(start + 1, start + LENGTH):
        jobs.append(mark(number, jobs[-1].output))
    return Flow(jobs)


def children_cpu_s() -> float:
    """Return the CPU time of all processes that were started here and have ended."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def main() -> None:
    """Submit, let the workers work, count, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args()
    with fresh_database() as (url, server), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "log"
        log.touch()
        queue = folder / "queue.yaml"
        queue.write_text("scheduler: slurm\nwall_time: '10:00:00'\n")
        place = {"store": url, "folder": name, "kinds": []}
        open_launchpad(url)
        words = ["--store", url, "--queue", str(queue), "--kind", "default", "--folder", name]
        command = [sys.executable, "-c", WORKER, *words]
        environment = {**os.environ, "CLAIMS_LOG": str(log), "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(Path(__file__).parent)

        def work(count: int) -> tuple[float, float]:
            """Let so many workers work to their end; return wall time and CPU time."""
            began, before = time.perf_counter(), children_cpu_s()
            workers = [
                subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, cwd=name)  # noqa: S603 - our own
                for _ in range(count)
            ]
            for worker in workers:
                worker.wait()
            return time.perf_counter() - began, children_cpu_s() - before

        _, start_cpu_s = work(1)  # nothing to do yet
        pad = open_launchpad(url)
        pad.bulk_add_wfs(
            [
                workflow(steps_of(chain(start)), place, f"chain {start}")
                for start in range(0, options.jobs, LENGTH)
            ]
        )
        wall_s, cpu_s = work(options.workers)
        jobs_cpu_s = cpu_s - options.workers * start_cpu_s
        lines = [line.split() for line in log.read_text().splitlines()]
        ran = Counter(int(number) for number, _ in lines)
        with open_store(url) as store:
            outputs = sorted(one["output"] for one in store.jobs.docs_store.query({}, ["output"]))
        row = {
            "server": server,
            "workers": options.workers,
            "jobs": options.jobs,
            "ran": sum(ran.values()),
            "lost": len(set(range(options.jobs)) - set(ran)),
            "twice": sum(count > 1 for count in ran.values()),
            "outputs": len(outputs),
            "outputs right": outputs == list(range(options.jobs)),
            "completed": pad.fireworks.count_documents({"state": "COMPLETED"}),
            "launches": pad.launches.count_documents({}),
            "by worker": sorted(Counter(pid for _, pid in lines).values()),
            "wall_s": round(wall_s, 1),
            "worker_start_cpu_s": round(start_cpu_s, 1),
            "worker_cpu_ms_per_job": round(jobs_cpu_s / options.jobs * 1000, 1),
            "load_average": round(os.getloadavg()[0], 1),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
        }
    print(json.dumps(row, indent=2))
    kept = json.loads(options.output.read_text()) if options.output.exists() else {}
    options.output.write_text(json.dumps({**kept, "claims": row}, indent=2) + "\n")
    sys.exit(0 if (row["lost"], row["twice"], row["outputs right"]) == (0, 0, True) else 1)


#: A worker that knows the jobs of this script under the name that they were submitted with.
WORKER = """\
import sys
import claims
sys.modules["__main__"].mark = claims.mark
from defectflow.launch.worker import main
sys.exit(main(sys.argv[1:]))
"""

if __name__ == "__main__":
    import claims  # the same functions under the name that workers import

    claims.main()
