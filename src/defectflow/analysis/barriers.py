"""Barriers from the energies along a minimum energy path.

Two numbers are always given: the raw one (the highest image) and one from a piecewise cubic
polynomial through the images whose slopes are the forces along the path. The polynomial is never
evaluated outside the path, so it cannot find a maximum where there is no data. Construction after
G. Henkelman and H. Jónsson, J. Chem. Phys. 113, 9978 (2000), appendix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[np.float64]

#: Largest imaginary part of a root that rounding can cause.
_REAL = 1e-12
#: Images are far apart that are so many times as far apart as most.
_WIDE = 2.0


@dataclass(frozen=True)
class EnergyProfile:
    """Barriers of one path, eV; all are non-negative.

    Attributes
    ----------
    forward_eV, reverse_eV
        Highest image minus the first (last) image.
    spline_forward_eV, spline_reverse_eV
        The same with the maximum of the piecewise cubic inside the path.
    span_eV
        Highest minus lowest image. It exceeds `forward_eV` where the path holds an intermediate
        minimum below its start: then the start is not the stable site.
    saddle_A
        Arc length of the maximum of the cubic, Å.
    length_A
        Arc length of the whole path, Å.
    """

    forward_eV: float
    reverse_eV: float
    spline_forward_eV: float
    spline_reverse_eV: float
    span_eV: float
    saddle_A: float
    length_A: float


def arc_lengths_A(positions: Array) -> Array:
    """Return the arc length (Å) of each image from the first.

    Parameters
    ----------
    positions
        Cartesian coordinates, shape (images, atoms, 3), Å, continuous along the path (no jumps
        across the cell).
    """
    steps = np.linalg.norm(np.diff(positions, axis=0).reshape(len(positions) - 1, -1), axis=1)
    return np.concatenate([[0.0], np.cumsum(steps)])


def evenly_spaced(positions: Array, count: int) -> Array:
    """Return a path through the same places with so many images at equal distances.

    Parameters
    ----------
    positions
        Cartesian coordinates, shape (images, atoms, 3), Å, continuous along the path.
    count
        Images that the path is to have, both ends included.

    Examples
    --------
    >>> path = np.array([[[0.0, 0.0, 0.0]], [[1.0, 0.0, 0.0]], [[4.0, 0.0, 0.0]]])
    >>> evenly_spaced(path, 5)[:, 0, 0]
    array([0., 1., 2., 3., 4.])
    """
    arcs = arc_lengths_A(positions)
    wanted = np.linspace(0.0, arcs[-1], count)
    columns = positions.reshape(len(positions), -1).T
    return np.array([np.interp(wanted, arcs, one) for one in columns]).T.reshape(
        count, *positions.shape[1:]
    )


def wide_gaps(distances_A: Sequence[float] | Array) -> list[int]:
    """Return the images (by index) that lie much farther from the next one than is usual.

    Springs even out a path, save next to a climbing image, which has none: something higher may
    lie there that no image sees.

    Parameters
    ----------
    distances_A
        Arc lengths of all images, Å.
    """
    apart = np.diff(distances_A)
    found: list[int] = np.flatnonzero(apart > _WIDE * np.median(apart)).tolist()
    return found


def path_slopes(positions: Array, forces: Array) -> Array:
    """Return dE/ds (eV/Å) at each image, from the forces (eV/Å) along the local tangent.

    The tangent at an image bisects its two segments (normalised); at the ends it is the only
    segment there is. Shapes as in `arc_lengths_A`.
    """
    flat = positions.reshape(len(positions), -1)
    segments = np.diff(flat, axis=0)
    unit = segments / np.linalg.norm(segments, axis=1, keepdims=True)
    tangents = np.vstack([unit[:1], unit[:-1] + unit[1:], unit[-1:]])
    tangents /= np.linalg.norm(tangents, axis=1, keepdims=True)
    slopes: Array = -np.einsum("ij,ij->i", forces.reshape(len(forces), -1), tangents)
    return slopes


def energy_profile(distances_A: Array, energies_eV: Array, slopes: Array) -> EnergyProfile:
    """Reduce a path to its barriers.

    Parameters
    ----------
    distances_A, energies_eV, slopes
        Arc length, energy and dE/ds (eV/Å) of every image, each of shape (images,).

    Examples
    --------
    >>> import numpy as np
    >>> s = np.linspace(0.0, 2.0, 5)
    >>> e, de = np.sin(np.pi * s / 2) ** 2, np.pi / 2 * np.sin(np.pi * s)
    >>> round(energy_profile(s, e, de).spline_forward_eV, 3)
    1.0
    """
    peak = max(
        _cubic_maximum(distances_A[i : i + 2], energies_eV[i : i + 2], slopes[i : i + 2])
        for i in range(len(distances_A) - 1)
    )
    top = float(energies_eV.max())
    return EnergyProfile(
        forward_eV=top - float(energies_eV[0]),
        reverse_eV=top - float(energies_eV[-1]),
        spline_forward_eV=peak[0] - float(energies_eV[0]),
        spline_reverse_eV=peak[0] - float(energies_eV[-1]),
        span_eV=top - float(energies_eV.min()),
        saddle_A=peak[1],
        length_A=float(distances_A[-1]),
    )


def _cubic_maximum(s: Array, energy: Array, slope: Array) -> tuple[float, float]:
    """Return (energy, arc length) of the maximum of one Hermite segment, its ends included."""
    h = float(s[1] - s[0])
    rise = float(energy[1] - energy[0])
    cubic = h * float(slope[0] + slope[1]) - 2 * rise
    square = 3 * rise - h * float(2 * slope[0] + slope[1])
    linear = h * float(slope[0])
    roots = np.roots([3 * cubic, 2 * square, linear]) if linear or square or cubic else np.empty(0)
    inside = [float(r.real) for r in roots if abs(r.imag) < _REAL and 0 < r.real < 1]
    x = np.array([0.0, 1.0, *inside])
    values = float(energy[0]) + x * (linear + x * (square + x * cubic))
    best = int(values.argmax())
    return float(values[best]), float(s[0] + h * x[best])
