"""Cells that two plane lattices have in common, up to a strain and a twist.

Every sublattice of both up to an area is enumerated (Hermite normal forms) and reduced; pairs of
like shape are found in a tree, and the strain of each is that of the polar decomposition. The idea
is that of A. Zur and T. C. McGill, J. Appl. Phys. 55, 378 (1984).

What tells one interface from another is the map T of the film's lattice onto the substrate's: a
strain and a twist. All cells with one T are supercells of the smallest. With operations g of the
film and h of the substrate, T and h T g⁻¹ are one interface if both are rotations, and mirror
images if both are reflections; of each such family one is kept.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.planes import shortest_plane

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The identity alone.
NO_SYMMETRY: Final = np.eye(2)[None]

#: Strains up to this are looked at when nothing is within the limit, to name the nearest.
_WIDEST: Final = 0.3
#: Maps of the film onto the substrate whose elements differ by less are the same.
_SAME: Final = 1e-4
#: Vectors longer than the shortest by less than this may be the shortest under a strain.
_NEAR: Final = 1.1


@dataclass(frozen=True, eq=False)
class Match:
    """A cell that a film and a substrate share.

    Attributes
    ----------
    film, substrate
        (2, 2) Integers: vectors of the common cell in those of each plane lattice.
    strain
        (2, 2) Of the film, symmetric, in the frame of the film: what stretches it onto the
        substrate.
    twist_deg
        By how much the film is turned, counter-clockwise: of the equal ways the least.
    area_A2
        Of the common cell on the substrate.
    """

    film: np.ndarray
    substrate: np.ndarray
    strain: np.ndarray
    twist_deg: float
    area_A2: float

    @property
    def largest(self) -> float:
        """Largest principal strain, without its sign."""
        return float(np.abs(np.linalg.eigvalsh(self.strain)).max())

    @property
    def von_mises(self) -> float:
        """Von Mises strain of a film that keeps its thickness: √(e₁² + e₂² - e₁e₂)."""
        one, two = np.linalg.eigvalsh(self.strain)
        return float(np.sqrt(one**2 + two**2 - one * two))


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane lattice with the symmetry of what stands on it.

    Attributes
    ----------
    cell
        (2, 2) Rows: vectors of the plane cell, Å.
    group
        (n, 2, 2) Cartesian point operations that keep the crystal and its upper side.
    """

    cell: np.ndarray
    group: np.ndarray = field(default_factory=lambda: NO_SYMMETRY)

    @property
    def rotations(self) -> np.ndarray:
        """Those of the group that do not reflect."""
        turns: np.ndarray = self.group[np.linalg.det(self.group) > 0]
        return turns


def matches(film: Plane, substrate: Plane, max_area_A2: float, max_strain: float) -> list[Match]:
    """Return the common cells of two planes, the smallest first, each interface once.

    Cells of one size come in the order of their strain, then of their twist.

    Parameters
    ----------
    max_strain
        Largest principal strain of the film, e.g. 0.03.

    Raises
    ------
    StructureError
        If there is none; the nearest is named.

    Examples
    --------
    >>> import numpy as np
    >>> film, substrate = Plane(np.eye(2) * 3.0), Plane(np.eye(2) * 4.0)
    >>> found = matches(film, substrate, 150.0, 0.001)
    >>> round(found[0].area_A2), found[0].film.tolist()
    (144, [[4, 0], [0, 4]])
    """
    found = _distinct(_paired(film, substrate, max_area_A2, max_strain), film, substrate)
    if found:
        return found
    wider = _nearest(film, substrate, max_area_A2, max_strain)
    message = (
        f"no cell of at most {max_area_A2:g} Å² fits both planes with strains up to "
        f"{100 * max_strain:g} %; "
    )
    if len(wider):
        best = int(np.argmin(wider.largest))
        area_A2 = float(wider.areas_A2[best])
        message += f"the nearest has {100 * wider.largest[best]:.1f} % in {area_A2:.0f} Å²"
    else:
        message += "raise the area"
    raise StructureError(message)


