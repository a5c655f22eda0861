"""Runs as processes of their own: killed, interrupted, and side by side."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from pathlib import Path

import pytest
from jobflow import Flow

from defectflow.engines import deadline
from defectflow.launch import run_flow
from defectflow.store import open_store


def gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def wait_until(condition, patience=60.0):
    until = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_killed_run_resumes_in_the_middle_of_a_job(start, seen, jobs, log, tmp_path, folders):
    process = start("slow")
    seen("step", 5)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with open_store(tmp_path / "a.sqlite") as store:
        assert [one.state for one in store.runs.all()] == ["interrupted"]
        before = [line for line in log() if line.startswith("step")]
        flow = jobs.FLOWS["slow"]()
        summary = run_flow(flow, store)
        after = [line for line in log() if line.startswith("step")]
        assert summary.ok
        assert store.jobs.get_output(flow[0].uuid) == 20
    # The step at which the process died may be done twice, all others once.
    assert 5 <= len(before) < 20
    assert 20 <= len(before) + len(after) <= 21
    assert after[-1] == "step 19"
    assert folders() == []
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_run_stops_at_once_says_so_and_leaves_no_process(
    start, seen, tmp_path, sent, workers
):
    process = start("two slow", workers)
    pids = {int(line.split()[1]) for line in seen("pid", workers)}
    checkpoints = (tmp_path / ".defectflow" / "jobs").glob
    wait_until(lambda: len(list(checkpoints("*/checkpoint.json"))) == workers)
    os.killpg(process.pid, sent) if sent == signal.SIGINT else os.kill(process.pid, sent)
    out, error = process.communicate(timeout=60)
    assert (out.strip(), process.returncode) == ("interrupted", 0), error
    assert "Traceback" not in error
    assert len(pids) == workers
    wait_until(lambda: all(gone(pid) for pid in pids))
    with open_store(tmp_path / "a.sqlite") as store:
        (record,) = store.runs.all()
        assert record.state == "interrupted"
        assert record.ended is not None
    assert len(list(checkpoints("*/checkpoint.json"))) == workers


def test_workers_die_with_a_killed_run(start, seen):
    process = start("two slow", 2)
    pids = {int(line.split()[1]) for line in seen("pid", 2)}
    assert len(pids) == 2
    assert process.pid not in pids
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: all(gone(pid) for pid in pids))


def test_jobs_run_side_by_side_and_share_the_cores(jobs, store):
    flow = Flow([jobs.threads_and_process(number) for number in range(4)])
    assert run_flow(flow, store, workers=2).ok
    outputs = [store.jobs.get_output(one.uuid) for one in flow]
    assert {one["threads"] for one in outputs} == {str(max(1, (os.cpu_count() or 1) // 2))}
    assert 1 <= len({one["pid"] for one in outputs}) <= 2
    assert os.getpid() not in {one["pid"] for one in outputs}


def test_workers_end_with_the_run_and_not_a_wall_time_after_they_began(jobs, store, monkeypatch):
    monkeypatch.setattr(deadline, "_STARTED", time.time() - 600)
    monkeypatch.setenv("DEFECTFLOW_WALL_TIME_S", "1000")
    flow = Flow([jobs.time_left(number) for number in range(2)])
    assert run_flow(flow, store, workers=2).ok
    left_s = [store.jobs.get_output(one.uuid) for one in flow]
    assert all(300 < one <= 400 for one in left_s)
    assert "DEFECTFLOW_WALL_TIME_END" not in os.environ


def test_killed_worker_costs_its_job_and_not_the_run(jobs, store):
    doomed = jobs.die(1)
    others = [jobs.add(number, 1) for number in range(4)]
    child = jobs.add(doomed.output, 1)
    summary = run_flow(Flow([doomed, child, *others]), store, workers=2)
    assert summary.state == "failed"
    assert [one.error for one in summary.failures] == [
        "the worker process was killed by signal 9; out of memory?, also when tried again"
    ]
    assert summary.skipped == ("add",)
    assert [store.jobs.get_output(one.uuid) for one in others] == [1, 2, 3, 4]


def test_job_that_cannot_travel_says_what_to_do(jobs, store):
    from jobflow import job

    @job
    def local(number):
        return number

    summary = run_flow(Flow([local(1)]), store, workers=2)
    assert "use one worker" in summary.failures[0].error
    assert run_flow(Flow([local(1)]), store).ok


def test_log_of_a_worker_reaches_the_run(jobs, store, caplog):
    import logging

    with caplog.at_level(logging.INFO, logger="defectflow"):
        run_flow(Flow([jobs.report_progress("fmax 0.05 eV/Å")]), store, workers=2)
    assert ("defectflow.progress", logging.INFO, "fmax 0.05 eV/Å") in caplog.record_tuples
