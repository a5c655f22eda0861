"""Runs here that are cut off anywhere: the right numbers, nothing lost, nothing done twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from jobflow import Flow

from defectflow.errors import StoreError
from defectflow.launch import Asked, journal, run_flow, run_flows
from defectflow.launch.execution import Outcome
from defectflow.store import open_store

OURS = ("defectflow.launch", "defectflow.store")


def flow_with_everything(jobs):
    """A chain, a fan that comes into being at run time, a detour, and a sum of it all."""
    first = jobs.add(1, 1)
    fan = jobs.fan_out(3)
    detour = jobs.make_a_detour(first.output)
    return Flow([first, fan, detour, jobs.total([first.output, detour.output])])


#: Every addition that the flow above makes, and its sum.
ADDITIONS = ["add 0 1", "add 1 1", "add 100 2", "add 2 1", "total [2, 2]"]


def run_killed_at(moment, jobs, path):
    """Run the flow in a child process that is killed at its `moment`-th call of our functions.

    Return the calls made, or None if it was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(run_counted(moment, jobs, path)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as told:
        said = told.read()
    return None if os.WIFSIGNALED(status) else int(said)


def run_counted(moment, jobs, path):
    count = [0]

    def tick(frame, event, _):
        if event == "call" and str(frame.f_globals.get("__name__")).startswith(OURS):
            count[0] += 1
            if count[0] == moment:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(tick)
    with open_store(path) as store:
        run_flow(flow_with_everything(jobs), store)
    sys.setprofile(None)
    return count[0]


def check_whole(path, jobs):
    """Run the flow to its end in what a killed run has left, and look at all that there is."""
    with open_store(path) as store:
        flow = flow_with_everything(jobs)
        summary = run_flow(flow, store)
        assert summary.ok
        assert store.jobs.get_output(flow[3].uuid) == 4
        assert store.jobs.get_output(flow[1].uuid) == [1, 2, 3]
        left = list((store.folder / "jobs").iterdir())
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert left == []


def test_run_killed_at_any_moment_is_resumed(jobs, log, tmp_path):
    calls = run_killed_at(0, jobs, tmp_path / "whole" / "a.sqlite")
    assert sorted(line for line in log() if line.startswith(("add", "total"))) == ADDITIONS
    killed = 0
    # A stride that has no factor in common with the repeated calls of the runner's loop.
    for moment in range(1, calls, max(1, calls // 61)):
        path = tmp_path / str(moment) / "a.sqlite"
        killed += run_killed_at(moment, jobs, path) is None
        before = [line for line in log() if line in ADDITIONS]
        check_whole(path, jobs)
        after = [line for line in log() if line in ADDITIONS]
        assert sorted({*before, *after}) == ADDITIONS, moment
        again = [line for line in before if line in after]
        # Only the job that was at work may run again, and only if it had not noted its output.
        assert len(again) <= 1, (moment, again)
        assert again in ([], before[-1:]), (moment, again)
    assert killed > 50


def test_output_that_was_noted_is_filed_and_not_computed_again(jobs, store, log, folders):
    """The run dies between compute and store: the store refuses as it does when it is full."""
    connection = store.jobs.docs_store._collection.connection
    run_flow(jobs.add(7, 7), store)
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    text = "a long text " * 5000
    with pytest.raises(StoreError, match="disk is full"):
        run_flow(jobs.print_something(text), store)
    assert "finished.json" in folders()
    connection.execute("PRAGMA max_page_count = 100000")
    log()
    again = jobs.print_something(text)
    summary = run_flow(again, store)
    assert (summary.computed, summary.reused) == (0, 1)
    assert store.jobs.get_output(again.uuid) == text
    assert folders() == []
    # What was filed late serves later runs like any output.
    assert run_flow(jobs.print_something(text), store).reused == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"job_key": "KEY", "docum',
        b'{"job_key": "KEY", "document": {"uuid": "x"}}',
        b'{"job_key": "another", "document": {"uuid": "x", "index": 1, "output": 9}}',
        b'["KEY"]',
        b"\xff\xfe\x00",
    ],
)
def test_half_written_note_is_not_believed(jobs, store, log, content):
    keys = []
    run_flow(jobs.add(2, 3), store, on_event=lambda event: keys.append(event.key))
    folder = store.folder / "jobs" / keys[0][:16]
    folder.mkdir()
    (folder / journal.FILE).write_bytes(content.replace(b"KEY", keys[0].encode()))
    assert journal.noted(folder, keys[0]) is None
    with open_store(store.folder.parent / "b.sqlite") as other:
        one = jobs.add(2, 3)
        assert run_flow(one, other).computed == 1
        assert other.jobs.get_output(one.uuid) == 5


def test_only_whole_outputs_are_noted(tmp_path):
    document = {"uuid": "a", "index": 1, "output": {"energy_eV": float("nan")}}
    journal.note(tmp_path, "k", Outcome(document=document, stop_children=True))
    unconverged = {"uuid": "a", "index": 1, "output": {"converged": False}}
    journal.note(tmp_path, "k", Outcome(document=unconverged))
    assert list(tmp_path.iterdir()) == []
    journal.note(tmp_path, "k", Outcome(document=document))
    assert str(journal.noted(tmp_path, "k")) == str(document)
    assert [path.name for path in tmp_path.iterdir()] == [journal.FILE]


def test_planted_note_runs_no_code(jobs, store, tmp_path, monkeypatch):
    (tmp_path / "planted_note.py").write_text("raise SystemExit('planted code ran')")
    monkeypatch.syspath_prepend(tmp_path)
    keys = []
    run_flow(jobs.add(2, 3), store, on_event=lambda event: keys.append(event.key))
    folder = store.folder / "jobs" / keys[0][:16]
    folder.mkdir()
    output = {"@module": "planted_note", "@class": "X"}
    note = {"job_key": keys[0], "document": {"uuid": "u", "index": 1, "output": output}}
    (folder / journal.FILE).write_text(json.dumps(note))
    with open_store(tmp_path / "b.sqlite") as other:
        one = jobs.add(2, 3)
        with pytest.raises(StoreError, match=r"planted_note\.X"):
            run_flow(Flow([one, jobs.add(one.output, 1)]), other)
    assert "planted_note" not in sys.modules


def test_half_written_document_in_the_store_is_computed_again(jobs, store, log, tmp_path, caplog):
    flow = jobs.chain(3)
    run_flow(flow, store)
    log()
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        changed = connection.execute(
            "UPDATE outputs SET _text = substr(_text, 1, 40) WHERE uuid = ?", (flow[1].uuid,)
        )
        assert changed.rowcount == 1
    again = jobs.chain(3)
    assert run_flow(again, store).ok
    assert log() == ["add 1 1"]
    assert store.jobs.get_output(again[2].uuid) == 3
    assert "cannot be read and is left out" in caplog.text


def test_killed_worker_s_job_is_tried_once_more(jobs, store, log, caplog):
    one, other = jobs.die_once(5), jobs.add(1, 1)
    child = jobs.add(one.output, 1)
    summary = run_flow(Flow([one, other, child]), store, workers=2)
    assert summary.ok
    assert store.jobs.get_output(child.uuid) == 6
    assert sorted(log()) == ["add 1 1", "add 5 1", "die_once", "die_once"]
    assert "killed by signal 9; out of memory?; it is tried once more" in caplog.text


def test_interrupt_that_a_library_swallows_counts_and_fails_no_job(jobs, store, folders):
    first = jobs.swallow_interrupt(1)
    summary = run_flow(Flow([first, jobs.add(1, 1)]), store)
    assert (summary.state, summary.failures) == ("interrupted", ())
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_full_disk_under_a_job_s_folder(jobs, tmp_path, log, tiny_disk):
    with open_store(tmp_path / "a.sqlite") as store:
        flow = Flow([big := jobs.fill_disk(3), jobs.add(big.output, 1), jobs.add(5, 5)])
        summary = run_flow(flow, store, root=tiny_disk)
        assert summary.state == "failed"
        assert "No space left on device" in summary.failures[0].error
        assert summary.computed == 1
        log()
        # There is room again: the same flow goes on.
        roomy = tmp_path / "roomy"
        again = Flow([big := jobs.fill_disk(3), last := jobs.add(big.output, 1), jobs.add(5, 5)])
        assert run_flow(again, store, root=roomy).ok
        assert sorted(log()) == ["add 3 1", "fill_disk"]
        assert store.jobs.get_output(last.uuid) == 4


def test_clock_that_jumps_back_does_not_bring_old_outputs_back(jobs, store, monkeypatch):
    """The newest output is the one that was filed last, whatever the clocks said."""
    keys = []
    one = jobs.add(2, 3)
    run_flow(one, store, on_event=lambda event: keys.append(event.key))
    later = {**store.jobs.query_one({"uuid": one.uuid}), "completed_at": "2099-01-01T00:00:00"}
    store.file(later, keys[0])
    fresh = jobs.add(2, 3)
    run_flow(fresh, store, fresh=True)
    assert store.finished(keys[0])["uuid"] == fresh.uuid


@pytest.mark.parametrize("jump", [-7200.0, 7200.0])
def test_clock_that_jumps_during_a_run(jobs, store, log, monkeypatch, jump):
    true = time.time

    def jumped(event):
        monkeypatch.setattr(time, "time", lambda: true() + jump)

    flow = jobs.chain(4)
    events = []
    summary = run_flow(flow, store, on_event=lambda event: (events.append(event), jumped(event)))
    assert summary.ok
    assert 0 <= summary.seconds < 60
    assert all(0 <= event.seconds < 60 for event in events)
    assert store.jobs.get_output(flow[3].uuid) == 4
    assert len(log()) == 4


def test_two_runs_at_once_compute_each_job_once(start, tmp_path, folders, seen):
    processes = [start("slow"), start("slow")]
    for process in processes:
        out, error = process.communicate(timeout=200)
        assert (out.strip(), process.returncode) == ("completed", 0), error
    with open_store(tmp_path / "a.sqlite") as store:
        assert [one["output"] for one in store.jobs.query({})] == [20, 20]
        assert [one.state for one in store.runs.all()] == ["completed", "completed"]
    steps = seen("step", 20)
    assert len(steps) == 20
    assert folders() == []


def test_run_takes_over_from_one_that_was_killed_while_it_waited(start, seen, tmp_path):
    first = start("slow")
    seen("step", 3)
    second = start("slow")
    time.sleep(0.5)
    os.kill(first.pid, signal.SIGKILL)
    out, error = second.communicate(timeout=200)
    assert (out.strip(), second.returncode) == ("completed", 0), error
    assert 20 <= len(seen("step", 20)) <= 21
    with open_store(tmp_path / "a.sqlite") as store:
        assert [one["output"] for one in store.jobs.query({})] == [20]
        assert sorted(one.state for one in store.runs.all()) == ["completed", "interrupted"]


def test_potential_is_loaded_once_per_worker(jobs, store, log):
    flows = [Asked(Flow([jobs.use_potential(10 * n + k) for k in range(4)])) for n in range(3)]
    assert all(one.ok for one in run_flows(flows, store, workers=2))
    loaded = [line for line in log() if line.startswith("loaded")]
    assert 1 <= len(loaded) == len(set(loaded)) <= 2


def test_flows_side_by_side_share_jobs_and_fail_alone(jobs, store, log):
    shared = [jobs.add(1, 2) for _ in range(3)]
    broken = Flow([shared[0], jobs.fail("no"), jobs.add(shared[0].output, 5)])
    fine = [Flow([one, jobs.add(one.output, 6 + n)]) for n, one in enumerate(shared[1:])]
    told = []
    asked = [
        Asked(flow, title=str(n), on_end=lambda summary, n=n: told.append((n, summary.state)))
        for n, flow in enumerate([broken, *fine])
    ]
    states = [one.state for one in run_flows(asked, store, workers=2)]
    assert states == ["failed", "completed", "completed"]
    assert sorted(told) == list(enumerate(states))
    assert sorted(log()) == ["add 1 2", "add 3 5", "add 3 6", "add 3 7", "fail"]


def test_each_flow_is_told_of_once_when_all_are_interrupted(jobs, store):
    told = []
    asked = [
        Asked(jobs.chain(2), on_end=lambda summary: told.append(summary.state)),
        Asked(jobs.swallow_interrupt(1), on_end=lambda summary: told.append(summary.state)),
        Asked(jobs.chain(4), on_end=lambda summary: told.append(summary.state)),
    ]
    states = [one.state for one in run_flows(asked, store)]
    assert states == told == ["completed", "interrupted", "interrupted"]


def test_log_of_a_failed_job_lies_in_its_folder(jobs, store):
    (failure,) = run_flow(jobs.warn_and_fail(), store).failures
    text = (failure.folder / "job.log").read_text()
    assert "the cell is small" in text
    assert "WARNING step 3 energy -1.5 eV" in text
    assert "no ground state" in (failure.folder / "error.txt").read_text()
    assert not (Path(store.folder) / "logs").exists()


def test_time_left_is_told_with_each_job(jobs, store):
    events = []
    run_flow(jobs.chain(4), store, on_event=events.append)
    left = [event.left_s for event in events if event.kind == "finished"]
    assert all(one is not None and one >= 0 for one in left)
    assert left[-1] == pytest.approx(0.0, abs=1e-9)
    assert left[0] == pytest.approx(3 * events[1].seconds)
