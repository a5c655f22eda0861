"""Peak memory of jobs: measured beside known sizes, filed, and used by plans."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from jobflow import Flow, job

from defectflow.launch import run_flow
from defectflow.launch.costs import Finished, finished_jobs
from defectflow.launch.memory_model import MemoryModel
from defectflow.launch.sizes import Size
from defectflow.store import open_store

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux's kernel")


MEASURE = """
import subprocess, sys
from defectflow.launch.memory import peak_memory

def held(megabytes, seconds):
    code = f"import time; a = b'x' * {megabytes}_000_000; time.sleep({seconds})"
    return subprocess.Popen([sys.executable, "-S", "-c", code])

with peak_memory() as empty:
    pass
for block in sys.argv[1:]:
    with peak_memory() as peak:
        exec(block)
    print(peak.memory_MB - empty.memory_MB)
"""


def grown_MB(*blocks):
    """Return by how much the peak of each block is above that of an empty one.

    In a process of their own: this one is large, and has had larger children.
    """
    command = [sys.executable, "-c", MEASURE, *blocks]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [float(line) for line in said.split()]


def test_memory_of_this_process_is_counted_anew_for_each_block():
    first, second = grown_MB("bytearray(300_000_000).count(1)", "bytearray(50_000_000).count(1)")
    assert first == pytest.approx(300, abs=20)
    assert second == pytest.approx(50, abs=20)


def test_programs_count_together():
    """Two at a time are seen on the way, as the processes of an MPI run are."""
    (both,) = grown_MB("for one in [held(200, 4), held(200, 4)]: one.wait()")
    assert both == pytest.approx(400 + 2 * 10, abs=30)


def test_a_short_program_counts_when_it_has_ended():
    (short,) = grown_MB("held(700, 0).wait()")
    assert short == pytest.approx(700 + 10, abs=30)


@job
def large(megabytes):
    return len(b"x" * (megabytes * 1_000_000))


def test_the_output_of_a_job_says_what_it_took(tmp_path):
    jobs = [large(400), large(1)]
    with open_store(tmp_path / "a.sqlite") as store:
        assert run_flow(Flow(jobs), store).computed == 2
        found = {one["uuid"]: one["metadata"] for one in store.jobs.query({})}
    first, second = (found[one.uuid] for one in jobs)
    assert first["memory_MB"] - second["memory_MB"] == pytest.approx(399, abs=30)
    assert (first["processes"], first["cores"]) == (1, 1)


def finished(size, took_MB, processes=1):
    return Finished("static", 1.0, 1, 1.0, size, processes, took_MB)


def size(waves):
    return Size(4, electrons=40.0, mesh=(2, 2, 2), kpoints=4, plane_waves=waves)


def test_what_a_code_takes_beside_the_count_is_found():
    """Programs of twice the count, a crystal of 0.7 times it, and peaks that scatter by a tenth."""
    rng = np.random.default_rng(1)
    sizes = [size(waves) for waves in np.exp(rng.uniform(np.log(1e3), np.log(1e6), 60))]
    true = np.array([2.0, 0.7])
    jobs = [finished(s, true @ s.parts_MB("vasp", 4) * rng.normal(1, 0.1), 4) for s in sizes]
    model = MemoryModel.fitted(jobs, "vasp")
    assert model.factors == pytest.approx(true, rel=0.1)
    assert model.scatter == pytest.approx(0.1, rel=0.3)
    for waves in (1e3, 1e5, 3e6):
        new = size(waves)
        assert model.estimate(new, 2) == pytest.approx(true @ new.parts_MB("vasp", 2), rel=0.1)
        assert model.factor(new, 2) == pytest.approx(1.2, abs=0.08)
    assert "60 finished jobs" in model.basis()


def test_small_cells_do_not_tell_what_large_ones_need():
    """Programs twice as large as counted: the error bar of a large cell stays what it was."""
    small, large_ = size(1e3), size(3e6)
    assert small.parts_MB("gpaw", 1)[0] > 5 * small.parts_MB("gpaw", 1)[1]
    jobs = [finished(small, 2 * small.memory_MB("gpaw", 1))] * 10
    model = MemoryModel.fitted(jobs, "gpaw")
    assert model.estimate(small, 1) == pytest.approx(2 * small.memory_MB("gpaw", 1), rel=0.05)
    assert model.estimate(large_, 1) < 1.3 * large_.memory_MB("gpaw", 1)
    assert model.factor(small, 1) < 1.3
    assert model.factor(large_, 1) > 1.7


def test_a_guide_takes_the_memory_of_a_potential():
    alone, guided = size(1e4), replace(size(1e4), guided=True)
    more_MB = guided.memory_MB("gpaw", 1) - alone.memory_MB("gpaw", 1)
    assert more_MB == Size(4).memory_MB("potential", 1)


def test_too_few_measured_jobs_leave_the_count_and_say_so():
    jobs = [finished(size(1e4), 5000.0)] * 2 + [finished(size(1e4), None)] * 9
    model = MemoryModel.fitted(jobs, "vasp")
    assert model.estimate(size(1e4), 1) == size(1e4).memory_MB("vasp", 1)
    assert model.factor(size(1e4), 1) <= 2.0
    assert "counted" in model.basis()
    assert "not measured" in model.basis()


def test_finished_jobs_of_a_store_tell_their_memory(tmp_path):
    """The engine's own process is measured: the one that runs this test, and nothing like 10 GB."""
    from defectflow import recipes

    (tmp_path / "cu.yaml").write_text(
        "quantity: equation_of_state\nhost: {prototype: fcc-Cu}\nvolumes: 5\nengine: emt\n"
    )
    with open_store(tmp_path / "a.sqlite") as store:
        run_flow(recipes.build(recipes.load(tmp_path / "cu.yaml")), store)
        found = finished_jobs(store, "emt")
    assert len(found) >= 3
    assert all(50 < one.memory_MB < 3000 for one in found)
    model = MemoryModel.fitted(found, "potential")
    assert model.count == len(found)
    took_MB = np.mean([one.memory_MB for one in found])
    assert model.estimate(found[0].size, 1) == pytest.approx(took_MB, rel=0.2)
