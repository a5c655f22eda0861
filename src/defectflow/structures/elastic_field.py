"""Displacements around straight dislocations in an anisotropic elastic crystal.

Source: A. N. Stroh, Philos. Mag. 3, 625 (1958); J. P. Hirth and J. Lothe, Theory of Dislocations,
2nd ed. (1982), chapter 13. The line is along z, the glide plane has the normal y.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Poisson's ratio where no elastic constants are known: near that of most metals and oxides.
POISSON_RATIO: Final = 0.3
#: Relative change of C44 that lifts the degeneracy of an isotropic crystal.
_LIFT: Final = 1e-4
#: Constants break a symmetry of the crystal if they differ by more of the largest from such as keep
#: it; measured ones do by some hundredths.
_SYMMETRIC: Final = 0.05
_VOIGT: Final = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
_PAIRS: Final = tuple((i, j) for i in range(6) for j in range(i, 6))
_NAMES: Final = tuple(f"C{i + 1}{j + 1}" for i, j in _PAIRS)
#: What a symmetry keeps has 1 as eigenvalue of the mean over its operations, what it changes 0.
_KEPT: Final = 0.9
_RANK: Final = 1e-6


@dataclass(frozen=True, eq=False)
class ElasticField:
    """Solution of Stroh's eigenvalue problem for one line direction and glide plane.

    Attributes
    ----------
    roots
        (3,) Complex, imaginary part > 0.
    weights
        (3, 3) Complex: displacement of component i by root α, for the given Burgers vector.
    """

    roots: np.ndarray
    weights: np.ndarray

    def row(self, x_A: np.ndarray, y_A: np.ndarray, period_A: float) -> np.ndarray:
        """Return the displacements (n, 3), Å, of an endless row of dislocations of both signs.

        Those with the Burgers vector b are at x = n·period, those with -b midway between, all at
        y = 0. The displacement jumps by b at the faults between half a period and a whole one; far
        above the row it is b/4, far below -b/4, and no stress is left.
        """
        phase = np.pi * (x_A[:, None] + self.roots * y_A[:, None]) / period_A
        moved: np.ndarray = (np.log(np.tan(phase)) @ self.weights.T).real
        return moved

    def distortion(self, x_A: float, y_A: float) -> np.ndarray:
        """Return du_i/dx_j (3, 3) at a place near a single dislocation at the origin."""
        slopes = self.weights / (x_A + self.roots * y_A)
        gradient = np.zeros((3, 3))
        gradient[:, 0] = slopes.sum(axis=1).real
        gradient[:, 1] = (slopes @ self.roots).real
        return gradient


def elastic_field(stiffness: np.ndarray, burgers_A: np.ndarray) -> ElasticField:
    """Return the field of a dislocation along z.

    Parameters
    ----------
    stiffness
        (3, 3, 3, 3) Elastic constants in the frame of the dislocation; only ratios matter.
    burgers_A
        (3,) Burgers vector in that frame.

    Raises
    ------
    StructureError
        If no crystal is stable with such constants.
    """
    q, r, t = stiffness[:, 0, :, 0], stiffness[:, 0, :, 1], stiffness[:, 1, :, 1]
    inverse = np.linalg.inv(t)
    matrix = np.block([[-inverse @ r.T, inverse], [r @ inverse @ r.T - q, -r @ inverse]])
    roots, vectors = np.linalg.eig(matrix)
    above = roots.imag > 0
    a, l = vectors[:3, above], vectors[3:, above]  # noqa: E741 - names of the literature
    whole = np.full((3, 3), np.nan)
    if above.sum() == 3:  # noqa: PLR2004 - one root of each pair
        l = l / (2 * np.sum(a * l, axis=0))  # noqa: E741
        whole = 2 * (a @ l.T).real
    if not np.allclose(whole, np.eye(3), atol=1e-4):
        message = "elastic constants: no stable crystal has them; check their signs and ratios"
        raise StructureError(message)
    weights = a * (l.T @ burgers_A) / (np.pi * 1j)
    return ElasticField(roots[above], weights)


def isotropic(poisson_ratio: float = POISSON_RATIO) -> np.ndarray:
    """Return the elastic constants of an isotropic crystal in units of its shear modulus.

    Returns
    -------
    ndarray
        (3, 3, 3, 3), the same in all frames but for a little that tells the roots apart.
    """
    c12 = 2 * poisson_ratio / (1 - 2 * poisson_ratio)
    voigt = np.diag([2.0] * 3 + [1.0 + _LIFT] * 3)
    voigt[:3, :3] += c12
    return _tensor(voigt)


def stiffness_of(constants: Mapping[str, float], rotations: np.ndarray) -> np.ndarray:
    """Return elastic constants as a tensor: those given, and those that symmetry makes of them.

    Parameters
    ----------
    constants
        The independent ones, such as ``C11``, ``C12`` and ``C44`` of a cubic crystal, or more. Axes
        of the standard conventional cell: x along a, z along the part of c across a (c itself but
        in monoclinic and triclinic crystals), y = z x x.
    rotations
        (m, 3, 3) Point operations of the crystal along these axes.

    Returns
    -------
    ndarray
        (3, 3, 3, 3), along the same axes.

    Raises
    ------
    StructureError
        If a name is none of an elastic constant, constants are missing, or those given have not the
        symmetry of the crystal.
    """
    values = {str(key).upper(): float(value) for key, value in constants.items()}
    if strange := min(set(values) - set(_NAMES), default=None):
        message = f"elastic constant {strange}: does not exist; names are C11, C12 ... C66"
        raise StructureError(message)
    kept = _kept(rotations)
    rows = kept[[_NAMES.index(name) for name in values]]
    if missing := _missing(kept, rows):
        message = (
            f"elastic constants: a crystal of this symmetry has {kept.shape[1]} that are "
            f"independent; give {', '.join(missing)} too, in the unit of the others"
        )
        raise StructureError(message)
    given = np.array(list(values.values()))
    found = np.linalg.lstsq(rows, given, rcond=None)[0]
    off = np.abs(rows @ found - given)
    if off.max() > _SYMMETRIC * np.abs(given).max():
        worst = int(off.argmax())
        message = (
            "elastic constants: they have not the symmetry of the crystal, nearest to which is "
            f"{list(values)[worst]} = {(rows @ found)[worst]:.4g}; check the values, or leave out "
            "what follows from others"
        )
        raise StructureError(message)
    voigt = np.zeros((6, 6))
    for (i, j), value in zip(_PAIRS, kept @ found, strict=True):
        voigt[i, j] = voigt[j, i] = value
    return _tensor(voigt)


def turned(stiffness: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return a tensor (3, 3, 3, 3) in another frame, whose axes are the rows of `turn`."""
    other: np.ndarray = np.einsum("ai,bj,ck,dl,ijkl->abcd", turn, turn, turn, turn, stiffness)
    return other


