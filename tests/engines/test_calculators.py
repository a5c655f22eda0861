from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators import emt
from ase.calculators.calculator import Calculator
from ase.calculators.lj import LennardJones

from defectflow.engines import engine
from defectflow.engines.calculators import CachingCalculator
from defectflow.engines.model import package_folder
from defectflow.errors import EngineError


def test_parts_are_summed():
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.05, seed=1)
    parts = [emt.EMT(), LennardJones(sigma=2.3, epsilon=0.1)]
    atoms.calc = CachingCalculator(parts, stress=True)
    energy, forces, stress = (
        atoms.get_potential_energy(),
        atoms.get_forces(),
        atoms.get_stress(),
    )
    for part in parts:
        atoms.calc = part
        energy -= atoms.get_potential_energy()
        forces = forces - atoms.get_forces()
        stress = stress - atoms.get_stress()
    assert abs(energy) < 1e-10
    assert np.abs(forces).max() < 1e-10
    assert np.abs(stress).max() < 1e-10


class Broken(Calculator):
    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=(), system_changes=()):
        super().calculate(atoms, properties, system_changes)
        self.results = {"energy": np.nan, "forces": np.zeros((len(atoms), 3))}


def test_a_result_that_is_no_number_is_an_error():
    atoms = bulk("Cu")
    atoms.calc = CachingCalculator([Broken()])
    with pytest.raises(EngineError, match="energy of Cu is not a finite number"):
        atoms.get_forces()


def test_stress_is_offered_only_if_all_parts_have_it():
    assert "stress" in CachingCalculator([emt.EMT()]).implemented_properties
    assert "stress" not in CachingCalculator([emt.EMT(), Broken()]).implemented_properties


def test_stress_asked_late_costs_one_more_evaluation():
    atoms = bulk("Cu")
    atoms.calc = CachingCalculator([emt.EMT()])
    atoms.get_forces()
    atoms.get_stress()
    assert atoms.calc.evaluations == 2


def test_a_package_that_is_missing_is_named_with_the_remedy(monkeypatch):
    with pytest.raises(EngineError, match="no_such_package is not installed; pip install"):
        package_folder("no_such_package")
    import importlib.util

    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "chgnet" else find(name)
    )
    with pytest.raises(EngineError, match=r"engine chgnet.*'defectflow\[potentials\]'"):
        engine("chgnet").check()
    line = type(engine("chgnet")).describe()
    assert not line.available
    assert line.models == ()
    assert "chgnet is not installed" in (line.problem or "")


def test_dispersion_needs_parameters_for_the_functional():
    engine("chgnet", dispersion="d3zero").check()
    with pytest.raises(EngineError, match=r"no d3zero parameters exist for .*r2scan"):
        engine("chgnet", model="r2scan", dispersion="d3zero").check()
    with pytest.raises(EngineError, match=r"engine emt cannot do dispersion; .*chgnet, sevennet"):
        engine("emt", dispersion="d3bj").check()


def test_dispersion_pulls_together_and_is_stamped(copper):
    from defectflow.engines.request import Request
    from defectflow.engines.static import evaluate

    bare, corrected = engine("chgnet"), engine("chgnet", dispersion="d3bj")
    without, with_d3 = (
        evaluate(Request(copper, stress=True), bare),
        evaluate(Request(copper, stress=True), corrected),
    )
    assert -0.8 < (with_d3.energy_eV - without.energy_eV) / 4 < -0.2
    change = np.trace(with_d3.stress_eV_per_A3) - np.trace(without.stress_eV_per_A3)
    assert change > 0, "dispersion must make the crystal want to shrink"
    assert with_d3.engine.options["dispersion"] == "d3bj"
    assert "dftd3" in with_d3.engine.code_versions
    assert "dispersion" not in without.engine.options
    assert corrected.shared_calculator() is bare.shared_calculator()