def _nearest(film: Plane, substrate: Plane, max_area_A2: float, strain: float) -> _Pairs:
    """Return the pairs within the first of ever wider strains that has any."""
    found = _paired(film, substrate, max_area_A2, strain)
    while not len(found) and strain < _WIDEST:
        strain = min(2 * strain, _WIDEST)
        found = _paired(film, substrate, max_area_A2, strain)
    return found


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of sublattices of film and substrate, and how each is laid on the other.

    Attributes
    ----------
    film, substrate
        (n, 2, 2) Integers.
    maps
        (n, 2, 2) Columns to columns: what takes the film's lattice onto the substrate's.
    largest
        (n,) Largest principal strain.
    areas_A2
        (n,) Of the cell of the substrate.
    """

    film: np.ndarray
    substrate: np.ndarray
    maps: np.ndarray
    largest: np.ndarray
    areas_A2: np.ndarray

    def __len__(self) -> int:
        return len(self.maps)


def _paired(film: Plane, substrate: Plane, max_area_A2: float, max_strain: float) -> _Pairs:
    """Return all pairs up to the strain; sublattices that rotations make equal are one."""
    from scipy.spatial import KDTree

    below, above = (list(_sublattices(one, max_area_A2)) for one in (substrate, film))
    grown = [(form, cell) for form, cell in above for form, cell in _variants(form, cell)]
    if not below or not grown:
        empty = np.empty((0, 2, 2))
        return _Pairs(empty, empty, empty, np.empty(0), np.empty(0))
    tree = KDTree([_shape(cell) for _, cell in grown])
    near = tree.query_ball_point([_shape(cell) for _, cell in below], 3 * max_strain)
    lower = np.repeat(np.arange(len(below)), [len(one) for one in near])
    upper = np.concatenate([np.asarray(one, dtype=int) for one in near])
    forms, cells = (np.array(both) for both in zip(*grown, strict=True))
    given, planes = (np.array(both) for both in zip(*below, strict=True))
    maps = np.swapaxes(np.linalg.inv(cells[upper]) @ planes[lower], 1, 2)
    largest = np.abs(np.linalg.svd(maps, compute_uv=False) - 1).max(axis=1, initial=0.0)
    fits = largest <= max_strain
    lower, upper = lower[fits], upper[fits]
    areas = np.abs(np.linalg.det(planes[lower]))
    return _Pairs(forms[upper], given[lower], maps[fits], largest[fits], areas)


def _distinct(pairs: _Pairs, film: Plane, substrate: Plane) -> list[Match]:
    """Return the smallest cell of each map, maps that symmetry makes equal once."""
    from scipy.spatial import KDTree

    if not len(pairs):
        return []
    tree = KDTree(pairs.maps.reshape(-1, 4))
    ways = _ways(film, substrate)
    taken = np.zeros(len(pairs), dtype=bool)
    found = []
    for k in np.lexsort((pairs.largest, np.round(pairs.areas_A2, 3))):
        if taken[k]:
            continue
        images = np.array([h @ pairs.maps[k] @ g.T for g, h in ways])
        for same in tree.query_ball_point(images.reshape(-1, 4), _SAME):
            taken[same] = True
        turns = _twists_deg(images).tolist()
        least = min(range(len(ways)), key=lambda j: _turned(turns[j]))
        found.append(_match(pairs, int(k), (film, substrate), ways[least]))
    return sorted(
        found,
        key=lambda one: (round(one.area_A2, 3), round(one.largest, 5), *_turned(one.twist_deg)),
    )


def _turned(twist_deg: float) -> tuple[float, float]:
    """Return what twists are ranked by: the smaller first, of ±θ the positive."""
    return round(abs(twist_deg), 3), -twist_deg


def _ways(film: Plane, substrate: Plane) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the pairs of operations of film and substrate, both rotations or both reflections."""
    both = itertools.product(film.group, substrate.group)
    return [(g, h) for g, h in both if np.linalg.det(g) * np.linalg.det(h) > 0]


