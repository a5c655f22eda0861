"""Surfaces and lines of gliding, against functions that are known."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.gamma_surface import fitted_surface, line_summit, lowest

P1 = np.eye(2, dtype=int)[None]


def grid(n):
    steps = np.stack(np.meshgrid(np.arange(n), np.arange(n), indexing="ij"), axis=-1)
    return steps.reshape(-1, 2) / n


def known(points):
    """Six waves of two lengths, as on {111} of fcc."""
    x, y = 2 * np.pi * np.asarray(points, dtype=float).T
    first = np.cos(x) + np.cos(y) + np.cos(x - y)
    second = np.cos(2 * x - y) + np.cos(x + y) + np.cos(x - 2 * y)
    return 0.3 * (3 - first) - 0.04 * (3 - second)


def test_a_surface_of_few_waves_is_met_everywhere():
    points = grid(8)
    surface = fitted_surface(points, known(points), P1)
    fresh = np.random.default_rng(3).random((50, 2))
    assert np.allclose(surface.energies(fresh), known(fresh), atol=1e-6)
    assert surface.residual < 1e-9


def test_the_summit_of_a_surface_is_that_of_the_function():
    points = grid(8)
    surface = fitted_surface(points, known(points), P1)
    end = np.array([1 / 3, 2 / 3])
    path = np.linspace(0, 1, 4001)
    values = known(np.outer(path, end))
    summit = surface.summit((0.0, 0.0), end)
    assert summit.energy == pytest.approx(values.max(), abs=1e-6)
    assert summit.fraction == pytest.approx(path[np.argmax(values)], abs=1e-3)


def test_a_line_has_its_summit_between_the_points():
    path = np.linspace(0, 1, 9)
    summit = line_summit(path, 0.2 * np.sin(np.pi * path) ** 2 + 0.03 * path**2)
    fine = np.linspace(0, 1, 5001)
    values = 0.2 * np.sin(np.pi * fine) ** 2 + 0.03 * fine**2
    assert summit.energy == pytest.approx(values.max(), abs=1e-3)
    assert summit.fraction == pytest.approx(fine[np.argmax(values)], abs=0.02)


def test_the_best_gap_is_the_bottom_of_a_parabola():
    gaps = [-0.1, 0.0, 0.1, 0.2, 0.3]
    gap, energy = lowest(gaps, [2.0 * (one - 0.13) ** 2 + 0.4 for one in gaps])
    assert gap == pytest.approx(0.13)
    assert energy == pytest.approx(0.4)


def test_a_gap_at_the_end_of_those_tried_is_taken_as_it_is():
    assert lowest([0.0, 0.1, 0.2], [3.0, 2.0, 1.0]) == (0.2, 1.0)
