"""Forces and stress of every engine are the derivatives of its energy, with their signs.

A force is minus the slope of the energy along a displacement. A positive stress means that the
energy rises when the cell is stretched: the crystal wants to shrink.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from defectflow.engines.conversion import to_atoms
from defectflow.engines.request import Request

#: Cutoffs at which the plane waves of a strained cell differ little from those at rest, and
#: few k-points: an exact derivative has nothing to do with a converged energy.
NUMBERS = {
    "gpaw": {
        "cutoff_eV": 400.0,
        "kpoint_spacing_per_A": 1.15,
        "scf_energy_eV_per_atom": 1e-8,
        "scf_density_per_electron": 1e-6,
        "scf_eigenstates_eV2_per_electron": 1e-9,
    },
    "espresso": {
        "cutoff_eV": 600.0,
        "kpoint_spacing_per_A": 1.15,
        "scf_energy_eV_per_atom": 1e-8,
    },
}
#: Lengths and strains of all components at a time: one derivative checks each sign and factor.
SHIFT_A = np.array([0.5, -0.7, 0.4])
STRAIN = np.array([[0.6, 0.2, -0.3], [0.2, -0.4, 0.25], [-0.3, 0.25, 0.8]])


@dataclass
class Surface:
    """A calculator, and the free energy of any geometry with it."""

    calculator: object
    structure: object

    def energy(self, structure) -> float:
        atoms = to_atoms(structure)
        atoms.calc = self.calculator
        return atoms.get_potential_energy(force_consistent=True)

    def at_rest(self):
        """Return forces and stress, one row per atom and a 3x3 matrix."""
        atoms = to_atoms(self.structure)
        atoms.calc = self.calculator
        return atoms.get_forces(), atoms.get_stress(voigt=False)


@pytest.fixture(scope="module")
def electronic(dft, make_engine, silicon, tmp_path_factory):
    """Silicon with a code that treats electrons: one program for both tests."""
    engine = make_engine(dft, settings=NUMBERS[dft])
    folder = tmp_path_factory.mktemp(dft)
    settings = engine.settings("static")
    request = Request(silicon, settings, stress=True, folder=folder)
    calculator = engine.caching_calculator(request)
    yield Surface(calculator, silicon)
    calculator.finish()
    calculator.close()


def slope(surface: Surface, change) -> float:
    """Return the derivative of the energy along ``change(length)``, by central differences."""
    energies = [surface.energy(change(length)) for length in (-0.01, 0.01)]
    return (energies[1] - energies[0]) / 0.02


def check_forces(surface: Surface, moved, tolerance_eV_per_A: float) -> None:
    forces, _ = surface.at_rest()
    shift_A = forces[0] / np.linalg.norm(forces[0]) + SHIFT_A
    found = slope(surface, lambda length: moved(surface.structure, shift_A=length * shift_A))
    expected = -forces[0] @ shift_A
    assert found == pytest.approx(expected, abs=tolerance_eV_per_A)
    assert abs(expected) > 0.05, "the atom of this test is hardly off its site"


def check_stress(surface: Surface, moved, tolerance_eV_per_A3: float) -> None:
    _, stress = surface.at_rest()
    volume_A3 = surface.structure.volume
    found = slope(surface, lambda length: moved(surface.structure, strain=0.4 * length * STRAIN))
    expected = 0.4 * np.sum(stress * STRAIN)
    assert found / volume_A3 == pytest.approx(expected, abs=tolerance_eV_per_A3)
    assert abs(expected) > 5 * tolerance_eV_per_A3, "the crystal of this test is hardly strained"


def test_of_a_potential(potential, copper, moved):
    request = Request(copper, stress=True)
    surface = Surface(potential.caching_calculator(request), copper)
    check_forces(surface, moved, 5e-3)
    check_stress(surface, moved, 3e-4)


def test_forces_of_a_code_with_electrons(electronic, moved):
    check_forces(electronic, moved, 5e-3)


def test_stress_of_a_code_with_electrons(electronic, moved):
    check_stress(electronic, moved, 6e-4)
