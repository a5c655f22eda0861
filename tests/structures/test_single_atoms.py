"""Single atoms in graphene: composition, bonds, counts."""

from __future__ import annotations

from math import comb

import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.single_atoms import single_atoms

BONDS = 3  # per primitive cell of graphene


@pytest.fixture(scope="module")
def sheet():
    return hosts.load("graphene").structure * (6, 6, 1)


@pytest.mark.parametrize("nitrogen", range(5))
def test_all_ways_to_exchange_the_rim_add_up(sheet, nitrogen):
    cells = list(single_atoms(sheet, "Fe", nitrogen))
    assert sum(cell.multiplicity for cell in cells) == BONDS * comb(4, nitrogen)
    for cell in cells:
        counts = cell.structure.composition
        assert (counts["Fe"], counts["N"], counts["C"]) == (1, nitrogen, 72 - 2 - nitrogen)


def test_metal_and_four_nitrogen_are_a_rectangle_in_the_plane(sheet):
    (cell,) = single_atoms(sheet, "Fe")
    assert cell.name == "FeN4"
    iron = next(site for site in cell.structure if site.specie.symbol == "Fe")
    near = cell.structure.get_neighbors(iron, 2.2)
    assert [site.specie.symbol for site in near] == ["N"] * 4
    assert len({round(float(site.nn_distance), 4) for site in near}) == 1
    assert all(abs(site.z - iron.z) < 1e-6 for site in near)


def test_a_ligand_takes_one_of_two_sides(sheet):
    (cell,) = single_atoms(sheet, "Fe", ligand="O")
    assert cell.name == "FeN4-O"
    assert cell.multiplicity == 2 * BONDS
    iron, oxygen = (
        next(site for site in cell.structure if site.specie.symbol == symbol)
        for symbol in ("Fe", "O")
    )
    assert iron.distance(oxygen) == pytest.approx(1.32 + 0.66)  # covalent radii, Cordero 2008
    assert oxygen.x == pytest.approx(iron.x)
    assert oxygen.y == pytest.approx(iron.y)


@pytest.mark.parametrize("nitrogen", range(4))
def test_one_vacancy_has_a_rim_of_three(sheet, nitrogen):
    cells = list(single_atoms(sheet, "Co", nitrogen, vacancies=1))
    assert sum(cell.multiplicity for cell in cells) == 2 * comb(3, nitrogen)
    for cell in cells:
        assert cell.structure.composition["C"] == 72 - 1 - nitrogen


@pytest.mark.parametrize(
    ("host", "options", "says"),
    [
        ("graphene", {"metal": "Xx"}, "not a chemical element"),
        ("graphene", {"metal": "Fe", "ligand": "Zz"}, "not a chemical element"),
        ("graphene", {"metal": "Fe", "nitrogen": 4, "vacancies": 1}, "0 to 3"),
        ("graphene", {"metal": "Fe", "vacancies": 3}, "1 or 2"),
        ("2H-MoS2", {"metal": "Fe"}, "no flat sheet of carbon"),
        ("fcc-Al", {"metal": "Fe"}, "no flat sheet of carbon"),
    ],
)
def test_mistakes_are_refused_at_once(host, options, says):
    with pytest.raises(StructureError, match=says):
        single_atoms(hosts.load(host).structure * (4, 4, 1), **options)


def test_a_sheet_that_is_too_small_is_refused():
    with pytest.raises(StructureError, match="images are at least"):
        single_atoms(hosts.load("graphene").structure, "Fe")
