"""The neutral Fermi level against the textbook's semiconductor."""

from __future__ import annotations

import math

import numpy as np
import pytest

from defectflow.analysis.fermi_level import (
    Bands,
    DefectLevels,
    neutral_fermi_level,
    parabolic_density,
)
from defectflow.errors import MissingData, RecipeError, StructureError
from defectflow.units import BOLTZMANN_EV_PER_K

GAP_EV, VOLUME_A3, KELVIN = 1.2, 40.0, 600.0
THERMAL = BOLTZMANN_EV_PER_K * KELVIN


def semiconductor(electron_mass: float = 0.5, hole_mass: float = 1.5) -> Bands:
    energies = np.linspace(-3, GAP_EV + 3, 200_001)
    holes = np.array(parabolic_density(-energies, hole_mass, VOLUME_A3))
    electrons = np.array(parabolic_density(energies - GAP_EV, electron_mass, VOLUME_A3))
    return Bands(energies.tolist(), (holes + electrons).tolist(), GAP_EV, VOLUME_A3)


def effective_density_per_cm3(mass: float) -> float:
    """N = 2 (m k T / 2πħ²)^(3/2), from the constants in SI."""
    m, k, hbar = 9.1093837015e-31 * mass, 1.380649e-23, 1.054571817e-34
    return 2 * (m * k * KELVIN / (2 * math.pi * hbar**2)) ** 1.5 * 1e-6


def test_an_intrinsic_semiconductor_has_the_textbook_level_and_carriers():
    found = neutral_fermi_level(semiconductor(), [], KELVIN)
    expected = GAP_EV / 2 + 0.75 * THERMAL * math.log(1.5 / 0.5)
    assert found.fermi_eV == pytest.approx(expected, abs=1e-4)
    product = effective_density_per_cm3(0.5) * effective_density_per_cm3(1.5)
    intrinsic = math.sqrt(product * math.exp(-GAP_EV / THERMAL))
    assert found.electrons_per_cm3 == pytest.approx(intrinsic, rel=1e-3)
    assert found.holes_per_cm3 == pytest.approx(intrinsic, rel=1e-3)


def test_one_donor_against_its_own_electrons_has_a_closed_form():
    """N exp(-(E+E_F)/kT) = N_c exp(-(E_g-E_F)/kT), holes and the neutral charge negligible."""
    energy_eV, sites = -0.35, 2.0
    donor = DefectLevels("V_O", {1: energy_eV}, sites)
    found = neutral_fermi_level(semiconductor(), [donor], KELVIN)
    conduction = effective_density_per_cm3(0.5) * VOLUME_A3 * 1e-24
    expected = (GAP_EV - energy_eV + THERMAL * math.log(sites / conduction)) / 2
    assert expected < GAP_EV - 4 * THERMAL, "Boltzmann statistics hold"
    assert found.fermi_eV == pytest.approx(expected, abs=1e-3)
    assert found.defects_per_cm3["V_O"][1] == pytest.approx(found.electrons_per_cm3, rel=1e-3)


def test_a_donor_and_an_acceptor_of_equal_number_pin_the_level_between_them():
    donor, acceptor = DefectLevels("D", {1: 0.1}, 1.0), DefectLevels("A", {-1: 1.1}, 1.0)
    found = neutral_fermi_level(semiconductor(), [donor, acceptor], KELVIN)
    assert found.fermi_eV == pytest.approx(0.5, abs=1e-2)


def test_charges_add_up_to_nothing_and_degeneracy_counts():
    kinds = [
        DefectLevels("D", {0: 1.0, 1: 0.6, 2: 0.1}, 2.0, {1: 2.0}),
        DefectLevels("A", {0: 1.2, -1: 1.5}, 1.0),
    ]
    found = neutral_fermi_level(semiconductor(), kinds, KELVIN)
    charged = sum(q * n for one in found.defects_per_cm3.values() for q, n in one.items())
    total = charged + found.holes_per_cm3 - found.electrons_per_cm3
    assert abs(total) < 1e-6 * max(found.holes_per_cm3, found.electrons_per_cm3)
    plain = DefectLevels("D", kinds[0].energies_eV, 2.0).per_cell(0.3, KELVIN)
    counted = kinds[0].per_cell(0.3, KELVIN)
    assert counted[1] == pytest.approx(2 * plain[1])
    assert counted[0] == plain[0]


@pytest.mark.parametrize("kelvin", [0.5, 5.0, 50.0])
def test_in_the_cold_the_level_is_that_of_the_logarithms(kelvin):
    """Carriers are negligible: -0.4 + E = 0.6 - E; at 0.5 K all numbers underflow."""
    acceptor = DefectLevels("A", {-1: 0.6}, 1.0)
    found = neutral_fermi_level(
        semiconductor(), [DefectLevels("D", {1: -0.4}, 1.0), acceptor], kelvin
    )
    assert found.fermi_eV == pytest.approx(0.5, abs=1e-9)
    twice = DefectLevels("D", {2: -0.7}, 1.0)
    found = neutral_fermi_level(semiconductor(), [twice, acceptor], kelvin)
    expected = (1.3 + BOLTZMANN_EV_PER_K * kelvin * math.log(2)) / 3
    assert found.fermi_eV == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kelvin", [0.0, -300.0, math.nan, math.inf])
def test_a_temperature_that_is_none_is_refused(kelvin):
    with pytest.raises(RecipeError, match=r"temperature .* K: give one above zero and finite"):
        neutral_fermi_level(semiconductor(), [], kelvin)


def test_a_neutral_defect_has_the_concentration_of_boltzmann():
    kind = DefectLevels("V", {0: 0.8}, 4.0)
    assert kind.per_cell(0.2, KELVIN)[0] == pytest.approx(4 * math.exp(-0.8 / THERMAL))


def test_a_density_of_states_that_does_not_reach_a_band_is_refused():
    narrow = Bands((-1.0, 0.0, 0.5), (1.0, 1.0, 0.0), GAP_EV, VOLUME_A3)
    with pytest.raises(MissingData, match="does not reach both bands"):
        neutral_fermi_level(narrow, [], KELVIN)


def test_defects_that_cannot_be_balanced_are_refused():
    wild = DefectLevels("D", {4: -30.0}, 1.0)
    with pytest.raises(StructureError, match="makes the crystal neutral"):
        neutral_fermi_level(semiconductor(), [wild], KELVIN)


def test_frozen_donors_give_their_electrons_away():
    """All of them ionised: n = N_D, so E_F = E_g - kT ln(N_c / N_D)."""
    donor = DefectLevels("D", {0: 0.0, 1: -1.1}, 1.0)
    number = 1e15
    found = neutral_fermi_level(semiconductor(), [donor], KELVIN, {"D": number})
    assert sum(found.defects_per_cm3["D"].values()) == pytest.approx(number)
    assert found.electrons_per_cm3 - found.holes_per_cm3 == pytest.approx(
        found.defects_per_cm3["D"][1], rel=1e-5
    )
    expected = GAP_EV - THERMAL * math.log(effective_density_per_cm3(0.5) / found.electrons_per_cm3)
    assert found.fermi_eV == pytest.approx(expected, abs=1e-3)


def test_frozen_charges_are_shared_as_boltzmann_says_and_never_overflow():
    kind = DefectLevels("D", {0: 900.0, 1: 899.9}, 1.0, {1: 2.0})
    shares = kind.shared(3.0, 0.05, KELVIN)
    assert sum(shares.values()) == pytest.approx(3.0)
    assert shares[1] / shares[0] == pytest.approx(2 * math.exp(0.05 / THERMAL))
