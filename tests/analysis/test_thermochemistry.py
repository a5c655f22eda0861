"""Free energies of gases and adsorbates, beside ASE's and beside measured entropies."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.thermochemistry import HarmonicThermo, IdealGasThermo

from defectflow.analysis.thermochemistry import (
    GasMolecule,
    harmonic,
    ideal_gas,
    imaginary_modes_eV,
)
from defectflow.errors import StructureError
from defectflow.structures.molecules import molecule

PER_CM = 1.239841984e-4
J_PER_MOL = 96485.33212
#: Measured frequencies (per cm), spin and standard entropy at 298.15 K and 1 bar (J/mol/K):
#: M. W. Chase, NIST-JANAF Thermochemical Tables, 4th edition (1998).
MEASURED = {
    "H2": ([4401], 0, 130.68),
    "O2": ([1580], 1, 205.15),
    "CO": ([2170], 0, 197.65),
    "CO2": ([667, 667, 1333, 2349], 0, 213.80),
    "H2O": ([1595, 3657, 3756], 0, 188.83),
}


def gas_of(name: str, spin: float) -> GasMolecule:
    one = molecule(name)
    masses = Atoms(one.species).get_masses()
    return GasMolecule(np.array(one.places_A), masses, one.symmetry_number, spin)


def modes_of(name: str, per_cm: list[float]) -> np.ndarray:
    """All 3 N modes: the molecule's, and small ones of rotation and translation, some imaginary."""
    rest = 3 * len(molecule(name).species) - len(per_cm)
    return np.array([*np.linspace(-8, 9, rest), *per_cm]) * PER_CM


@pytest.mark.parametrize("name", MEASURED)
def test_entropy_of_a_gas_is_the_measured_one(name):
    per_cm, spin, entropy = MEASURED[name]
    found = ideal_gas(gas_of(name, spin), modes_of(name, per_cm), 298.15)
    assert found.entropy_eV_per_K * J_PER_MOL == pytest.approx(entropy, abs=0.5)


@pytest.mark.parametrize("temperature_K", [150.0, 298.15, 600.0])
@pytest.mark.parametrize("name", MEASURED)
def test_a_gas_is_as_ase_has_it(name, temperature_K):
    per_cm, spin, _ = MEASURED[name]
    one = molecule(name)
    peer = IdealGasThermo(
        np.array(per_cm) * PER_CM,
        "nonlinear" if name == "H2O" else "linear",
        atoms=Atoms(one.species, one.places_A),
        symmetrynumber=one.symmetry_number,
        spin=spin,
        potentialenergy=0.0,
    )
    found = ideal_gas(gas_of(name, spin), modes_of(name, per_cm), temperature_K, 3534.0)
    assert found.free_energy_eV == pytest.approx(
        peer.get_gibbs_energy(temperature_K, 3534.0, verbose=False), abs=1e-4
    )
    assert found.zero_point_eV + found.heat_eV == pytest.approx(
        peer.get_enthalpy(temperature_K, verbose=False), abs=1e-4
    )


@pytest.mark.parametrize("temperature_K", [50.0, 298.15, 900.0])
def test_an_adsorbate_is_as_ase_has_it(temperature_K):
    energies = np.array([0.03, 0.06, 0.09, 0.11, 0.45])
    peer = HarmonicThermo(energies, 0.0)
    found = harmonic(energies, temperature_K)
    assert found.free_energy_eV == pytest.approx(
        peer.get_helmholtz_energy(temperature_K, verbose=False), abs=1e-6
    )
    assert found.entropy_eV_per_K == pytest.approx(
        peer.get_entropy(temperature_K, verbose=False), abs=1e-8
    )


def test_half_of_the_entropy_of_hydrogen_is_most_of_the_known_correction():
    """Nørskov 2005: ΔZPE 0.04 eV and T S / 2 of H2, 0.20 eV, make 0.24 eV."""
    per_cm, spin, _ = MEASURED["H2"]
    gas = ideal_gas(gas_of("H2", spin), modes_of("H2", per_cm), 298.15)
    assert 298.15 * gas.entropy_eV_per_K / 2 == pytest.approx(0.20, abs=0.003)


def test_imaginary_modes_are_named_and_give_nothing():
    modes = np.array([-0.03, 0.05, 0.1])
    assert imaginary_modes_eV(modes) == [-0.03]
    with pytest.raises(StructureError, match="30i meV"):
        harmonic(modes, 300.0)


def test_noise_about_zero_counts_as_a_soft_mode():
    assert harmonic(np.array([-0.003, 0.1]), 300.0) == harmonic(np.array([0.0, 0.1]), 300.0)


def test_a_molecule_that_would_fall_apart_is_no_gas():
    with pytest.raises(StructureError, match="imaginary vibration"):
        ideal_gas(gas_of("H2", 0), np.array([0, 0, 0, 0, 0, -0.2]), 298.15)
