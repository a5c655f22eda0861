"""Transition levels and stable charges against a search over the gap."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.analysis.transition_levels import (
    lower_envelope,
    stable_charge,
    transition_levels,
)


def test_two_charges_cross_where_their_lines_do():
    (level,) = transition_levels({1: 0.4, -1: 3.0})
    assert (level.upper, level.lower, level.stable) == (1, -1, True)
    assert level.level_eV == pytest.approx(1.3)
    assert 0.4 + level.level_eV == pytest.approx(3.0 - level.level_eV)


def test_negative_u_hides_the_middle_charge():
    """The oxygen vacancy of rutile: + is never stable, 2+ goes to 0 at once."""
    levels = {(t.upper, t.lower): t for t in transition_levels({0: 5.0, 1: 3.5, 2: 1.0})}
    assert levels[2, 0].stable
    assert not levels[2, 1].stable
    assert not levels[1, 0].stable
    assert levels[2, 1].level_eV > levels[2, 0].level_eV > levels[1, 0].level_eV


@pytest.mark.parametrize("seed", range(20))
def test_the_envelope_is_the_lowest_line_everywhere(seed):
    rng = np.random.default_rng(seed)
    charges = rng.choice(range(-3, 4), 4, replace=False)
    energies = {int(charge): float(rng.uniform(0, 4)) for charge in charges}
    gap_eV = 3.0
    corners = lower_envelope(energies, gap_eV)
    assert (corners[0][0], corners[-1][0]) == (0.0, gap_eV)
    found = [(fermi, energy) for fermi, energy, _ in corners]
    for fermi in np.linspace(0, gap_eV, 301):
        lowest = min(energy + q * fermi for q, energy in energies.items())
        assert np.interp(fermi, *np.transpose(found)) == pytest.approx(lowest, abs=1e-9)
        q = stable_charge(energies, fermi)
        assert energies[q] + q * fermi == pytest.approx(lowest, abs=1e-12)
    stable = [charge for _, _, charge in corners]
    assert stable == sorted(stable, reverse=True), "electrons are taken up as the level rises"


def test_one_charge_has_no_level():
    assert transition_levels({0: 1.0}) == ()
    assert lower_envelope({0: 1.0}, 2.0) == ((0.0, 1.0, 0), (2.0, 1.0, 0))
