"""Guests, their orientations, and distances under periodic boundaries."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures.contacts import closeness, nearest_allowed_A, own_closeness
from defectflow.structures.guests import distinct_under, guest, keeping, orientations

Z, X = np.array([0.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])


def turn(angle):
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


@pytest.mark.parametrize(
    ("name", "atoms", "bonds"),
    [
        ("H2O", 3, {"HO": (0.93, 1.0, 2)}),
        ("H3O", 4, {"HO": (0.95, 1.0, 3)}),
        ("OH", 2, {"HO": (0.93, 1.0, 1)}),
        ("NH4", 5, {"HN": (1.0, 1.06, 4)}),
        ("MgCl", 2, {"ClMg": (2.1, 2.3, 1)}),
        ("CH3OH", 6, {"HO": (0.93, 1.0, 1), "CO": (1.38, 1.46, 1)}),
        ("C6H6", 12, {"CH": (1.05, 1.12, 6), "CC": (1.35, 1.45, 6)}),
    ],
)
def test_molecules_have_their_bonds(name, atoms, bonds):
    one = guest(name)
    assert len(one.species) == len(one.places_A) == atoms
    for pair, (low, high, count) in bonds.items():
        found = 0
        for i, j in itertools.combinations(range(atoms), 2):
            if "".join(sorted([one.species[i], one.species[j]])) == pair:
                found += low < np.linalg.norm(one.places_A[i] - one.places_A[j]) < high
        assert found == count


def test_hydronium_angles():
    bonds = guest("H3O").places_A[1:] - guest("H3O").places_A[0]
    for a, b in itertools.combinations(bonds, 2):
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert np.degrees(np.arccos(cosine)) == pytest.approx(111.0)


def test_guest_from_a_file(tmp_path):
    path = tmp_path / "ethyne.xyz"
    path.write_text("4\n\nC 0 0 0.6\nC 0 0 -0.6\nH 0 0 1.66\nH 0 0 -1.66\n")
    one = guest(path)
    assert (one.name, one.species) == ("ethyne", ("C", "C", "H", "H"))


@pytest.mark.parametrize(
    ("name", "step", "count"),
    [
        ("Mg", 30, 1),
        ("MgCl", 30, 14),  # up, down and twelve along the layers
        ("MgCl", 90, 6),
        ("O2", 90, 3),  # a molecule whose ends are alike
        ("H2O", 90, 12),  # the 24 rotations of a cube, two by two the same
        ("C6H6", 90, 6),  # flat, on edge and on a corner, along two directions each
    ],
)
def test_number_of_orientations(name, step, count):
    assert len(orientations(guest(name), Z, X, step)) == count


def test_orientations_keep_the_molecule():
    one = guest("CH3OH")
    shape = np.linalg.norm(one.places_A[:, None] - one.places_A[None], axis=-1)
    for places in orientations(one, Z, X, 30):
        assert np.allclose(np.linalg.norm(places[:, None] - places[None], axis=-1), shape)
        # No mirror image: three bonds span the same signed volume.
        before = np.linalg.det(one.places_A[1:4] - one.places_A[0])
        assert np.linalg.det(places[1:4] - places[0]) == pytest.approx(before)


def test_distinct_orientations_against_burnside():
    """Orbits of the 14 directions of MgCl under the 12 operations of -3m, by fixed points."""
    rotations = [turn(2 * np.pi / 3 * k) for k in range(3)]
    mirror = np.diag([-1.0, 1.0, 1.0])
    group = [s * m @ r for r in rotations for m in (np.eye(3), mirror) for s in (1, -1)]
    found = orientations(guest("MgCl"), Z, X, 30)
    species = guest("MgCl").species
    fixed = [sum(bool(keeping(one, species, g[None])[0]) for one in found) for g in group]
    assert sum(fixed) % 12 == 0
    assert len(distinct_under(found, species, np.array(group))) == sum(fixed) // 12


def test_distances_are_those_of_pymatgen():
    """A skew cell whose nearest images are not the obvious ones."""
    lattice = Lattice([[5.0, 0.0, 0.0], [2.4, 4.5, 0.0], [2.3, 1.4, 7.0]])
    random = np.random.default_rng(3)
    host = Structure(lattice, ["O"] * 3 + ["Ti"], random.random((4, 3)))
    inside = random.random((2, 3)) @ lattice.matrix
    expected = min(
        lattice.get_distance_and_image(lattice.get_fractional_coords(place), site.frac_coords)[0]
        / nearest_allowed_A(symbol, site.specie.symbol)
        for place, symbol in zip(inside, ("H", "O"), strict=True)
        for site in host
    )
    atoms = [site.specie.symbol for site in host]
    found = closeness(inside, ("H", "O"), host.cart_coords, atoms, lattice.matrix)
    assert found == pytest.approx(expected)


def test_a_molecule_meets_its_own_image():
    """Two atoms 2 Å apart in a cell of 3 Å are 1 Å from an image."""
    places = np.array([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]])
    wide = own_closeness([places], ("O", "O"), np.diag([30.0, 30.0, 30.0]))
    assert wide == pytest.approx(28.0 / nearest_allowed_A("O", "O"))
    narrow = own_closeness([places], ("O", "O"), np.diag([3.0, 30.0, 30.0]))
    assert narrow == pytest.approx(1.0 / nearest_allowed_A("O", "O"))
    two = own_closeness(
        [places, places + np.array([0, 1.5, 0])], ("O", "O"), np.diag([30.0, 30.0, 30.0])
    )
    assert two == pytest.approx(1.5 / nearest_allowed_A("O", "O"))


@pytest.mark.parametrize(
    ("source", "remedy"),
    [("H2Oo", "did you mean H2O"), ("Xx", "neither an element"), ("no/such.xyz", "no such file")],
)
def test_unknown_guests_are_refused(source, remedy):
    with pytest.raises(StructureError, match=remedy):
        guest(source)


def test_azimuth_is_checked():
    with pytest.raises(StructureError, match="at most 90"):
        orientations(guest("H2O"), Z, X, 0)
