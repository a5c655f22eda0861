"""The Fermi level that makes a crystal with defects neutral, and the concentrations there.

Defects are dilute: c = N g exp(-E_f/kT), with N places per volume. Electrons and holes follow
Fermi-Dirac statistics in the density of states of the pristine crystal. Defects that are frozen in
keep their number and only exchange electrons.

J. Buckeridge, Comput. Phys. Commun. 244, 329 (2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_expit, logsumexp

from defectflow.errors import MissingData, RecipeError, StructureError
from defectflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike

_CM3_PER_A3: Final = 1e-24
#: exp of this is the largest number that a float still holds, with a margin.
_LARGEST_EXPONENT: Final = 600.0
#: How far beyond the band edges the Fermi level is looked for, eV.
_BEYOND_EV: Final = 1.0


@dataclass(frozen=True)
class Bands:
    """Density of states of the pristine crystal.

    Attributes
    ----------
    energies_eV
        Relative to the valence band maximum, increasing.
    density
        States per eV and cell, both spins together.
    gap_eV
        States within the gap, which only broadening puts there, are left out.
    volume_A3
        Of the cell.
    """

    energies_eV: Sequence[float]
    density: Sequence[float]
    gap_eV: float
    volume_A3: float

    def carriers_per_cell(self, fermi_eV: float, temperature_K: float) -> tuple[float, float]:
        """Return the numbers of electrons in the conduction band and of holes in the valence band.

        Raises
        ------
        MissingData
            If the energies do not reach a band.
        """
        electrons, holes = self.carriers_log(fermi_eV, temperature_K)
        return _exp(electrons), _exp(holes)

    def carriers_log(self, fermi_eV: float, temperature_K: float) -> tuple[float, float]:
        """Return the natural logarithms of what `carriers_per_cell` returns.

        Raises
        ------
        MissingData
            If the energies do not reach a band.
        """
        energies, density = np.array(self.energies_eV), np.array(self.density)
        valence, conduction = energies <= 0, energies >= self.gap_eV
        if valence.sum() < 2 or conduction.sum() < 2:  # noqa: PLR2004 - an integral needs two
            message = (
                f"density of states from {energies[0]:.1f} to {energies[-1]:.1f} eV: it does not "
                "reach both bands; compute it on a wider range of energies"
            )
            raise MissingData(message)
        filled = (fermi_eV - energies) / (BOLTZMANN_EV_PER_K * temperature_K)
        return (
            _log_integral(energies[conduction], density[conduction], log_expit(filled[conduction])),
            _log_integral(energies[valence], density[valence], log_expit(-filled[valence])),
        )


@dataclass(frozen=True)
class DefectLevels:
    """One kind of defect.

    Attributes
    ----------
    energies_eV
        Formation energy by charge, with the Fermi level at the valence band maximum.
    sites_per_cell
        Places for it in the cell of `Bands`.
    degeneracy
        Of each charge, spin and orientation, by charge; 1 where it is missing.
    """

    name: str
    energies_eV: Mapping[int, float]
    sites_per_cell: float
    degeneracy: Mapping[int, float] | None = None

    def per_cell(self, fermi_eV: float, temperature_K: float) -> dict[int, float]:
        """Return the number of defects per cell by charge, in the dilute limit."""
        return _numbers(self.log_per_cell(fermi_eV, temperature_K))

    def log_per_cell(self, fermi_eV: float, temperature_K: float) -> dict[int, float]:
        """Return the natural logarithms of what `per_cell` returns."""
        weights = self.degeneracy or {}
        thermal = BOLTZMANN_EV_PER_K * temperature_K
        return {
            charge: _log(self.sites_per_cell * weights.get(charge, 1.0))
            - (energy + charge * fermi_eV) / thermal
            for charge, energy in self.energies_eV.items()
        }

    def shared(self, total: float, fermi_eV: float, temperature_K: float) -> dict[int, float]:
        """Return how `total` defects per cell, whose number does not change, share the charges."""
        return _numbers(self.log_shared(_log(total), fermi_eV, temperature_K))

    def log_shared(
        self, log_total: float, fermi_eV: float, temperature_K: float
    ) -> dict[int, float]:
        """Return the natural logarithms of what `shared` returns, given that of the total."""
        alone = self.log_per_cell(fermi_eV, temperature_K)
        whole = float(logsumexp(list(alone.values())))
        return {charge: log_total + value - whole for charge, value in alone.items()}


@dataclass(frozen=True)
class Equilibrium:
    """The neutral crystal.

    Attributes
    ----------
    fermi_eV
        Above the valence band maximum.
    electrons_per_cm3, holes_per_cm3
        Free carriers.
    defects_per_cm3
        By name and charge.
    """

    fermi_eV: float
    electrons_per_cm3: float
    holes_per_cm3: float
    defects_per_cm3: dict[str, dict[int, float]]


def neutral_fermi_level(
    bands: Bands,
    defects: Sequence[DefectLevels],
    temperature_K: float,
    frozen: Mapping[str, float] | None = None,
) -> Equilibrium:
    """Return the Fermi level at which holes, electrons and charged defects add up to nothing.

    Parameters
    ----------
    frozen
        Number per cm³, all charges together, of defects that cannot form or vanish, by name.

    Raises
    ------
    RecipeError
        If the temperature is not above zero and finite.
    StructureError
        If there is no such level within 1 eV of the gap: a formation energy must be wrong.
    """
    if not 0 < temperature_K < np.inf:  # also refuses what is not a number
        message = f"temperature {temperature_K:g} K: give one above zero and finite, e.g. 300"
        raise RecipeError(message)
    per_cm3 = 1 / (bands.volume_A3 * _CM3_PER_A3)
    totals = {name: _log(number / per_cm3) for name, number in (frozen or {}).items()}

    def counted(fermi_eV: float) -> dict[str, dict[int, float]]:
        return {
            one.name: one.log_shared(totals[one.name], fermi_eV, temperature_K)
            if one.name in totals
            else one.log_per_cell(fermi_eV, temperature_K)
            for one in defects
        }

    def excess(fermi_eV: float) -> float:
        """Logarithm of all positive charges over all negative ones; the numbers may underflow."""
        electrons, holes = bands.carriers_log(fermi_eV, temperature_K)
        terms = [(q, n) for one in counted(fermi_eV).values() for q, n in one.items()]
        return _log_charges([(1, holes), *terms]) - _log_charges([(1, electrons), *_turned(terms)])

    fermi_eV = _root(excess, (-_BEYOND_EV, bands.gap_eV + _BEYOND_EV))
    electrons, holes = bands.carriers_per_cell(fermi_eV, temperature_K)
    return Equilibrium(
        fermi_eV=fermi_eV,
        electrons_per_cm3=electrons * per_cm3,
        holes_per_cm3=holes * per_cm3,
        defects_per_cm3={
            name: {q: n * per_cm3 for q, n in _numbers(by_charge).items()}
            for name, by_charge in counted(fermi_eV).items()
        },
    )


def _root(excess: Callable[[float], float], ends: tuple[float, float]) -> float:
    """Return where the excess of positive charge, which falls with the Fermi level, is zero."""
    if not excess(ends[0]) >= 0 >= excess(ends[1]):
        message = (
            f"no Fermi level from {ends[0]:.1f} to {ends[1]:.1f} eV makes the crystal neutral; "
            "check the formation energies, one may be far below zero"
        )
        raise StructureError(message)
    return float(brentq(excess, *ends, xtol=1e-12))


def _log_charges(terms: Sequence[tuple[int, float]]) -> float:
    """Return the logarithm of the sum of the positive charges, given charge and log number."""
    positive = [(charge, number) for charge, number in terms if charge > 0]
    charges, numbers = zip(*positive, strict=True)
    return float(logsumexp(numbers, b=charges))


def _turned(terms: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    return [(-charge, number) for charge, number in terms]


def _log_integral(energies: np.ndarray, density: np.ndarray, log_share: np.ndarray) -> float:
    """Return the logarithm of the integral of density × share, by trapezoids."""
    widths = np.diff(energies)
    weights = (np.append(widths, 0.0) + np.append(0.0, widths)) / 2
    weighted = np.maximum(density, 0.0) * weights
    return float(logsumexp(log_share, b=weighted)) if weighted.any() else -np.inf


def _log(number: float) -> float:
    return float(np.log(number)) if number > 0 else -np.inf


def _exp(logarithm: float) -> float:
    return float(np.exp(min(_LARGEST_EXPONENT, logarithm)))


def _numbers(logarithms: Mapping[int, float]) -> dict[int, float]:
    return {charge: _exp(one) for charge, one in logarithms.items()}


def parabolic_density(energies_eV: ArrayLike, mass: float, volume_A3: float) -> list[float]:
    """Return the density of a parabolic band that begins at zero, in states per eV and cell.

    g(E) = V/(2π²) (2m/ħ²)^(3/2) √E, both spins.

    Parameters
    ----------
    mass
        Effective mass in electron masses.
    """
    from defectflow.units import BOHR_A, HARTREE_EV

    per_A2 = 2 * mass / (HARTREE_EV * BOHR_A**2)  # 2m/ħ² in 1/(eV Å²)
    energies = np.maximum(np.asarray(energies_eV, dtype=float), 0.0)
    density: list[float] = (volume_A3 / (2 * np.pi**2) * per_A2**1.5 * np.sqrt(energies)).tolist()
    return density
