from __future__ import annotations

import hashlib
import sys

import pytest
from monty.json import MontyDecoder, MontyEncoder

from defectflow.engines import engine
from defectflow.engines.contract import Capability
from defectflow.errors import EngineError, RecipeError
from defectflow.recipes.order import make_engine
from defectflow.recipes.parts import EngineChoice

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


TABLE = """\
from pathlib import Path
from ase.calculators.lj import LennardJones
class Table(LennardJones):
    '''Width in a file, depth in another.'''
    def __init__(self, width, depths=(), rc=6.0):
        self.read = [Path(width), *map(Path, depths)]
        super().__init__(sigma=float(self.read[0].read_text()), rc=rc)
"""


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Write two models of a calculator that reads files; return the engine with the files named."""
    (tmp_path / "table_potential.py").write_text(TABLE)
    for name, sigma in (("a", 2.5), ("b", 2.6)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "width.txt").write_text(str(sigma))
        (tmp_path / name / "depth.txt").write_text("1")
    monkeypatch.syspath_prepend(tmp_path)

    def named(**files):
        return engine("ase", calculator="table_potential:Table", files=files)

    yield named
    sys.modules.pop("table_potential", None)


def test_contents_of_files_decide_the_key_and_stand_in_the_stamp(table, tmp_path):
    a, b = (
        table(width=str(tmp_path / one / "width.txt"), depths=[str(tmp_path / one / "depth.txt")])
        for one in "ab"
    )
    assert a.calculator().parameters.sigma == 2.5
    options = a.stamp().options
    assert options["files"] == {"width": ["width.txt"], "depths": ["depth.txt"]}
    digest = hashlib.sha256(b"2.5").hexdigest()
    assert options["sha256 of width"] == digest
    assert str(tmp_path) not in a.stamp().model_dump_json()
    assert b.stamp().options["sha256 of width"] != digest
    assert b.stamp().options["sha256 of depths"] == options["sha256 of depths"]
    assert a.as_dict()["files_sha256"]["width"] == [digest]
    assert MontyDecoder().decode(MontyEncoder().encode(a)) == a


def test_an_edited_file_is_read_again_by_the_same_process(table, tmp_path):
    file = tmp_path / "a" / "width.txt"
    made = table(width=str(file))
    assert made.shared_calculator().parameters.sigma == 2.5
    file.write_text("2.75")
    assert made.shared_calculator().parameters.sigma == 2.75
    digest = hashlib.sha256(b"2.75").hexdigest()
    assert made.as_dict()["files_sha256"]["width"] == [digest]


def test_a_recipe_names_files_relative_to_itself(table, tmp_path):
    choice = EngineChoice(
        name="ase",
        options={
            "calculator": "table_potential:Table",
            "files": {"width": "a/width.txt", "depths": ["b/depth.txt"]},
        },
    )
    made = make_engine(choice, "balanced", tmp_path)
    assert made.calculator().read == [tmp_path / "a/width.txt", tmp_path / "b/depth.txt"]


def test_a_file_among_the_other_arguments_is_refused(table, tmp_path):
    path = str(tmp_path / "a" / "width.txt")
    hidden = engine("ase", calculator="table_potential:Table", kwargs={"width": path})
    with pytest.raises(EngineError, match=r"kwargs width names the file .*write it under `files`"):
        hidden.check()


def test_a_missing_file_is_named(table, tmp_path):
    with pytest.raises(EngineError, match=r"engine ase: .*no\.model is no file"):
        table(width=str(tmp_path / "no.model")).check()
