"""Grid, broadening and band edges: what any code's levels mean."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.engines.dos import DosSettings, band_edges, broadened


def test_the_grid_has_both_ends():
    grid = DosSettings(lowest_eV=-2.0, highest_eV=1.0, step_eV=0.25, width_eV=0.1).grid()
    assert grid[0] == -2.0
    assert grid[-1] == 1.0
    assert np.allclose(np.diff(grid), 0.25)


def test_broadening_keeps_the_number_of_states_and_the_convention_of_the_width():
    grid = np.linspace(-5, 5, 20001)
    density = broadened(grid, np.array([-1.0, 1.0]), np.array([1.0, 3.0]), 0.2)
    assert np.trapezoid(density, grid) == pytest.approx(4.0, abs=1e-9)
    one = broadened(grid, np.array([0.0]), np.array([1.0]), 0.2)
    # At one width from its centre a level has fallen to 1/e.
    assert one[np.argmin(abs(grid - 0.2))] / one.max() == pytest.approx(np.exp(-1), abs=1e-3)


def test_edges_at_one_k_point_are_direct():
    edges = band_edges(np.array([[[-3.0, -0.5, 1.0], [-3.0, -0.8, 1.4]]]))
    assert (edges.gap_eV, edges.direct) == (1.5, True)
    assert (edges.vbm_eV, edges.cbm_eV) == (-0.5, 1.0)


def test_edges_at_two_k_points_are_indirect_unless_an_equal_level_is_above():
    indirect = band_edges(np.array([[[-0.5, 2.0], [-1.0, 1.0]]]))
    assert (indirect.gap_eV, indirect.direct) == (1.5, False)
    # Both k-points have the valence band edge to a rounding error: the gap is direct at the second.
    equal = band_edges(np.array([[[-0.5, 2.0], [-0.5001, 1.0]]]))
    assert equal.direct is True


def test_spins_have_their_own_number_of_levels_and_one_gap():
    up = [[-1.0, -0.2, 2.0], [-1.1, -0.4, 2.2]]
    down = [[-0.9, 0.7, 2.1], [-1.0, 0.9, 2.4]]
    edges = band_edges(np.array([up, down]))
    assert edges.gap_eV == pytest.approx(0.9)
    assert (edges.vbm_eV, edges.cbm_eV) == (-0.2, 0.7)
    assert edges.direct is True


@pytest.mark.parametrize(
    "levels",
    [
        pytest.param([[[-1.0, 2.0], [-0.5, -0.1]]], id="a band crosses"),
        pytest.param([[[-1.0, 2.0], [-0.5, 2.0]], [[-1.0, 2.0], [0.5, 2.0]]], id="half metal"),
        pytest.param([[[-1.0, 0.0, 0.0004]]], id="a degenerate level filled in part"),
        pytest.param([[[-2.0, -1.0]]], id="no empty level"),
    ],
)
def test_metals_have_no_edges(levels):
    edges = band_edges(np.array(levels))
    assert edges.gap_eV == 0
    assert edges.direct is None
    assert edges.vbm_eV is edges.cbm_eV is None
