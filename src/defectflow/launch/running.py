"""`defectflow.run`: a flow in, its result out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jobflow.core.reference import find_and_resolve_references

from defectflow import errors
from defectflow.errors import DefectflowError
from defectflow.launch.local import run_flow
from defectflow.store import Store, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobflow.core.flow import Flow
    from jobflow.core.job import Job

    from defectflow.launch.events import JobEvent, JobFailure, RunSummary


def run(
    flow: Flow | Job,
    store: Store | str | Path | None = None,
    *,
    workers: int = 1,
    fresh: bool = False,
    on_event: Callable[[JobEvent], None] | None = None,
) -> Any:
    """Run a flow on this machine and return its result.

    What is in the store already is not computed again.

    Parameters
    ----------
    flow
        A jobflow flow or job.
    store
        An open store, or the URL of one; ``.defectflow/store.sqlite`` by default.
    workers
        Number of jobs at a time.
    fresh
        Whether to compute everything again.
    on_event
        Called for each `JobEvent`.

    Returns
    -------
    Any
        The output of the flow, or of its last job if the flow names none; a typed document for a
        flow of defectflow.

    Raises
    ------
    DefectflowError
        If a job failed: of the kind that the job raised, else the base class.
    KeyboardInterrupt
        If the run was interrupted; the same call resumes it.

    Examples
    --------
    >>> from jobflow import job
    >>> @job
    ... def add(a, b):
    ...     return a + b
    >>> run(add(1, 2), "memory://")
    3
    """
    if not isinstance(store, Store):
        with open_store(store) as opened:
            return run(flow, opened, workers=workers, fresh=fresh, on_event=on_event)
    summary = run_flow(flow, store, workers=workers, fresh=fresh, on_event=on_event)
    if summary.state == "interrupted":
        raise KeyboardInterrupt
    if not summary.ok:
        raise _failure(summary)
    return find_and_resolve_references(_output(flow), store.jobs)


def _output(flow: Any) -> Any:
    """Return the reference to the flow's output, or to that of its last job."""
    while True:
        if flow.output is not None:
            return flow.output
        flow = flow.jobs[-1]


def _failure(summary: RunSummary) -> DefectflowError:
    if not summary.failures:
        return DefectflowError(f"{len(summary.skipped)} of {summary.total} jobs could not start")
    first: JobFailure = summary.failures[0]
    name, _, said = first.error.partition(": ")
    kind = getattr(errors, name, None)
    ours = isinstance(kind, type) and issubclass(kind, DefectflowError)
    where = f" (files in {first.folder})" if first.folder else ""
    count = f"{len(summary.failures)} of {summary.total} jobs failed; first "
    start = "" if summary.total == 1 else count
    message = f"{start}{first.name}: {said if ours else first.error}{where}"
    return kind(message) if ours and kind is not None else DefectflowError(message)
