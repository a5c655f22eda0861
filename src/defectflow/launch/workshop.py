"""What the flows of one call share: the store, the workers, the folders, and what is under way."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from defectflow.launch.execution import perform
from defectflow.launch.inputs import packages_of
from defectflow.launch.patience import patiently

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow.core.job import Job

    from defectflow.launch.execution import Outcome, Work
    from defectflow.launch.forecast import Forecast
    from defectflow.launch.pools import Pool
    from defectflow.launch.workspace import Workspace, Workspaces
    from defectflow.store import Store

#: How often a folder that another run holds is asked for, seconds.
PAUSE_S: Final = 0.2


@dataclass
class Task:
    """A job at work: what runs, in which folder, and who is told of its end."""

    work: Work
    folder: Workspace
    end: Callable[[Task, Outcome], None]


@dataclass
class Workshop:
    """Runs the jobs of several flows, each key once.

    Attributes
    ----------
    fresh
        Whether stored outputs and checkpoints are left unused.
    computed
        Keys of the jobs that were computed here.
    """

    store: Store
    pool: Pool
    folders: Workspaces
    forecast: Forecast
    fresh: bool = False
    computed: set[str] = field(default_factory=set)
    _tasks: dict[int, Task] = field(default_factory=dict)
    _waiting: dict[str, list[Callable[[], None]]] = field(default_factory=dict)
    _away: list[tuple[float, Callable[[], None]]] = field(default_factory=list)
    _trusted: set[str] = field(default_factory=set)

    @property
    def free(self) -> bool:
        """Whether one more job can be started."""
        return self.pool.free

    @property
    def idle(self) -> bool:
        """Whether nothing is under way and nothing is waited for."""
        return not (self._tasks or self._away)

    def joins(self, key: str | None, again: Callable[[], None]) -> bool:
        """Tell whether an equal job is at work here; then `again` is called when it ends."""
        if key is None or key not in self._waiting:
            return False
        self._waiting[key].append(again)
        return True

    def later(self, again: Callable[[], None]) -> None:
        """Call `again` after a while: another run computes the same job now."""
        self._away.append((time.monotonic() + PAUSE_S, again))

    def start(self, task: Task) -> None:
        """Give a job to a worker; one that asks for the store runs here, to its end."""
        work = task.work
        self._tasks[id(task)] = task
        if work.key is not None:
            self._waiting[work.key] = []
        if work.job.config.expose_store:
            outcome = perform(work.job, work.directory, self.store.jobs)
            self._end(id(task), outcome)
        else:
            self.pool.submit(id(task), work)

    def collect(self, check: Callable[[], None]) -> None:
        """Wait until something has happened, and tell whom it concerns.

        Parameters
        ----------
        check
            Raises if the run is to stop; what has just ended may then be the work of a signal.
        """
        due = min((when for when, _ in self._away), default=None)
        left = None if due is None else max(0.0, due - time.monotonic())
        if self._tasks:
            for ticket, outcome in self.pool.collect(left):
                check()
                self._end(ticket, outcome)
        elif left is not None:
            time.sleep(left)
        check()
        now = time.monotonic()
        ready = [again for when, again in self._away if when <= now]
        self._away = [(when, again) for when, again in self._away if when > now]
        for again in ready:
            again()

    def file(self, document: dict[str, Any], key: str | None = None) -> None:
        """Write an output; a server that is gone for a while is waited for."""
        patiently(lambda: self.store.file(document, key))

    def found(self, key: str) -> dict[str, Any] | None:
        """Return the stored output of a job, unless everything is to be computed afresh."""
        if self.fresh and key not in self.computed:
            return None
        return patiently(lambda: self.store.finished(key))

    def trust(self, job: Job) -> None:
        """Let through stored objects of the packages whose code a flow runs anyway."""
        packages = packages_of(job) - self._trusted
        if packages:
            self._trusted |= packages
            self.store.jobs.trust(packages)

    def close(self) -> None:
        """End the workers, and leave the folders of unfinished jobs to the run that resumes."""
        self.pool.close()
        for task in self._tasks.values():
            task.folder.keep()
        self._tasks.clear()
        self.folders.close()

    def _end(self, ticket: int, outcome: Outcome) -> None:
        task = self._tasks.pop(ticket)
        task.end(task, outcome)
        for again in self._waiting.pop(task.work.key or "", []):
            again()
