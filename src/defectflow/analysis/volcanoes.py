"""Published volcanoes: how active a surface is, by one free energy of adsorption.

HER: exchange current of J. K. Nørskov et al., J. Electrochem. Soc. 152, J23 (2005), equations 3 and
4. OER and ORR: overpotential along the scaling of OOH* with OH*, G(OOH*) = G(OH*) + 3.2 eV (I. C.
Man et al., ChemCatChem 3, 1159 (2011); J. K. Nørskov et al., J. Phys. Chem. B 108, 17886 (2004)).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectflow.analysis.reactions import OXYGEN_EV, SCALING_OOH_OH_EV
from defectflow.errors import MissingData
from defectflow.units import BOLTZMANN_EV_PER_K

Array = NDArray[np.float64]
#: Rate per site (1/s) at equilibrium of an ideal catalyst, fitted by Nørskov 2005 to experiment.
_RATE_PER_S: Final = 200.0
_CHARGE_C: Final = 1.602176634e-19
#: Sites per cm² of Pt(111), which the exchange current of all metals is given for.
_SITES_PER_CM2: Final = 1.5e15
_EQUILIBRIUM_V: Final = OXYGEN_EV / 4
_POINTS: Final = 2


def her_exchange_current_log10(hydrogen_eV: Array | float, temperature_K: float = 300.0) -> Array:
    """Return log10 of the exchange current density (A/cm²) by the free energy of H*.

    Examples
    --------
    >>> bool(her_exchange_current_log10(0.0) > her_exchange_current_log10(0.2))
    True
    """
    energy = np.asarray(hydrogen_eV, dtype=float)
    ratio = np.abs(energy) / (BOLTZMANN_EV_PER_K * temperature_K)
    # Both branches are symmetric: 1 / (1 + exp(|G| / k T)).
    share = -np.logaddexp(0.0, ratio) / math.log(10)
    ideal = math.log10(_CHARGE_C * _RATE_PER_S * _SITES_PER_CM2)
    found: Array = ideal + share
    return found


def oer_overpotential_V(oxygen_minus_hydroxyl_eV: Array | float) -> Array:
    """Return the overpotential of oxygen evolution by G(O*) - G(OH*).

    Examples
    --------
    >>> round(float(oer_overpotential_V(1.6)), 2)
    0.37
    """
    gap = np.asarray(oxygen_minus_hydroxyl_eV, dtype=float)
    found: Array = np.maximum(gap, SCALING_OOH_OH_EV - gap) - _EQUILIBRIUM_V
    return found


def orr_overpotential_V(hydroxyl_eV: Array | float) -> Array:
    """Return the overpotential of oxygen reduction by G(OH*).

    Examples
    --------
    >>> round(float(orr_overpotential_V(0.86)), 2)
    0.37
    """
    energy = np.asarray(hydroxyl_eV, dtype=float)
    removal, uptake = energy, OXYGEN_EV - SCALING_OOH_OH_EV - energy
    found: Array = _EQUILIBRIUM_V - np.minimum(removal, uptake)
    return found


def correlation(first: Array, second: Array) -> tuple[float, float, float]:
    """Return slope, intercept and Pearson's coefficient of a straight line through points.

    Raises
    ------
    MissingData
        If there are fewer than two different points.

    Examples
    --------
    >>> slope, intercept, r = correlation(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]))
    >>> round(slope, 6), round(intercept, 6), round(r, 6)
    (2.0, 1.0, 1.0)
    """
    x, y = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if len(np.unique(x)) < _POINTS:
        message = f"correlation of {len(x)} points: at least two different ones are needed"
        raise MissingData(message)
    slope, intercept = np.polyfit(x, y, 1)
    spread = float(np.std(y))
    coefficient = float(np.corrcoef(x, y)[0, 1]) if spread > 0 else 0.0
    return float(slope), float(intercept), coefficient
