"""Scripts for Grid Engine, judged by one; a recipe through it; what it says of its jobs."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from defectflow.launch import queues
from defectflow.launch.site import Site
from defectflow.store import Results

QUEUE = """\
scheduler: sge
wall_time: "00:30:00"
queue: long
account: m1
jobs: 1
directives: ["-l s_rt=00:29:00"]
"""
pytestmark = pytest.mark.usefixtures("sge")


def site(**changes):
    given = {"wall_time": "00:30:00", "queue": "long", "account": "m1", "memory_per_node_MB": 4000}
    parallel = {"processes_per_node": 4, "parallel_environment": "mpi"}
    return Site(**{"scheduler": "sge", **given, **parallel, **changes})


def asked(*words):
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("writer", ["fireworks", "qtoolkit"])
def test_grid_engine_reads_what_was_meant(tmp_path, writer):
    given, script = site(directives=["-l s_rt=00:29:00"]), tmp_path / "a.sh"
    if writer == "fireworks":
        script.write_text(queues.adapter(given, "default", "true").get_script_str("/place"))
    else:
        pytest.importorskip("qtoolkit", reason="pip install 'defectflow[queues]'")
        fields = queues.resources(given, "default")
        writer_ = queues.scheduler_io(given)
        script.write_text(writer_.get_submission_script("true", options=fields))
    said = asked("qsub", "-verify", str(script))
    found = {
        name.strip(): value.strip()
        for name, value in (one.split(":", 1) for one in said.splitlines() if ":" in one)
    }
    limits = set(found["hard resource_list"].split(","))
    assert {"h_rt=00:30:00", "h_vmem=1000M"} <= limits
    assert ("s_rt=00:29:00" in limits) == (writer == "fireworks")
    assert re.search(r"parallel environment: +mpi range: 4$", said, re.MULTILINE)
    assert found["hard_queue_list"] == "long"
    assert found["project"] == "m1"
    assert found["job_name"] == "defectflow-default"
    assert "cwd" in found  # its output lies beside the script, not in the user's home


def test_what_grid_engine_says_of_its_jobs(tmp_path, until):
    """States and ends of real queue jobs, read as status reads them."""
    given = site(wall_time="00:01:00", memory_per_node_MB=None)

    def submit(command, *words):
        script = tmp_path / "a.sh"
        script.write_text(queues.adapter(given, "default", command).get_script_str(str(tmp_path)))
        return re.search(
            r"Your job (\d+)", asked("qsub", "-wd", str(tmp_path), *words, str(script))
        )[1]

    held, fails, runs = submit("true", "-h"), submit("exit 3"), submit("sleep 50")
    until(lambda: queues.listed(given)[runs].begun, 60)
    listed = queues.listed(given)
    assert (listed[held].begun, listed[held].stuck) == (False, True)
    assert (listed[runs].begun, listed[runs].stuck) == (True, False)
    until(
        lambda: "with status 3" in queues.fate(given, fails), 60, lambda: queues.fate(given, fails)
    )
    killed = submit("sleep 50", "-l", "h_rt=0:0:1")
    until(
        lambda: "reached its wall time" in queues.fate(given, killed),
        60,
        lambda: queues.fate(given, killed),
    )
    queues.cancel(given, [held, runs])
    until(lambda: not {held, runs} & queues.listed(given).keys(), 60)
    assert queues.fate(given, "4711") == "queue job 4711 is gone"


def test_a_recipe_through_fireworks_and_grid_engine(url, folder, call, until, local):
    (folder / "queue.yaml").write_text(QUEUE)
    words = ("submit", "cu.yaml", "--to", "fireworks", "--queue", "queue.yaml", "--store", url)
    assert "queue jobs: " in call(*words)

    def rows():
        return json.loads(call("status", "--store", url, "--format", "json"))

    until(lambda: rows()[0]["state"] == "completed", 300, lambda: str(rows()))
    (found,) = Results.open(url)
    assert found.value == pytest.approx(local["cu"], abs=1e-6)
    (log,) = (folder / ".defectflow" / "queue").rglob("FW_job.out")
    until(lambda: "jobs done by defectflow" in log.read_text(), 60, log.read_text)
