"""One flow on its way through a workshop: what starts, what is taken over, what failed."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from defectflow.launch import journal
from defectflow.launch.events import JobEvent, JobFailure, RunSummary
from defectflow.launch.execution import Outcome, Work, one_line
from defectflow.launch.inputs import as_reused, memo_key, shortfall, unconverged, with_inputs
from defectflow.launch.patience import patiently
from defectflow.launch.workshop import Task
from defectflow.launch.workspace import name_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow.core.job import Job

    from defectflow.launch.graph import Graph, Node
    from defectflow.launch.workshop import Workshop
    from defectflow.launch.workspace import Workspace

logger = logging.getLogger(__name__)
#: What a job needs that cannot be had raises one of these.
_NO_INPUT = (ValueError, TypeError, KeyError, IndexError, AttributeError)


@dataclass
class FlowRun:
    """Runs one flow.

    Attributes
    ----------
    title
        What stands before the lines of progress of its jobs.
    on_event
        Called for each `JobEvent`.
    on_end
        Called once when nothing is left to do.
    """

    graph: Graph
    shop: Workshop
    title: str = ""
    on_event: Callable[[JobEvent], None] | None = None
    on_end: Callable[[FlowRun], None] | None = None
    started: float = field(default_factory=time.monotonic)
    reused: int = 0
    computed: int = 0
    _failures: list[JobFailure] = field(default_factory=list)
    _lost: set[str] = field(default_factory=set)
    _told: set[str] = field(default_factory=set)
    _unconverged: list[str] = field(default_factory=list)
    _expected: int = 0
    _unexpected: int = 0

    def start_ready(self) -> None:
        """Start jobs while some are ready and there is room."""
        self._expect()
        while self.shop.free and (node := self.graph.next_ready()) is not None:
            self._start(node)

    def end_stuck(self) -> None:
        """Fail the jobs that wait for each other when nothing else is left."""
        for node in self.graph.end_stuck():
            self._failures.append(JobFailure(node.job.name, node.job.uuid, node.blamed, None))
        self.tell_end()

    def tell_end(self) -> None:
        """Call `on_end` if nothing is left to do; not twice."""
        if self.graph.ended and self.on_end is not None:
            tell, self.on_end = self.on_end, None
            tell(self)

    def summary(self, *, interrupted: bool = False) -> RunSummary:
        """Return how the run ended."""
        ended = {"finished", "failed"}
        skipped = tuple(node.job.name for node in self.graph if node.state not in ended)
        stopped = bool(skipped) and not self.graph.stopped and not self.graph.barren
        failed = bool(self._failures) or stopped
        return RunSummary(
            state="interrupted" if interrupted else "failed" if failed else "completed",
            computed=self.computed,
            reused=self.reused,
            failures=tuple(self._failures),
            skipped=skipped,
            total=len(self.graph.nodes),
            seconds=time.monotonic() - self.started,
            unconverged=tuple(self._unconverged),
        )

    def _start(self, node: Node) -> None:
        self.shop.trust(node.job)
        try:
            job = patiently(lambda: with_inputs(node.job, self.shop.store))
        except _NO_INPUT as error:
            self._fail(node, f"its input cannot be had: {one_line(error)}")
            return
        key = memo_key(job)
        if self.shop.joins(key, lambda: self.graph.postpone(node)):
            return
        folder = self._claimed(node, key)
        if folder is None or (key is not None and self._taken_over(node, key, folder)):
            return
        self._tell("started", node, key)
        title = self.title or node.job.name
        work = Work(job, folder.path, key, title)
        self.shop.start(Task(work, folder, lambda task, outcome: self._end(node, task, outcome)))

    def _claimed(self, node: Node, key: str | None) -> Workspace | None:
        """Return the locked folder of a job; None, for now, while another run computes it."""
        folders = self.shop.folders
        if key is None or self.shop.fresh:
            name = key or name_once(node.job.uuid)
            return folders.open(name, empty=self.shop.fresh and key not in self.shop.computed)
        folder = folders.claim(key)
        if folder is None:
            if key not in self._told:
                self._told.add(key)
                self._tell("waiting", node, key)
            self.shop.later(lambda: self.graph.postpone(node))
        return folder

    def _taken_over(self, node: Node, key: str, folder: Workspace) -> bool:
        """File the stored or noted output of an equal job as this job's, if there is one.

        The store is asked when the folder is locked: no other run can be computing the job then.
        """
        found = self.shop.found(key)
        noted = None if found is not None else journal.noted(folder.path, key)
        if found is None and noted is None:
            return False
        job = node.job
        if found is not None:
            # A flow object that is run twice has its outputs in place already.
            copied = as_reused(job, found)
            if copied is not None:
                self.shop.file(copied)
        elif noted is not None:
            self.shop.file(as_reused(job, noted) or noted, key)
        self.shop.folders.discard(folder, job.name)
        self.reused += 1
        self.graph.finish(node, Outcome())
        self._count_end(job)
        self._tell("reused", node, key)
        return True

    def _end(self, node: Node, task: Task, outcome: Outcome) -> None:
        if outcome.lost and node.job.uuid not in self._lost:
            self._lost.add(node.job.uuid)
            logger.warning("%s: %s; it is tried once more", node.job.name, outcome.error)
            task.folder.keep()
            self.graph.postpone(node)
        elif outcome.error:
            task.folder.keep(outcome.trace or outcome.error)
            again = ", also when tried again" if outcome.lost else ""
            self._fail(node, f"{outcome.error}{again}", task, outcome.seconds)
        else:
            self._file(task, outcome)
            self.computed += 1
            self.graph.finish(node, outcome)
            self._count_end(node.job, outcome.seconds)
            self._tell("finished", node, task.work.key, outcome.seconds)

    def _file(self, task: Task, outcome: Outcome) -> None:
        key = task.work.key
        converged = outcome.plain and not unconverged(outcome.document)
        try:
            if outcome.document is not None:
                self.shop.file(outcome.document, key if converged else None)
        except BaseException:
            task.folder.keep()
            raise
        if key is not None and converged:
            self.shop.computed.add(key)
        if (far := shortfall(outcome.document)) is not None:
            self._unconverged.append(f"{task.work.job.name} ({far})")
        if unconverged(outcome.document):
            task.folder.keep()
        else:
            self.shop.folders.discard(task.folder, task.work.job.name)

    def _fail(self, node: Node, error: str, task: Task | None = None, seconds: float = 0.0) -> None:
        folder = None if task is None else task.folder.path
        self._failures.append(JobFailure(node.job.name, node.job.uuid, error, folder))
        self.graph.fail(node, error)
        self._count_end(node.job)
        self._tell("failed", node, task.work.key if task else None, seconds, error)

    def _expect(self) -> None:
        """Count the jobs that have come into being, or will not run, since the last call."""
        for node in self.graph.nodes[self._expected :]:
            self.shop.forecast.expect(node.job.name)
        self._expected = len(self.graph.nodes)
        for node in self.graph.skipped[self._unexpected :]:
            self.shop.forecast.ended(node.job.name)
        self._unexpected = len(self.graph.skipped)

    def _count_end(self, job: Job, seconds: float | None = None) -> None:
        self._expect()
        self.shop.forecast.ended(job.name, seconds)

    def _tell(
        self, kind: Any, node: Node, key: str | None, seconds: float = 0.0, error: str = ""
    ) -> None:
        if self.on_event is not None:
            counts = self.graph.ended_count, len(self.graph.nodes)
            left_s = self.shop.forecast.left_s()
            event = JobEvent(kind, node.job.name, key or "", seconds, error, *counts, left_s)
            self.on_event(event)
        self.tell_end()
