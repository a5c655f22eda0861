"""The lattice of a crystal's layers, seen along an axis in them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.planes import plane_basis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.structures.galleries import Layering

_REACH: Final = 6
_SAME_A: Final = 1e-3


@dataclass(frozen=True, eq=False)
class LayerNet:
    """The lattice of a layer, seen along the axis: x along it, y across the layers, z the glide.

    Attributes
    ----------
    frame
        (3, 3) Rows: those directions.
    along, glide
        Lattice vectors along the axis and across it, in vectors of the layer.
    between
        With `along` a basis of the layer's lattice.
    vectors
        (3, 3) Rows: vectors of the layer and the one across, Å, in the frame.
    atoms
        Of the primitive cell.
    """

    frame: np.ndarray
    along: np.ndarray
    glide: np.ndarray
    between: np.ndarray
    vectors: np.ndarray
    atoms: int

    @property
    def along_A(self) -> float:
        """Period along the axis."""
        return float(self.along @ self.vectors[:2, 0])

    @property
    def glide_A(self) -> float:
        """Length of the shortest glide across the axis."""
        return float(self.glide @ self.vectors[:2, 2])

    @property
    def rows(self) -> int:
        """Primitive cells in the rectangle of `along` and `glide`."""
        return round(self.glide_A / float(self.between @ self.vectors[:2, 2]))


def layer_net(found: Layering, standard: np.ndarray, axis: Sequence[int] | None) -> LayerNet:
    """Return the layer's lattice about an axis."""
    lattice = found.structure.lattice.matrix
    steps = _steps(lattice[:2])
    vectors = steps @ lattice[:2]
    across = np.abs(vectors @ vectors.T) < _SAME_A
    if axis is None:
        able = np.flatnonzero(across.any(axis=1))
        along = int(np.flatnonzero(across[able[0]])[0]) if len(able) else 0
    else:
        along = _along(found, standard, axis, vectors)
    if not across[along].any():
        named = [_direction(one, standard) for one in vectors[across.any(axis=1)][:3]]
        hint = f"try {' or '.join(named)}" if named else "no other axis has one; take another host"
        message = (
            f"axis {_direction(vectors[along], standard)}: no lattice vector of the layers is at a "
            f"right angle to it; {hint}"
        )
        raise StructureError(message)
    x = vectors[along] / np.linalg.norm(vectors[along])
    frame = np.array([x, found.normal, np.cross(x, found.normal)])
    turned = lattice @ frame.T
    first, glide = steps[along], steps[int(np.flatnonzero(across[along])[0])]
    between = plane_basis((-int(first[1]), int(first[0]), 0))[2][:2]
    glide, between = (one * int(np.sign(one @ turned[:2, 2])) for one in (glide, between))
    return LayerNet(frame, first, glide, between, turned, len(found.structure))


def _steps(plane: np.ndarray) -> np.ndarray:
    """Return coprime vectors of a layer's lattice, one of each pair ±, the shortest first."""
    steps = np.array(list(itertools.product(range(-_REACH, _REACH + 1), repeat=2)))
    coprime = np.gcd(*steps.T) == 1
    upper = (steps[:, 0] > 0) | ((steps[:, 0] == 0) & (steps[:, 1] > 0))
    steps = steps[coprime & upper]
    lengths = np.linalg.norm(steps @ plane, axis=1).round(6)
    shortest: np.ndarray = steps[np.argsort(lengths, kind="stable")]
    return shortest


def _along(found: Layering, standard: np.ndarray, axis: Sequence[int], vectors: np.ndarray) -> int:
    """Return which vector of the layers has the direction of an axis."""
    asked = np.asarray(axis, dtype=float) @ standard
    turned = np.linalg.norm(np.cross(vectors, asked), axis=1)
    parallel = np.flatnonzero(turned < _SAME_A * np.linalg.norm(asked))
    if not len(parallel) or not np.any(asked):
        near = vectors[np.argsort(turned / np.linalg.norm(vectors, axis=1), kind="stable")[:2]]
        named = " and ".join(_direction(one, standard) for one in near)
        message = (
            f"axis {list(axis)}: is no short lattice vector in the layers of "
            f"{found.structure.reduced_formula}; the nearest are {named}"
        )
        raise StructureError(message)
    return int(parallel[0])


def _direction(vector_A: np.ndarray, standard: np.ndarray) -> str:
    parts = vector_A @ np.linalg.inv(standard)
    parts /= np.abs(parts).max()
    near = [Fraction(float(one)).limit_denominator(2 * _REACH) for one in parts]
    factor = math.lcm(*(one.denominator for one in near))
    return "[" + " ".join(str(int(one * factor)) for one in near) + "]"
