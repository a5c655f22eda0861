"""Voltages and hulls against pymatgen's phase diagram and arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
from pymatgen.core import Composition

from defectflow.analysis.voltages import (
    above_hull_eV,
    average_voltage_V,
    lower_hull,
    mixing_energies_eV,
    voltage_profile,
)
from defectflow.errors import StructureError


def test_sign_and_charge_number():
    """One Mg releases 7 eV as it enters: 3.5 V for its two electrons."""
    assert average_voltage_V((0, 1), (-50.0, -58.5), -1.5, 2) == pytest.approx(3.5)
    assert average_voltage_V((1, 0), (-58.5, -50.0), -1.5, 2) == pytest.approx(3.5)


def test_equal_compositions_have_no_voltage():
    with pytest.raises(StructureError, match=r"0\.5 ions per formula unit"):
        average_voltage_V((0.5, 0.5), (-1.0, -2.0), 0.0, 1)


@pytest.mark.parametrize("seed", range(15))
def test_hull_and_heights_agree_with_pymatgen(seed):
    rng = np.random.default_rng(seed)
    compositions = [0.0, 1.0, *rng.choice(np.arange(1, 12) / 12, size=7)]
    energies = [-20.0, -26.0, *(-20 - 6 * x + rng.normal(0, 0.3) for x in compositions[2:])]
    entries = [
        PDEntry(Composition({"Li": x, "H": 1.0}), e)
        for x, e in zip(compositions, energies, strict=True)
    ]
    # No other phases: lithium stands too high to matter between the two ends.
    diagram = PhaseDiagram([*entries, PDEntry(Composition("Li"), 50.0)])
    heights = [diagram.get_e_above_hull(e) * e.composition.num_atoms for e in entries]
    assert above_hull_eV(compositions, energies) == pytest.approx(heights, abs=1e-6)
    hull = set(lower_hull(compositions, energies))
    assert {i for i, height in enumerate(heights) if height < 1e-9} == hull


@pytest.mark.parametrize("seed", range(5))
def test_the_steps_fall_and_their_mean_is_the_average_voltage(seed):
    rng = np.random.default_rng(seed)
    compositions = [i / 8 for i in range(9)]
    energies = [-20 - 6 * x + rng.normal(0, 0.2) for x in compositions]
    steps = voltage_profile(compositions, energies, -1.9, 1)
    voltages = [step.voltage_V for step in steps]
    assert voltages == sorted(voltages, reverse=True)
    assert (steps[0].start, steps[-1].end) == (0.0, 1.0)
    mean = sum(step.voltage_V * (step.end - step.start) for step in steps)
    ends = (energies[0], energies[-1])
    assert mean == pytest.approx(average_voltage_V((0.0, 1.0), ends, -1.9, 1), abs=1e-9)


def test_mixing_is_counted_from_the_line_between_the_ends():
    assert mixing_energies_eV([0.0, 0.5, 1.0], [-2.0, -4.5, -6.0]) == pytest.approx([0, -0.5, 0])
    assert mixing_energies_eV([0.5, 0.5], [-2.0, -1.5]) == pytest.approx([0, 0.5])


def test_one_composition_has_no_profile():
    with pytest.raises(StructureError, match="different compositions"):
        voltage_profile([0.5], [-1.0], 0.0, 1)
