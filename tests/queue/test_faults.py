"""What goes wrong on a cluster: told in words, and the right number after the command it names."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from fireworks import LaunchPad

from defectflow.cli import main
from defectflow.errors import StoreError
from defectflow.launch.fireworks_manager import FireWorksManager
from defectflow.launch.launchpads import open_launchpad
from defectflow.launch.site import load_site
from defectflow.launch.submissions import Order
from defectflow.store import open_store

#: One queue job at a time, so that a test knows which it is.
QUEUE = """\
scheduler: slurm
wall_time: "{wall_time}"
memory_per_node_MB: 500
jobs: 1
"""
WORKER = """\
import os, signal, sys
from defectflow.launch import launchpads, worker
from defectflow.store.opened import Store

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

{patch}
sys.exit(worker.main(sys.argv[1:]))
"""


def called(*words, status=0):
    """Call the command line and return what it wrote."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == status, result.output
    return result.output


def waited(true, seconds, say):
    """Wait until something is true; fail with what is said otherwise."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, say()
        time.sleep(0.3)


class Case:
    """A launchpad with one flow on it, its queue and the traces of its jobs."""

    def __init__(self, url, folder, call, until, wall_time="00:20:00"):
        self.url, self.folder, self.call, self.until = url, folder, call, until
        self.queue = folder / "queue.yaml"
        self.queue.write_text(QUEUE.format(wall_time=wall_time))
        self.flow = None

    @property
    def manager(self):
        site = load_site(str(self.queue))
        pad = open_launchpad(self.url)
        work = str(self.folder / ".defectflow")
        return FireWorksManager(pad, self.url, work, site, str(self.queue))

    def submit(self, flow, key="a" * 64, *, start=True):
        self.flow = flow
        added = self.manager.submit(Order("trial", str(self.queue), key, "defectflow x", flow))
        if start:
            self.manager.start()
        return added

    def traces(self, word):
        path = self.folder / "trace"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line.split() for line in lines if line.startswith(word)]

    def wait_for(self, word, count=1):
        self.until(lambda: len(self.traces(word)) >= count, 300, self.told)
        return self.traces(word)

    def told(self):
        return self.call("status", "--store", self.url)

    def row(self):
        (row,) = json.loads(self.call("status", "--store", self.url, "--format", "json"))
        return row

    def wait_for_words(self, *words):
        self.until(lambda: all(word in self.told() for word in words), 300, self.told)

    def go(self):
        (self.folder / "go").touch()

    def queue_job(self):
        """Return the number of the queue job, and the process of its worker."""
        return self.queue_jobs()[-1], int(self.traces("hold")[-1][2])

    def queue_jobs(self):
        """Return the numbers of the queue jobs of this launchpad, oldest first."""
        records = open_launchpad(self.url).db["defectflow"].find({"what": "queue job"})
        return [one["number"] for one in records.sort("submitted", 1)]

    @staticmethod
    def queue_is_empty():
        done = subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True)
        return not done.stdout.strip()

    def resume(self):
        """Call what status says."""
        words = shlex.split(self.row()["resume"])
        assert words[0] == "defectflow"
        return self.call(*words[1:])

    def finish(self, value, *, ran):
        """Wait for the end; check the number, and how often the first job ran."""
        self.until(lambda: self.row()["state"] == "completed", 300, self.told)
        with open_store(self.url) as store:
            outputs = {job.name: store.jobs.get_output(job.uuid) for job in self.flow.jobs}
            assert outputs["plus_one"] == value
            documents = list(store.jobs.query({}, ["uuid", "index"]))
        assert len(documents) == len({(one["uuid"], one["index"]) for one in documents}) == 2
        assert len(self.traces("plus_one")) == 1
        assert len(self.traces(self.flow.jobs[0].name)) == ran
        assert not list((self.folder / ".defectflow" / "jobs").iterdir())


def here(folder, patch):
    """Put the jobs on a path that queue jobs get too, and their traces into `folder`."""
    patch.setenv("FAULT_FOLDER", str(folder))
    patch.setenv("PYTHONPATH", str(Path(__file__).parent))
    patch.syspath_prepend(Path(__file__).parent)


@pytest.fixture
def faults(tmp_path, monkeypatch):
    """Return the module of jobs."""
    here(tmp_path, monkeypatch)
    return importlib.import_module("fault_jobs")


@pytest.fixture
def case(url, tmp_path, faults):
    return Case(url, tmp_path, called, waited)


def work(case, patch="", timeout=400):
    """Work in a process of its own, without a queue; `patch` says what to spoil."""
    words = ["--store", case.url, "--queue", str(case.queue), "--kind", "default"]
    return subprocess.run(
        [sys.executable, "-c", WORKER.format(patch=patch), *words, "--folder", str(case.folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.mark.parametrize(
    ("patch", "ran"),
    [
        # Computed, but not filed: the output lies in the job's folder.
        ("Store.file = die", 1),
        # Filed, but the launchpad was not told.
        ("launchpads.PatientLaunchPad.complete_launch = die", 1),
    ],
)
def test_worker_killed_between_compute_and_store(case, faults, patch, ran):
    case.go()
    case.submit(faults.held(3), start=False)
    assert work(case, patch).returncode == -signal.SIGKILL
    row = case.row()
    assert row["state"] == "failed"
    assert re.search(r"hold: lost: process \d+ ended without a word", row["error"])
    assert "retry trial" in row["resume"]
    case.manager.retry([row["key"]])
    done = work(case)
    assert "2 jobs done" in done.stdout, done.stderr
    case.finish(4, ran=ran)


def test_worker_of_another_version_takes_no_job_and_says_what_to_install(case, faults):
    case.submit(faults.quick(3), start=False)
    done = work(case, "worker.version = lambda: '9.9'")
    assert "0 jobs done" in done.stdout
    assert "this worker has 9.9; install defectflow==0.1.0 for them" in done.stderr
    assert case.traces("plus_one") == []


def test_same_flow_submitted_by_two_launchers_at_once(case, faults):
    case.go()
    added = []
    gate = threading.Barrier(4)  # the launchpad itself does not exist yet

    def submit():
        gate.wait()
        manager = case.manager
        order = Order("trial", "x.yaml", "b" * 64, "defectflow x", faults.held(3))
        added.append(manager.submit(order))

    launchers = [threading.Thread(target=submit) for _ in range(4)]
    for one in launchers:
        one.start()
    for one in launchers:
        one.join(60)
    assert sorted(added) == [False, False, False, True]
    assert len(case.manager.submissions()) == 1
    words = ["--store", case.url, "--queue", str(case.queue), "--kind", "default"]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "defectflow.launch.worker", *words, "--folder", case.folder],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [one.wait(400) for one in workers] == [0, 0]
    assert case.row()["state"] == "completed"
    assert (len(case.traces("hold")), len(case.traces("plus_one"))) == (1, 1)


def test_launchpad_of_someone_else_is_refused_and_left_as_it_is(url):
    theirs = LaunchPad(url, name=url.rpartition("/")[2], uri_mode=True)
    theirs.reset("", require_password=False)
    before = {name: list(theirs.db[name].find()) for name in theirs.db.list_collection_names()}
    with pytest.raises(StoreError, match=r"defectflow did not make .* name another database"):
        open_launchpad(url)
    assert {name: list(theirs.db[name].find()) for name in before} == before
    assert open_launchpad(url, create=False) is None


def test_launchpad_whose_maker_died_half_way_is_completed(url, case, faults):
    pad = open_launchpad(url)
    pad.db["fw_id_assigner"].delete_many({})
    case.submit(faults.quick(1), start=False)
    assert sorted(one["fw_id"] for one in pad.fireworks.find()) == [1, 2]


def test_large_output_goes_through_the_server_and_back(url):
    output = {"energy_eV": -1.0, "trajectory": [[0.5] * 100] * 40_000}
    with open_store(url) as store:
        store.file({"uuid": "u", "index": 1, "output": output}, "k")
        store.file({"uuid": "u", "index": 1, "output": output}, "k")
        (kept,) = store.jobs.docs_store.query({})
        assert len(str(kept)) < 1000
    with open_store(url) as store:
        assert store.jobs.get_output("u") == output


def test_claim_made_by_a_clock_that_jumped_is_taken_over(case, faults):
    pad = open_launchpad(case.url)
    for key, ahead_s in (("c" * 64, 7200.0), ("d" * 64, -7200.0)):
        pad.db["defectflow"].insert_one({"_id": f"claim {key}", "at": time.time() + ahead_s})
        flow = faults.quick(len(key))
        assert case.manager.submit(Order("trial", "x.yaml", key, "defectflow x", flow))


def holding(case):
    """Start a worker, and wait until its job holds."""
    words = ["--store", case.url, "--queue", str(case.queue), "--kind", "default"]
    worker = subprocess.Popen(
        [sys.executable, "-m", "defectflow.launch.worker", *words, "--folder", case.folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    case.wait_for("hold")
    return worker


def test_database_gone_while_a_job_runs(own_server, case, faults):
    if not case.url.startswith(own_server.address):
        pytest.skip("the server of $MONGODB_URI is not ours to stop")
    case.submit(faults.held(5), start=False)
    worker = holding(case)
    own_server.stop()
    case.go()
    said = case.call("status", "--store", case.url, status=2)
    assert "check the URL and the server" in said
    own_server.start()
    out, _ = worker.communicate(timeout=400)
    assert "2 jobs done" in out
    case.finish(6, ran=1)


#: What FireWorks writes when a job has ended and asks for another: the end of the job, the new job,
#: and the workflow last. Each stands for a place between two writes, where `strike` falls once.
BETWEEN = """
from pathlib import Path

