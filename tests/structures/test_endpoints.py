"""The two ends of the hop of a molecule: equivalent, one atom order, the molecule in one piece."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts, vacancies
from defectflow.structures.bands import (
    check_band,
    interpolate,
    moving_unit,
    unit_name,
    unwrapped,
    waypoint_at,
)
from defectflow.structures.endpoints import ends_of_guest
from defectflow.structures.interlayer import Filling, interlayers

HOPS = [("1T-TiS2", (1, 0, 0)), ("1T-TiS2", (-1, 1, 0)), ("2H-MoS2", (0, 1, 0))]


def filled(name, guest="MgCl", cells=9):
    """Return the first cell of one guest in one gallery that is 2 Å wider."""
    filling = Filling((2.0,), cells=cells, gallery=0)
    return next(interlayers(hosts.load(name).structure, guest, filling))


def wrapped(structure):
    """Return the structure as a file may have it, every atom by itself back in the cell."""
    inside = structure.copy()
    inside.translate_sites(range(len(inside)), [0, 0, 0], to_unit_cell=True)
    return inside


def bond_A(structure):
    """Length of the vector from the last but one to the last atom, no periodic images."""
    return float(np.linalg.norm(structure[-1].coords - structure[-2].coords))


@pytest.mark.parametrize(("name", "steps"), HOPS)
def test_both_ends_are_one_site_of_the_lattice_apart(name, steps):
    cell = filled(name)
    initial, final = ends_of_guest(cell, steps)
    assert initial == cell.structure
    assert final[:-2] == initial[:-2]
    shortest = min(hosts.load(name).structure.lattice.abc)
    travel = final.cart_coords - initial.cart_coords
    assert np.linalg.norm(travel[-2:], axis=1) == pytest.approx([shortest] * 2)
    for atom in (-2, -1):  # the same surroundings at both ends
        here, there = (np.sort(s.distance_matrix[atom]) for s in (initial, final))
        assert here == pytest.approx(there, abs=1e-6)


@pytest.mark.parametrize(("name", "steps"), HOPS)
def test_magnesium_keeps_its_chlorine_along_the_band(name, steps):
    initial, final = ends_of_guest(filled(name), steps)
    start = bond_A(initial)
    assert start == pytest.approx(2.2)
    band = interpolate(initial, wrapped(final), 5)
    check_band(band)
    assert [bond_A(image) for image in band] == pytest.approx([start] * 7, abs=0.15)
    last = unwrapped(initial, wrapped(final))
    unit = moving_unit(initial, last)
    assert unit == [len(initial) - 2, len(initial) - 1]
    assert unit_name(initial, unit) == "MgCl"
    aside = (initial[-2].coords + last[-2].coords) / 2 + np.array([0.0, 0.0, 0.5])
    assert bond_A(waypoint_at(initial, last, aside)) == pytest.approx(start, abs=1e-6)


def test_hops_that_cannot_be_are_refused():
    with pytest.raises(StructureError, match="nothing was inserted"):
        ends_of_guest(next(vacancies(hosts.load("fcc-Cu").structure)), (1, 0, 0))
    with pytest.raises(StructureError, match="as near to an image"):
        ends_of_guest(filled("1T-TiS2", "Mg", cells=4), (1, 0, 0))
