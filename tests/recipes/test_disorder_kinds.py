"""Kinds that order, dilute, stack and fill: as recipes and on the command line."""

from __future__ import annotations

import json
import tracemalloc

import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter, ValidationError

from defectflow.cli import main
from defectflow.errors import StructureError
from defectflow.recipes.defects import KINDS, Defect
from defectflow.recipes.kinds.disorder import Concentration, Order
from defectflow.recipes.kinds.galleries import Interlayer
from defectflow.structures import hosts


def generate(*words):
    return CliRunner().invoke(main, ["generate", *words, "--format", "json"])


@pytest.mark.parametrize(
    ("words", "kind", "names"),
    [
        (
            ["order", "spinel-LiMn2O4", "--replace", "Mn=Ni4", "--space-group", "P4_332"],
            "order",
            ["Ni_Mn(4/16)_13"],
        ),
        (
            ["order", "rocksalt-MgO", "--replace", "Mg=Al2", "--replace", "O=vacancy1"],
            "order",
            ["Al_Mg(2/4) V_O(1/4)_1", "Al_Mg(2/4) V_O(1/4)_2"],
        ),
        (
            ["order", "rocksalt-MgO", "--replace", "Mg=Ni1/4", "--arrangement", "random",
             "--repeat", "2,2,1", "--at-most", "2"],
            "disorder",
            ["Ni_Mg(4/16)_random_1", "Ni_Mg(4/16)_random_2"],
        ),
        (
            ["concentration", "rutile-TiO2", "--replace", "O=vacancy", "--fractions", "1/16,1/8",
             "--at-most", "1"],
            "concentration",
            ["V_O(1/16)", "V_O(1/8)"],
        ),
        (
            ["superlattice", "O3-NaCoO2", "--replace", "Co=Li", "--between", "Na"],
            "superlattice",
            ["Li_Co(1/3)_honeycomb"],
        ),
        (
            ["layer_migration", "O3-LiNiO2", "--metal", "Ni", "--ion", "Li", "--left", "ion"],
            "layer_migration",
            ["Li_Ni+Ni_Li"],
        ),
        (
            ["interlayer", "1T-TiS2", "--guest", "Mg", "--expansion", "0.5",
             "--cells-per-layer", "4"],
            "interlayer",
            ["Mg_i_1 +0.5A", "Mg_i_2 +0.5A"],
        ),
        (
            ["interlayer", "1T-TiS2", "--expansion", "1,2"],
            "interlayer",
            ["gallery +1A", "gallery +2A"],
        ),
        (
            ["strain", "1T-TiS2", "--biaxial", "-0.01,0.02"],
            "strain",
            ["e(xx=-1%,yy=-1%)", "e(xx=+2%,yy=+2%)"],
        ),
        (
            ["strain", "1T-TiS2", "--voigt", "0,0,0.01,0,0.02,0", "--measure", "finite"],
            "strain",
            ["e(zz=+1%,xz=+2%)"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)  # fmt: skip
def test_generated_on_the_command_line(words, kind, names):
    result = generate(*words)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == names
    assert {row["kind"] for row in rows} == {kind}


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["order", "spinel-LiMn2O4", "--replace", "Mn=Ni1/3"], "give 5 or 6"),
        (["order", "spinel-LiMn2O4", "--replace", "Mn=Ni"], "e.g. Ni4"),
        (["order", "spinel-LiMn2O4", "--replace", "Fe=Ni4"], "has no Fe"),
        (["order", "rocksalt-MgO", "--replace", "Mg=Ni16", "--repeat", "2,2,2"], "at_most"),
        (["concentration", "rocksalt-MgO", "--replace", "Mg=Ni", "--fractions", "a/b"], "1/16"),
        (["concentration", "rocksalt-MgO", "--replace", "Mg=Ni", "--fractions", "5/4"], "between"),
        (["superlattice", "anatase-TiO2", "--replace", "Ti=V"], "layered host"),
        (["superlattice", "O3-NaCoO2", "--replace", "Co=Li"], "without Na it is"),
        (["order", "spinel-LiMn2O4", "--replace", "Mn=Ni4", "--space-group", "Pnma"], "P4_332"),
        (["layer_migration", "O3-NiO2", "--metal", "Ni", "--left", "ion"], "name it"),
        (["interlayer", "1T-TiS2"], "give a `guest`"),
        (["strain", "1T-TiS2"], "give one of"),
        (["strain", "1T-TiS2", "--voigt", "0.1,0.1"], "six numbers"),
        (["strain", "1T-TiS2", "--uniaxial", "2"], "0.02"),
        (["interlayer", "1T-TiS2", "--guest", "H2O", "--expansion", "0"], "open it by"),
        (["interlayer", "1T-TiS2", "--guest", "water"], "neither an element"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_refused_in_one_line_with_a_remedy(words, remedy):
    result = generate(*words)
    assert result.exit_code != 0
    assert remedy in result.output
    assert "Traceback" not in result.output


def test_ways_to_write_amounts():
    host = hosts.load("rocksalt-MgO").structure
    written = [{"Mg": "Ni1/2"}, {"Mg": "Ni2"}, {"Mg": ["Ni1", "Ni1"]}, {"Mg": {"Ni": 2}}]
    cells = [next(Order(replace=one).cells(host)) for one in written]
    assert {cell.structure.composition.formula for cell in cells} == {"Mg2 Ni2 O4"}
    assert Concentration(replace={"Mg": "Ni"}, fractions=[0.25]).fractions == ("1/4",)


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "order", "replace": {"Mn": {"Ni": "1/4"}}, "space_group": "P4_332"},
        {"kind": "concentration", "replace": {"O": "vacancy"}, "fractions": ["1/32"]},
        {"kind": "superlattice", "replace": {"Co": "Li"}, "pattern": "ribbon", "between": ["Na"]},
        {"kind": "layer_migration", "metal": "Ni"},
        {"kind": "interlayer", "guest": "H2O", "expansion_A": [3.0]},
        {"kind": "strain", "volumetric": [0.03], "measure": "finite"},
    ],
    ids=lambda data: data["kind"],
)
def test_a_recipe_may_ask_for_it(data):
    choice = TypeAdapter(Defect).validate_python(data)
    assert isinstance(choice, KINDS[data["kind"]])
    again = TypeAdapter(Defect).validate_json(choice.model_dump_json())
    assert again == choice


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "interlayer"},
        {"kind": "interlayer", "guest": "H2O", "azimuth_deg": 0},
        {"kind": "order", "replace": {}},
        {"kind": "concentration", "replace": {"O": "F", "Ti": "V"}},
        {"kind": "superlattice", "replace": {"Co": "Li"}, "pattern": "zigzag"},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_when_read(data):
    with pytest.raises(ValidationError):
        TypeAdapter(Defect).validate_python(data)


