"""What goes wrong over jobflow-remote: told in words, and the right number after `retry`."""

from __future__ import annotations

import importlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from defectflow.launch.submissions import Order
from defectflow.store import open_store


@pytest.fixture
def faults(folder, monkeypatch):
    """Return the module of jobs, on a path that workers get too; their traces lie in `folder`."""
    here = str(Path(__file__).parent)
    monkeypatch.setenv("FAULT_FOLDER", str(folder))
    monkeypatch.setenv("PYTHONPATH", here)
    monkeypatch.syspath_prepend(here)
    return importlib.import_module("fault_jobs")


def traces(folder, word):
    path = folder / "trace"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split() for line in lines if line.startswith(word)]


def order(flow):
    return Order("trial", "x.yaml", "a" * 64, "defectflow x", flow)


def test_worker_killed_in_the_middle_of_a_job(runner, faults, folder, url):
    manager, running = runner
    flow = faults.held(7)
    assert manager.submit(order(flow))
    assert not manager.submit(order(faults.held(7)))  # the same recipe twice

    def kill():
        end = time.monotonic() + 60
        while not traces(folder, "hold") and time.monotonic() < end:
            time.sleep(0.2)
        os.kill(int(traces(folder, "hold")[0][2]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    running.run_all_jobs(max_seconds=60)
    killer.join()
    (state,) = manager.submissions()
    assert state.state == "failed"
    (trouble,) = state.troubles
    assert (trouble.job, trouble.lost) == ("hold", True)
    assert "its worker ended without a word" in trouble.words

    (folder / "go").touch()
    assert manager.retry([state.key]) == ["hold"]
    running.run_all_jobs(max_seconds=60)
    (state,) = manager.submissions()
    assert (state.state, state.jobs_done, state.troubles) == ("completed", 2, ())
    with open_store(url) as store:
        assert store.jobs.get_output(flow.jobs[1].uuid) == 8
        assert store.jobs.count() == 2
    assert (len(traces(folder, "hold")), len(traces(folder, "plus_one"))) == (2, 1)


def test_cancelled_flow_runs_no_further_and_can_be_taken_up_again(runner, faults, folder, url):
    manager, running = runner
    flow = faults.quick(1)
    assert manager.submit(order(flow))
    assert manager.cancel(["a" * 64]) == ["a" * 64]
    running.run_all_jobs(max_seconds=10)
    (state,) = manager.submissions()
    assert state.state == "cancelled"
    assert traces(folder, "plus_one") == []
    assert manager.retry([state.key])
    running.run_all_jobs(max_seconds=60)
    (state,) = manager.submissions()
    assert state.state == "completed"
    with open_store(url) as store:
        assert store.jobs.get_output(flow.jobs[1].uuid) == 3
    assert len(traces(folder, "plus_one")) == 2
