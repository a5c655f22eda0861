"""Outputs and inputs larger than a document of MongoDB, over both managers and their workers."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from jobflow import Flow

from defectflow.errors import StoreError
from defectflow.launch.fireworks_manager import FireWorksManager
from defectflow.launch.launchpads import open_launchpad
from defectflow.launch.site import load_site
from defectflow.launch.submissions import Order
from defectflow.store import open_store
from defectflow.store.large import MOVED
from defectflow.store.parted import PartedStore
from defectflow.store.rows import encode

#: MongoDB takes documents of 16 MB; the output is larger, its document small.
LIMIT_B = 16 * 1024**2
SMALL_B = 2000


@pytest.fixture
def large_jobs(monkeypatch):
    """Return the module of jobs, on a path that workers get too."""
    here = str(Path(__file__).parent)
    monkeypatch.setenv("PYTHONPATH", here)
    monkeypatch.syspath_prepend(here)
    return importlib.import_module("large_jobs")


def test_output_larger_than_a_document_goes_through_jobflow_remote(runner, url, large_jobs):
    manager, running = runner
    made = large_jobs.large(24)
    counted = large_jobs.frames(made.output["trajectory"])
    listed = large_jobs.large_list(24)
    flow = Flow([made, counted, listed])
    assert manager.submit(Order("trial", "", "a" * 64, "defectflow x", flow))
    running.run_all_jobs(max_seconds=80)
    (state,) = manager.submissions()
    assert (state.state, state.troubles) == ("completed", ())

    with open_store(url) as store:
        plain = {one["uuid"]: one for one in store.jobs.docs_store.query({})}
        assert {len(encode(one)) < SMALL_B for one in plain.values()} == {True}
        assert plain[made.uuid][MOVED] == ["trajectory"]
        assert plain[made.uuid]["output"]["energy_eV"] == -1.5
        expected = large_jobs.large.original(24)
        assert len(encode(expected)) > LIMIT_B
        assert store.jobs.get_output(made.uuid) == expected
        assert store.jobs.get_output(listed.uuid) == expected["trajectory"]
        assert store.jobs.get_output(counted.uuid) == len(expected["trajectory"])
    outputs = PartedStore(url, "outputs")
    outputs.connect()
    try:  # as jobflow asks when it resolves a reference
        (found,) = outputs.query({"uuid": made.uuid}, ["output.trajectory"])
        assert found["output"]["trajectory"] == expected["trajectory"]
        (found,) = outputs.query({"uuid": made.uuid}, {"uuid": 1})
        assert "output" not in found
    finally:
        outputs.close()


def test_input_larger_than_a_document_goes_through_fireworks(url, folder, large_jobs):
    """Given with the flow, and asked for by a job that runs."""
    queue, place = str(folder / "queue.yaml"), str(folder / ".defectflow")
    pad = open_launchpad(url)
    manager = FireWorksManager(pad, url, place, load_site(queue), queue)
    given, asked = large_jobs.length("y" * 17_000_000), large_jobs.asking(18)
    flow = Flow([given, asked])
    assert manager.submit(Order("trial", "", "a" * 64, "defectflow x", flow))
    words = ["--store", url, "--queue", queue, "--kind", "default", "--folder", place]
    command = [sys.executable, "-m", "defectflow.launch.worker", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "3 jobs done" in done.stdout, done.stderr
    with open_store(url) as store:
        assert store.jobs.get_output(given.uuid) == 17_000_000
        assert store.jobs.get_output(asked.uuid) == 18_000_000
    sizes = [len(str(one)) for one in pad.fireworks.find()]
    assert len(sizes) == 3
    assert max(sizes) < 10 * SMALL_B


def test_input_larger_than_a_document_is_refused_by_jobflow_remote(runner, large_jobs):
    manager, _ = runner
    flow = Flow([large_jobs.length("y" * 17_000_000)])
    with pytest.raises(StoreError, match=r"it has 17 MB of input, .* submit with --to fireworks"):
        manager.submit(Order("trial", "", "a" * 64, "defectflow x", flow))
    assert manager.submissions() == []
    assert manager.controller.count_jobs() == 0


def test_job_that_asks_for_one_larger_than_a_document_over_jobflow_remote(runner, large_jobs):
    manager, running = runner
    assert manager.submit(
        Order("trial", "", "a" * 64, "defectflow x", Flow([large_jobs.asking(18)]))
    )
    running.run_all_jobs(max_seconds=60)
    (state,) = manager.submissions()
    assert state.state == "failed"
    (trouble,) = state.troubles
    assert trouble.job == "asking"
    assert "asks for a job with 18 MB of input" in trouble.words
    assert "submit with --to fireworks" in trouble.words
