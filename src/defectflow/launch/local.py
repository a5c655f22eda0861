"""Running a flow here: one process, or several on this machine.

Every job has a content key (`defectflow.launch.keys`). A job whose key is already in the store is
not computed again: its output is filed under the new uuid. Running a recipe twice, resuming after
a crash and sharing steps between recipes are this one mechanism. Jobs that only ask for other jobs
are cheap and run again; the jobs that they ask for are found by their keys.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from defectflow.launch.events import JobEvent, JobFailure, RunSummary
from defectflow.launch.execution import Outcome, one_line, perform, steps_of
from defectflow.launch.graph import Graph, Node
from defectflow.launch.inputs import as_reused, memo_key, packages_of, unconverged, with_inputs
from defectflow.launch.pools import InProcess, Pool
from defectflow.launch.workers import Processes
from defectflow.launch.workspace import Workspace, Workspaces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jobflow.core.flow import Flow
    from jobflow.core.job import Job

    from defectflow.store import Store


def run_flow(
    flow: Flow | Job | list[Any],
    store: Store,
    *,
    workers: int = 1,
    root: Path | None = None,
    fresh: bool = False,
    on_event: Callable[[JobEvent], None] | None = None,
) -> RunSummary:
    """Run a flow to its end and file every output in the store.

    A failed job stops only the jobs that need it. An interruption (Ctrl-C, SIGTERM) stops all; the
    summary then says ``interrupted``, and the same call resumes.

    Parameters
    ----------
    flow
        Any jobflow flow, job or list of them.
    workers
        Number of jobs at a time; more than one runs each in a process of its own.
    root
        Folder for the files of running jobs; ``.defectflow`` beside the store by default.
    fresh
        Whether to compute everything again, with no use of stored outputs and checkpoints.
    on_event
        Called for each `JobEvent`.

    Raises
    ------
    StoreError
        If outputs cannot be filed (for instance on a full disk).

    Examples
    --------
    >>> from defectflow.store import open_store
    >>> from jobflow import Flow, job
    >>> @job
    ... def double(number):
    ...     return 2 * number
    >>> first = double(1)
    >>> second = double(first.output)
    >>> with open_store("memory://") as store:
    ...     summary = run_flow(Flow([first, second]), store)
    ...     store.jobs.get_output(second.uuid)
    4
    """
    started = time.monotonic()
    graph = Graph(steps_of(flow))
    pool: Pool = InProcess() if workers == 1 else Processes(workers)
    options = _Options(fresh=fresh, on_event=on_event)
    folders = Workspaces(root or store.folder)
    run = _Run(graph=graph, store=store, pool=pool, folders=folders, options=options)
    interrupted = False
    with _terminated_as_interrupted():
        try:
            run.to_end()
        except KeyboardInterrupt:
            interrupted = True
        finally:
            pool.close()
            run.release()
    return run.summary(time.monotonic() - started, interrupted=interrupted)


@dataclass(frozen=True)
class _Options:
    fresh: bool
    on_event: Callable[[JobEvent], None] | None


@dataclass
class _Task:
    """A job on its way: with its inputs, key, folder and the time at which it started."""

    node: Node
    job: Job
    key: str | None
    folder: Workspace
    started: float


@dataclass
class _Run:
    graph: Graph
    store: Store
    pool: Pool
    folders: Workspaces
    options: _Options
    tasks: dict[int, _Task] = field(default_factory=dict)
    waiting: dict[str, list[Node]] = field(default_factory=dict)
    computed_keys: set[str] = field(default_factory=set)
    failures: list[JobFailure] = field(default_factory=list)
    trusted: set[str] = field(default_factory=set)
    reused: int = 0
    computed: int = 0

    def to_end(self) -> None:
        """Start jobs while some are ready and there is room; then take in what has finished."""
        while True:
            while self.pool.free and (node := self.graph.next_ready()) is not None:
                self._start(node)
            if self.tasks:
                for ticket, outcome in self.pool.collect():
                    self._finish(self.tasks.pop(ticket), outcome)
            elif self.graph.ended:
                return
            else:
                self._end_stuck()

    def release(self) -> None:
        """Leave the folders of jobs that have not finished, for the run that resumes them."""
        for task in self.tasks.values():
            task.folder.keep()
        self.tasks.clear()
        self.folders.close()

    def summary(self, seconds: float, *, interrupted: bool) -> RunSummary:
        """Return how the run ended."""
        ended = {"finished", "failed"}
        skipped = tuple(node.job.name for node in self.graph if node.state not in ended)
        stopped = bool(skipped) and not self.graph.stopped and not self.graph.barren
        failed = bool(self.failures) or stopped
        return RunSummary(
            state="interrupted" if interrupted else "failed" if failed else "completed",
            computed=self.computed,
            reused=self.reused,
            failures=tuple(self.failures),
            skipped=skipped,
            total=len(self.graph.nodes),
            seconds=seconds,
        )

    def _start(self, node: Node) -> None:
        self._trust(node.job)
        try:
            job = with_inputs(node.job, self.store)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            self._fail(node, f"its input cannot be had: {one_line(error)}", None)
            return
        key = memo_key(job)
        if key is not None and key in self.waiting:
            self.waiting[key].append(node)  # the same job is running; take its output then
            return
        if self._reuse(node, key):
            return
        name = key or job.uuid.replace("-", "")
        folder = self.folders.open(name, empty=self.options.fresh)
        task = _Task(node, job, key, folder, time.monotonic())
        self._tell("started", task)
        self._submit(task)

    def _submit(self, task: _Task) -> None:
        ticket = id(task)
        self.tasks[ticket] = task
        if task.job.config.expose_store:
            outcome = perform(task.job, task.folder.path, self.store.jobs)
            self._finish(self.tasks.pop(ticket), outcome)
            return
        if task.key is not None:
            self.waiting[task.key] = []
        self.pool.submit(ticket, task.job, task.folder.path)

    def _reuse(self, node: Node, key: str | None) -> bool:
        """File the stored output of an equal job under this job's uuid, if there is one."""
        if key is None or (self.options.fresh and key not in self.computed_keys):
            return False
        found = self.store.finished(key)
        if found is None:
            return False
        job = node.job
        # A flow object that is run twice has its outputs in place already.
        copied = as_reused(job, found)
        if copied is not None:
            self.store.file(copied)
        self.reused += 1
        self.graph.finish(node, Outcome())
        self._emit(JobEvent("reused", job.name, key, 0.0, "", *self._counts()))
        return True

    def _finish(self, task: _Task, outcome: Outcome) -> None:
        if outcome.error:
            task.folder.keep(outcome.trace or outcome.error)
            self._fail(task.node, outcome.error, task)
        else:
            self._file(task, outcome)
            self.computed += 1
            self.graph.finish(task.node, outcome)
            self._tell("finished", task)
        for node in self.waiting.pop(task.key or "", []):
            self.graph.postpone(node)

    def _file(self, task: _Task, outcome: Outcome) -> None:
        converged = outcome.plain and not unconverged(outcome.document)
        try:
            if outcome.document is not None:
                self.store.file(outcome.document, task.key if converged else None)
        except BaseException:
            task.folder.keep()
            raise
        if task.key is not None and converged:
            self.computed_keys.add(task.key)
        if unconverged(outcome.document):
            task.folder.keep()  # the next run goes on from its checkpoint
        else:
            self.folders.discard(task.folder)

    def _fail(self, node: Node, error: str, task: _Task | None) -> None:
        folder = None if task is None else task.folder.path
        self.failures.append(JobFailure(node.job.name, node.job.uuid, error, folder))
        self.graph.fail(node, error)
        seconds = 0.0 if task is None else time.monotonic() - task.started
        key = "" if task is None else task.key or ""
        self._emit(JobEvent("failed", node.job.name, key, seconds, error, *self._counts()))

    def _end_stuck(self) -> None:
        for node in self.graph.end_stuck():
            self.failures.append(JobFailure(node.job.name, node.job.uuid, node.blamed, None))

    def _trust(self, job: Job) -> None:
        """Let through stored objects of the packages whose code this flow runs anyway."""
        packages = packages_of(job) - self.trusted
        if packages:
            self.trusted |= packages
            self.store.jobs.trust(packages)

    def _tell(self, kind: Any, task: _Task) -> None:
        seconds = 0.0 if kind == "started" else time.monotonic() - task.started
        self._emit(JobEvent(kind, task.node.job.name, task.key or "", seconds, "", *self._counts()))

    def _counts(self) -> tuple[int, int]:
        return self.graph.ended_count, len(self.graph.nodes)

    def _emit(self, event: JobEvent) -> None:
        if self.options.on_event is not None:
            self.options.on_event(event)


@contextlib.contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Treat SIGTERM (a queue's warning) like Ctrl-C while a flow runs in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(signum: int, frame: Any) -> None:  # noqa: ARG001 - the signature of handlers
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
