"""Vacuum levels of a slab from its electrostatic potential."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Part of the vacuum, in its middle, where no electrons are left.
_EMPTY: Final = 0.3
#: A straight line needs so many points.
_POINTS: Final = 3


@dataclass(frozen=True)
class VacuumLevels:
    """Potential energy of an electron outside the two sides of a slab, eV.

    Attributes
    ----------
    field_eV_per_A
        Slope that a periodic cell puts into the vacuum of a slab with a dipole; taken out of both
        levels.
    ripple_eV
        Largest distance of the potential from a straight line in the part that was looked at; large
        where the vacuum is too thin.
    """

    top_eV: float
    bottom_eV: float
    field_eV_per_A: float
    ripple_eV: float


def whole_slab(heights_A: Array, period_A: float) -> Array:
    """Return heights shifted by whole periods so that the largest gap is outside the slab.

    Examples
    --------
    >>> whole_slab(np.array([1.0, 19.0]), 20.0)
    array([21., 19.])
    """
    wrapped = np.asarray(heights_A, dtype=float) % period_A
    ranked = np.sort(wrapped)
    gaps = np.diff(np.append(ranked, ranked[0] + period_A))
    first = ranked[(int(gaps.argmax()) + 1) % len(ranked)]
    whole: Array = np.where(wrapped < first - 1e-9, wrapped + period_A, wrapped)
    return whole


def vacuum_levels(
    potential_eV: Array, height_A: float, atoms_A: Sequence[float] | Array
) -> VacuumLevels:
    """Return the vacuum levels on both sides of a slab in a periodic cell.

    A slab with a dipole has two different levels. A periodic potential cannot: it is tilted, by the
    difference over the height of the cell. To first order the tilt turns about the middle of the
    slab (J. Neugebauer, M. Scheffler, Phys. Rev. B 46, 16067 (1992)), so that the line through the
    vacuum gives the upper level at that middle, and the lower one at its next image.

    Parameters
    ----------
    potential_eV
        Mean over planes parallel to the slab, on equal steps from height 0, that of `height_A` left
        out.
    height_A
        Of the cell, along the normal.
    atoms_A
        Heights of the atoms, the slab in one piece.

    Raises
    ------
    StructureError
        If there are too few points in the vacuum.

    Examples
    --------
    >>> flat = np.where(np.arange(100) < 50, -5.0, 2.0)
    >>> levels = vacuum_levels(flat, 20.0, [2.0, 8.0])
    >>> (round(levels.top_eV, 6), round(levels.bottom_eV, 6))
    (2.0, 2.0)
    """
    values = np.asarray(potential_eV, dtype=float)
    step = height_A / len(values)
    low, high = float(np.min(atoms_A)), float(np.max(atoms_A))
    gap = height_A - (high - low)
    start = high + (0.5 - _EMPTY / 2) * gap
    numbers = np.arange(np.ceil(start / step), np.floor((start + _EMPTY * gap) / step) + 1)
    _require_points(len(numbers), gap, enough_A=10)
    heights = numbers * step
    seen = values[numbers.astype(int) % len(values)]
    slope, offset = np.polyfit(heights, seen, 1)
    middle = (low + high) / 2
    return VacuumLevels(
        top_eV=float(offset + slope * middle),
        bottom_eV=float(offset + slope * (middle + height_A)),
        field_eV_per_A=float(slope),
        ripple_eV=float(np.abs(seen - offset - slope * heights).max()),
    )


def stepped_vacuum_levels(
    potential_eV: Array, height_A: float, atoms_A: Sequence[float] | Array, step_A: float
) -> VacuumLevels:
    """Return the vacuum levels of a slab whose dipole is corrected by a step at the cell's ends.

    Each side has a level of its own, flat up to the step; it is read off the half of the way there
    that is farther from the atoms.

    Parameters
    ----------
    potential_eV, height_A
        See `vacuum_levels`.
    atoms_A
        Heights of the atoms, the slab in one piece between 0 and `height_A`.
    step_A
        Width of the step about each end.

    Raises
    ------
    StructureError
        If there are too few points in the vacuum.

    Examples
    --------
    >>> stepped = np.where(np.arange(100) < 50, 2.0, 3.0)
    >>> levels = stepped_vacuum_levels(stepped, 20.0, [8.0, 12.0], 1.0)
    >>> (levels.top_eV, levels.bottom_eV)
    (3.0, 2.0)
    """
    values = np.asarray(potential_eV, dtype=float)
    heights = np.arange(len(values)) * height_A / len(values)
    low, high = float(np.min(atoms_A)), float(np.max(atoms_A))
    above = values[(heights > (high + height_A) / 2) & (heights < height_A - step_A)]
    below = values[(heights < low / 2) & (heights > step_A)]
    _require_points(min(len(above), len(below)), height_A - (high - low), enough_A=15)
    ripple = max(float(np.ptp(above)), float(np.ptp(below))) / 2
    return VacuumLevels(float(above.mean()), float(below.mean()), 0.0, ripple)


def _require_points(points: int, vacuum_A: float, enough_A: int) -> None:
    if points < _POINTS:
        message = (
            f"a vacuum of {vacuum_A:.1f} Å: too thin for a vacuum level; give the slab {enough_A} Å"
        )
        raise StructureError(message)
