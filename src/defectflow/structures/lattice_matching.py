"""Cells that two plane lattices have in common, up to a strain.

Every sublattice of both up to an area is enumerated (Hermite normal forms) and reduced; pairs of
like shape are found in a tree, and the strain of each is that of the polar decomposition. The idea
is that of A. Zur and T. C. McGill, J. Appl. Phys. 55, 378 (1984).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.planes import shortest_plane

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Strains up to this are looked at when nothing is within the limit, to name the nearest.
_WIDEST: Final = 0.3
#: Matches of one size whose strains differ by less are the same.
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
        By how much the film is turned, counter-clockwise.
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


def matches(
    film: np.ndarray, substrate: np.ndarray, max_area_A2: float, max_strain: float
) -> list[Match]:
    """Return the common cells of two plane lattices, the smallest first, each once.

    Parameters
    ----------
    film, substrate
        (2, 2) Rows: vectors of the plane cells, Å.
    max_strain
        Largest principal strain of the film, e.g. 0.03.

    Raises
    ------
    StructureError
        If there is none; the nearest is named.

    Examples
    --------
    >>> import numpy as np
    >>> found = matches(np.eye(2) * 3.0, np.eye(2) * 4.0, 150.0, 0.001)
    >>> round(found[0].area_A2), found[0].film.tolist()
    (144, [[4, 0], [0, 4]])
    """
    found = _paired(film, substrate, max_area_A2, max_strain)
    if found:
        return found
    wider = _paired(film, substrate, max_area_A2, _WIDEST)
    message = (
        f"no cell of at most {max_area_A2:g} Å² fits both planes with strains up to "
        f"{100 * max_strain:g} %; "
    )
    if wider:
        best = min(wider, key=lambda one: one.largest)
        message += f"the nearest has {100 * best.largest:.1f} % in {best.area_A2:.0f} Å²"
    else:
        message += "raise the area"
    raise StructureError(message)


def _paired(
    film: np.ndarray, substrate: np.ndarray, max_area_A2: float, max_strain: float
) -> list[Match]:
    from scipy.spatial import KDTree

    below = [list(_sublattices(one, max_area_A2)) for one in (substrate, film)]
    if not below[0] or not below[1]:
        return []
    grown = [(form, cell) for form, cell in below[1] for form, cell in _variants(form, cell)]
    tree = KDTree([_shape(cell) for _, cell in grown])
    best: dict[tuple[float, ...], Match] = {}
    for form, cell in below[0]:
        for k in tree.query_ball_point(_shape(cell), 3 * max_strain):
            other, small = grown[k]
            made = _match(other, form, small, cell)
            if made.largest > max_strain:
                continue
            strains = np.round(np.linalg.eigvalsh(made.strain) / _SAME)
            key = (round(made.area_A2, 3), round(abs(np.linalg.det(other))), *strains)
            if key not in best or abs(made.twist_deg) < abs(best[key].twist_deg) - _SAME:
                best[key] = made
    ranked = sorted(best.values(), key=lambda one: (round(one.area_A2, 3), one.largest))
    return [one for k, one in enumerate(ranked) if not _repeats(one, ranked[:k])]


def _repeats(one: Match, smaller: list[Match]) -> bool:
    """Tell whether a match is but several cells of a smaller one."""
    own = np.linalg.eigvalsh(one.strain)
    return any(
        abs(one.area_A2 / other.area_A2 - round(one.area_A2 / other.area_A2)) < _SAME
        and np.abs(own - np.linalg.eigvalsh(other.strain)).max() < _SAME
        for other in smaller
    )


def _sublattices(cell: np.ndarray, max_area_A2: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield one sublattice of each shape up to an area: integers and vectors, right-handed."""
    area = abs(float(np.linalg.det(cell)))
    seen = set()
    for size in range(1, int(max_area_A2 / area + 1e-9) + 1):
        for a in (k for k in range(1, size + 1) if size % k == 0):
            for b in range(size // a):
                form = np.array([[a, b], [0, size // a]])
                form = shortest_plane(form @ cell) @ form
                if np.linalg.det(form @ cell) < 0:
                    form = np.array([form[0], -form[1]])
                shape = (size, *np.round(_shape(form @ cell), 5))
                if shape not in seen:
                    seen.add(shape)
                    yield form, form @ cell


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


def _match(
    film_form: np.ndarray, substrate_form: np.ndarray, film: np.ndarray, substrate: np.ndarray
) -> Match:
    gradient = (np.linalg.inv(film) @ substrate).T  # r' = F r
    u, s, vh = np.linalg.svd(gradient)
    turn = u @ vh
    return Match(
        film=film_form,
        substrate=substrate_form,
        strain=vh.T @ np.diag(s) @ vh - np.eye(2),
        twist_deg=float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0]))),
        area_A2=abs(float(np.linalg.det(substrate))),
    )
