"""Recipes through a real queue and a database over TCP, by both managers, beside a local run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from defectflow import recipes
from defectflow.launch.fireworks_manager import FireWorksManager
from defectflow.launch.launchpads import open_launchpad
from defectflow.launch.site import load_site
from defectflow.launch.submissions import Order
from defectflow.store import Results

RECIPES = ("cu.yaml", "h.yaml")


def states(call, url):
    return {
        row["recipe"]: row for row in json.loads(call("status", "--store", url, "--format", "json"))
    }


def all_completed(call, url):
    return all(row["state"] == "completed" for row in states(call, url).values())


def hurry(file):
    """Let the runner look at its jobs every second; it does so in minutes for real work."""
    content = yaml.safe_load(file.read_text())
    content["runner"] = dict.fromkeys(content["runner"], 1)
    file.write_text(yaml.safe_dump(content))


def check_results(url, local):
    values = {one.recipe: one.value for one in Results.open(url)}
    assert values.keys() == local.keys()
    for name, value in local.items():
        assert values[name] == pytest.approx(value, abs=1e-6)


def test_fireworks_and_slurm(slurm, url, folder, call, until, local):
    words = ("submit", *RECIPES, "--to", "fireworks", "--queue", "queue.yaml", "--store", url)
    said = call(*words)
    assert "cu: submitted" in said
    assert "queue jobs: " in said
    assert "was submitted before" in call(*words)
    until(lambda: all_completed(call, url), 150, lambda: call("status", "--store", url))
    check_results(url, local)
    assert "computed already" in call(*words)
    # Steps that a run on this machine needs again are found by their content.
    again = call("run", "cu.yaml", "--store", url, "--fresh")
    assert "0.27" in again


def test_qlaunch_works_on_what_we_submit_and_kinds_of_steps_have_their_own_jobs(
    slurm, url, folder, call, until, local
):
    """FireWorks' own launcher, with the files that init writes; a band waits for bands' workers."""
    site = ("--scheduler", "slurm", "--wall-time", "00:02:00", "--memory", 500, "--engine", "emt")
    call("init", "--force", "--no-check", *site, "--to", "fireworks", "--store", url)
    queue = folder / "queue.yaml"
    queue.write_text(f"{queue.read_text()}steps:\n  band: {{wall_time: '00:03:00'}}\n")
    flow = recipes.build(recipes.load(folder / "cu.yaml"))
    work = str(folder / ".defectflow")
    pad = open_launchpad(url)
    manager = FireWorksManager(pad, url, work, load_site(str(queue)), str(queue))
    assert manager.submit(Order("cu", "cu.yaml", "a" * 64, "defectflow x", flow))

    qlaunch = [Path(sys.executable).with_name("qlaunch"), "-c", folder / ".defectflow/fireworks"]
    subprocess.run(
        [*qlaunch, "rapidfire", "--nlaunches", "1", "--maxjobs_queue", "2"],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    # The queue job that ends feeds the queue with one for the band, and that one with the rest.
    until(lambda: all_completed(call, url), 150, lambda: call("status", "--store", url))
    check_results(url, {"cu": local["cu"]})
    kinds = {}
    for one in pad.fireworks.find({}, {"spec._category": 1, "launches": 1}):
        launch = pad.launches.find_one({"launch_id": one["launches"][-1]})
        kinds.setdefault(one["spec"].get("_category"), set()).add(launch["fworker"]["name"])
    assert kinds["band"] == {"defectflow-band"}
    assert kinds[None] == {"defectflow-default"}


def test_jobflow_remote_and_slurm(slurm, url, folder, call, until, local):
    words = ("submit", *RECIPES, "--to", "jobflow-remote", "--queue", "queue.yaml", "--store", url)
    said = call(*words)
    assert "cu: submitted" in said
    assert "runner start" in said
    assert "was submitted before" in call(*words)
    projects = folder / ".defectflow" / "remote" / "projects"
    hurry(projects / "defectflow.yaml")
    jf = Path(sys.executable).with_name("jf")
    runner = subprocess.Popen(
        [jf, "-p", "defectflow", "runner", "run"],
        env={**os.environ, "JFREMOTE_PROJECTS_FOLDER": str(projects)},
        stdout=(folder / "runner.log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        until(lambda: all_completed(call, url), 240, lambda: call("status", "--store", url))
    finally:
        runner.terminate()
        runner.wait(30)
    check_results(url, local)
