"""Lattice arithmetic against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from defectflow.structures.lattices import (
    hermite_forms,
    kept_by,
    nearest_image_distance_A,
    reduction,
)

#: Number of superlattices of index n in three dimensions (OEIS A001001).
SUPERLATTICES = {1: 1, 2: 7, 3: 13, 4: 35, 5: 31, 6: 91, 7: 57, 8: 155, 12: 455}


@pytest.mark.parametrize(("determinant", "count"), SUPERLATTICES.items())
def test_number_of_superlattices(determinant, count):
    forms = hermite_forms(determinant)
    assert len(forms) == count
    assert np.allclose(np.linalg.det(forms), determinant)


def test_superlattices_are_all_different():
    """Two forms H and G span one lattice if and only if H G^-1 is an integer matrix."""
    forms = hermite_forms(6)
    for first, second in itertools.combinations(forms, 2):
        ratio = first @ np.linalg.inv(second)
        assert np.abs(ratio - np.round(ratio)).max() > 1e-6


@pytest.mark.parametrize("seed", range(8))
def test_image_distance_of_skewed_cells(seed):
    """Shear a cell by random integers: the lattice, hence the distance, stays the same."""
    generator = np.random.default_rng(seed)
    lattice = generator.normal(size=(3, 3)) + 3 * np.eye(3)
    steps = np.array([s for s in itertools.product(range(-6, 7), repeat=3) if any(s)])
    brute = np.linalg.norm(steps @ lattice, axis=1).min()
    shear = np.eye(3, dtype=int)
    for row, column in ((0, 1), (2, 0), (1, 2), (0, 2)):
        step = np.eye(3, dtype=int)
        step[row, column] = generator.integers(-3, 4)
        shear = step @ shear
    assert nearest_image_distance_A(lattice) == pytest.approx(brute, abs=1e-9)
    assert nearest_image_distance_A(shear @ lattice) == pytest.approx(brute, abs=1e-9)
    short = reduction(shear @ lattice)
    assert round(np.linalg.det(short)) == 1
    # Hadamard ratio of a Minkowski-reduced basis in three dimensions is at most 2.
    lengths = np.linalg.norm(short @ shear @ lattice, axis=1)
    assert np.prod(lengths) <= 2 * abs(np.linalg.det(lattice)) + 1e-9


def test_reduced_lattice_is_left_alone():
    hexagonal = np.array([[3.0, 0.0, 0.0], [-1.5, 1.5 * np.sqrt(3), 0.0], [0.0, 0.0, 5.0]])
    assert reduction(hexagonal).tolist() == np.eye(3, dtype=int).tolist()


def test_cubic_superlattices_are_p_i_and_f():
    """Superlattices of a cubic lattice are P (index k^3), F (8 k^3 / 4) and I (8 k^3 / 2)."""
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    permute = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    counts = {n: len(kept_by(hermite_forms(n), np.array([turn, permute]))) for n in range(1, 33)}
    assert {n for n, count in counts.items() if count} == {1, 2, 4, 8, 16, 27, 32}
    assert set(counts.values()) == {0, 1}
