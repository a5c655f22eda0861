"""Progress on a terminal and elsewhere."""

from __future__ import annotations

import io
import logging

import pytest

from defectflow.cli import progress as module
from defectflow.cli.progress import Progress
from defectflow.launch import JobEvent

live = logging.getLogger("defectflow.progress")


class Terminal(io.StringIO):
    def isatty(self):
        return True


def event(kind, name="relax host", seconds=1.5, error=""):
    return JobEvent(kind, name, "0" * 64, seconds, error, 1, 4)


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves on."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_elsewhere_there_is_a_line_per_event():
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.title = "mg"
        for kind in ("started", "finished", "reused"):
            progress(event(kind))
        progress(event("failed", error="EngineError: no weights"))
        progress(event("finished", name="store_inputs"))
    assert stream.getvalue().splitlines() == [
        "mg: [1/4] relax host started",
        "mg: [1/4] relax host finished in 1.5 s",
        "mg: [1/4] relax host taken from the store",
        "mg: [1/4] relax host failed: EngineError: no weights",
    ]


def test_elsewhere_live_lines_come_at_most_every_five_seconds(clock):
    stream = io.StringIO()
    with Progress(stream):
        for second in range(12):
            clock[0] = 100.0 + second
            live.info("step %d", second)
    assert stream.getvalue().splitlines() == ["step 5", "step 10"]


def test_on_a_terminal_one_line_updates(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    stream = Terminal()
    with Progress(stream) as progress:
        progress(event("started"))
        live.info("step 1 of a very long story")
        live.info("step 2")
        progress(event("finished"))
    text = stream.getvalue()
    assert text.count("\n") == 1  # only what has ended stays
    assert "\x1b[2Kstep 1 of a very lo\r" in text  # cut to the width of the terminal
    assert text.endswith("\x1b[2K[1/4] relax host finished in 1.5 s\n")


def test_a_live_line_is_wiped_at_the_end():
    stream = Terminal()
    with Progress(stream):
        live.info("step 1")
    assert stream.getvalue().endswith("\r\x1b[2K")


def test_warnings_of_ours_are_shown_and_others_chatter_is_not():
    stream = io.StringIO()
    with Progress(stream):
        logging.getLogger("defectflow.store.opened").warning("output %s is odd", "x")
        logging.getLogger("defectflow.engines").info("chatter")
    assert stream.getvalue() == "warning: output x is odd\n"


def test_the_logger_is_left_as_it_was():
    logger = logging.getLogger("defectflow")
    before = (logger.level, list(logger.handlers))
    with Progress(io.StringIO()):
        assert logger.level == logging.INFO
    assert (logger.level, list(logger.handlers)) == before
