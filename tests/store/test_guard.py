from __future__ import annotations

import sys

import pytest
from jobflow import Flow, job
from pymatgen.core import Lattice, Structure

from defectflow.errors import StoreError
from defectflow.store.guard import untrusted_names

SALT = Structure.from_spacegroup("Fm-3m", Lattice.cubic(5.64), ["Na", "Cl"], [[0] * 3, [0.5] * 3])


@pytest.mark.parametrize(
    "value",
    [
        {"@module": "subprocess", "@class": "Popen"},
        {"@module": "os", "@callable": "system", "@bound": None},
        {"@module": "builtins", "@callable": "eval"},
        {"@module": "numpy.f2py", "@callable": "run_main"},
        {"@module": "pandas", "@class": "DataFrame", "data": "{}"},
        {"@module": "pymatgenx.core", "@class": "Structure"},
        [[{"a": {"b": [{"@module": "evil", "@class": "X"}]}}]],
        {"@module": "pymatgen.core", "@class": "A", "x": {"@module": "evil", "@class": "X"}},
    ],
)
def test_foreign_names_are_found_wherever_they_are(value):
    assert len(untrusted_names(value)) == 1


def test_crystals_and_arrays_are_trusted_and_own_packages_can_be():
    assert untrusted_names(SALT.as_dict()) == set()
    assert untrusted_names({"@module": "numpy", "@class": "array", "data": [1]}) == set()
    own = {"@module": "mylab.cells", "@class": "Cell"}
    assert untrusted_names(own) == {"mylab.cells.Cell"}
    assert untrusted_names(own, {"mylab"}) == set()


def test_planted_output_is_refused_before_anything_is_imported(store, tmp_path, monkeypatch):
    (tmp_path / "planted_output.py").write_text("raise SystemExit('planted code ran')")
    monkeypatch.syspath_prepend(tmp_path)
    store.file({"uuid": "u", "index": 1, "output": {"@module": "planted_output", "@class": "X"}})
    with pytest.raises(StoreError, match=r"output u in .* names planted_output.X"):
        store.jobs.get_output("u")
    assert "planted_output" not in sys.modules


def test_data_for_an_additional_store_that_is_not_there_stays_in_the_document(store):
    @job(data="grid")
    def density():
        return {"grid": [1, 2, 3], "volume": 4.0}

    one = density()
    Flow([one])
    one.run(store.jobs)
    assert store.jobs.get_output(one.uuid) == {"grid": [1, 2, 3], "volume": 4.0}