update, done = launchpads.PatientLaunchPad._update_wf, Path({sign!r})

def strike():
    if not done.exists():
        done.touch()
        os.kill({victim}, signal.SIGKILL)

class Struck:
    def __init__(self, collection):
        self.collection, self.writes = collection, 0
    def __getattr__(self, name):
        if name in ("find_one_and_replace", "insert_many"):
            self.writes += 1
            if self.writes == {writes}:
                strike()
        return getattr(self.collection, name)

def struck(pad, flow, changed):
    if any(flow.id_fw[one].state == "COMPLETED" for one in changed):
        jobs = pad.fireworks
        if {writes} == 0:
            strike()
        pad.fireworks = Struck(jobs)
        try:
            update(pad, flow, changed)
            strike()
        finally:
            pad.fireworks = jobs
    else:
        update(pad, flow, changed)

launchpads.PatientLaunchPad._update_wf = struck
"""


#: A job is marked as taken first, and gets its launch afterwards: `strike` falls between the two.
TAKEN = """
from pathlib import Path

take, done = launchpads.PatientLaunchPad._get_a_fw_to_run, Path({sign!r})

def struck(pad, *words, checkout=True, **options):
    job = take(pad, *words, checkout=checkout, **options)
    if checkout and job is not None and not done.exists():
        done.touch()
        os.kill({victim}, signal.SIGKILL)
    return job

