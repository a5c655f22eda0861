"""Measures of structures that share no code with the generators they judge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree


def _images(structure, reach_A):
    """All atoms and their images near the cell: Cartesian coordinates, and the atom of each."""
    heights = structure.volume / np.linalg.norm(
        np.cross(*[np.roll(structure.lattice.matrix, k, axis=0) for k in (-1, -2)]), axis=1
    )
    turns = np.ceil(reach_A / heights).astype(int) + 1
    steps = np.array(np.meshgrid(*[np.arange(-t, t + 1) for t in turns])).reshape(3, -1).T
    places = (structure.frac_coords[None] + steps[:, None]) @ structure.lattice.matrix
    return places.reshape(-1, 3), np.tile(np.arange(len(structure)), len(steps))


@pytest.fixture
def bonds_of():
    """Vectors (n, 3) from an atom to all others within a reach, and who they are."""

    def measure(structure, atom, reach_A):
        places, owner = _images(structure, reach_A)
        vectors = places - structure.cart_coords[atom]
        lengths = np.linalg.norm(vectors, axis=1)
        near = (lengths < reach_A) & (lengths > 1e-3)
        return vectors[near], owner[near]

    return measure


@pytest.fixture
def close_packed_labels(bonds_of):
    """``f``, ``h`` or ``?`` for each atom, by height: six, three or another number of straight
    lines through twelve nearest neighbours (fcc has an inversion centre, hcp has none)."""

    def measure(structure, bond_A):
        labels = []
        for atom in np.argsort(structure.cart_coords[:, 2], kind="stable"):
            vectors, _ = bonds_of(structure, int(atom), 1.2 * bond_A)
            straight = sum(np.linalg.norm(vectors + one, axis=1).min() < 0.3 for one in vectors)
            known = {12: "f", 6: "h"}
            labels.append(known.get(straight, "?") if len(vectors) == 12 else "?")
        return "".join(labels)

    return measure


@pytest.fixture
def closest_A():
    """Least distance of two atoms of the given elements (any by default), by a periodic tree."""

    def measure(structure, one=None, other=None):
        places, owner = _images(structure, 4.0)
        symbols = np.array([site.specie.symbol for site in structure])
        ours = np.flatnonzero(symbols == one) if one else np.arange(len(structure))
        theirs = symbols[owner] == other if other else np.ones(len(owner), bool)
        distances, _ = cKDTree(places[theirs]).query(structure.cart_coords[ours], k=2)
        return float(np.min(distances[distances > 1e-3]))

    return measure


@pytest.fixture
def boundary(bonds_of):
    """Fingerprint of what lies near a height: element, distance from there, and the sorted
    distances to each element around, of every atom."""

    def measure(structure, height_A, reach_A=5.0, depth_A=2.5):
        c = structure.lattice.matrix[2, 2]
        away = (structure.cart_coords[:, 2] - height_A + c / 2) % c - c / 2
        rows = []
        for atom in np.flatnonzero(np.abs(away) < depth_A):
            vectors, owner = bonds_of(structure, int(atom), reach_A)
            numbers = np.array([structure[int(k)].specie.Z for k in owner])
            lengths = np.linalg.norm(vectors, axis=1)
            order = np.lexsort((lengths, numbers))
            rows.append((structure[int(atom)].specie.Z, abs(away[atom]), lengths[order]))
        return rows

    return measure


@pytest.fixture
def same_boundaries():
    """Whether two fingerprints list the same atoms, in any order, to 0.02 Å."""

    def same(one, two):
        rest = list(two)
        for number, away, lengths in one:
            for k, (other, far, row) in enumerate(rest):
                near = number == other and abs(away - far) < 0.02 and len(row) == len(lengths)
                if near and np.allclose(row, lengths, atol=0.02):
                    del rest[k]
                    break
            else:
                return False
        return not rest

    return same
