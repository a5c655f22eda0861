"""Free energies of adsorbates (harmonic) and of gases (ideal) from vibrations.

All contributions are counted from the electronic energy. Source: C. J. Cramer, Essentials of
Computational Chemistry (2004), chapter 10.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from defectflow.analysis.vibrations import SOFTEST_EV, zero_point_eV
from defectflow.errors import StructureError
from defectflow.units import BOLTZMANN_EV_PER_K

if TYPE_CHECKING:
    from collections.abc import Iterable

Array = NDArray[np.float64]
#: Where measured free energies, and those of liquid water, are taken.
ROOM_K: Final = 298.15
#: A temperature (K) this near to that counts as the same.
_SAME_K: Final = 5.0
#: Imaginary modes softer than this (eV, 50 per cm) are taken for the noise of the forces.
NOISE_EV: Final = 0.0062
#: h²/(2π u k) in Å² K: the thermal wavelength of a mass of 1 u at 1 K, squared (CODATA 2018).
_WAVELENGTH2_A2_K: Final = 17.4582177**2
#: ħ²/(2 u Å² k) in K: rotational temperature of 1 u Å² (CODATA 2018).
_ROTATIONAL_K: Final = 24.2543671
#: 1 Pa Å³ in units of k K: 1e-30 / 1.380649e-23.
_K_PER_PA_A3: Final = 1e-30 / 1.380649e-23
_LINEAR: Final = 1e-3


def at_room_temperature(temperature_K: float) -> bool:
    """Return whether constants that were measured at 298 K hold.

    Examples
    --------
    >>> at_room_temperature(300.0), at_room_temperature(350.0)
    (True, False)
    """
    return abs(temperature_K - ROOM_K) <= _SAME_K


@dataclass(frozen=True)
class Thermal:
    """What a finite temperature adds to an electronic energy.

    Attributes
    ----------
    zero_point_eV
        Half the sum of ħω.
    heat_eV
        Internal energy of an adsorbate, enthalpy of a gas, above that at 0 K.
    entropy_eV_per_K
        At the pressure of a gas.
    """

    temperature_K: float
    zero_point_eV: float
    heat_eV: float
    entropy_eV_per_K: float

    @property
    def free_energy_eV(self) -> float:
        """Zero-point energy + heat - T S."""
        heat = self.zero_point_eV + self.heat_eV
        return heat - self.temperature_K * self.entropy_eV_per_K


@dataclass(frozen=True)
class GasMolecule:
    """What of a molecule decides its ideal gas.

    Attributes
    ----------
    places_A, masses_u
        Geometry at rest.
    symmetry_number
        Rotations that map it onto itself: 2 for H2 and H2O, 1 for CO.
    spin
        Total spin: 0 for a closed shell, 1 for O2.
    """

    places_A: Array
    masses_u: Array
    symmetry_number: int = 1
    spin: float = 0.0


def imaginary_modes_eV(energies_eV: Array) -> list[float]:
    """Return the imaginary modes, as negative numbers, that are not noise."""
    energies = np.asarray(energies_eV, dtype=float)
    return [float(energy) for energy in energies[energies < -NOISE_EV]]


def in_words(energies_eV: Iterable[float]) -> str:
    """Return energies of modes in meV, imaginary ones as spectroscopists write them.

    Examples
    --------
    >>> in_words([-0.0074, 0.02])
    '7i meV, 20 meV'
    """
    each = (f"{1000 * abs(one):.0f}{'i' if one < 0 else ''} meV" for one in energies_eV)
    return ", ".join(each)


def harmonic(energies_eV: Array, temperature_K: float) -> Thermal:
    """Return the thermal contributions of an adsorbate whose motions are all vibrations.

    Softer modes than `SOFTEST_EV`, noise that came out imaginary included, count with that energy
    in heat and entropy, which diverge for them.

    Raises
    ------
    StructureError
        If there are imaginary modes: the structure is not at a minimum.

    Examples
    --------
    >>> round(harmonic(np.array([0.1, 0.1, 0.2]), 300.0).zero_point_eV, 3)
    0.2
    """
    energies = np.asarray(energies_eV, dtype=float)
    wrong = imaginary_modes_eV(energies)
    if wrong:
        message = (
            f"imaginary modes ({in_words(wrong)}): not at a minimum; no free energy can be given"
        )
        raise StructureError(message)
    heat, entropy = _vibrational(np.maximum(energies, SOFTEST_EV), temperature_K)
    return Thermal(temperature_K, zero_point_eV(energies), heat, entropy)


def ideal_gas(
    molecule: GasMolecule, energies_eV: Array, temperature_K: float, pressure_Pa: float = 1e5
) -> Thermal:
    """Return the thermal contributions of an ideal gas of rigid rotors with harmonic vibrations.

    Parameters
    ----------
    energies_eV
        All 3 N modes; those of translation and rotation, the smallest in size, are left out.

    Raises
    ------
    StructureError
        If a vibration is imaginary.
    """
    atoms = len(molecule.masses_u)
    moments = _moments_of_inertia(molecule) if atoms > 1 else np.zeros(3)
    linear = atoms > 1 and moments[0] < _LINEAR * max(moments[-1], 1.0)
    count = 3 * atoms - (3 if atoms == 1 else 5 if linear else 6)
    energies = np.asarray(energies_eV, dtype=float)
    modes = np.sort(energies[np.argsort(np.abs(energies))[len(energies) - count :]])
    if np.any(modes <= 0):
        message = (
            f"gas molecule of {atoms} atoms: an imaginary vibration ({1000 * modes[0]:.0f} meV); "
            "its structure is no minimum with this engine"
        )
        raise StructureError(message)
    vibration, disorder = _vibrational(modes, temperature_K)
    thermal = BOLTZMANN_EV_PER_K * temperature_K
    turning = (0.0 if atoms == 1 else 1.0 if linear else 1.5) * thermal
    entropy = _translational(float(molecule.masses_u.sum()), temperature_K, pressure_Pa)
    if atoms > 1:
        entropy += _rotational(moments, molecule.symmetry_number, temperature_K, linear=linear)
    entropy += math.log(2 * molecule.spin + 1)
    return Thermal(
        temperature_K,
        zero_point_eV(modes),
        vibration + turning + 2.5 * thermal,
        disorder + BOLTZMANN_EV_PER_K * entropy,
    )


def _vibrational(energies_eV: Array, temperature_K: float) -> tuple[float, float]:
    """Return heat (eV) and entropy (eV/K) of harmonic oscillators above their ground states."""
    thermal = BOLTZMANN_EV_PER_K * temperature_K
    if thermal == 0 or not len(energies_eV):
        return 0.0, 0.0
    ratio = energies_eV / thermal
    excited = ratio / np.expm1(ratio)
    heat = float(thermal * excited.sum())
    entropy = float(BOLTZMANN_EV_PER_K * (excited - np.log1p(-np.exp(-ratio))).sum())
    return heat, entropy


def _translational(mass_u: float, temperature_K: float, pressure_Pa: float) -> float:
    """Return the entropy of translation over k (Sackur and Tetrode)."""
    wavelength_A = math.sqrt(_WAVELENGTH2_A2_K / (mass_u * temperature_K))
    volume_A3 = temperature_K / (pressure_Pa * _K_PER_PA_A3)
    return math.log(volume_A3 / wavelength_A**3) + 2.5


def _rotational(
    moments_uA2: Array, symmetry_number: int, temperature_K: float, *, linear: bool
) -> float:
    """Return the entropy of a classical rotor over k."""
    if linear:
        return math.log(temperature_K * moments_uA2[-1] / _ROTATIONAL_K / symmetry_number) + 1
    states = math.pi * np.prod(temperature_K * moments_uA2 / _ROTATIONAL_K)
    return 0.5 * math.log(float(states)) - math.log(symmetry_number) + 1.5


def _moments_of_inertia(molecule: GasMolecule) -> Array:
    """Return the principal moments of inertia, u Å², smallest first."""
    masses = np.asarray(molecule.masses_u, dtype=float)
    places = np.asarray(molecule.places_A, dtype=float)
    arms = places - masses @ places / masses.sum()
    squares = (arms**2).sum(axis=1)
    tensor = np.eye(3) * (masses @ squares) - np.einsum("n,ni,nj->ij", masses, arms, arms)
    moments: Array = np.linalg.eigvalsh(tensor)
    return moments
