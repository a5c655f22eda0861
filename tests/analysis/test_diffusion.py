"""Diffusion coefficients against hand calculation."""

from __future__ import annotations

import math

import pytest

from defectflow.analysis.diffusion import HopDiffusion


def test_simple_cubic_random_walk() -> None:
    walk = HopDiffusion(
        geometric_factor=6 / (2 * 3), jump_length_A=2.0, attempt_frequency_Hz=1e13, barrier_eV=0.5
    )
    # lambda^2 nu exp(-E/kT), with kT = 25.85 meV at 300 K
    expected = 4e-16 * 1e13 * math.exp(-0.5 / 0.025852)
    assert walk.coefficient_cm2_per_s(300.0) == pytest.approx(expected, rel=1e-3)


def test_arrhenius_slope_is_the_barrier() -> None:
    walk = HopDiffusion(0.5, 3.0, 1e13, 0.8)
    cold, hot = walk.coefficient_cm2_per_s(300.0), walk.coefficient_cm2_per_s(600.0)
    slope = math.log(hot / cold) / (1 / 300.0 - 1 / 600.0) * 8.617333262e-5
    assert slope == pytest.approx(0.8, abs=1e-9)


def test_no_temperature_below_zero() -> None:
    with pytest.raises(ValueError, match="above 0 K"):
        HopDiffusion(0.5, 3.0, 1e13, 0.8).coefficient_cm2_per_s(0.0)
