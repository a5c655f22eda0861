from __future__ import annotations

import sys

import pytest

from defectflow.engines import engine
from defectflow.engines.contract import Capability
from defectflow.errors import EngineError, RecipeError

LJ = "ase.calculators.lj:LennardJones"


def test_keyword_arguments_reach_the_calculator():
    assert engine("ase", calculator=LJ, kwargs={"sigma": 2.5}).calculator().parameters.sigma == 2.5


@pytest.mark.parametrize(
    "path",
    [
        "LennardJones",
        "ase.calculators.lj.LennardJones",
        "ase.calculators.lj:LennardJones()",
        "os:system('x')",
        "ase.calculators.lj:",
        "a b:C",
        "../x:C",
    ],
)
def test_only_an_import_path_is_accepted(path):
    with pytest.raises(RecipeError, match=r"write an import path, e\.g\."):
        engine("ase", calculator=path)


@pytest.mark.parametrize("path", ["os:system", "pathlib:Path", "ase:Atoms", "json:loads"])
def test_only_calculators_are_accepted(path):
    with pytest.raises(EngineError, match="is not an ASE calculator class"):
        engine("ase", calculator=path).relax_maker()


@pytest.mark.parametrize("path", ["ase.calculators.lj:Lenard", "no_such_thing:Potential"])
def test_what_cannot_be_imported_is_named(path):
    with pytest.raises(EngineError, match=f"cannot import {path}"):
        engine("ase", calculator=path).relax_maker()


def test_the_calculator_must_be_given():
    with pytest.raises(RecipeError, match="engine ase: calculator"):
        engine("ase")


def test_refused_keywords_are_named(tmp_path, monkeypatch):
    (tmp_path / "strict_potential.py").write_text(
        "from ase.calculators.calculator import Calculator\n"
        "class Strict(Calculator):\n"
        "    implemented_properties = ['energy', 'forces']\n"
        "    def __init__(self, depth):\n"
        "        super().__init__()\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    strict = engine("ase", calculator="strict_potential:Strict", kwargs={"dept": 1})
    with pytest.raises(EngineError, match=r"refuses kwargs \{'dept': 1\}"):
        strict.calculator()
    assert strict.capabilities() == {
        Capability.ENERGY,
        Capability.FORCES,
        Capability.BAND,
        Capability.VIBRATIONS,
    }
    with pytest.raises(EngineError, match="engine ase cannot do stress; engines that can: emt"):
        strict.relax_maker(cell="relax")
    with pytest.raises(EngineError, match="cannot do stress"):
        strict.static_maker(stress=True)
    sys.modules.pop("strict_potential")


def test_its_numbers_claim_nothing_unless_told():
    assert engine("ase", calculator=LJ).stamp().fidelity == "stand-in"
    told = engine("ase", calculator=LJ, fidelity="potential", functional="PBE", dispersion="d3bj")
    told.check()
    assert told.stamp().functional == "PBE"
    assert told.stamp().fidelity == "potential"


def test_different_arguments_are_different_stamps():
    first = engine("ase", calculator=LJ, kwargs={"sigma": 2.5})
    second = engine("ase", calculator=LJ, kwargs={"sigma": 2.6})
    assert first.stamp() != second.stamp()
    assert first.shared_calculator() is not second.shared_calculator()
