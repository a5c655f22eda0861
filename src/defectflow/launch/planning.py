"""A plan: what a recipe would run, how large and how long that is, and whether a queue takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.errors import DefectflowError, RecipeError
from defectflow.launch.costs import CostModel, Estimate, finished_jobs
from defectflow.launch.input_writing import size_of
from defectflow.launch.memory_model import MemoryModel
from defectflow.launch.plan_notes import plan_notes
from defectflow.launch.rehearsal import Rehearsal
from defectflow.launch.site import Resources
from defectflow.launch.stand_in import engine_of

if TYPE_CHECKING:
    from jobflow.core.flow import Flow

    from defectflow.launch.rehearsal import Planned
    from defectflow.launch.site import Site
    from defectflow.launch.sizes import Size
    from defectflow.store import Store

#: An estimate for a job so many times larger than any finished one is an extrapolation.
_FAR: Final = 10.0


@dataclass(frozen=True)
class Row:
    """A planned job with its size, its share of the machine, and its cost where that is known.

    Attributes
    ----------
    given
        What the queue gives to the job; one process where there is no queue file.
    cores
        Cores that compute: a potential takes the threads of one process.
    """

    planned: Planned
    given: Resources
    queued: bool = False
    size: Size | None = None
    engine: str = ""
    family: str = ""
    estimate: Estimate | None = None
    memory: MemoryModel | None = None

    @property
    def computed(self) -> bool:
        """Whether the job has to be computed."""
        return self.planned.state == "compute"

    @property
    def cores(self) -> int:
        """Cores that compute."""
        return self.processes * self.given.threads_per_process

    @property
    def processes(self) -> int:
        """Processes that compute."""
        return 1 if self.family == "potential" else self.given.processes

    @property
    def seconds(self) -> float | None:
        """Wall time, if more cores are as much faster; None without an estimate."""
        return self.estimate.core_seconds / self.cores if self.estimate else None

    @property
    def core_hours(self) -> float | None:
        """Core-hours that the queue counts: those of idle cores too."""
        if self.seconds is None:
            return None
        return self.seconds * self.given.processes * self.given.threads_per_process / 3600

    @property
    def memory_MB(self) -> float | None:
        """Memory on each node, to the factor that the model names."""
        if self.size is None or self.memory is None:
            return None
        whole = self.memory.estimate(self.size, self.processes)
        return None if whole is None else whole / min(self.given.nodes, self.processes)

    @property
    def memory_factor(self) -> float | None:
        """By what 19 of 20 jobs differ at most from that."""
        if self.size is None or self.memory is None:
            return None
        return self.memory.factor(self.size, self.processes)


@dataclass(frozen=True)
class Plan:
    """What a recipe would run.

    Attributes
    ----------
    basis
        What the estimates rest on, in words, by engine.
    notes
        What is to be known before it costs anything.
    """

    recipe: str
    rows: tuple[Row, ...]
    basis: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def count(self, state: str) -> int:
        """Return how many jobs are in a state."""
        return sum(row.planned.state == state for row in self.rows)

    def summary(self) -> list[str]:
        """Return the plan in a few lines."""
        parts = [f"{self.count('compute')} jobs to compute"]
        words = {
            "stored": "in the store",
            "shared": "that another job computes",
            "light": "that only arrange structures",
        }
        parts += [f"{self.count(one)} {word}" for one, word in words.items() if self.count(one)]
        lines = [f"{self.recipe}: {', '.join(parts)}", cost_line([self])]
        costs = [row.estimate for row in self.rows if row.estimate and row.computed]
        far = max((cost.work for cost in costs), default=0.0)
        if far > _FAR:
            lines.append(f"  extrapolated: the largest job is {far:.0f} times any finished one")
        lines += [f"  {line}" for line in self.basis]
        return [*lines, *(f"  note: {note}" for note in self.notes)]


def cost_line(plans: list[Plan]) -> str:
    """Return core-hours of plans, their error bar, and how many jobs have no estimate."""
    rows = [row for plan in plans for row in plan.rows if row.computed]
    known = [(row.core_hours or 0.0, row.estimate.factor) for row in rows if row.estimate]
    if not rows:
        return "  nothing to compute"
    if not known:
        return f"  core-hours: no estimate for {len(rows)} jobs"
    hours = sum(one for one, _ in known)
    # Errors of one cost model go the same way: factors are averaged, not added in squares.
    factor = sum(one * by for one, by in known) / hours
    missing = len(rows) - len(known)
    rest = f"; {missing} jobs without an estimate" if missing else ""
    return f"  core-hours: {hours:.2g} ({hours / factor:.2g} to {hours * factor:.2g}){rest}"


@dataclass
class Planner:
    """Plans recipes that will run into one store.

    Attributes
    ----------
    store
        The store, read only; None if there is none yet.
    site
        The queue; None for a run on this machine. A job that two recipes need is counted once.
    """

    store: Store | None
    site: Site | None

    def __post_init__(self) -> None:
        """Begin without anything planned."""
        self._seen: set[str] = set()
        self._models: dict[str, tuple[CostModel, MemoryModel]] = {}

    def plan(self, name: str, flow: Flow) -> Plan:
        """Rehearse a flow and work out what each job is.

        Raises
        ------
        DefectflowError
            If a job could not be made: it would fail on the cluster too.
        """
        jobs = Rehearsal(self.store, self._seen).run(flow)
        rows = tuple(self._row(job) for job in jobs)
        engines = sorted({(row.engine, row.family) for row in rows if row.engine})
        basis = [f"{one}: {it.basis()}" for one, of in engines for it in self._model(one, of)]
        return Plan(name, rows, tuple(basis), plan_notes(rows))

    def _row(self, job: Planned) -> Row:
        given = here()
        if self.site is not None:
            given = self.site.resources(self.site.kind_of(job.kind))
        queued = self.site is not None
        if job.kind == "light":
            return Row(job, given, queued)
        engine = engine_of(job.job)
        try:
            size = size_of(job.job, job.kind)
        except DefectflowError as error:
            message = f"job {job.number}, {job.job.name}: {error}"
            raise type(error)(message) from error
        cost, memory = self._model(engine.name, engine.family)
        estimate = cost.estimate(job.kind, size)
        return Row(job, given, queued, size, engine.name, engine.family, estimate, memory)

    def _model(self, engine: str, family: str) -> tuple[CostModel, MemoryModel]:
        if engine not in self._models:
            found = finished_jobs(self.store, engine) if self.store is not None else []
            self._models[engine] = CostModel.fitted(found), MemoryModel.fitted(found, family)
        return self._models[engine]


def here() -> Resources:
    """Return what a job gets on this machine: as many processes as the environment says."""
    from defectflow.engines import programs

    return Resources(wall_time="24:00:00", processes_per_node=programs.processes())


def check_plan(plan: Plan, site: Site) -> None:
    """Stop at the first job that would not get through the queue.

    Raises
    ------
    RecipeError
        If a wall time is shorter, or memory less, than what the job is expected to need.
    """
    for row in plan.rows:
        if not row.computed:
            continue
        job, kind = row.planned, site.kind_of(row.planned.kind)
        what = f"{plan.recipe}, job {job.number}, {job.job.name}"
        if row.seconds is not None and row.seconds > row.given.wall_time_s:
            message = (
                f"{what}: needs about {row.seconds / 3600:.1f} h on {row.cores} cores, wall time "
                f"of {kind} queue jobs {row.given.wall_time}; give it more time or processes in "
                f"the queue file, under steps: {job.kind}"
            )
            raise RecipeError(message)
        memory, most = row.memory_MB, row.given.memory_per_node_MB
        if memory is not None and most is not None and memory > most:
            message = (
                f"{what}: needs about {memory:.0f} MB on each node, {kind} queue jobs have "
                f"memory_per_node_MB = {most}; ask for more memory or more nodes in the queue "
                f"file, under steps: {job.kind}"
            )
            raise RecipeError(message)
