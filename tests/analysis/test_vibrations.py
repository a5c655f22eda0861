from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.vibrations import harmonic_free_energy_eV, modes, zero_point_eV


def test_a_dimer_vibrates_with_its_reduced_mass():
    """H2 with its measured frequency, 4401 cm-1: the spring constant comes out as 35.9 eV/Å²."""
    spring = 35.9
    hessian = np.zeros((6, 6))
    hessian[0, 0] = hessian[3, 3] = spring
    hessian[0, 3] = hessian[3, 0] = -spring
    energies = modes(hessian, np.array([1.008, 1.008])).energies_eV
    assert energies[-1] * 8065.54 == pytest.approx(4401, abs=10)
    assert np.abs(energies[:-1]).max() < 1e-6


def test_free_energy_falls_as_entropy_rises():
    energies = np.array([0.05, 0.1, -0.03])
    assert zero_point_eV(energies) == pytest.approx(0.075)
    assert harmonic_free_energy_eV(energies, 0.0) == pytest.approx(0.075)
    step = 0.1
    entropy = -(
        harmonic_free_energy_eV(energies, 300 + step)
        - harmonic_free_energy_eV(energies, 300 - step)
    ) / (2 * step)
    x = energies[:2] / (8.617333e-5 * 300)
    expected = 8.617333e-5 * (x / np.expm1(x) - np.log1p(-np.exp(-x))).sum()
    assert entropy == pytest.approx(expected, rel=1e-4)
