from __future__ import annotations

import os
import signal

import pytest
from jobflow import Flow

from defectflow.errors import DefectflowError, NotConverged, RecipeError
from defectflow.launch import run, run_flow, tracked
from defectflow.settings import load_settings
from defectflow.store import RunLabel, open_store


def test_run_returns_the_output_of_the_flow(jobs, tmp_path):
    first, second = jobs.add(1, 2), jobs.add(3, 4)
    flow = Flow([first, second], output={"one": first.output, "both": [second.output]})
    assert run(flow, tmp_path / "a.sqlite") == {"one": 3, "both": [7]}


def test_run_returns_the_output_of_the_last_job_where_the_flow_names_none(jobs, tmp_path):
    first = jobs.add(1, 2)
    assert run(Flow([first, Flow([jobs.add(first.output, 10)])]), tmp_path / "a.sqlite") == 13


def test_run_uses_the_default_store_and_leaves_an_open_one_open(jobs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(jobs.add(1, 2)) == 3
    with open_store() as store:
        assert store.jobs.count() == 1
        assert run(jobs.add(1, 2), store) == 3
        assert store.jobs.count() == 2


def test_failure_is_raised_as_what_it_was(jobs, store):
    with pytest.raises(NotConverged, match=r"fail: 0\.3 eV/Å left \(files in .*\)"):
        run(jobs.fail("0.3 eV/Å left"), store)
    with pytest.raises(DefectflowError, match="1 of 2 jobs failed; first total: TypeError"):
        run(Flow([jobs.total(3), jobs.add(1, 1)]), store)


def test_interruption_is_passed_on(jobs, store):
    def interrupt(event):
        if event.done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(KeyboardInterrupt):
        run(jobs.chain(5), store, on_event=interrupt)
    assert run(jobs.chain(5), store) == 5
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_diary_of_a_run(jobs, store):
    with tracked(store, RunLabel(recipe="fine")) as tracker:
        tracker.end(run_flow(jobs.chain(3), store, on_event=tracker))
    with tracked(store, RunLabel(recipe="failing")) as tracker:
        tracker.end(run_flow(jobs.fail("no"), store, on_event=tracker))
    bug = RuntimeError("our bug\nwith two lines")
    with pytest.raises(RuntimeError), tracked(store, RunLabel(recipe="crashing")):
        raise bug
    with pytest.raises(KeyboardInterrupt), tracked(store, RunLabel(recipe="stopped")):
        raise KeyboardInterrupt
    runs = {one.recipe: one for one in store.runs.all()}
    assert {name: one.state for name, one in runs.items()} == {
        "fine": "completed",
        "failing": "failed",
        "crashing": "failed",
        "stopped": "interrupted",
    }
    assert (runs["fine"].jobs_done, runs["fine"].jobs_total) == (3, 3)
    assert runs["failing"].error == "fail: NotConverged: no"
    assert runs["crashing"].error == "RuntimeError: our bug"


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("DEFECTFLOW_STORE", raising=False)
    monkeypatch.delenv("DEFECTFLOW_WORKERS", raising=False)
    assert (load_settings().store, load_settings().workers) == (None, 1)
    monkeypatch.setenv("DEFECTFLOW_STORE", "runs/a.sqlite")
    monkeypatch.setenv("DEFECTFLOW_WORKERS", "2")
    assert (load_settings().store, load_settings().workers) == ("runs/a.sqlite", 2)


@pytest.mark.parametrize("value", ["many", "0"])
def test_unusable_setting_is_named(monkeypatch, value):
    monkeypatch.setenv("DEFECTFLOW_WORKERS", value)
    with pytest.raises(RecipeError, match=f"DEFECTFLOW_WORKERS={value}"):
        load_settings()