def _tensor(voigt: np.ndarray) -> np.ndarray:
    tensor: np.ndarray = voigt[_VOIGT[:, :, None, None], _VOIGT[None, None, :, :]]
    return tensor


def _kept(rotations: np.ndarray) -> np.ndarray:
    """Return what of the 21 constants the rotations keep, (21, n): each column is independent."""
    mean = np.zeros((len(_PAIRS), len(_PAIRS)))
    first = np.array([[0, 0], [1, 1], [2, 2], [1, 2], [0, 2], [0, 1]])
    places = np.array([(*first[i], *first[j]) for i, j in _PAIRS]).T
    for column, (i, j) in enumerate(_PAIRS):
        voigt = np.zeros((6, 6))
        voigt[i, j] = voigt[j, i] = 1.0
        for turn in rotations:
            mean[:, column] += turned(_tensor(voigt), turn)[tuple(places)] / len(rotations)
    vectors, sizes, _ = np.linalg.svd(mean)
    return np.asarray(vectors[:, sizes > _KEPT])


def _missing(kept: np.ndarray, rows: np.ndarray) -> list[str]:
    """Return the first names whose constants the given rows of `kept` leave open."""
    missing = []
    for name, row in zip(_NAMES, kept, strict=True):
        more = np.vstack([rows, row])
        if np.linalg.matrix_rank(more, _RANK) > np.linalg.matrix_rank(rows, _RANK):
            rows = more
            missing.append(name)
    return missing
