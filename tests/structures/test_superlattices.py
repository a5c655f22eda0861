"""Layer patterns and their stackings: neighbours, space groups, completeness by enumeration."""

from __future__ import annotations

import math

import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive
from defectflow.structures.ordering import Decoration, orderings, space_group_of
from defectflow.structures.superlattices import PATTERNS, superlattices


def around(cell, symbols, reach=3.2):
    """Elements of the metal neighbours in the layer, for each exchanged atom."""
    return [
        sorted(
            site.specie.symbol
            for site in cell.structure.get_neighbors(cell.structure[change.index], reach)
            if site.specie.symbol in symbols and site.nn_distance > 2.5
        )
        for change in cell.changed
    ]


@pytest.fixture(scope="module")
def sodium():
    return hosts.load("O3-NaCoO2").structure


@pytest.mark.parametrize(
    ("pattern", "like", "unlike"),
    [("honeycomb", 0, 6), ("ribbon", 2, 4), ("row", 2, 4), ("mesh", 0, 6)],
)
def test_neighbours_in_the_layer(sodium, pattern, like, unlike):
    for cell in superlattices(sodium, ("Co", "Mn"), pattern, between=["Na"]):
        assert around(cell, {"Co", "Mn"}, 3.0) == [["Co"] * unlike + ["Mn"] * like]
        metals = len(cell.pristine) // 4
        assert len(cell.changed) * PATTERNS[pattern][0] == metals


def test_honeycomb_metal_forms_hexagons(sodium):
    """The metal that stays has three neighbours of its kind, as carbon in graphene."""
    (cell,) = superlattices(sodium, ("Co", "Li"), between=["Na"])
    for site in cell.structure:
        if site.specie.symbol == "Co":
            near = cell.structure.get_neighbors(site, 3.0)
            assert sum(one.specie.symbol == "Co" for one in near) == 3


@pytest.mark.parametrize(
    ("name", "between", "expected"),
    [
        # Li2MnO3 is C2/m: the one way to stack honeycombs from cell to cell of O3.
        ("O3-NaCoO2", ["Na"], {"C2/m"}),
        ("P2-CoO2", [], {"P6_3/mcm", "P6_322", "R32", "R-3c"}),
        ("O1-CoO2", [], {"P-31m", "R-3"}),
    ],
)
def test_space_groups_of_honeycombs(name, between, expected):
    cells = superlattices(hosts.load(name).structure, ("Co", "Li"), between=between)
    assert {space_group_of(cell.structure)[0] for cell in cells} == expected


@pytest.mark.parametrize("periods", [1, 2])
def test_stackings_are_all_that_an_enumeration_finds(periods):
    """Every honeycomb among all arrangements of the same cell, picked by its neighbours."""
    host = primitive(hosts.load("O1-CoO2").structure)
    cells = list(superlattices(host, ("Co", "Li"), periods=periods))
    assert sum(cell.multiplicity for cell in cells) == 3**periods
    straight = [cell for cell in cells if abs(cell.pristine.lattice.gamma - 120) < 1e-3]
    pristine = straight[0].pristine
    every = orderings(pristine, [Decoration("Co", {"Li": periods})])
    honeycombs = [one for one in every if around(one, {"Co", "Li"}, 3.0) == [["Co"] * 6] * periods]
    # In that cell: those whose stacking repeats without a displacement of its own.
    groups = sorted(space_group_of(one.structure)[1] for one in honeycombs)
    ours = {space_group_of(cell.structure)[1] for cell in cells}
    assert set(groups) <= ours
    total = sum(one.multiplicity for one in honeycombs)
    assert total == 3**periods  # three registers in each of the layers


def test_distinct_stackings_differ(sodium):
    cells = list(superlattices(sodium, ("Co", "Li"), periods=2, between=["Na"]))
    assert [space_group_of(cell.structure)[0] for cell in cells] == ["C2/m", "C2/c"]
    assert len({cell.name for cell in cells}) == 2


def test_empty_sites(sodium):
    (cell,) = superlattices(sodium, ("Co", "vacancy"), between=["Na"])
    assert cell.structure.composition.reduced_formula == "Na3(CoO3)2"
    assert cell.name == "V_Co(1/3)_honeycomb"


def test_same_from_every_cell(sodium):
    answers = [
        [
            (cell.name, cell.multiplicity, space_group_of(cell.structure))
            for cell in superlattices(given, ("Co", "Li"), "mesh", between=["Na"])
        ]
        for given in (sodium, primitive(sodium), sodium * (2, 1, 1))
    ]
    assert answers[0] == answers[1] == answers[2]


@pytest.mark.parametrize(
    ("name", "exchange", "options", "remedy"),
    [
        ("O3-NaCoO2", ("Co", "Li"), {"pattern": "honycomb"}, "did you mean honeycomb"),
        ("O3-NaCoO2", ("Co", "Li"), {}, "without Na it is"),
        ("O3-NaCoO2", ("O", "F"), {"between": ["Na"]}, "has 2 O per cell"),
        ("O3-NaCoO2", ("Co", "Lj"), {"between": ["Na"]}, "not a chemical element"),
        ("O3-NaCoO2", ("Co", "Li"), {"between": ["Na"], "periods": 9}, "19683 stackings"),
        ("O3-NaCoO2", ("Co", "Li"), {"between": ["Na"], "periods": 0}, "1 or more"),
        ("alpha-V2O5", ("V", "Mo"), {}, "4 V per cell"),
    ],
)
def test_bad_input_is_refused_at_the_call(name, exchange, options, remedy):
    with pytest.raises(StructureError, match=remedy):
        superlattices(hosts.load(name).structure, exchange, **options)


def test_counts_of_stackings_are_those_of_fixed_points():
    """Two patterns of rows in O1: 4 stackings of period two, by hand of 2 x 2 displacements."""
    cells = list(superlattices(hosts.load("O1-CoO2").structure, ("Co", "Li"), "row", periods=2))
    assert sum(cell.multiplicity for cell in cells) == math.prod([2, 2])
