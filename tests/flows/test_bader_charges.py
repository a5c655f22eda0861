"""Bader charges: one document from three codes, their sum, and what an adsorbate moves."""

from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import pytest

from defectflow import hosts
from defectflow.documents import load_result
from defectflow.engines import engine
from defectflow.errors import EngineError, RecipeError
from defectflow.flows import BaderChargeMaker, CellPlan, SlabPlan
from defectflow.launch import run
from defectflow.recipes import build, load

MAGNESIA = """
quantity: bader_charge
host: {prototype: rocksalt-MgO, primitive: true}
element: Mg
host_cell: keep
level: fast
"""
GPAW = "engine: {name: gpaw, settings: {cutoff_eV: 300, kpoint_spacing_per_A: 0.8}}\n"
ESPRESSO = (
    "engine: {name: espresso, options: {functional: PBEsol}, "
    "settings: {cutoff_eV: 500, kpoint_spacing_per_A: 0.8}}\n"
)


def of_recipe(folder, text):
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return run(build(load(path)))


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_charges_of_magnesia_from_gpaw(tmp_path):
    if importlib.util.find_spec("gpaw") is None:
        pytest.skip("GPAW is not installed")
    document = of_recipe(tmp_path, MAGNESIA + GPAW)
    magnesium, oxygen = document.charges.charges_e
    assert document.value == pytest.approx(magnesium)
    assert magnesium == pytest.approx(-oxygen, abs=1e-9)
    # The all-electron density holds all 20 electrons, to 0.01.
    assert abs(document.charges.lost_electrons) < 0.01
    assert document.charges.elsewhere_electrons == 0.0
    # Ionic, less than the formal charge.
    assert 1.5 < magnesium < 2.0
    assert load_result(document.model_dump(mode="json")).value == document.value


def test_charges_of_magnesia_from_quantum_espresso(tmp_path):
    if shutil.which("pp.x") is None:
        pytest.skip("pp.x of Quantum ESPRESSO is not installed")
    try:
        document = of_recipe(tmp_path, MAGNESIA + ESPRESSO)
    except EngineError as error:
        if "pseudopotential" not in str(error):
            raise
        pytest.skip(str(error))
    assert sum(document.charges.charges_e) == pytest.approx(0.0, abs=1e-9)
    assert 1.4 < document.value < 2.0
    assert any("no cores" in note for note in document.notes)


def test_an_adsorbate_through_the_road_of_vasp(tmp_path):
    """The densities of the stand-in are sums of atoms: nothing moves, atoms are all but neutral."""
    document = of_recipe(
        tmp_path,
        """
quantity: bader_charge
host: {prototype: fcc-Cu, primitive: true}
slab: {miller: [1, 1, 1], layers: 3, vacuum_A: 8}
adsorbate: O
site: fcc
level: fast
engine: {name: vasp-standin, options: {potential: emt}}
""",
    )
    assert document.engine.fidelity == "stand-in"
    assert document.defect == "O on (111), fcc"
    assert sum(document.charges.charges_e) == pytest.approx(0.0, abs=1e-9)
    assert [len(part.charges_e) for part in document.parts] == [3, 1]
    assert document.value == pytest.approx(document.charges.charges_e[-1])
    assert abs(document.value) < 0.5
    assert document.moved_electrons == pytest.approx(0.0, abs=1e-6)
    assert np.allclose(document.difference_per_A, 0.0, atol=1e-6)
    # 17 electrons of each copper atom (Cu_pv) and 6 of oxygen, by the integral of the profile.
    profile = np.array(document.charges.profile_per_A)
    height_A = document.charges.structure.lattice.c
    assert profile.mean() * height_A == pytest.approx(57.0, abs=0.05)


def test_engines_without_electrons_are_refused():
    with pytest.raises(EngineError, match=r"emt cannot do atomic_charges; .*gpaw"):
        BaderChargeMaker(engine("emt")).make(hosts.load("fcc-Cu"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("adsorbate: O\n", "needs a `slab`"),
        ("defect: vacancy\n", "belong together"),
        ("strain: 0.02\n", "that of a slab"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(tmp_path, text, says):
    path = tmp_path / "one.yaml"
    start = "quantity: bader_charge\nhost: {prototype: fcc-Cu}\nengine: gpaw\n"
    path.write_text(start + text, encoding="utf-8")
    with pytest.raises(RecipeError, match=says):
        load(path)


def test_whose_charge_has_to_be_said():
    with pytest.raises(RecipeError, match=r"say whose charge, e\.g\. `element: Mg`"):
        BaderChargeMaker(engine("gpaw")).make(hosts.load("rocksalt-MgO"))
    slab = CellPlan(slab=SlabPlan((1, 1, 1), layers=3))
    with pytest.raises(RecipeError, match="adsorbate 'Q': not known"):
        BaderChargeMaker(engine("gpaw"), slab, adsorbate="Q").make(hosts.load("fcc-Cu"))
