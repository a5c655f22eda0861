"""Progress on stderr: a line per job, and a live line between them."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from typing import TYPE_CHECKING, Final, Self

from defectflow.report import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import TextIO

    from defectflow.launch import JobEvent

#: Seconds between two live lines where they cannot be overwritten (a file, a queue's log).
_INTERVAL_S: Final = 5.0
_PROGRESS: Final = "defectflow.progress"
_ERASE: Final = "\r\x1b[2K"
#: Jobs that jobflow adds to pass outputs on; they compute nothing.
_BOOKKEEPING: Final = "store_inputs"
#: What is said of an event where its name is not enough.
_SAID: Final = {
    "reused": "taken from the store",
    "waiting": "waits for another run that computes the same",
}
#: Less time than this is not announced, seconds.
_WORTH_SAYING_S: Final = 5.0


class Progress(logging.Handler):
    """Shows what a run does; used as a context manager and as the `on_event` of a run.

    On a terminal the live line is one that updates; elsewhere it is written at most every 5 s.

    Attributes
    ----------
    title
        Stands before every line; the name of the recipe at work.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(logging.INFO)
        self.title = ""
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._spoken = time.monotonic()
        self._live = False
        self._logger = logging.getLogger("defectflow")
        self._before = self._logger.level

    def __enter__(self) -> Self:
        self._before = self._logger.level
        self._logger.setLevel(logging.INFO)
        self._logger.addHandler(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._clear()
        self._logger.removeHandler(self)
        self._logger.setLevel(self._before)

    def of(self, title: str) -> Callable[[JobEvent], None]:
        """Return what shows the events of one recipe among others."""

        def show(event: JobEvent) -> None:
            self.title = title
            self(event)

        return show

    def __call__(self, event: JobEvent) -> None:
        """Show an event of a job."""
        if event.name == _BOOKKEEPING:
            return
        counts = f"[{event.done}/{event.total}] "
        if event.kind == "started":
            if self._terminal:
                self._update(f"{event.name} ...", self.title)
            else:
                self.say(f"{counts}{event.name} started")
            return
        took = f" in {event.seconds:.1f} s" if event.kind == "finished" else ""
        why = f": {event.error}" if event.error else ""
        self.say(
            f"{counts}{event.name} {_SAID.get(event.kind, event.kind)}{took}{why}{_left(event)}"
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Show a line of progress, or a warning of ours."""
        if record.name == _PROGRESS:
            if self._terminal or time.monotonic() - self._spoken >= _INTERVAL_S:
                # Lines of worker processes say whose they are; several come at once.
                self._update(record.getMessage(), getattr(record, "title", self.title))
        elif record.levelno >= logging.WARNING:
            self.say(f"{record.levelname.lower()}: {record.getMessage()}")

    def say(self, text: str) -> None:
        """Write a line that stays."""
        self._clear()
        self._write(f"{_titled(text, self.title)}\n")

    def _update(self, text: str, title: str) -> None:
        line = _titled(text, title)
        if not self._terminal:
            self._write(f"{line}\n")
            return
        room = shutil.get_terminal_size().columns - 1
        self._write(f"{_ERASE}{line[:room]}")
        self._live = True

    def _clear(self) -> None:
        if self._live:
            self._write(_ERASE)
            self._live = False

    def _write(self, text: str) -> None:
        self._spoken = time.monotonic()
        self._stream.write(text)
        self._stream.flush()


def _titled(text: str, title: str) -> str:
    return f"{title}: {text}" if title else text


def _left(event: JobEvent) -> str:
    """Return how long the rest may take, where that is worth a word."""
    if event.kind not in {"finished", "failed"} or event.left_s is None:
        return ""
    return f"; about {duration(event.left_s)} left" if event.left_s >= _WORTH_SAYING_S else ""
