from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from defectflow.store import open_store


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
