"""What a worker of jobflow-remote makes of the jobs that a job asks for."""

from __future__ import annotations

import json

import pytest
from jobflow import JobStore
from jobflow.core.flow import get_flow
from maggma.stores import JSONStore, MemoryStore
from monty.json import MontyDecoder, MontyEncoder
from monty.serialization import dumpfn

from defectflow.engines.registry import engine
from defectflow.flows import MigrationBarrierMaker
from defectflow.launch import remote_run
from defectflow.launch.queues import step_kind
from defectflow.launch.remote_manager import RemoteManager, project
from defectflow.launch.site import Site
from defectflow.launch.submissions import Order
from defectflow.structures import hosts

STEPS = {"band": {"nodes": 3}, "relax": {"nodes": 2}, "static": {"nodes": 4}}
SITE = Site(scheduler="slurm", wall_time="01:00:00", steps=STEPS)


def asked_for(response):
    """Return the jobs of a response as jobflow-remote's runner takes them from a file."""
    parts = ("replace", "detour", "addition")
    flows = {name: getattr(response, name) for name in parts}
    plain = {name: get_flow(flow) if flow else None for name, flow in flows.items()}
    said = json.loads(json.dumps({"response": plain, "error": None}, cls=MontyEncoder))
    said = remote_run.looked_through(said, list(STEPS)) or said
    made = (said["response"][name] for name in parts)
    return [job for one in made if one for job, _ in MontyDecoder().process_decoded(one).iterflow()]


def test_jobs_made_at_run_time_get_the_worker_of_their_kind(tmp_path, monkeypatch):
    """All through a flow: each job comes from one that has another kind."""
    monkeypatch.chdir(tmp_path)
    maker = MigrationBarrierMaker(engine=engine("emt", level="fast"), limit="discharged")
    flow = maker.make(hosts.load("fcc-Ag"), species="Ag")
    RemoteManager(None, tmp_path, SITE)._assign(Order("r", "r", "k", "c", flow))
    store = JobStore(MemoryStore())
    store.connect()
    waiting, seen = [job for job, _ in flow.iterflow()], {}
    while waiting:
        job = waiting.pop(0)
        given = job.config.manager_config.get("worker", "default")
        seen.setdefault(step_kind(job), set()).add(given)
        waiting = asked_for(job.run(store)) + waiting
    assert seen == {"relax": {"relax"}, "band": {"band"}, "light": {"default"}}


@pytest.mark.usefixtures("loggers_kept")
def test_the_program_of_a_worker_writes_them_into_its_file(jobs, tmp_path):
    data = pytest.importorskip("jobflow_remote.jobs.data")
    for kinds, worker in ((["--kinds", "light"], "light"), (["--kinds", "band"], "default")):
        folder = tmp_path / worker
        folder.mkdir()
        content = {
            "job": jobs.fan_out(2),
            "store": JobStore(JSONStore(str(folder / "out.json"), read_only=False)),
        }
        dumpfn(content, str(folder / data.IN_FILENAME))
        assert remote_run.main([str(folder), *kinds]) == 0
        said = json.loads((folder / data.OUT_FILENAME).read_text())
        assert said["error"] is None, said["error"]
        made = list(remote_run._asked(said["response"]))
        assert len(made) > 2
        assert {job["config"]["manager_config"]["worker"] for job in made} == {worker}


def test_workers_are_told_which_kinds_have_one_of_their_own(tmp_path):
    pytest.importorskip("jobflow_remote")
    made = project("mongodb://host/database", str(tmp_path), SITE)
    for worker in made["workers"].values():
        assert worker["execution_cmd"].endswith("remote_run {} --kinds band relax static")
    plain = project(
        "mongodb://host/database", str(tmp_path), Site(scheduler="slurm", wall_time="01:00:00")
    )
    assert plain["workers"]["default"]["execution_cmd"].endswith("remote_run {}")