launchpads.PatientLaunchPad._get_a_fw_to_run = struck
"""


def test_worker_killed_when_it_has_taken_a_job(case, faults):
    case.go()
    case.submit(faults.held(3), start=False)
    patch = TAKEN.format(sign=str(case.folder / "struck"), victim="os.getpid()")
    assert work(case, patch).returncode == -signal.SIGKILL
    row = case.row()
    assert re.search(r"hold: lost: process \d+ ended without a word", row["error"])
    assert "retry trial" in row["resume"]
    case.manager.retry([row["key"]])
    done = work(case)
    assert "2 jobs done" in done.stdout, done.stderr
    case.finish(4, ran=1)


def test_database_killed_when_a_worker_has_taken_a_job(own_server, case, faults):
    if not case.url.startswith(own_server.address):
        pytest.skip("the server of $MONGODB_URI is not ours to kill")
    case.go()
    case.submit(faults.held(3), start=False)
    restarted(own_server)
    patch = TAKEN.format(sign=str(case.folder / "struck"), victim=own_server.process.pid)
    done = work(case, patch)
    assert "2 jobs done" in done.stdout, done.stderr
    case.finish(4, ran=1)


def restarted(server):
    """Start a server again, in the background, when something has killed it."""

    def restart():
        server.killed()
        time.sleep(1.0)
        server.start()

    threading.Thread(target=restart).start()


def grown(case, ran):
    """Check the end of a flow whose first job asked for another: nothing lost, nothing twice."""
    row = case.row()
    assert (row["state"], row["jobs_done"], row["jobs_total"]) == ("completed", 3, 3), row
    with open_store(case.url) as store:
        assert store.jobs.get_output(case.flow.jobs[1].uuid) == 5
        keys = [(one["uuid"], one["index"]) for one in store.jobs.query({}, ["uuid", "index"])]
    assert len(keys) == len(set(keys)) == 3
    assert (len(case.traces("grow")), len(case.traces("plus_one"))) == (ran, 2)
    assert "locked" not in open_launchpad(case.url).workflows.find_one({})


@pytest.mark.parametrize(
    ("writes", "state", "ran"), [(0, "failed", 2), (2, "failed", 2), (9, "waiting", 1)]
)
def test_worker_killed_when_it_notes_what_a_job_has_come_to(case, faults, writes, state, ran):
    """Before, between and after the writes that end a job and add the one that it asks for."""
    case.submit(faults.growing(3), start=False)
    sign = str(case.folder / "struck")
    patch = BETWEEN.format(sign=sign, victim="os.getpid()", writes=writes)
    assert work(case, patch).returncode == -signal.SIGKILL
    row = case.row()
    assert row["state"] == state
    assert re.search(r"lost: process \d+ ended", row["error"])
    assert "retry trial" in row["resume"]
    case.manager.retry([row["key"]])
    done = work(case)
    assert "jobs done" in done.stdout, done.stderr
    grown(case, ran)  # a job that asks for another is asked again if its answer was not noted


@pytest.mark.parametrize("writes", [2, 9])
def test_database_killed_when_a_worker_notes_what_a_job_has_come_to(
    own_server, case, faults, writes
):
    """The server dies without a word between two writes and comes back; nobody does anything."""
    if not case.url.startswith(own_server.address):
        pytest.skip("the server of $MONGODB_URI is not ours to kill")
    case.submit(faults.growing(3), start=False)
    sign = str(case.folder / "struck")
    patch = BETWEEN.format(sign=sign, victim=own_server.process.pid, writes=writes)
    restarted(own_server)
    done = work(case, patch)
    assert "3 jobs done" in done.stdout, done.stderr
    grown(case, ran=1)


#: The flow is cancelled by another process while this one is at a job.
CANCELLED = """
from defectflow.launch.fireworks_manager import FireWorksManager
{pad} = launchpads.PatientLaunchPad
step = {pad}.{method}

