"""Vacuum levels against potentials that are known by construction."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.work_functions import vacuum_levels
from defectflow.errors import StructureError

HEIGHT, COUNT = 24.0, 480


def periodic(top: float, bottom: float, middle: float) -> np.ndarray:
    """Return the potential of a slab between two levels as a periodic cell shows it."""
    z = np.arange(COUNT) * HEIGHT / COUNT
    away = (z - middle + HEIGHT / 2) % HEIGHT - HEIGHT / 2
    inside = 1 / (1 + np.exp((np.abs(away) - 4.5) / 0.15))
    side = np.where(away > 0, top, bottom)
    isolated = side * (1 - inside) - 8.0 * inside
    return isolated - (top - bottom) / HEIGHT * away


@pytest.mark.parametrize("middle", [6.0, 12.0, 21.0])
@pytest.mark.parametrize(("top", "bottom"), [(5.0, 5.0), (5.6, 4.1), (3.0, 6.5)])
def test_both_levels_come_back_wherever_the_slab_lies(middle, top, bottom):
    atoms = middle + np.array([-3.0, 0.0, 3.0])
    found = vacuum_levels(periodic(top, bottom, middle), HEIGHT, atoms)
    assert (found.top_eV, found.bottom_eV) == pytest.approx((top, bottom), abs=2e-3)
    assert found.field_eV_per_A == pytest.approx(-(top - bottom) / HEIGHT, abs=1e-4)
    assert found.ripple_eV < 1e-3


def test_electrons_that_reach_into_the_vacuum_show_as_a_ripple():
    atoms = np.array([2.0, 20.0])
    assert vacuum_levels(periodic(5.0, 5.0, 11.0), HEIGHT, atoms).ripple_eV < 1e-3
    z = np.arange(COUNT) * HEIGHT / COUNT
    assert vacuum_levels(np.cos(2 * np.pi * z / HEIGHT), HEIGHT, atoms).ripple_eV > 1e-3


def test_no_vacuum_no_level():
    with pytest.raises(StructureError, match="too thin for a vacuum level"):
        vacuum_levels(np.zeros(20), 10.0, [0.0, 9.0])
