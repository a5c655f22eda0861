"""Running flows in this process: order, dynamic jobs, failures, and what is computed again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from jobflow import Flow, JobStore, job, run_locally
from maggma.stores import MemoryStore

from defectflow.errors import StoreError
from defectflow.launch import run_flow
from defectflow.store import open_store


def flow_of(*jobs):
    return Flow(list(jobs))


@pytest.fixture(params=[1, 2])
def workers(request):
    return request.param


def test_chain_gives_what_jobflow_gives(jobs, store):
    flow = jobs.chain(6)
    peer = JobStore(MemoryStore())
    run_locally(jobs.chain(6), store=peer, log=False)
    summary = run_flow(flow, store)
    assert summary.ok
    assert (summary.computed, summary.reused, summary.total) == (6, 0, 6)
    expected = sorted(one["output"] for one in peer.query({}))
    assert [one["output"] for one in store.jobs.query({})] == expected == [1, 2, 3, 4, 5, 6]
    document = store.jobs.query_one({"uuid": flow[2].uuid})
    fields = set(peer.query_one({})) - {"@module", "@class", "@version"}
    assert fields <= set(document)
    assert document["hosts"] == [flow.uuid]


def test_replacement_is_settled_before_its_children(jobs, store, workers):
    fan = jobs.fan_out(3)
    end = jobs.total(fan.output)
    summary = run_flow(flow_of(end, fan), store, workers=workers)
    assert summary.ok
    assert summary.total == 6
    assert store.jobs.get_output(end.uuid) == 6


def test_replacement_by_replacement(jobs, store):
    first = jobs.count_down(3)
    last = jobs.add(first.output, 10)
    assert run_flow(flow_of(first, last), store).ok
    assert store.jobs.get_output(last.uuid) == 10
    assert store.jobs.query_one({"uuid": first.uuid}, sort={"index": -1})["index"] == 4


def test_detour_comes_before_children_and_addition_is_run_too(jobs, store, log):
    detour, addition = jobs.make_a_detour(1), jobs.make_an_addition(2)
    child = jobs.add(detour.output, 5)
    summary = run_flow(flow_of(detour, addition, child), store)
    assert summary.ok
    assert summary.total == 5
    lines = log()
    assert lines.index("add 100 1") < lines.index("add 1 5")
    assert "add 200 2" in lines


def test_linear_order_is_kept(jobs, store, log, workers):
    assert run_flow(jobs.linear(), store, workers=workers).ok
    assert log() == ["add 1 1", "add 2 2", "add 3 3"]


def test_single_job_and_list_of_jobs_are_flows(jobs, store):
    assert run_flow(jobs.add(1, 1), store).total == 1
    assert run_flow([jobs.add(1, 2), jobs.add(1, 3)], store).total == 2


def test_nested_makers_and_flows(jobs, store):
    twice = jobs.TwiceMaker(inner=jobs.ScaleMaker(factor=3.0)).make(2)
    outer = Flow([Flow([twice]), jobs.add(twice.output, 1)])
    assert run_flow(outer, store).ok
    assert store.jobs.get_output(outer[1].uuid) == 7.0


def test_failed_branch_does_not_stop_the_others(jobs, store, log, workers):
    broken, fine = jobs.fail("force 0.3 eV/Å after 200 steps"), jobs.add(1, 1)
    child = jobs.add(broken.output, 1)
    grandchild = jobs.add(child.output, 1)
    other = jobs.add(fine.output, 5)
    events = []
    summary = run_flow(
        flow_of(broken, child, grandchild, fine, other),
        store,
        workers=workers,
        on_event=events.append,
    )
    assert summary.state == "failed"
    assert [one.error for one in summary.failures] == [
        "NotConverged: force 0.3 eV/Å after 200 steps"
    ]
    assert summary.skipped == ("add", "add")
    assert store.jobs.get_output(other.uuid) == 7
    assert sorted(log()) == ["add 1 1", "add 2 5", "fail"]
    folder = summary.failures[0].folder
    assert "NotConverged" in (folder / "error.txt").read_text()
    assert [one.error for one in events if one.kind == "failed"] == [summary.failures[0].error]


def test_failure_inside_a_replacement_reaches_the_children_of_the_replaced(jobs, store):
    fan = jobs.fan_out_with_a_failure(2)
    strict, tolerant = jobs.total(fan.output), jobs.total_of_what_there_is(fan.output)
    summary = run_flow(flow_of(fan, strict, tolerant), store)
    assert summary.state == "failed"
    assert [one.name for one in summary.failures] == ["fail"]
    assert summary.skipped == ("total",)
    assert store.jobs.get_output(tolerant.uuid) == 3


def test_reference_to_an_output_that_is_nowhere(jobs, store):
    elsewhere = jobs.add(1, 1)
    summary = run_flow(flow_of(jobs.add(elsewhere.output, 1)), store)
    assert "its input cannot be had" in summary.failures[0].error
    assert elsewhere.uuid in summary.failures[0].error


def test_reference_to_an_output_of_an_earlier_run(jobs, store):
    earlier = jobs.add(1, 1)
    run_flow(earlier, store)
    later = jobs.add(earlier.output, 5)
    assert run_flow(later, store).ok
    assert store.jobs.get_output(later.uuid) == 7


def test_circle_is_refused_before_anything_runs(jobs, store, log):
    one = jobs.add(1, 1)
    two = jobs.add(one.output, 1)
    one.function_args = (two.output, 1)
    with pytest.raises(ValueError, match="circle"):
        run_flow(flow_of(one, two), store)
    assert log() == []


def test_stop_children_and_stop_everything(jobs, store, log):
    stopping = jobs.stop_children()
    child = jobs.add(stopping.output, 1)
    summary = run_flow(flow_of(stopping, child, jobs.add(7, 7)), store)
    assert summary.ok
    assert summary.skipped == ("add",)
    assert log() == ["add 7 7"]
    stopping = jobs.stop_everything()
    later = jobs.add(stopping.output, 1)
    assert run_flow(flow_of(stopping, later), store).skipped == ("add",)
    assert log() == []


def test_second_run_computes_nothing(jobs, store, log):
    first = run_flow(jobs.chain(5), store)
    assert (first.computed, len(log())) == (5, 5)
    again = jobs.chain(5)
    events = []
    summary = run_flow(again, store, on_event=events.append)
    assert (summary.computed, summary.reused, log()) == (0, 5, [])
    assert {one.kind for one in events} == {"reused"}
    assert (events[-1].done, events[-1].total) == (5, 5)
    assert store.jobs.get_output(again[4].uuid) == 5


def test_flow_object_can_be_run_again_and_again(jobs, store, log):
    flow = jobs.chain(3)
    assert [run_flow(flow, store).computed for _ in range(3)] == [3, 0, 0]
    assert store.jobs.count() == 3
    assert run_flow(flow, store, fresh=True).computed == 3
    assert store.jobs.get_output(flow[2].uuid) == 3


def test_second_run_of_a_growing_flow_runs_only_what_asks_for_jobs(jobs, store, log):
    run_flow(flow_of(jobs.fan_out(3)), store)
    log()
    run_flow(flow_of(jobs.fan_out(3)), store)
    assert log() == ["fan_out"]


def test_shared_step_is_computed_once_by_two_flows(jobs, store, log):
    for number in (5, 6):
        shared = jobs.add(1, 2)
        run_flow(flow_of(shared, jobs.add(shared.output, number)), store)
    assert log() == ["add 1 2", "add 3 5", "add 3 6"]


def test_equal_jobs_running_at_once_are_computed_once(jobs, store, log):
    pair = [jobs.add(1, 2), jobs.add(1, 2), jobs.add(4, 5)]
    summary = run_flow(flow_of(*pair), store, workers=2)
    assert (summary.computed, summary.reused) == (2, 1)
    assert [store.jobs.get_output(one.uuid) for one in pair] == [3, 3, 9]
    assert sorted(log()) == ["add 1 2", "add 4 5"]


def test_fresh_computes_again_but_each_job_only_once(jobs, store, log):
    run_flow(flow_of(jobs.add(1, 2)), store)
    log()
    summary = run_flow(flow_of(jobs.add(1, 2), jobs.add(1, 2)), store, fresh=True)
    assert (summary.computed, summary.reused, log()) == (1, 1, ["add 1 2"])


def test_unconverged_output_is_computed_again_and_its_folder_kept(jobs, store, log, folders):
    for _ in range(2):
        assert run_flow(flow_of(jobs.unconverged(1)), store).computed == 1
        assert folders() == ["relax.checkpoint.json"]
    assert log() == ["unconverged", "unconverged"]


def test_failed_job_is_computed_again(jobs, store, log):
    for _ in range(2):
        assert run_flow(flow_of(jobs.fail("no")), store).state == "failed"
    assert log() == ["fail", "fail"]


def test_every_job_has_a_folder_that_goes_when_it_is_done(jobs, store, folders, workers):
    before = Path.cwd()
    jobs_here = [jobs.where("a"), jobs.where("b")]
    run_flow(flow_of(*jobs_here), store, workers=workers)
    used = {store.jobs.get_output(one.uuid) for one in jobs_here}
    assert len(used) == 2
    assert all(Path(one).parent == store.folder / "jobs" for one in used)
    assert Path.cwd() == before
    assert folders() == []


def test_folder_locked_by_another_run_is_left_alone(jobs, store, tmp_path):
    used = jobs.where("a")
    run_flow(flow_of(used), store)
    usual = Path(store.jobs.get_output(used.uuid))
    usual.mkdir()
    lock = os.open(usual, os.O_RDONLY)
    import fcntl

    fcntl.flock(lock, fcntl.LOCK_EX)
    (usual / "precious").touch()
    again = jobs.where("a")
    assert run_flow(flow_of(again), store, fresh=True).ok
    assert Path(store.jobs.get_output(again.uuid)) == usual.with_name(f"{usual.name}-{os.getpid()}")
    assert (usual / "precious").exists()
    os.close(lock)


def test_fresh_does_not_use_checkpoints(jobs, store, log):
    run_flow(flow_of(jobs.unconverged(1)), store)
    kept = next((store.folder / "jobs").glob("*"))
    (kept / "old.checkpoint.json").touch()
    run_flow(flow_of(jobs.unconverged(1)), store, fresh=True)
    assert sorted(path.name for path in kept.iterdir()) == ["relax.checkpoint.json"]


def test_what_jobs_print_does_not_reach_stdout(jobs, store, capsys):
    run_flow(flow_of(jobs.print_something("chatter")), store)
    captured = capsys.readouterr()
    assert "chatter" not in captured.out + captured.err
    (log,) = (store.folder / "logs").glob("print_something-*.log")
    assert "chatter" in log.read_text()


def test_disk_that_fills_up_ends_the_run_with_one_line(jobs, store, folders):
    run_flow(jobs.chain(2), store)
    connection = store.jobs.docs_store._collection.connection
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full"):
        run_flow(jobs.chain(400), store)
    filed = store.jobs.count()
    assert 2 < filed < 402
    connection.execute("PRAGMA max_page_count = 100000")
    summary = run_flow(jobs.chain(400), store)
    assert summary.ok
    assert summary.reused >= filed - 4


def test_job_folder_that_cannot_be_made_ends_the_run_with_one_line(jobs, store):
    (store.folder).mkdir()
    (store.folder / "jobs").write_text("in the way")
    with pytest.raises(StoreError, match="cannot make the job's folder"):
        run_flow(jobs.chain(2), store)


def test_memory_store_serves_worker_processes_too(jobs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_store("memory://") as store:
        flow = jobs.chain(3)
        assert run_flow(flow, store, workers=2).ok
        assert store.jobs.get_output(flow[2].uuid) == 3


def test_running_a_plain_function_does_not_make_all_of_python_trusted(store):
    one = job(sum)([1, 2])
    assert run_flow(flow_of(one), store).ok
    planted = {"@module": "builtins", "@callable": "eval", "@bound": None}
    store.file({"uuid": one.uuid, "index": 1, "output": planted})
    with pytest.raises(StoreError, match=r"builtins\.eval"):
        store.jobs.get_output(one.uuid)


def test_planted_output_of_a_parent_is_refused(jobs, store):
    parent = jobs.add(1, 1)
    store.file({"uuid": parent.uuid, "index": 1, "output": {"@module": "evil", "@class": "X"}})
    with pytest.raises(StoreError, match=r"evil\.X"):
        run_flow(flow_of(jobs.add(parent.output, 1)), store)