def cancelled(pad, *words, **options):
    done = step(pad, *words, **options) if {after} else None
    if options.get("checkout", True):  # not where it only looks
        FireWorksManager(pad, {url!r}, "").cancel([{key!r}])
    return done if {after} else step(pad, *words, **options)

{pad}.{method} = cancelled
"""


@pytest.mark.parametrize(
    ("method", "after", "ran"),
    [
        ("complete_launch", False, 1),  # it runs, and its end is not noted yet
        ("complete_launch", True, 1),  # its end and the job it asks for are noted
        ("_get_a_fw_to_run", True, 1),  # it is taken, and has no launch yet
        ("checkout_fw", False, 0),
    ],
)
def test_what_a_job_asks_for_after_its_flow_was_cancelled_never_runs(
    case, faults, method, after, ran
):
    case.submit(faults.growing(3), start=False)
    patch = CANCELLED.format(
        pad="Pad", method=method, after=after, url=case.url, key=case.row()["key"]
    )
    done = work(case, patch)
    assert f"{ran} jobs done" in done.stdout, done.stderr
    assert case.row()["state"] == "cancelled"
    assert (len(case.traces("grow")), case.traces("plus_one")) == (ran, [])
    states = {one["state"] for one in open_launchpad(case.url).fireworks.find()}
    assert states <= {"COMPLETED", "DEFUSED"}


#: Another process cancels while this one is about to write down what a job has come to.
CANCELLED_MEANWHILE = """
import subprocess, time
update = launchpads.PatientLaunchPad._update_wf
others = []

