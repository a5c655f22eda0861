"""A molecule led along a mode turns as it would: its bonds keep their lengths."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.structures.following import led_along

OOH = np.array([[0.0, 0.0, 0.0], [1.25, 0.0, 0.7], [1.5, 0.1, 1.62]])


@pytest.fixture
def cell():
    """Return OOH above a metal atom, across the edge of its cell."""
    places = np.vstack([[0.0, 0.0, -1.9], OOH]) + np.array([9.0, 0.1, 5.0])
    return Structure(Lattice.cubic(10), ["Co", "O", "O", "H"], places, coords_are_cartesian=True)


def turning():
    """Return the straight beginning of a turn about the first atom and the vertical."""
    return np.cross([0.0, 0.0, 1.0], OOH)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_bonds_keep_their_lengths_and_all_else_stays(cell, sign):
    wrapped = Structure.from_sites([site.to_unit_cell() for site in cell])
    made = led_along(wrapped, [1, 2, 3], sign * turning(), 0.5)
    for pair in ((1, 2), (2, 3)):
        assert made.get_distance(*pair) == pytest.approx(cell.get_distance(*pair), abs=1e-6)
    moved = np.linalg.norm(made.cart_coords - wrapped.cart_coords, axis=1)
    assert moved[0] == 0.0
    assert 0.35 < moved.max() < 0.51
    assert moved[3] > moved[2] > moved[1]


def test_a_straight_mode_of_an_atom_is_a_displacement(cell):
    made = led_along(cell, [1], np.array([[3.0, 0.0, 0.0]]), 0.25)
    assert made.cart_coords[1] - cell.cart_coords[1] == pytest.approx([0.25, 0.0, 0.0])
    assert np.array_equal(made.cart_coords[2:], cell.cart_coords[2:])


def test_a_turn_costs_less_than_the_straight_way(cell):
    """Where bonds are springs, what is left of their energy is nothing."""
    way = 0.5 * turning() / np.linalg.norm(turning(), axis=1).max()
    straight = cell.copy()
    for index in (1, 2, 3):
        straight.translate_sites([index], way[index - 1], frac_coords=False)
    led = led_along(cell, [1, 2, 3], turning(), 0.5)

    def stretched(one):
        return abs(one.get_distance(1, 2) - cell.get_distance(1, 2))

    assert stretched(straight) > 0.05
    assert stretched(led) < 1e-6
