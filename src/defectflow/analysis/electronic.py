"""Moments of a band from its density of states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.integrate import trapezoid

from defectflow.errors import MissingData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_FEWEST: Final = 3


@dataclass(frozen=True)
class BandMoments:
    """A band within an energy window, energies relative to the Fermi level.

    Attributes
    ----------
    center_eV
        First moment: the mean energy.
    width_eV
        Square root of the second central moment. A semicircular band that is W wide in all has
        W/4.
    states
        Integral of the density: the number of states, occupied or not.
    filling
        Share of the states below the Fermi level.
    edge_share
        Larger of the two densities at the ends of the window, over the largest density within: a
        band that the window cuts has a large one.
    """

    center_eV: float
    width_eV: float
    states: float
    filling: float
    edge_share: float


def band_moments(
    energies_eV: Sequence[float] | Array,
    density: Sequence[float] | Array,
    window_eV: tuple[float, float],
) -> BandMoments:
    """Return the moments of a density of states within a window.

    Parameters
    ----------
    energies_eV
        Increasing grid, relative to the Fermi level.
    density
        States per eV on the grid.
    window_eV
        Ends of the window; the density is interpolated linearly there.

    Raises
    ------
    MissingData
        If the grid does not cover the window, or the window holds no states.

    Examples
    --------
    >>> grid = np.linspace(-8, 4, 1201)
    >>> band = np.sqrt(np.clip(1 - ((grid + 2) / 3) ** 2, 0, None))
    >>> moments = band_moments(grid, band, (-7, 2))
    >>> round(moments.center_eV, 3), round(moments.width_eV, 3)
    (-2.0, 1.5)
    """
    energies, values = np.asarray(energies_eV, dtype=float), np.asarray(density, dtype=float)
    low, high = window_eV
    if not (energies[0] <= low < high <= energies[-1]):
        message = (
            f"window {low:g} to {high:g} eV: the density of states covers {energies[0]:g} to "
            f"{energies[-1]:g} eV; choose a window within, or a wider grid"
        )
        raise MissingData(message)
    grid, band = _cut(energies, values, low, high)
    states = float(trapezoid(band, grid))
    if len(grid) < _FEWEST or states <= 0:
        message = f"window {low:g} to {high:g} eV: holds no states of this orbital"
        raise MissingData(message)
    center = float(trapezoid(band * grid, grid)) / states
    spread = float(trapezoid(band * (grid - center) ** 2, grid)) / states
    below = _cut(grid, band, low, min(high, 0.0)) if low < 0 else None
    filled = float(trapezoid(below[1], below[0])) if below else 0.0
    return BandMoments(
        center_eV=center,
        width_eV=float(np.sqrt(max(spread, 0.0))),
        states=states,
        filling=filled / states,
        edge_share=float(max(band[0], band[-1]) / band.max()),
    )


def _cut(energies: Array, values: Array, low: float, high: float) -> tuple[Array, Array]:
    """Return the part of a curve between two energies, its ends interpolated."""
    inside = (energies > low) & (energies < high)
    grid = np.concatenate([[low], energies[inside], [high]])
    return grid, np.interp(grid, energies, values)
