"""Moments of bands whose moments are known."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.electronic import band_moments
from defectflow.errors import MissingData

GRID = np.linspace(-20, 5, 2501)
WINDOW = (-10.0, 2.0)


@pytest.mark.parametrize(("center", "half_width"), [(-2.5, 2.0), (-4.0, 3.0), (-1.2, 3.1)])
def test_a_semicircular_band(center, half_width):
    band = np.sqrt(np.clip(1 - ((GRID - center) / half_width) ** 2, 0, None))
    found = band_moments(GRID, 7 * band, WINDOW)
    assert found.center_eV == pytest.approx(center, abs=2e-3)
    assert found.width_eV == pytest.approx(half_width / 2, abs=2e-3)
    assert found.states == pytest.approx(7 * np.pi / 2 * half_width, rel=1e-3)
    x = min(-center / half_width, 1.0)
    filled = 0.5 + (x * np.sqrt(1 - x**2) + np.arcsin(x)) / np.pi
    assert found.filling == pytest.approx(filled, abs=2e-3)
    assert found.edge_share < 1e-9


def test_a_gaussian_band():
    band = np.exp(-(((GRID + 3) / 0.8) ** 2) / 2)
    found = band_moments(GRID, band, WINDOW)
    assert found.center_eV == pytest.approx(-3, abs=1e-6)
    assert found.width_eV == pytest.approx(0.8, abs=1e-4)
    assert found.filling == pytest.approx(1.0, abs=1e-3)


def test_half_a_band_at_the_fermi_level_is_half_filled():
    band = np.clip(1 - np.abs(GRID), 0, None)
    assert band_moments(GRID, band, WINDOW).filling == pytest.approx(0.5, abs=1e-6)


def test_states_outside_the_window_do_not_count():
    band = np.exp(-(((GRID + 3) / 0.3) ** 2))
    high = np.exp(-(((GRID - 4) / 0.3) ** 2))
    alone = band_moments(GRID, band, WINDOW)
    both = band_moments(GRID, band + high, WINDOW)
    assert both.center_eV == pytest.approx(alone.center_eV, abs=1e-6)
    assert band_moments(GRID, band + high, (-10.0, 5.0)).center_eV > both.center_eV + 1


def test_the_ends_of_the_window_need_not_lie_on_the_grid():
    flat = np.ones_like(GRID)
    found = band_moments(GRID, flat, (-3.003, 1.004))
    assert found.states == pytest.approx(4.007, abs=1e-9)
    assert found.center_eV == pytest.approx((-3.003 + 1.004) / 2, abs=1e-9)
    assert found.filling == pytest.approx(3.003 / 4.007, abs=1e-9)
    assert found.edge_share == 1.0, "the window cuts through the band"


def test_a_grid_that_is_too_short_is_refused():
    with pytest.raises(MissingData, match="covers -20 to 5 eV"):
        band_moments(GRID, np.ones_like(GRID), (-10.0, 8.0))


def test_a_window_without_states_is_refused():
    with pytest.raises(MissingData, match="holds no states"):
        band_moments(GRID, np.zeros_like(GRID), WINDOW)
