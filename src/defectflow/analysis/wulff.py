"""Equilibrium shape of a crystal from its surface energies.

G. Wulff, Z. Kristallogr. 34, 449 (1901): the shape is what all half-spaces leave that are bounded
by a plane of each orientation, as far from the middle as its surface energy says.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping

Miller = tuple[int, int, int]

#: Corners nearer to a plane than this, in units of the largest energy, lie on it.
_ON_PLANE: Final = 1e-7
#: Facets smaller than this share of the surface are touched in an edge or a corner only.
_NOTHING: Final = 1e-9
#: Corners farther away than this, in units of the largest energy, are those of an open shape.
_OPEN: Final = 1e6


@dataclass(frozen=True, eq=False)
class Facet:
    """One face of the shape.

    Attributes
    ----------
    family
        Indices of the family of planes it belongs to, as they were given.
    normal
        (3,) Outwards, of length 1.
    corners
        (n, 3) In the order of the rim, counter-clockwise seen from outside; as far from the middle
        as energies are large, J/m².
    """

    family: Miller
    normal: np.ndarray
    corners: np.ndarray

    @property
    def area(self) -> float:
        """Area, in units of the corners squared."""
        first = self.corners[0]
        rim = self.corners[1:] - first
        total = np.sum([np.cross(a, b) for a, b in itertools.pairwise(rim)], axis=0)
        return float(total @ self.normal) / 2


@dataclass(frozen=True, eq=False)
class Shape:
    """Wulff's shape.

    Attributes
    ----------
    energies_J_per_m2
        Of each family of planes.
    facets
        All faces with an area.
    """

    energies_J_per_m2: dict[Miller, float]
    facets: tuple[Facet, ...]

    def shares(self) -> dict[Miller, float]:
        """Return which share of the surface each family has; 0 for those that do not show."""
        areas = dict.fromkeys(self.energies_J_per_m2, 0.0)
        for facet in self.facets:
            areas[facet.family] += facet.area
        total = sum(areas.values())
        return {family: round(area / total, 12) for family, area in areas.items()}

    def counts(self) -> dict[Miller, int]:
        """Return how many faces each family has."""
        found = dict.fromkeys(self.energies_J_per_m2, 0)
        for facet in self.facets:
            found[facet.family] += 1
        return found

    def mean_energy_J_per_m2(self) -> float:
        """Return the surface energy averaged over the surface of the shape."""
        return sum(self.energies_J_per_m2[one] * share for one, share in self.shares().items())

    def reach_J_per_m2(self, normal: np.ndarray) -> float:
        """Return below which energy a plane of that normal cuts the shape."""
        corners = np.concatenate([facet.corners for facet in self.facets])
        return float((corners @ (normal / np.linalg.norm(normal))).max())


def wulff_shape(
    lattice: np.ndarray, rotations: np.ndarray, energies_J_per_m2: Mapping[Miller, float]
) -> Shape:
    """Return the equilibrium shape of a crystal.

    Parameters
    ----------
    lattice
        (3, 3) Rows: vectors of the conventional cell, which the indices refer to.
    rotations
        (m, 3, 3) Those of the space group, on fractional coordinates. Opposite faces count as
        alike: slabs give the mean of both.
    energies_J_per_m2
        Of one plane per family, all above zero and finite.

    Raises
    ------
    StructureError
        If an energy is not above zero and finite, or the planes enclose no volume.

    Examples
    --------
    >>> import numpy as np
    >>> turns = [np.eye(3)[[k, (k + 1) % 3, (k + 2) % 3]] for k in range(3)]
    >>> shape = wulff_shape(np.eye(3), np.array(turns), {(1, 0, 0): 1.0, (1, 1, 1): 2.0})
    >>> shape.shares()
    {(1, 0, 0): 1.0, (1, 1, 1): 0.0}
    """
    for miller, energy in energies_J_per_m2.items():
        if not 0 < energy < np.inf:  # also refuses what is not a number
            message = (
                f"surface {miller}: energy {energy:.3g} J/m² is not above zero and finite; no "
                "shape has it"
            )
            raise StructureError(message)
    energies = {one: float(energy) for one, energy in energies_J_per_m2.items()}
    planes = _planes(lattice, rotations, energies)
    corners = _corners(np.array([[*n, -energies[one]] for n, one in planes]))
    if corners is None:
        message = f"surfaces {list(energies)}: enclose no volume; add planes of other directions"
        raise StructureError(message)
    tolerance = _ON_PLANE * max(energies.values())
    facets = [_facet(n, one, energies[one], corners, tolerance) for n, one in planes]
    found = [facet for facet in facets if facet is not None]
    total = sum(facet.area for facet in found)
    return Shape(energies, tuple(one for one in found if one.area > _NOTHING * total))


def appears_below_J_per_m2(
    lattice: np.ndarray, rotations: np.ndarray, energies_J_per_m2: Mapping[Miller, float]
) -> dict[Miller, float | None]:
    """Return for each family the energy below which it shows, all others kept.

    None where the others enclose no volume: then it shows at any energy.
    """
    found: dict[Miller, float | None] = {}
    for family in energies_J_per_m2:
        others = {one: value for one, value in energies_J_per_m2.items() if one != family}
        try:
            shape = wulff_shape(lattice, rotations, others)
        except StructureError:
            found[family] = None
            continue
        found[family] = shape.reach_J_per_m2(np.array(family) @ np.linalg.inv(lattice).T)
    return found


def _planes(
    lattice: np.ndarray, rotations: np.ndarray, energies: Mapping[Miller, float]
) -> list[tuple[np.ndarray, Miller]]:
    """Return the normal of every plane with its family; of families that coincide the cheaper."""
    across = np.linalg.inv(lattice).T
    chosen: dict[tuple[int, ...], Miller] = {}
    for family in sorted(energies, key=lambda one: energies[one]):
        turned = np.array(family) @ rotations  # h' = h W: planes turn like rows
        for row in np.rint(np.concatenate([turned, -turned])).astype(int).tolist():
            chosen.setdefault(tuple(row), family)
    normals = {row: np.array(row) @ across for row in chosen}
    return [(normals[row] / np.linalg.norm(normals[row]), one) for row, one in chosen.items()]


def _corners(halfspaces: np.ndarray) -> np.ndarray | None:
    """Return the corners (n, 3) of what the half-spaces leave; None if it is open."""
    from scipy.spatial import HalfspaceIntersection, QhullError

    if len(halfspaces) < 4:  # noqa: PLR2004 - a tetrahedron has the fewest faces
        return None
    try:
        corners: np.ndarray = HalfspaceIntersection(halfspaces, np.zeros(3)).intersections
    except QhullError:
        return None
    largest = float(np.abs(halfspaces[:, 3]).max())
    closed = np.all(np.isfinite(corners)) and float(np.abs(corners).max()) < _OPEN * largest
    return corners if closed else None


def _facet(
    normal: np.ndarray, family: Miller, distance: float, corners: np.ndarray, tolerance: float
) -> Facet | None:
    """Return the face on a plane; None if fewer than three corners lie on it."""
    on_it = corners[np.abs(corners @ normal - distance) < tolerance]
    kept: list[np.ndarray] = []
    for corner in on_it:
        if all(np.linalg.norm(corner - one) > tolerance for one in kept):
            kept.append(corner)
    if len(kept) < 3:  # noqa: PLR2004 - an edge
        return None
    rim = np.array(kept)
    arms = rim - rim.mean(axis=0)
    x = arms[0] / np.linalg.norm(arms[0])
    angles = np.arctan2(arms @ np.cross(normal, x), arms @ x)
    return Facet(family, normal, rim[np.argsort(angles)])