def test_too_many_arrangements_are_refused_before_any_is_made():
    host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    with pytest.raises(StructureError, match="distinct arrangements"):
        Order(replace={"Mg": "Ni16"}).cells(host)
    stream = Order(replace={"Mg": "Ni16"}, at_most=3).cells(host)
    assert len(list(stream)) == 3


def test_a_guest_may_be_a_file(tmp_path):
    path = tmp_path / "nitrogen.xyz"
    path.write_text("2\n\nN 0 0 0\nN 0 0 1.1\n")
    choice = Interlayer(guest=str(path), expansion_A=(4.0,), cells_per_layer=4, azimuth_deg=90)
    cell = next(choice.cells(hosts.load("1T-TiS2").structure))
    assert cell.name == "nitrogen_i_1 +4A"


def test_cells_are_written_in_flat_memory(tmp_path):
    """Streaming through the command line: the peak does not grow with the number of cells."""
    peaks = []
    for number in (20, 200):
        words = ["order", "rocksalt-MgO", "--replace", "Mg=Ni4", "--repeat", "2,2,2"]
        tracemalloc.start()
        try:
            result = generate(*words, "--at-most", str(number), "-o", str(tmp_path / str(number)))
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert result.exit_code == 0, result.output
    cells = len(list((tmp_path / "200").glob("*.cif")))
    assert cells == min(200, 71)
    # What is printed is kept by the runner of the test; the cells, 50 kB each, are not.
    assert peaks[1] - peaks[0] < cells * 10_000
