"""Barriers of paths whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.barriers import arc_lengths_A, energy_profile, path_slopes, wide_gaps


def _cosine_path(images: int, height: float = 0.6, length: float = 3.0) -> tuple[np.ndarray, ...]:
    s = np.linspace(0.0, length, images)
    energy = height * np.sin(np.pi * s / length) ** 2
    slope = height * np.pi / length * np.sin(2 * np.pi * s / length)
    return s, energy, slope


@pytest.mark.parametrize("images", [6, 8, 10])
def test_curve_finds_a_saddle_that_lies_between_images(images: int) -> None:
    profile = energy_profile(*_cosine_path(images))
    assert profile.forward_eV < 0.6 - 0.005  # no image is at the saddle
    assert profile.spline_forward_eV == pytest.approx(0.6, abs=0.01)
    assert profile.saddle_A == pytest.approx(1.5, abs=0.02)


def test_curve_never_leaves_the_path() -> None:
    s = np.array([0.0, 1.0, 2.0])
    profile = energy_profile(s, np.array([0.0, 0.3, 0.2]), np.array([5.0, 0.0, -5.0]))
    assert 0.0 <= profile.saddle_A <= 2.0
    rising = energy_profile(s, np.array([0.0, 0.5, 1.0]), np.array([0.5, 0.5, 0.5]))
    assert rising.saddle_A == pytest.approx(2.0)
    assert rising.spline_forward_eV == pytest.approx(1.0, abs=1e-9)


def test_span_counts_from_an_intermediate_minimum() -> None:
    s = np.arange(5.0)
    profile = energy_profile(s, np.array([0.0, 0.3, -0.2, 0.3, 0.1]), np.zeros(5))
    assert profile.forward_eV == pytest.approx(0.3)
    assert profile.reverse_eV == pytest.approx(0.2)
    assert profile.span_eV == pytest.approx(0.5)


def test_slopes_are_the_forces_along_the_path() -> None:
    positions = np.zeros((4, 2, 3))
    positions[:, 0, 0] = [0.0, 1.0, 2.0, 3.0]
    forces = np.zeros_like(positions)
    forces[:, 0, 0] = [-0.1, -0.2, 0.3, 0.4]
    forces[:, 1, 1] = 9.0  # across the path: of no concern
    assert path_slopes(positions, forces) == pytest.approx([0.1, 0.2, -0.3, -0.4])
    assert arc_lengths_A(positions) == pytest.approx([0.0, 1.0, 2.0, 3.0])


def test_images_are_far_apart_beside_what_is_usual_on_their_path():
    assert wide_gaps((0.0, 1.0, 2.0, 3.0, 4.9)) == []
    assert wide_gaps((0.0, 1.0, 2.0, 3.1, 5.5, 6.5)) == [3]
    assert wide_gaps((0.0, 1.0)) == []
