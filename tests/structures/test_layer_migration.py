"""Metal atoms between the layers: what is left behind, where they sit, how often."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.layer_migration import layer_migrations

FORMULA = {
    "vacancy": "Li26 Ni27 O54",
    "ion": "Li27 Ni27 O54",
    "metal": "Li26 Ni28 O54",
}


@pytest.fixture(scope="module")
def nickelate():
    return hosts.load("O3-LiNiO2").structure * (3, 3, 1)


@pytest.mark.parametrize("left", list(FORMULA))
def test_what_is_left_behind(nickelate, left):
    (cell,) = layer_migrations(nickelate, "Ni", "Li", left)
    assert cell.structure.composition.formula == FORMULA[left]
    assert cell.kind == "layer_migration"
    # Ni stands in a plane of Li: half-way between two planes of Ni.
    arrived = next(change for change in cell.changed if change.before == "Li")
    assert arrived.after == "Ni"
    planes = np.unique(
        [round(s.frac_coords[2] % 1, 4) for s in cell.pristine if s.specie.symbol == "Ni"]
    )
    gaps = planes - arrived.frac_coords[2]
    assert np.abs(gaps - np.round(gaps)).min() == pytest.approx(1 / 6, abs=1e-3)


def test_pairs_by_shell_are_those_of_brute_force(nickelate):
    """A Ni has six Li at the first distance and six at the second."""
    cells = list(layer_migrations(nickelate, "Ni", "Li", shells=2))
    nickel = next(site for site in nickelate if site.specie.symbol == "Ni")
    distances = sorted(
        site.nn_distance
        for site in nickelate.get_neighbors(nickel, 5.0)
        if site.specie.symbol == "Li"
    )
    shells = np.unique(np.round(distances, 2), return_counts=True)
    assert [cell.multiplicity for cell in cells] == shells[1][:2].tolist()


def test_empty_galleries_hold_the_metal_in_their_voids():
    host = hosts.load("O3-NiO2").structure * (3, 3, 1)
    moved = list(layer_migrations(host, "Ni", shells=2))
    assert {cell.structure.composition.formula for cell in moved} == {"Ni27 O54"}
    more = list(layer_migrations(host, "Ni", left="metal"))
    assert {cell.structure.composition.formula for cell in more} == {"Ni28 O54"}
    # One octahedral and two tetrahedral voids per formula unit.
    assert sum(cell.multiplicity for cell in more if cell.multiplicity == 1) == 1
    for cell in [*moved, *more]:
        place = cell.structure[-1]
        metals = [s for s in cell.structure.get_neighbors(place, 1.2) if s.specie.symbol == "Ni"]
        assert metals == []


@pytest.mark.parametrize(
    ("host", "arguments", "remedy"),
    [
        ("O3-NiO2", {"metal": "Ni", "left": "ion"}, "name it"),
        ("anatase-TiO2", {"metal": "Ti"}, "layered host"),
        ("O3-NiO2", {"metal": "Co"}, "has no Co"),
        ("O3-LiNiO2", {"metal": "Ni", "ion": "Na"}, "layered host|has no Na"),
    ],
)
def test_bad_input_is_refused_at_the_call(host, arguments, remedy):
    with pytest.raises(StructureError, match=remedy):
        layer_migrations(hosts.load(host).structure * (3, 3, 1), **arguments)


def test_a_cell_that_is_too_small_for_the_pair_is_refused():
    with pytest.raises(StructureError, match="take a supercell"):
        layer_migrations(hosts.load("O3-LiNiO2").structure, "Ni", "Li")
