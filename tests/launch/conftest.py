from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from defectflow.store import open_store

SCRIPT = Path(__file__).with_name("trial_jobs.py")


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Return the lines that jobs have written since the last call."""
    path = tmp_path / "trial.log"
    path.touch()
    monkeypatch.setenv("TRIAL_LOG", str(path))

    def lines():
        found = path.read_text().splitlines()
        path.write_text("")
        return found

    return lines


@pytest.fixture
def jobs(log, monkeypatch):
    """Return the module of jobs, on a path that worker processes get too."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("trial_jobs")


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path / "a.sqlite") as opened:
        yield opened


@pytest.fixture
def folders(tmp_path):
    """Return the names of the files and folders that jobs have left."""

    def left():
        root = tmp_path / ".defectflow" / "jobs"
        return sorted(path.name for path in root.glob("*/*")) + [
            path.name for path in root.glob("*") if not list(path.iterdir())
        ]

    return left


@pytest.fixture
def start(jobs, tmp_path):
    """Start a run in a process group of its own; end it after the test."""
    started = []

    def begin(flow, workers=1):
        command = [sys.executable, str(SCRIPT), str(tmp_path / "a.sqlite"), str(workers), flow]
        started.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return started[-1]

    yield begin
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.fixture
def seen(tmp_path):
    """Wait until the jobs have logged `count` lines that start with `word`; return these lines."""

    def wait_for(word, count, patience=120.0):
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            lines = (tmp_path / "trial.log").read_text().splitlines()
            found = [line for line in lines if line.startswith(word)]
            if len(found) >= count:
                return found
            time.sleep(0.02)
        pytest.fail(f"waited {patience} s for {count} lines {word!r}: {lines}")

    return wait_for
