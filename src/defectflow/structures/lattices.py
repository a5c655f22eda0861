"""Lattices: short bases, image distances and superlattices. Rows are lattice vectors throughout."""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np

_STEPS: Final = np.array([s for s in itertools.product(range(-2, 3), repeat=3) if any(s)])
_PAIRS: Final = np.array([p for p in itertools.product((-1, 0, 1), repeat=2) if any(p)])


def reduction(lattice: np.ndarray) -> np.ndarray:
    """Return integers M (3, 3), det +1, such that the rows of ``M @ lattice`` are short.

    Each row in turn is shortened by combinations of the other two until none gets shorter, which
    in three dimensions ends in a Minkowski-reduced basis up to ties. A lattice that is reduced
    already comes back unchanged.
    """
    matrix = np.eye(3, dtype=int)
    changed = True
    while changed:
        changed = False
        for row in range(3):
            others = [k for k in range(3) if k != row]
            trials = matrix[row] + _PAIRS @ matrix[others]
            lengths = np.linalg.norm(trials @ lattice, axis=1)
            best = int(np.argmin(lengths))
            if lengths[best] < np.linalg.norm(matrix[row] @ lattice) - 1e-8:
                matrix[row] = trials[best]
                changed = True
    return matrix


def nearest_image_distance_A(lattice: np.ndarray) -> float:
    """Return the length (Å) of the shortest lattice vector.

    Examples
    --------
    >>> nearest_image_distance_A([[4.0, 0.0, 0.0], [3.0, 4.0, 0.0], [0.0, 0.0, 6.0]])
    4.0
    """
    basis = np.asarray(lattice, dtype=float)
    reduced = reduction(basis) @ basis
    return float(np.linalg.norm(_STEPS @ reduced, axis=1).min())


def hermite_forms(determinant: int) -> np.ndarray:
    """Return every superlattice of `determinant` cells once, (n, 3, 3) lower-triangular integers.

    Hermite normal forms: G. L. W. Hart and R. W. Forcade, Phys. Rev. B 77, 224115 (2008).
    """
    blocks = []
    for a, b in itertools.product(_divisors(determinant), repeat=2):
        if determinant % (a * b):
            continue
        c = determinant // (a * b)
        low = np.stack(np.meshgrid(range(a), range(a), range(b), indexing="ij"), axis=-1)
        low = low.reshape(-1, 3)
        block = np.zeros((len(low), 3, 3), dtype=int)
        block[:, [0, 1, 2], [0, 1, 2]] = (a, b, c)
        block[:, [1, 2, 2], [0, 0, 1]] = low
        blocks.append(block)
    return np.concatenate(blocks)


def kept_by(forms: np.ndarray, rotations: np.ndarray, times: int = 1) -> np.ndarray:
    """Return those superlattices of equal determinant that every rotation maps onto themselves.

    Rows of H span the superlattice; W (fractional, acting on columns) maps it onto itself if
    H W^T H^-1 is an integer matrix. `rotations` are integers: W, or `times` W where W itself maps
    no integer vectors onto integers, but the crystal onto itself.
    """
    for rotation in rotations:
        if np.array_equal(np.abs(rotation), times * np.eye(3)) and len(set(np.diag(rotation))) == 1:
            continue  # identity and inversion keep every lattice
        images = forms @ rotation.T @ _adjugates(forms)
        wanted = times * np.prod(np.diagonal(forms, axis1=1, axis2=2), axis=1)
        forms = forms[np.all(images % wanted[:, None, None] == 0, axis=(1, 2))]
    return forms


def _adjugates(forms: np.ndarray) -> np.ndarray:
    """Return det(H) H^-1 of lower-triangular integer matrices, (n, 3, 3)."""
    a, b, c = forms[:, 0, 0], forms[:, 1, 1], forms[:, 2, 2]
    d, e, f = forms[:, 1, 0], forms[:, 2, 0], forms[:, 2, 1]
    adjugates = np.zeros_like(forms)
    adjugates[:, 0, 0], adjugates[:, 1, 1], adjugates[:, 2, 2] = b * c, a * c, a * b
    adjugates[:, 1, 0], adjugates[:, 2, 0], adjugates[:, 2, 1] = -c * d, d * f - b * e, -a * f
    return adjugates


def _divisors(number: int) -> list[int]:
    return [k for k in range(1, number + 1) if number % k == 0]
