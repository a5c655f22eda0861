"""How long it takes to plan each shipped recipe, and how well costs are foretold.

    python benchmarks/plans.py [--store STORE]

Prints a line per recipe: CPU seconds, jobs, files written. With a store of finished jobs instead
how often the cost and the memory of a job, estimated from all the others, lie within their error
bars.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from defectflow import paths, recipes
from defectflow.engines import programs
from defectflow.launch.costs import CostModel, Finished, finished_jobs
from defectflow.launch.memory_model import MemoryModel
from defectflow.launch.plan_writing import write_plan
from defectflow.launch.planning import Planner
from defectflow.launch.sizes import Size
from defectflow.store import open_store


class Measured(Size):
    """The size of a finished job, of which the work alone is known."""

    @property
    def work(self) -> float:
        """Work, kept where a size keeps its atoms."""
        return float(self.atoms)


def plan_all() -> None:
    """Plan every shipped recipe into a folder that is thrown away."""
    print(f"{'recipe':55} {'CPU s':>6} {'jobs':>5} {'files':>6}")
    names = sorted(Path(one).stem for one in paths.listing("workflows", "*.yaml"))
    total = 0.0
    for name in names:
        with tempfile.TemporaryDirectory() as folder, programs.only_planned():
            begun = time.process_time()
            plan = Planner(None, None).plan(name, recipes.build(recipes.load(name)))
            write_plan(plan, Path(folder) / name)
            seconds = time.process_time() - begun
            files = sum(path.is_file() for path in Path(folder).rglob("*"))
        total += seconds
        print(f"{name:55} {seconds:6.1f} {len(plan.rows):5} {files:6}")
    print(f"{len(names)} recipes, {total:.0f} CPU s; the longest must stay below 30 s")


def foretell(url: str) -> None:
    """Estimate each finished job of a store from all others."""
    with open_store(url, create=False) as store:
        for engine in ("gpaw", "espresso", "vasp", "sevennet", "chgnet", "emt"):
            jobs = finished_jobs(store, engine)
            foretell_memory(engine, jobs)
            errors, inside = [], []
            for place, job in enumerate(jobs):
                model = CostModel.fitted(jobs[:place] + jobs[place + 1 :])
                known = 1 if job.kind in {"static", "dos"} else None
                cost = model.estimate(job.kind, Measured(int(job.work), evaluations=known))
                if cost is not None:
                    errors.append(np.log(job.core_seconds / cost.core_seconds))
                    inside.append(abs(errors[-1]) < np.log(cost.factor))
            if errors:
                typical = np.exp(np.sqrt(np.mean(np.square(errors))))
                print(
                    f"{engine:10} {len(errors):4} jobs, typical error a factor of {typical:.1f}, "
                    f"{100 * np.mean(inside):.0f} % within the error bar"
                )


def foretell_memory(engine: str, jobs: list[Finished]) -> None:
    """Estimate the memory of each finished job from all others, and by counting alone."""
    known = {"gpaw", "espresso", "vasp"}
    family = engine if engine in known else "potential"
    measured = [job for job in jobs if job.memory_MB and job.size]
    errors, counted, inside = [], [], []
    for place, job in enumerate(measured):
        model = MemoryModel.fitted(measured[:place] + measured[place + 1 :], family)
        guess = model.estimate(job.size, job.processes)
        errors.append(np.log(job.memory_MB / guess))
        counted.append(np.log(job.memory_MB / job.size.memory_MB(family, job.processes)))
        inside.append(abs(errors[-1]) < np.log(model.factor(job.size, job.processes)))
    if errors:
        typical, alone = (np.exp(np.sqrt(np.mean(np.square(one)))) for one in (errors, counted))
        print(
            f"{engine:10} {len(errors):4} jobs, memory: typical error a factor of {typical:.2f} "
            f"(counted only: {alone:.2f}), {100 * np.mean(inside):.0f} % within the error bar"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", help="a store with finished jobs")
    given = parser.parse_args()
    if given.store:
        foretell(given.store)
    else:
        plan_all()
