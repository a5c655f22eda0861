"""What makes two jobs the same calculation."""

from __future__ import annotations

import numpy as np
import pytest
from jobflow import job
from pymatgen.core import Lattice, Structure

from defectflow.engines.registry import engine
from defectflow.launch.keys import job_key
from defectflow.structures import hosts

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3])


def key(one):
    return job_key(one, one.function_args, one.function_kwargs)


def test_key_does_not_depend_on_uuids_names_and_metadata(jobs):
    one, two = jobs.add(1, 2), jobs.add(1, 2)
    two.name = "another"
    two.update_metadata({"tag": "x"})
    assert key(one) == key(two)
    assert len(key(one)) == 64


def test_name_of_a_maker_does_not_count_but_its_settings_do(jobs):
    base = key(jobs.ScaleMaker().make(1))
    assert key(jobs.ScaleMaker(name="other").make(1)) == base
    assert key(jobs.ScaleMaker(factor=3.0).make(1)) != base
    inner = jobs.ScaleMaker(name="inner")
    assert key(jobs.TwiceMaker(inner=inner).make(1)) == key(jobs.TwiceMaker().make(1))
    changed = jobs.TwiceMaker(inner=jobs.ScaleMaker(factor=3.0))
    assert key(changed.make(1)) != key(jobs.TwiceMaker().make(1))


def test_how_many_steps_a_step_of_ours_may_take_does_not_count(jobs):
    metal = hosts.load("fcc-Cu").structure
    few, many = (engine("emt").relax_maker(max_steps=steps).make(metal) for steps in (1, 9))
    assert key(few) == key(many)
    assert key(engine("emt").relax_maker(fmax_eV_per_A=0.5).make(metal)) != key(few)
    assert key(jobs.add({"max_steps": 1}, 1)) != key(jobs.add({"max_steps": 9}, 1))


def test_name_in_data_counts(jobs):
    assert key(jobs.add({"name": "a"}, 1)) != key(jobs.add({"name": "b"}, 1))


def test_arguments_count_by_content(jobs):
    assert key(jobs.total([1.0, 2.0])) == key(jobs.total(np.array([1.0, 2.0]).tolist()))
    assert key(jobs.total({"a": 1, "b": 2})) == key(jobs.total({"b": 2, "a": 1}))
    assert key(jobs.total(SALT)) == key(jobs.total(Structure.from_dict(SALT.as_dict())))
    moved = SALT.copy().translate_sites([0], [1e-9, 0, 0])
    assert key(jobs.total(moved)) != key(jobs.total(SALT))
    assert key(jobs.add(1, 2)) != key(jobs.add(2, 1))


def test_function_counts_by_name_and_by_code(jobs):
    assert key(jobs.total([1])) != key(jobs.fan_out([1]))

    def compiled(text):
        names = {"__name__": "somewhere"}
        exec(f"def f(x):\n    return {text}", names)  # noqa: S102 - two versions of one function
        return key(job(names["f"])(1))

    assert compiled("x + 1") == compiled("x + 1")
    assert compiled("x + 1") != compiled("x + 2")
    assert compiled("x in {'a', 'b'}") != compiled("x in {'a', 'c'}")


def test_job_without_canonical_form_has_no_key(jobs):
    assert key(jobs.total(object)) is not None
    without = jobs.add(1, 1)
    without.function_args = (object(),)
    assert key(without) is None


def test_key_is_the_same_in_every_process(jobs, store):
    """Sets of strings, for instance, have another order in each process."""
    import os
    import subprocess
    import sys
    from pathlib import Path

    script = (
        "import trial_jobs as j; from defectflow.launch.keys import job_key as k;"
        "one = j.fan_out(3); print(k(one, one.function_args, one.function_kwargs))"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    keys = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert keys == {key(jobs.fan_out(3))}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, True, "ß"])
def test_odd_values_have_keys(jobs, value):
    assert key(jobs.total(value)) == key(jobs.total(value))
