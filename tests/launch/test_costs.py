"""Estimates beside made-up machines whose law is known, and beside a store that was computed."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.launch.costs import CostModel, Finished, finished_jobs
from defectflow.launch.sizes import Size
from defectflow.store import open_store


def machine(seed, count, slope, scatter, start=0.05):
    """Return jobs of a machine: seconds = start · work^slope, evaluations about 12."""
    rng = np.random.default_rng(seed)
    jobs = []
    for work in np.exp(rng.uniform(np.log(4), np.log(400), count)):
        calls = max(2, int(rng.lognormal(np.log(12), 0.4)))
        pace = start * work**slope * rng.lognormal(0, scatter)
        jobs.append(Finished("relax", float(round(work)), calls, calls * pace))
    return jobs


@pytest.mark.parametrize("slope", [0.6, 1.0, 1.4])
def test_the_slope_is_found(slope):
    model = CostModel.fitted(machine(1, 60, slope, 0.2))
    assert model.pace.slope == pytest.approx(slope, abs=0.12)


def test_nineteen_of_twenty_jobs_cost_what_the_error_bar_says():
    inside = []
    for seed in range(40):
        *known, left = machine(seed, 13, 0.9, 0.5)
        cost = CostModel.fitted(known).estimate("relax", Size(int(left.work)))
        inside.append(abs(np.log(left.core_seconds / cost.core_seconds)) < np.log(cost.factor))
    assert 0.85 < np.mean(inside) <= 1.0
    assert not all(inside)  # a bar that holds always says nothing


def test_the_error_bar_grows_away_from_what_was_measured():
    model = CostModel.fitted(machine(2, 12, 1.0, 0.3))
    factors = [model.estimate("relax", Size(n)).factor for n in (40, 400, 4000, 40000)]
    assert factors == sorted(factors)
    assert factors[-1] > 1.2 * factors[0]
    assert model.estimate("relax", Size(4000)).work == pytest.approx(4000 / model.largest)


def test_images_and_known_evaluations_count():
    model = CostModel.fitted(machine(3, 12, 1.0, 0.2))
    one = model.estimate("relax", Size(50))
    assert model.estimate("relax", Size(50, images=5)).core_seconds == pytest.approx(
        5 * one.core_seconds
    )
    single = model.estimate("static", Size(50, evaluations=1))
    vibrations = model.estimate("vibrations", Size(50, evaluations=19))
    assert vibrations.core_seconds == pytest.approx(19 * single.core_seconds)
    assert single.factor < one.factor


def test_no_number_is_made_up():
    assert CostModel.fitted(machine(4, 2, 1.0, 0.2)).estimate("relax", Size(50)) is None
    model = CostModel.fitted(machine(4, 12, 1.0, 0.2))
    assert model.estimate("band", Size(50)) is None
    assert model.estimate("relax", Size(50, mesh=(1, 1, 1))) is None  # electrons not known
    assert "run a small recipe" in CostModel().basis()
    assert "12 relax" in model.basis()


def document(uuid, seconds, calls=5, cores=None, **more):
    output = {
        "engine": {"name": "emt", "level": "fast"},
        "structure": {
            "lattice": {"matrix": np.eye(3).tolist()},
            "sites": [{"abc": [0, 0, 0], "species": [{"element": "Cu"}]}] * 3,
        },
        "wall_time_s": seconds,
        "force_calls": calls,
        "steps": calls - 1,
        "fmax_eV_per_A": 0.01,
        **more.pop("output", {}),
    }
    metadata = {**({"cores": cores} if cores else {}), **more}
    return {"uuid": uuid, "index": 1, "output": output, "metadata": metadata, "completed_at": uuid}


def test_finished_jobs_of_a_store():
    documents = [
        document("a", 10.0),
        document("b", 10.0, cores=8),
        document("c", 10.0, reused_from="a"),
        document("j", 12.0, defectflow="again"),
        document("d", 10.0, output={"engine": {"name": "gpaw", "level": "fast"}}),
        document("e", 10.0, output={"quantity": "migration_barrier"}),
        document("f", 3.0, 1, output={"steps": 0}),
        document("g", 9.0, 13, output={"steps": None, "atoms": [0, 1]}),
        document("i", 5.0, 1, output={"steps": None, "lost_electrons": 0.0}),
        document("h", 7.0, 99),
    ]
    with open_store("memory://") as store:
        del documents[-1]["output"]["fmax_eV_per_A"]  # molecular dynamics converges to nothing
        for one in documents:
            store.file(one)
        found = {(job.kind, job.core_seconds): job for job in finished_jobs(store, "emt")}
    assert found.keys() == {
        ("relax", 10.0),
        ("relax", 80.0),
        ("static", 3.0),
        ("charges", 5.0),
        ("vibrations", 9.0),
        ("melt", 7.0),
    }
    assert {job.work for job in found.values()} == {3.0}
