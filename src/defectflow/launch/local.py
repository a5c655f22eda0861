"""Running flows here: one process, or several on this machine.

Every job has a content key (`defectflow.launch.keys`). A job whose key is already in the store is
not computed again: its output is filed under the new uuid. Running a recipe twice, resuming after
a crash and sharing steps between recipes are this one mechanism. Jobs that only ask for other jobs
are cheap and run again; the jobs that they ask for are found by their keys.

Two runs that need the same job at once on one machine compute it once: the folder of the job is
locked by the one, the other waits for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from defectflow.launch.execution import steps_of
from defectflow.launch.flow_run import FlowRun
from defectflow.launch.forecast import Forecast
from defectflow.launch.graph import Graph
from defectflow.launch.interrupts import heeded_interrupts
from defectflow.launch.pools import InProcess, Pool
from defectflow.launch.workers import Processes
from defectflow.launch.workshop import Workshop
from defectflow.launch.workspace import Workspaces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from jobflow.core.flow import Flow
    from jobflow.core.job import Job

    from defectflow.launch.events import JobEvent, RunSummary
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
    asked = [Asked(flow, on_event=on_event)]
    return run_flows(asked, store, workers=workers, root=root, fresh=fresh)[0]


@dataclass(frozen=True)
class Asked:
    """A flow to be run beside others.

    Attributes
    ----------
    title
        Stands before the lines of progress of its jobs; the name of a recipe.
    on_event
        Called for each `JobEvent`.
    on_end
        Called when the flow has ended; for an interrupted run, when the workers have stopped.
    """

    flow: Any
    title: str = ""
    on_event: Callable[[JobEvent], None] | None = None
    on_end: Callable[[RunSummary], None] | None = None


def run_flows(
    asked: Sequence[Asked],
    store: Store,
    *,
    workers: int = 1,
    root: Path | None = None,
    fresh: bool = False,
) -> list[RunSummary]:
    """Run flows to their ends, with their jobs side by side; earlier flows go first.

    As `run_flow` does for one flow. The workers and what they have loaded are shared, and a job
    that several flows need is computed once.

    Raises
    ------
    StoreError
        If outputs cannot be filed.
    """
    pool: Pool = InProcess() if workers == 1 else Processes(workers)
    folders = Workspaces(root or store.folder)
    shop = Workshop(store, pool, folders, Forecast(workers), fresh=fresh)
    ended: dict[int, RunSummary] = {}
    runs = [_run(number, one, shop, ended) for number, one in enumerate(asked)]
    with heeded_interrupts() as check:
        try:
            _to_end(runs, shop, check)
        except KeyboardInterrupt:
            pass  # each summary says whether its flow was interrupted
        finally:
            shop.close()
    for number, (one, run) in enumerate(zip(asked, runs, strict=True)):
        if number not in ended:
            ended[number] = run.summary(interrupted=True)
            if one.on_end is not None:
                one.on_end(ended[number])
    return [ended[number] for number in range(len(runs))]


def _run(number: int, asked: Asked, shop: Workshop, ended: dict[int, RunSummary]) -> FlowRun:
    def end(run: FlowRun) -> None:
        ended[number] = run.summary()
        if asked.on_end is not None:
            asked.on_end(ended[number])

    return FlowRun(Graph(steps_of(asked.flow)), shop, asked.title, asked.on_event, end)


def _to_end(runs: Sequence[FlowRun], shop: Workshop, check: Callable[[], None]) -> None:
    """Start what is ready and take in what has finished, until every flow has ended."""
    left = list(runs)
    while left:
        for run in left:
            if not shop.free:
                break
            run.start_ready()
            run.tell_end()
        check()
        if not shop.idle:
            shop.collect(check)
        elif not any(run.graph.has_ready for run in left):
            for run in left:
                run.end_stuck()
        if left[0].graph.ended:
            left = [run for run in left if not run.graph.ended]
