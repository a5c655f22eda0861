"""The equation of state against curves whose parameters are known."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.equation_of_state import birch_murnaghan
from defectflow.errors import NotConverged
from defectflow.units import GPA_PER_EV_A3


def published_form(volumes, energy, volume, modulus_GPa, derivative):
    """Return E(V) as F. Birch writes it."""
    eta = (volume / np.asarray(volumes)) ** (2 / 3)
    bulk = modulus_GPa / GPA_PER_EV_A3
    inner = (eta - 1) ** 3 * derivative + (eta - 1) ** 2 * (6 - 4 * eta)
    return energy + 9 * volume * bulk / 16 * inner


@pytest.mark.parametrize("derivative", [2.0, 4.0, 5.5])
@pytest.mark.parametrize("modulus_GPa", [15.0, 78.0, 440.0])
def test_the_parameters_of_its_own_curve_are_found(modulus_GPa, derivative):
    volumes = np.linspace(0.94, 1.06, 7) * 66.0
    energies = published_form(volumes, -14.9, 65.1, modulus_GPa, derivative)
    found = birch_murnaghan(volumes, energies)
    assert found.volume_A3 == pytest.approx(65.1, abs=1e-6)
    assert found.energy_eV == pytest.approx(-14.9, abs=1e-9)
    assert found.bulk_modulus_GPa == pytest.approx(modulus_GPa, abs=1e-4)
    assert found.pressure_derivative == pytest.approx(derivative, abs=1e-4)
    assert found.residual_eV < 1e-9


def test_it_agrees_with_ase_on_noisy_energies():
    from ase.eos import EquationOfState

    volumes = np.linspace(0.94, 1.06, 9) * 16.5
    noise = np.random.default_rng(3).normal(scale=2e-4, size=9)
    energies = published_form(volumes, -3.7, 16.48, 78.0, 4.6) + noise
    ours = birch_murnaghan(volumes, energies)
    volume, energy, bulk = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    assert ours.volume_A3 == pytest.approx(volume, abs=1e-3)
    assert ours.energy_eV == pytest.approx(energy, abs=1e-5)
    assert ours.bulk_modulus_GPa == pytest.approx(bulk * GPA_PER_EV_A3, abs=0.1)
    assert 5e-5 < ours.residual_eV < 4e-4


def test_the_order_of_the_volumes_does_not_matter():
    volumes = np.linspace(15, 18, 7)
    energies = published_form(volumes, 0.0, 16.5, 80.0, 4.0)
    turned = birch_murnaghan(volumes[::-1], energies[::-1])
    assert turned.volume_A3 == pytest.approx(birch_murnaghan(volumes, energies).volume_A3)


@pytest.mark.parametrize("volume", [12.0, 19.0])
def test_a_minimum_outside_the_volumes_is_refused(volume):
    volumes = np.linspace(15, 18, 7)
    with pytest.raises(NotConverged, match=r"no minimum between 15.00 and 18.00 Å³"):
        birch_murnaghan(volumes, published_form(volumes, 0.0, volume, 80.0, 4.0))


def test_a_maximum_is_no_minimum():
    volumes = np.linspace(15, 18, 7)
    with pytest.raises(NotConverged, match="no minimum"):
        birch_murnaghan(volumes, -published_form(volumes, 0.0, 16.5, 80.0, 4.0))


def test_too_few_volumes_are_refused():
    with pytest.raises(NotConverged, match="at least 5"):
        birch_murnaghan([1, 2, 3, 4], [4, 3, 3, 4])
