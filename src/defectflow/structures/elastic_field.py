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
#: Constants break a symmetry of the crystal if they change by more of the largest; measured ones do
#: by some hundredths.
_SYMMETRIC: Final = 0.05
_VOIGT: Final = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])
#: Constants that follow from others where they are not given, and what they are then.
_FROM_CUBIC: Final = {"C13": "C12", "C33": "C11", "C23": "C13", "C22": "C11", "C55": "C44"}


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


def isotropic(poisson_ratio: float = POISSON_RATIO) -> dict[str, float]:
    """Return elastic constants of an isotropic crystal in units of its shear modulus."""
    c12 = 2 * poisson_ratio / (1 - 2 * poisson_ratio)
    return {"C11": c12 + 2, "C12": c12, "C44": 1.0 + _LIFT}


def stiffness_of(constants: Mapping[str, float], frame: np.ndarray) -> np.ndarray:
    """Return elastic constants as a tensor in another frame.

    Parameters
    ----------
    constants
        ``C11``, ``C12`` and ``C44`` of a cubic crystal; others, such as ``C13``, ``C33`` and
        ``C66``, where they differ. Axes, of the standard conventional cell: x along a, z along the
        part of c across a (c itself but in monoclinic and triclinic crystals), y = z x x. With
        ``C14`` a crystal is taken to be trigonal: C24 = -C14 and C56 = C14 unless they are given.
    frame
        (3, 3) Rows: the axes of the new frame in that of the crystal.

    Raises
    ------
    StructureError
        If one of the three is missing, or a name is none of an elastic constant.
    """
    values = {str(key).upper(): float(value) for key, value in constants.items()}
    missing = [name for name in ("C11", "C12", "C44") if name not in values]
    known = {f"C{i}{j}" for i in range(1, 7) for j in range(i, 7)}
    if missing or not set(values) <= known:
        said = missing[0] if missing else min(set(values) - known)
        message = (
            f"elastic constant {said}: {'is missing' if missing else 'does not exist'}; give C11, "
            "C12 and C44, and C13, C33, C66 where they differ, e.g. {C11: 168, C12: 121, C44: 75}"
        )
        raise StructureError(message)
    hexagonal = (values["C11"] - values["C12"]) / 2
    cubic = "C13" not in values and "C33" not in values
    values.setdefault("C66", values["C44"] if cubic else hexagonal)
    for name, other in _FROM_CUBIC.items():
        values.setdefault(name, values[other])
    if "C14" in values:
        values.setdefault("C24", -values["C14"])
        values.setdefault("C56", values["C14"])
    voigt = np.zeros((6, 6))
    for name, value in values.items():
        i, j = int(name[1]) - 1, int(name[2]) - 1
        voigt[i, j] = voigt[j, i] = value
    tensor = voigt[_VOIGT[:, :, None, None], _VOIGT[None, None, :, :]]
    return _turned(tensor, frame)


def _turned(stiffness: np.ndarray, turn: np.ndarray) -> np.ndarray:
    turned: np.ndarray = np.einsum("ai,bj,ck,dl,ijkl->abcd", turn, turn, turn, turn, stiffness)
    return turned


def require_symmetry(stiffness: np.ndarray, rotations: np.ndarray) -> None:
    """Refuse elastic constants that a crystal cannot have.

    So those of a hexagonal crystal by its C11, C12 and C44 alone, which would be taken as cubic.

    Parameters
    ----------
    stiffness
        (3, 3, 3, 3), and
    rotations
        (m, 3, 3) point operations of the crystal, both in one frame.

    Raises
    ------
    StructureError
        If an operation changes the constants.
    """
    largest = np.abs(stiffness).max()
    for turn in rotations:
        if np.abs(_turned(stiffness, turn) - stiffness).max() > _SYMMETRIC * largest:
            message = (
                "elastic constants: they have not the symmetry of the crystal; of a crystal that "
                "is not cubic give C13, C33 and C66 too (C66 = (C11 - C12) / 2 of a hexagonal one)"
            )
            raise StructureError(message)
