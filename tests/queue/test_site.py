"""A site set up by `defectflow init` on a real queue and a real server; what is others' stays."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fireworks import Firework, FWorker, LaunchPad, ScriptTask, Workflow
from pymongo import MongoClient

from defectflow import recipes
from defectflow.launch import node_checkup
from defectflow.launch.fireworks_manager import FireWorksManager
from defectflow.launch.launchpads import open_launchpad
from defectflow.launch.site import load_site
from defectflow.launch.submissions import Order

QUEUE = "scheduler: slurm\nwall_time: '00:02:00'\nmemory_per_node_MB: 500\n"
SITE = (
    "--force",
    "--scheduler",
    "slurm",
    "--wall-time",
    "00:02:00",
    "--memory",
    500,
    "--engine",
    "emt",
)


def queue_is_empty():
    return not subprocess.run(["squeue", "-h"], capture_output=True, check=True).stdout


def contents(url):
    """Return every document of a database, as text."""
    address, _, name = url.rpartition("/")
    with MongoClient(address) as client:
        database = client[name]
        return {
            one: sorted(map(str, database[one].find())) for one in database.list_collection_names()
        }


def test_a_site_is_set_up_and_used(slurm, url, folder, call, until):
    said = call("init", *SITE, "--to", "fireworks", "--store", url)
    assert "BAD" not in said
    assert "ok  queue: slurm answers" in said
    assert "ok  clock: that of the database" in said
    assert "no launchpad yet" in said
    assert "cu: submitted" in call("submit", "cu.yaml")  # --to, --queue and --store: the settings
    assert "launchpad is ours" in call("doctor", "--no-start")
    place = folder / ".defectflow" / "fireworks"
    lpad = [Path(sys.executable).with_name("lpad"), "-l", place / "my_launchpad.yaml"]
    ours = [sys.executable, "-m", "defectflow.launch.lpad"]
    for command in (lpad, ours):
        done = subprocess.run(
            [*command, "get_wflows", "-d", "more"], capture_output=True, text=True, check=True
        )
        assert json.loads(done.stdout[done.stdout.index("{") :])["name"].startswith("cu")
    call("cancel", "cu", "--store", url)
    until(lambda: "'time_end': None" not in str(contents(url)["launches"]), 60)  # its job has ended
    until(queue_is_empty, 60)
    left_over = {one["state"] for one in open_launchpad(url).fireworks.find()}
    assert left_over <= {"COMPLETED", "DEFUSED"}
    name = url.rpartition("/")[2]
    before = contents(url)
    assert "nothing is deleted" in call(
        "init", *SITE, "--store", url, "--yes-delete", "elsewhere", "--no-check", status=2
    )
    assert contents(url)["workflows"] == before["workflows"]
    words = ("init", *SITE, "--to", "fireworks", "--store", url, "--no-check")
    assert f"deleted from {name}: 1 workflows" in call(*words, "--yes-delete", name)
    left = contents(url)
    assert not any(left.get(one) for one in ("fireworks", "workflows", "launches"))
    assert left.get("runs", []) == before.get("runs", [])


def test_nodes_tell_their_time_through_the_queue(slurm, url, folder, call, until):
    (folder / "queue.yaml").write_text(f"{QUEUE}steps:\n  light: {{memory_per_node_MB: 300}}\n")
    words = ("doctor", "--queue", "queue.yaml", "--store", url, "--no-start")
    assert " nodes: " not in call(*words)
    said = call(*words, "--nodes", "--wait", 60)
    for kind in ("default", "light"):
        assert (
            f"ok  nodes: {kind}: node {platform.node()} sees this folder and the database" in said
        )
    assert said.count(f"ok  clock: that of node {platform.node()} is ") == 2
    until(queue_is_empty, 30)


def test_nodes_that_do_not_answer_or_answer_wrongly(slurm, url, folder, call, until, monkeypatch):
    words = ("doctor", "--queue", "queue.yaml", "--store", url, "--no-start", "--nodes", "--wait")
    (folder / "queue.yaml").write_text(f"{QUEUE}directives: ['--begin=now+1hour']\n")
    said = call(*words, 3, status=1)
    assert "BAD nodes: default: queue job" in said
    assert "is PENDING BeginTime; ask again with a longer --wait" in said
    until(queue_is_empty, 30)
    (folder / "queue.yaml").write_text(f"{QUEUE}setup: ['exit 3']\n")
    said = call(*words, 8, status=1)
    assert "failed with status 3:0 without an answer; see what it printed, in " in said
    (folder / "queue.yaml").write_text(QUEUE)
    # The clock of the database, seen from here, stands for one that differs on the node.
    seen = node_checkup.server_clock_s
    monkeypatch.setattr(node_checkup, "server_clock_s", lambda url: seen(url) + 9.0)
    said = call(*words, 60, status=1)
    assert re.search(r"BAD clock: that of node \S+ is \+9\.\d s from ours; set both by NTP", said)
    assert "give --store" not in said
    assert "needs a queue file" in call("doctor", "--no-start", "--nodes", status=1)


@pytest.mark.parametrize("to", ["fireworks", "jobflow-remote"])
def test_a_launchpad_of_others_is_left_alone(url, folder, call, to):
    address, _, name = url.rpartition("/")
    if to == "fireworks":
        pad = LaunchPad(host=url, name=name, uri_mode=True)
        pad.reset("", require_password=False)  # the database of this test alone
        pad.add_wf(Workflow([Firework([ScriptTask.from_str("true")], name="theirs")]))
    else:
        with MongoClient(address) as client:
            client[name]["remote_jobs"].insert_one({"uuid": "theirs"})
    before = contents(url)
    words = ("submit", "cu.yaml", "--to", to, "--queue", "queue.yaml", "--store", url)
    said = call(*words, status=2)
    assert "defectflow did not make" in said
    assert "name another database" in said
    if to == "fireworks":
        call("init", *SITE, "--to", to, "--store", url, "--no-check")
        found = call("doctor", "--no-start", status=1)
        assert "launchpad of others (fireworks" in found
        said = call("init", "--store", url, "--yes-delete", name, "--force", status=2)
        assert "nothing is deleted" in said
    after = contents(url)
    assert {one: after[one] for one in before} == before


@pytest.mark.parametrize("taken", ["checkout_fw", "reserve_fw"])
def test_a_launchpad_is_not_emptied_while_jobs_run(url, folder, call, monkeypatch, taken):
    """A job that FireWorks has given to a worker, or to a queue job that waits, runs."""
    pad = open_launchpad(url)
    site = load_site(str(folder / "queue.yaml"))
    queue = str(folder / "queue.yaml")
    manager = FireWorksManager(pad, url, str(folder / ".defectflow"), site, queue)
    flow = recipes.build(recipes.load(folder / "cu.yaml"))
    assert manager.submit(Order("cu", queue, "a" * 64, "defectflow x", flow))
    job, _ = getattr(pad, taken)(FWorker(), str(folder))
    assert job.state in {"RUNNING", "RESERVED"}
    before = contents(url)
    files = sorted(folder.rglob("*"))
    name = url.rpartition("/")[2]
    words = ("init", "--store", url, "--yes-delete", name, "--force", "--no-check")
    said = call(*words, status=2)
    assert "1 jobs are running; nothing is deleted: defectflow cancel first" in said
    assert contents(url) == before
    assert sorted(folder.rglob("*")) == files
    # What it says to do is enough; the queue that cancel asks is empty.
    (folder / "bin").mkdir()
    for program in ("squeue", "scancel"):
        (folder / "bin" / program).write_text("#!/bin/sh\n")
        (folder / "bin" / program).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
    assert "cu" in call("cancel", "cu", "--store", url)
    assert f"deleted from {name}: 1 workflows" in call(*words)
    assert not any(contents(url).get(one) for one in ("fireworks", "workflows", "launches"))


def test_recipes_are_stopped_though_the_queue_cannot_be_asked(url, folder, call, monkeypatch):
    queue = str(folder / "queue.yaml")
    manager = FireWorksManager(
        open_launchpad(url), url, str(folder / ".defectflow"), load_site(queue), queue
    )
    flow = recipes.build(recipes.load(folder / "cu.yaml"))
    assert manager.submit(Order("cu", queue, "a" * 64, "defectflow x", flow))
    (folder / "bin").mkdir()
    (folder / "bin" / "squeue").write_text("#!/bin/sh\necho no controller >&2; exit 1\n")
    (folder / "bin" / "squeue").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"), prepend=os.pathsep)
    said = call("cancel", "cu", "--store", url, status=2)
    assert "the recipes are stopped, but their queue jobs are still in the queue" in said
    assert "no controller" in said
    assert "cancelled" in call("status", "--store", url)


def test_another_version_on_the_worker_is_refused(slurm, url, folder, call, monkeypatch):
    """Jobs that another version submitted stay in the launchpad, and the worker says which."""
    monkeypatch.setattr("defectflow.launch.rockets.version", lambda: "9.9.9")
    words = ("submit", "cu.yaml", "--to", "fireworks", "--queue", "queue.yaml", "--store", url)
    assert "cu: submitted" in call(*words)
    done = subprocess.run(
        [sys.executable, "-m", "defectflow.launch.worker", "--store", url, "--kind", "default",
         "--queue", "queue.yaml", "--folder", str(folder / ".defectflow")],
        capture_output=True, text=True, check=False, env=os.environ,
    )  # fmt: skip
    assert "0 jobs done" in done.stdout
    assert "jobs of defectflow 9.9.9 are left alone" in done.stderr
    assert "install defectflow==9.9.9" in done.stderr


def test_a_store_that_is_no_server_is_refused(folder, call):
    words = ("submit", "cu.yaml", "--to", "fireworks", "--queue", "queue.yaml", "--store")
    for url, said in (
        ("a.sqlite", "need a server"),
        ("memory://", "need a server"),
        ("http://host/db", "need a server"),
        ("mongodb://ada:secret@host/db", "a password in the URL"),
    ):
        text = call(*words, url, status=2)
        assert said in text
        assert "secret" not in text
