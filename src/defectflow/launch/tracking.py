"""Keeping the diary of a run while it works."""

from __future__ import annotations

import contextlib
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

from defectflow.errors import StoreError
from defectflow.launch.execution import one_line
from defectflow.launch.local import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from defectflow.launch.events import JobEvent, RunSummary
    from defectflow.store import RunLabel, Store
    from defectflow.store.runs import RunState

#: Progress is written at most this often, so that a flow of quick jobs is not slowed down.
_INTERVAL_S: Final = 1.0


class Tracker:
    """Writes the progress of one run into the store; made by `tracked`.

    An instance is meant as the `on_event` of `run_flow`.
    """

    def __init__(
        self, store: Store, run_id: str, on_event: Callable[[JobEvent], None] | None
    ) -> None:
        self.run_id = run_id
        self.over = False
        self._store = store
        self._on_event = on_event
        self._written = 0.0

    def __call__(self, event: JobEvent) -> None:
        """Note an event and pass it on."""
        if time.monotonic() - self._written >= _INTERVAL_S:
            self._store.runs.progress(self.run_id, event.done, event.total)
            self._written = time.monotonic()
        if self._on_event is not None:
            self._on_event(event)

    def end(self, summary: RunSummary) -> RunSummary:
        """Write how the run ended, and return `summary`."""
        done = summary.computed + summary.reused
        self._store.runs.progress(self.run_id, done, summary.total)
        self._store.runs.end(self.run_id, summary.state, summary.error)
        self.over = True
        return summary

    def break_off(self, error: BaseException) -> None:
        """Write that the run was left by an error or an interruption, if it had not ended."""
        state: RunState = "failed" if isinstance(error, Exception) else "interrupted"
        # The store may be what failed: the error itself is the better story.
        with contextlib.suppress(StoreError):
            if not self.over:
                self._store.runs.end(self.run_id, state, one_line(error))
        self.over = True


@contextmanager
def tracked(
    store: Store, label: RunLabel, on_event: Callable[[JobEvent], None] | None = None
) -> Iterator[Tracker]:
    """Record a run: started now; ended by `Tracker.end`, or failed if the block raises.

    Examples
    --------
    >>> from defectflow.launch import run_flow
    >>> from defectflow.store import RunLabel, open_store
    >>> from jobflow import job
    >>> with open_store("memory://") as store:
    ...     with tracked(store, RunLabel(recipe="sum")) as tracker:
    ...         summary = tracker.end(run_flow(job(sum)([1, 2]), store, on_event=tracker))
    ...     [(run.recipe, run.state, run.jobs_done) for run in store.runs.all()]
    [('sum', 'completed', 1)]
    """
    tracker = Tracker(store, store.runs.start(label).run_id, on_event)
    try:
        yield tracker
    except BaseException as error:
        tracker.break_off(error)
        raise


class Diary:
    """Records several runs, each from its first event; used as a context manager.

    If its block raises, the runs that have begun and not ended are recorded as broken off.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._begun: list[Tracker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            for tracker in self._begun:
                tracker.break_off(error)

    def asked(
        self,
        flow: Any,
        label: RunLabel,
        on_event: Callable[[JobEvent], None],
        on_end: Callable[[RunSummary], None],
    ) -> Asked:
        """Return what `run_flows` takes to run a flow and to record it under `label`."""
        begun: list[Tracker] = []

        def tracker() -> Tracker:
            if not begun:
                begun.append(Tracker(self._store, self._store.runs.start(label).run_id, on_event))
                self._begun.append(begun[0])
            return begun[0]

        def note(event: JobEvent) -> None:
            tracker()(event)

        def end(summary: RunSummary) -> None:
            if begun or summary.state != "interrupted":
                tracker().end(summary)
            on_end(summary)

        return Asked(flow, label.recipe, note, end)
