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
from scipy.special import expit

from defectflow.errors import MissingData, StructureError
from defectflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
        energies, density = np.array(self.energies_eV), np.array(self.density)
        valence, conduction = energies <= 0, energies >= self.gap_eV
        if valence.sum() < 2 or conduction.sum() < 2:  # noqa: PLR2004 - an integral needs two
            message = (
                f"density of states from {energies[0]:.1f} to {energies[-1]:.1f} eV: it does not "
                "reach both bands; compute it on a wider range of energies"
            )
            raise MissingData(message)
        occupied = expit((fermi_eV - energies) / (BOLTZMANN_EV_PER_K * temperature_K))
        empty = expit((energies - fermi_eV) / (BOLTZMANN_EV_PER_K * temperature_K))
        electrons = np.trapezoid((density * occupied)[conduction], energies[conduction])
        holes = np.trapezoid((density * empty)[valence], energies[valence])
        return float(electrons), float(holes)


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
        weights = self.degeneracy or {}
        thermal = BOLTZMANN_EV_PER_K * temperature_K
        return {
            charge: self.sites_per_cell
            * weights.get(charge, 1.0)
            * float(np.exp(min(_LARGEST_EXPONENT, -(energy + charge * fermi_eV) / thermal)))
            for charge, energy in self.energies_eV.items()
        }

    def shared(self, total: float, fermi_eV: float, temperature_K: float) -> dict[int, float]:
        """Return how `total` defects per cell, whose number does not change, share the charges."""
        weights = self.degeneracy or {}
        charges = list(self.energies_eV)
        energies = np.array([self.energies_eV[charge] + charge * fermi_eV for charge in charges])
        lowered = (energies - energies.min()) / (BOLTZMANN_EV_PER_K * temperature_K)
        parts = np.array([weights.get(charge, 1.0) for charge in charges]) * np.exp(-lowered)
        shares = total * parts / parts.sum()
        return dict(zip(charges, shares.tolist(), strict=True))


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
    StructureError
        If there is no such level within 1 eV of the gap: a formation energy must be wrong.
    """
    per_cm3 = 1 / (bands.volume_A3 * _CM3_PER_A3)
    totals = {name: number / per_cm3 for name, number in (frozen or {}).items()}

    def counted(fermi_eV: float) -> dict[str, dict[int, float]]:
        return {
            one.name: one.shared(totals[one.name], fermi_eV, temperature_K)
            if one.name in totals
            else one.per_cell(fermi_eV, temperature_K)
            for one in defects
        }

    def charge(fermi_eV: float) -> float:
        electrons, holes = bands.carriers_per_cell(fermi_eV, temperature_K)
        found = counted(fermi_eV).values()
        return holes - electrons + sum(q * n for one in found for q, n in one.items())

    ends = (-_BEYOND_EV, bands.gap_eV + _BEYOND_EV)
    if charge(ends[0]) * charge(ends[1]) > 0:
        message = (
            f"no Fermi level from {ends[0]:.1f} to {ends[1]:.1f} eV makes the crystal neutral; "
            "check the formation energies, one may be far below zero"
        )
        raise StructureError(message)
    fermi_eV = float(brentq(charge, *ends, xtol=1e-9))
    electrons, holes = bands.carriers_per_cell(fermi_eV, temperature_K)
    return Equilibrium(
        fermi_eV=fermi_eV,
        electrons_per_cm3=electrons * per_cm3,
        holes_per_cm3=holes * per_cm3,
        defects_per_cm3={
            name: {q: n * per_cm3 for q, n in by_charge.items()}
            for name, by_charge in counted(fermi_eV).items()
        },
    )


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
