"""A plan: what a recipe would run, written into a folder that nobody takes for results."""

from __future__ import annotations

import csv
import io
import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import DefectflowError, RecipeError
from defectflow.launch.costs import CostModel, Estimate, finished_jobs
from defectflow.launch.drawing import graph_svg
from defectflow.launch.input_writing import WARNING, Size, files_of, size_of
from defectflow.launch.rehearsal import Rehearsal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jobflow.core.flow import Flow

    from defectflow.launch.rehearsal import Planned
    from defectflow.launch.site import Resources, Site
    from defectflow.store import Store

#: Marks a folder as one that a new plan may replace.
MARK: Final = "THIS_IS_A_PLAN.txt"
COLUMNS: Final = (
    "number", "job", "kind", "waits for", "in store", "atoms", "electrons", "k-points", "images",
    "processes", "memory MB", "wall time s", "error factor",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A planned job with its size, its share of the machine, and its cost where that is known."""

    planned: Planned
    size: Size | None
    given: Resources | None
    estimate: Estimate | None

    def cells(self) -> dict[str, Any]:
        """Return the line of the job table."""
        job, size = self.planned, self.size
        values = (
            job.number,
            job.job.name,
            job.kind,
            " ".join(map(str, job.parents)),
            "yes" if job.stored else "",
            size.atoms if size else "",
            size.electrons if size and size.electrons is not None else "",
            size.kpoints if size and size.kpoints is not None else "",
            size.images if size else "",
            self.given.processes if self.given else "",
            (self.given.memory_per_node_MB or "") if self.given else "",
            f"{self.estimate.seconds:.0f}" if self.estimate else "",
            f"{self.estimate.factor:.1f}" if self.estimate else "",
        )
        return dict(zip(COLUMNS, values, strict=True))


@dataclass(frozen=True)
class Plan:
    """What a recipe would run.

    Attributes
    ----------
    basis
        What the estimates rest on, in words.
    """

    recipe: str
    rows: tuple[Row, ...]
    basis: str

    @property
    def to_compute(self) -> int:
        """Jobs of the engine that are not in the store."""
        return sum(row.planned.kind != "light" and not row.planned.stored for row in self.rows)

    def core_hours(self) -> tuple[float, float, int] | None:
        """Return core-hours, their error factor and how many jobs have no estimate; None if all."""
        open_rows = [r for r in self.rows if r.planned.kind != "light" and not r.planned.stored]
        known = [row for row in open_rows if row.estimate is not None]
        hours = [_core_hours(row) for row in known]
        if not known or sum(hours) == 0:
            return None
        # Errors of one cost model go the same way: factors are averaged, not added in squares.
        factors = [row.estimate.factor for row in known if row.estimate]
        factor = sum(h * f for h, f in zip(hours, factors, strict=True)) / sum(hours)
        return sum(hours), factor, len(open_rows) - len(known)

    def summary(self) -> list[str]:
        """Return the plan in a few lines."""
        stored = sum(row.planned.stored for row in self.rows)
        light = sum(row.planned.kind == "light" for row in self.rows)
        lines = [
            (
                f"{self.recipe}: {self.to_compute} jobs to compute, {stored} in the store, "
                f"{light} that only arrange structures"
            )
        ]
        cost = self.core_hours()
        if cost is not None:
            hours, factor, missing = cost
            rest = f"; {missing} jobs without an estimate" if missing else ""
            lines.append(
                f"  {hours:.3g} core-hours, {hours / factor:.2g} to {hours * factor:.2g}{rest}"
            )
        return [*lines, f"  basis: {self.basis}"]


def _core_hours(row: Row) -> float:
    processes = row.given.processes if row.given else 1
    return row.estimate.seconds * processes / 3600 if row.estimate else 0.0


def make_plan(name: str, flow: Flow, store: Store | None, site: Site | None) -> Plan:
    """Rehearse a flow and work out what each job is.

    Raises
    ------
    DefectflowError
        If a job could not be started: a pseudopotential is missing, for instance.
    """
    planned = Rehearsal(store).run(flow)
    engines = {_engine_of(job) for job in planned if job.kind != "light"}
    models = {one: _model(store, *one) for one in engines}
    rows = []
    for job in planned:
        given = site.resources(site.kind_of(job.kind)) if site else None
        if job.kind == "light":
            rows.append(Row(job, None, given, None))
            continue
        try:
            size = size_of(job.job, job.kind)
        except DefectflowError as error:
            message = f"job {job.number}, {job.job.name}: {error}"
            raise type(error)(message) from error
        rows.append(Row(job, size, given, models[_engine_of(job)].estimate(job.kind, size.atoms)))
    basis = "; ".join(f"{one[0]}: {model.basis()}" for one, model in sorted(models.items()))
    return Plan(name, tuple(rows), basis or "nothing to compute")


def check_plan(plan: Plan, site: Site) -> None:
    """Stop at the first job that would not get through the queue.

    Raises
    ------
    RecipeError
        If a wall time is shorter than the estimate.
    """
    for row in plan.rows:
        if row.estimate is None or row.given is None or row.planned.stored:
            continue
        if row.estimate.seconds > row.given.wall_time_s:
            kind = site.kind_of(row.planned.kind)
            message = (
                f"{plan.recipe}, job {row.planned.number}, {row.planned.job.name}: about "
                f"{row.estimate.seconds / 3600:.1f} h, wall time {row.given.wall_time} ({kind}); "
                f"give it a longer one in the queue file, under steps: {row.planned.kind}"
            )
            raise RecipeError(message)


def write_plan(plan: Plan, folder: Path) -> None:
    """Write input files, job table and drawing; replace an earlier plan, and nothing else.

    Raises
    ------
    RecipeError
        If the folder holds something that is no plan.
    """
    if folder.exists():
        if not (folder / MARK).is_file() and any(folder.iterdir()):
            message = f"{folder}: is not an earlier plan; name another folder with -o"
            raise RecipeError(message)
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text(f"{WARNING}.\n", encoding="utf-8")
    (folder / "jobs.csv").write_text(table(plan), encoding="utf-8")
    drawing = graph_svg([row.planned for row in plan.rows], plan.recipe)
    (folder / "graph.svg").write_text(drawing, encoding="utf-8")
    (folder / "summary.txt").write_text("\n".join(plan.summary()) + "\n", encoding="utf-8")
    for row in plan.rows:
        if row.planned.kind == "light":
            continue
        slug = re.sub(r"[^A-Za-z0-9]+", "-", row.planned.job.name).strip("-").lower()
        for name, text in files_of(row.planned.job, row.planned.kind).items():
            path = folder / "inputs" / f"{row.planned.number:03d}-{slug}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


def table(plan: Plan) -> str:
    """Return the job table as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row.cells() for row in plan.rows)
    return text.getvalue()


def _engine_of(job: Planned) -> tuple[str, str]:
    stamp = job.job.function.__self__.engine.stamp()  # type: ignore[attr-defined]
    return stamp.name, stamp.level


def _model(store: Store | None, engine: str, level: str) -> CostModel:
    return CostModel.fitted(finished_jobs(store, engine, level) if store is not None else ())


__all__: Sequence[str] = ["Plan", "Row", "check_plan", "make_plan", "table", "write_plan"]
