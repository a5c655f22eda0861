"""Voltages of an insertion electrode from total energies.

The sign: discharge inserts the ion, A_x1 H + Δx A -> A_x2 H, and a positive voltage against the
metal A says that this gains energy. Entropy and volume work are neglected.

M. K. Aydinol, A. F. Kohan, G. Ceder, K. Cho, J. Joannopoulos, Phys. Rev. B 56, 1354 (1997).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Compositions nearer than this are the same.
_SAME: Final = 1e-6
#: A point this little above the hull (eV per formula unit) counts as on it: rounding.
_ON_HULL_EV: Final = 1e-9
#: Charge of a mole of electrons (CODATA 2018, exact), mAh.
_FARADAY_MAH: Final = 96485.33212 / 3.6


@dataclass(frozen=True)
class VoltageStep:
    """One plateau of the equilibrium voltage.

    Attributes
    ----------
    start, end
        Ions per formula unit of the host, the empty side first.
    voltage_V
        Against the metal of the ion.
    """

    start: float
    end: float
    voltage_V: float


def average_voltage_V(
    compositions: tuple[float, float],
    energies_eV: tuple[float, float],
    metal_eV: float,
    ion_charge: int,
) -> float:
    """Return the average voltage between two compositions, against the metal of the ion.

    V = -[E(x2) - E(x1) - (x2 - x1) μ] / (z (x2 - x1))

    Parameters
    ----------
    compositions
        x1 and x2, ions per formula unit of the host.
    energies_eV
        Per formula unit of the host.
    metal_eV
        μ: energy per atom of the metal.
    ion_charge
        z, in units of e.

    Raises
    ------
    StructureError
        If the compositions are the same.

    Examples
    --------
    >>> average_voltage_V((0.0, 1.0), (-20.0, -26.0), -2.0, 1)
    4.0
    """
    (x1, x2), (e1, e2) = compositions, energies_eV
    if abs(x2 - x1) < _SAME:
        message = (
            f"two crystals with {x1:g} ions per formula unit: a voltage is between different "
            "compositions; give one with more ions and one with fewer"
        )
        raise StructureError(message)
    return -(e2 - e1 - (x2 - x1) * metal_eV) / (ion_charge * (x2 - x1))


def mixing_energies_eV(compositions: Sequence[float], energies_eV: Sequence[float]) -> list[float]:
    """Return energies relative to the line between the emptiest and the fullest composition.

    Per formula unit of the host; negative is stable against a mixture of the two.
    """
    ends = sorted(range(len(compositions)), key=lambda i: (compositions[i], energies_eV[i]))
    first = ends[0]
    fullest = max(compositions)
    last = min(
        (i for i in ends if abs(compositions[i] - fullest) < _SAME), key=lambda i: energies_eV[i]
    )
    span = compositions[last] - compositions[first]
    if span < _SAME:
        return [energy - energies_eV[first] for energy in energies_eV]
    slope = (energies_eV[last] - energies_eV[first]) / span
    return [
        energy - energies_eV[first] - slope * (x - compositions[first])
        for x, energy in zip(compositions, energies_eV, strict=True)
    ]


def lower_hull(compositions: Sequence[float], energies_eV: Sequence[float]) -> list[int]:
    """Return the indices of the points on the lower convex hull, by composition.

    Examples
    --------
    >>> lower_hull([0.0, 0.25, 0.5, 1.0], [0.0, 0.1, -0.2, 0.0])
    [0, 2, 3]
    """
    order = sorted(range(len(compositions)), key=lambda i: (compositions[i], energies_eV[i]))
    hull: list[int] = []
    for index in order:
        x, energy = compositions[index], energies_eV[index]
        if hull and abs(x - compositions[hull[-1]]) < _SAME:
            continue  # a higher energy at the same composition
        while len(hull) > 1 and not _turns_up(compositions, energies_eV, hull, (x, energy)):
            hull.pop()
        hull.append(index)
    return hull


def _turns_up(
    compositions: Sequence[float],
    energies_eV: Sequence[float],
    hull: Sequence[int],
    new: tuple[float, float],
) -> bool:
    """Return whether the last point of the hull lies on or below the line past it."""
    before, last = hull[-2], hull[-1]
    share = (compositions[last] - compositions[before]) / (new[0] - compositions[before])
    line = energies_eV[before] + share * (new[1] - energies_eV[before])
    return energies_eV[last] <= line + _ON_HULL_EV


def above_hull_eV(compositions: Sequence[float], energies_eV: Sequence[float]) -> list[float]:
    """Return the height of each point above the hull, per formula unit of the host."""
    hull = lower_hull(compositions, energies_eV)
    heights = []
    for x, energy in zip(compositions, energies_eV, strict=True):
        right = next(i for i in hull if compositions[i] >= x - _SAME)
        left = next(i for i in reversed(hull) if compositions[i] <= x + _SAME)
        span = compositions[right] - compositions[left]
        share = (x - compositions[left]) / span if span > _SAME else 0.0
        line = energies_eV[left] + share * (energies_eV[right] - energies_eV[left])
        heights.append(energy - line)
    return heights


def voltage_profile(
    compositions: Sequence[float],
    energies_eV: Sequence[float],
    metal_eV: float,
    ion_charge: int,
) -> tuple[VoltageStep, ...]:
    """Return the plateaus between neighbours on the convex hull, from empty to full.

    The voltage falls from step to step, as the hull is convex.

    Raises
    ------
    StructureError
        If there are not two compositions.
    """
    hull = lower_hull(compositions, energies_eV)
    if len(hull) < 2:  # noqa: PLR2004 - a step has two ends
        average_voltage_V((compositions[0],) * 2, (0.0, 0.0), metal_eV, ion_charge)
    return tuple(
        VoltageStep(
            compositions[i],
            compositions[j],
            average_voltage_V(
                (compositions[i], compositions[j]),
                (energies_eV[i], energies_eV[j]),
                metal_eV,
                ion_charge,
            ),
        )
        for i, j in itertools.pairwise(hull)
    )


def capacity_mAh_per_g(electrons: float, molar_mass_g: float) -> float:
    """Return the gravimetric capacity of a formula unit that takes up `electrons`.

    Examples
    --------
    >>> round(capacity_mAh_per_g(1, 157.757))  # LiFePO4
    170
    """
    return electrons * _FARADAY_MAH / molar_mass_g
