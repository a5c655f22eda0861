"""The equation of state of a crystal: equilibrium volume and stiffness from E(V)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import NotConverged
from defectflow.units import GPA_PER_EV_A3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Four unknowns.
_FEWEST: Final = 5


@dataclass(frozen=True)
class EquationOfState:
    """Parameters of a fitted curve E(V).

    Attributes
    ----------
    volume_A3, energy_eV
        Of the minimum.
    bulk_modulus_GPa
        B = V d²E/dV² at the minimum.
    pressure_derivative
        dB/dP at the minimum.
    residual_eV
        Root mean square of the differences between the energies and the curve.
    """

    volume_A3: float
    energy_eV: float
    bulk_modulus_GPa: float
    pressure_derivative: float
    residual_eV: float


def birch_murnaghan(volumes_A3: Sequence[float], energies_eV: Sequence[float]) -> EquationOfState:
    """Fit the third-order equation of F. Birch, Phys. Rev. 71, 809 (1947).

    E is a cubic polynomial in V^(-2/3), so that the fit is a linear one and has one solution.

    Raises
    ------
    NotConverged
        If there are fewer than five volumes, or the curve has no minimum between the smallest and
        the largest of them: the fit is not extrapolated.

    Examples
    --------
    >>> volumes = np.linspace(15, 18, 7)
    >>> eta = (16.5 / volumes) ** (2 / 3)
    >>> found = birch_murnaghan(volumes, 9 * 16.5 * 0.5 / 16 * (2 * (eta - 1) ** 2) - 3)
    >>> round(found.volume_A3, 6), round(found.bulk_modulus_GPa / 160.2176634, 6)
    (16.5, 0.5)
    """
    volumes, energies = np.asarray(volumes_A3, dtype=float), np.asarray(energies_eV, dtype=float)
    if len(volumes) < _FEWEST:
        message = f"{len(volumes)} volumes: an equation of state needs at least {_FEWEST}"
        raise NotConverged(message)
    scale = float(volumes.mean())
    strains = (scale / volumes) ** (2 / 3)
    # Centred and scaled to -1...1, where the normal equations are well conditioned.
    middle, half = (strains.max() + strains.min()) / 2, np.ptp(strains) / 2
    places = (strains - middle) / half
    curve = np.polynomial.polynomial.polyfit(places, energies, 3)
    place = _minimum(curve)
    if place is None:
        message = (
            f"no minimum between {volumes.min():.2f} and {volumes.max():.2f} Å³: the curve is not "
            "extrapolated; start from a cell nearer to equilibrium (host_cell: scale)"
        )
        raise NotConverged(message)
    x = middle + half * place
    volume = scale * x ** (-3 / 2)
    # Derivatives of E(x), and of x(V) = (scale / V)^(2/3); at the minimum dE/dx = 0.
    bend = (2 * curve[2] + 6 * curve[3] * place) / half**2
    twist = 6 * curve[3] / half**3
    first, second = -2 / 3 * x / volume, 10 / 9 * x / volume**2
    curvature = bend * first**2
    third = twist * first**3 + 3 * bend * first * second
    residuals = energies - np.polynomial.polynomial.polyval(places, curve)
    return EquationOfState(
        volume_A3=float(volume),
        energy_eV=float(np.polynomial.polynomial.polyval(place, curve)),
        bulk_modulus_GPa=float(volume * curvature * GPA_PER_EV_A3),
        pressure_derivative=float(-1 - volume * third / curvature),
        residual_eV=float(np.sqrt(np.mean(residuals**2))),
    )


def _minimum(curve: NDArray[np.float64]) -> float | None:
    """Return where a cubic polynomial has its minimum between -1 and 1; None if nowhere.

    The slope c + 2 b t + 3 a t² may have a vanishing leading coefficient (dB/dP = 4): the root is
    taken in the form that stays exact there.
    """
    slope, bend, twist = float(curve[1]), float(2 * curve[2]), float(3 * curve[3])
    inner = bend**2 - 4 * twist * slope
    if inner < 0 or bend + math.sqrt(inner) <= 0:
        return None
    # Of the two roots this one has the curvature +sqrt(inner).
    place = -2 * slope / (bend + math.sqrt(inner))
    return place if -1 < place < 1 else None