def slow(pad, flow, changed):
    if not others and any(flow.id_fw[one].state == "COMPLETED" for one in changed):
        others.append(subprocess.Popen([sys.executable, "-c", {cancel!r}]))
        time.sleep(5.0)  # it waits at the lock by now
    update(pad, flow, changed)

def after_it(pad, *words, **options):
    for one in others:
        assert one.wait(60) == 0
    return take(pad, *words, **options)

take = launchpads.PatientLaunchPad._get_a_fw_to_run
launchpads.PatientLaunchPad._get_a_fw_to_run = after_it
launchpads.PatientLaunchPad._update_wf = slow
"""


CANCEL = """
from defectflow.launch.fireworks_manager import FireWorksManager
from defectflow.launch.launchpads import open_launchpad
FireWorksManager(open_launchpad({url!r}), {url!r}, "").cancel([{key!r}])
"""


def test_a_flow_cancelled_while_its_workflow_is_held_stays_cancelled(case, faults):
    case.submit(faults.growing(3), start=False)
    cancel = CANCEL.format(url=case.url, key=case.row()["key"])
    done = work(case, CANCELLED_MEANWHILE.format(cancel=cancel))
    assert "1 jobs done" in done.stdout, done.stderr
    assert case.row()["state"] == "cancelled"
    states = {one["state"] for one in open_launchpad(case.url).fireworks.find()}
    assert states <= {"COMPLETED", "DEFUSED"}


def test_database_killed_while_a_job_runs(own_server, case, faults):
    if not case.url.startswith(own_server.address):
        pytest.skip("the server of $MONGODB_URI is not ours to kill")
    case.submit(faults.held(5), start=False)
    worker = holding(case)
    own_server.process.kill()
    own_server.killed()
    case.go()
    time.sleep(1.0)
    own_server.start()
    out, _ = worker.communicate(timeout=400)
    assert "2 jobs done" in out
    case.finish(6, ran=1)


def test_half_written_document_on_the_server_is_computed_again(case, faults):
    case.submit(faults.quick(1), start=False)
    work(case)
    with open_store(case.url) as store:
        half = case.flow.jobs[0].uuid
        store.jobs.docs_store._collection.update_one({"uuid": half}, {"$unset": {"output": 1}})
    again = faults.quick(1)
    case.submit(again, "e" * 64, start=False)
    work(case)
    with open_store(case.url) as store:
        assert store.jobs.get_output(again.jobs[1].uuid) == 3
    assert [line[1] for line in case.traces("plus_one")] == ["1", "2", "1"]


# From here on with a real Slurm. The minute that the wall time takes goes by beside the others.


@pytest.fixture(scope="module")
def late(slurm, own_server, tmp_path_factory):
    """Return a case whose job will not have ended when its queue job reaches its wall time."""
    folder = tmp_path_factory.mktemp("late")
    with pytest.MonkeyPatch.context() as patch:
        here(folder, patch)
        jobs = importlib.import_module("fault_jobs")
        made = Case(f"{own_server.address}/defectflow_late", folder, called, waited)
        made.submit(jobs.held(17))
        made.wait_for("hold")
        number, _ = made.queue_job()
        # Minutes are the smallest unit; this is the shortest that there is.
        subprocess.run(["scontrol", "update", f"JobId={number}", "TimeLimit=1"], check=True)
    return made


def test_worker_killed_in_the_middle_of_a_job(late, case, faults):
    case.submit(faults.held(7))
    case.wait_for("hold")
    number, worker = case.queue_job()
    os.kill(worker, signal.SIGKILL)
    case.wait_for_words("lost", number, "go on: defectflow retry trial")
    case.go()
    case.resume()
    case.finish(8, ran=2)


def test_running_queue_job_is_cancelled(late, case, faults):
    case.submit(faults.held(9))
    case.wait_for("hold")
    number, _ = case.queue_job()
    subprocess.run(["scancel", number], check=True)
    case.wait_for_words(f"queue job {number} was cancelled", "go on: defectflow retry trial")
    case.go()
    case.resume()
    case.finish(10, ran=2)


def test_waiting_queue_job_is_cancelled(late, case, faults):
    text = case.queue.read_text()
    case.queue.write_text(f"{text}directives: ['--begin=now+1hour']\n")
    case.go()
    case.submit(faults.held(19))
    (number,) = case.queue_jobs()
    assert case.row()["state"] == "waiting"
    subprocess.run(["scancel", number], check=True)
    case.wait_for_words("none is left for the jobs that are ready", "go on: defectflow retry trial")
    case.queue.write_text(text)
    case.resume()
    case.finish(20, ran=1)


def test_job_out_of_memory(late, case, faults):
    case.submit(faults.hungry(11))
    case.wait_for("take_memory")
    case.wait_for_words("memory", "go on: defectflow retry trial")
    (case.folder / "modest").touch()
    case.resume()
    case.finish(12, ran=2)


def test_dependency_that_is_never_satisfied(late, case, faults):
    failing = subprocess.run(
        ["sbatch", "--parsable", "-o", "/dev/null", "--wrap", "exit 3"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    text = case.queue.read_text()
    case.queue.write_text(f"{text}directives: ['--dependency=afterok:{failing}']\n")
    case.go()
    case.submit(faults.held(13))
    case.wait_for_words("will never start (DependencyNeverSatisfied); take it out of the queue")
    (number,) = case.queue_jobs()
    assert f"queue job {number}" in case.told()
    case.queue.write_text(text)
    subprocess.run(["scancel", number], check=True)
    case.wait_for_words("none is left for the jobs that are ready")
    case.resume()
    case.finish(14, ran=1)


def test_wall_time_is_reached(late, monkeypatch):
    here(late.folder, monkeypatch)
    late.wait_for_words("reached its wall time (00:01:00)", "go on: defectflow retry trial")
    late.go()
    late.resume()
    late.finish(18, ran=2)


def test_node_fails_with_all_that_runs_on_it(slurm, case, faults):
    case.submit(faults.held(15))
    case.wait_for("hold")
    number, worker = case.queue_job()
    slurm("kill-node")
    parents = [worker]
    while parents[-1] > 1:  # the worker, its script and the daemon of this queue job
        stat = Path(f"/proc/{parents[-1]}/stat").read_text().rpartition(")")[2]
        parents.append(int(stat.split()[1]))
    for one in reversed(parents[:-1]):
        os.kill(one, signal.SIGKILL)
    case.wait_for_words("lost", number, "go on: defectflow retry trial")
    slurm("start-node")
    waited(case.queue_is_empty, 120, case.told)  # Slurm gives up what was on the node
    case.go()
    case.resume()
    case.finish(16, ran=2)