def _twists_deg(maps: np.ndarray) -> np.ndarray:
    """Return the angles (n,) of the rotations in maps (n, 2, 2)."""
    turned: np.ndarray = np.degrees(
        np.arctan2(maps[:, 1, 0] - maps[:, 0, 1], maps[:, 0, 0] + maps[:, 1, 1])
    )
    return turned


def _match(
    pairs: _Pairs, k: int, planes: tuple[Plane, Plane], way: tuple[np.ndarray, np.ndarray]
) -> Match:
    """Return one of the pairs, with operations of both crystals applied to it."""
    forms = []
    for form, plane, turn in zip((pairs.film[k], pairs.substrate[k]), planes, way, strict=True):
        turned = np.round(form @ plane.cell @ turn.T @ np.linalg.inv(plane.cell)).astype(int)
        forms.append(turned if np.linalg.det(turn) > 0 else np.array([turned[1], turned[0]]))
    film, substrate = (form @ one.cell for form, one in zip(forms, planes, strict=True))
    gradient = np.linalg.solve(film, substrate).T  # r' = F r
    _, s, vh = np.linalg.svd(gradient)
    return Match(
        film=forms[0],
        substrate=forms[1],
        strain=vh.T @ np.diag(s) @ vh - np.eye(2),
        twist_deg=float(_twists_deg(gradient[None])[0]),
        area_A2=abs(float(np.linalg.det(substrate))),
    )


def _sublattices(plane: Plane, max_area_A2: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the sublattices up to an area, one of those that rotations of the crystal make equal.

    Each is given by its integers and vectors, right-handed.
    """
    cell = plane.cell
    area = abs(float(np.linalg.det(cell)))
    turns = np.round(cell @ np.swapaxes(plane.rotations, 1, 2) @ np.linalg.inv(cell)).astype(int)
    for size in range(1, int(max_area_A2 / area + 1e-9) + 1):
        seen: set[tuple[int, int]] = set()
        for a in (k for k in range(1, size + 1) if size % k == 0):
            for b in range(size // a):
                if (a, b) in seen:
                    continue
                form = np.array([[a, b], [0, size // a]])
                seen.update(_hermite(form @ turn) for turn in turns)
                form = shortest_plane(form @ cell) @ form
                if np.linalg.det(form @ cell) < 0:
                    form = np.array([form[0], -form[1]])
                yield form, form @ cell


def _hermite(form: np.ndarray) -> tuple[int, int]:
    """Return a and b of the form ((a, b), (0, n / a)) with 0 <= b < n / a of a sublattice."""
    (p, q), (r, s) = form.tolist()
    size = abs(p * s - q * r)
    while r:
        step = p // r
        p, q, r, s = r, s, p - step * r, q - step * s
    a = abs(p)
    return a, (q if p > 0 else -q) % (size // a)


def _variants(form: np.ndarray, cell: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all right-handed pairs of vectors that are nearly as short as the reduced ones.

    A strain may change which pair is the shortest; one of these is that of the strained lattice.
    """
    turns = np.array([[1, 0], [0, 1], [1, 1], [1, -1]])
    longest = _NEAR * float(np.linalg.norm(cell, axis=1).max())
    for first in (*turns, *-turns):
        for second in (*turns, *-turns):
            steps = np.array([first, second])
            if round(float(np.linalg.det(steps))) != 1:
                continue
            grown = steps @ cell
            lengths = np.linalg.norm(grown, axis=1)
            if lengths.max() <= longest and lengths[0] <= _NEAR * lengths[1]:
                yield steps @ form, grown


def _shape(cell: np.ndarray) -> tuple[float, float, float]:
    """Return logarithms of both lengths, and the cosine of the angle."""
    one, two = np.linalg.norm(cell, axis=1)
    return math.log(one), math.log(two), float(cell[0] @ cell[1] / (one * two))
