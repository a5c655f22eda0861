"""Published volcanoes, and straight lines through points."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.reactions import overpotential, pathway
from defectflow.analysis.volcanoes import (
    correlation,
    her_exchange_current_log10,
    oer_overpotential_V,
    orr_overpotential_V,
)
from defectflow.errors import MissingData


def test_hydrogen_evolution_falls_by_a_decade_per_60_meV_on_both_sides():
    for sign in (1, -1):
        far = her_exchange_current_log10(sign * np.array([0.5, 0.5 + 0.0595]))
        assert far[0] - far[1] == pytest.approx(1.0, abs=0.01)
    grid = np.linspace(-0.6, 0.6, 121)
    currents = her_exchange_current_log10(grid)
    assert grid[currents.argmax()] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("oxygen_eV", [1.9, 2.4, 2.9])
def test_oxygen_volcanoes_are_the_overpotential_on_the_scaling_line(oxygen_eV):
    """From all four steps with OOH* at OH* + 3.2 eV, where a middle step decides."""
    hydroxyl_eV = 0.9
    energies = [0.0, hydroxyl_eV, oxygen_eV, hydroxyl_eV + 3.2, 4.92]
    steps = list(np.diff(energies))
    oer = overpotential(steps, pathway("OER").pairs(), 1.23)
    assert float(oer_overpotential_V(oxygen_eV - hydroxyl_eV)) == pytest.approx(oer.value_V)


@pytest.mark.parametrize("hydroxyl_eV", [0.2, 0.75, 1.0, 1.4])
def test_oxygen_reduction_is_limited_by_the_first_or_the_last_step(hydroxyl_eV):
    energies = [4.92, hydroxyl_eV + 3.2, hydroxyl_eV + 1.6, hydroxyl_eV, 0.0]
    steps = list(np.diff(energies))
    orr = overpotential(steps, pathway("ORR").pairs(), 1.23)
    assert float(orr_overpotential_V(hydroxyl_eV)) == pytest.approx(orr.value_V)


def test_a_line_is_that_of_least_squares():
    random = np.random.default_rng(3)
    x = random.normal(size=12)
    y = 0.4 * x - 1.0 + 0.1 * random.normal(size=12)
    slope, intercept, coefficient = correlation(x, y)
    design = np.column_stack([x, np.ones(12)])
    assert [slope, intercept] == pytest.approx(np.linalg.lstsq(design, y, rcond=None)[0])
    assert 0.9 < coefficient < 1
    assert correlation(x, np.ones(12))[2] == 0.0
    with pytest.raises(MissingData, match="at least two"):
        correlation(np.array([1.0, 1.0]), np.array([0.0, 1.0]))
