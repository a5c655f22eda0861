"""Diffusion tensors against formulae, another way of solving, and rates that differ by 1e30."""

from __future__ import annotations

import math

import numpy as np
import pytest

from defectflow.analysis.diffusion import diffusion_tensor_cm2_per_s
from defectflow.analysis.percolation import Edge

BOLTZMANN_EV_PER_K = 8.617333262e-5
CUBE = 2 * np.eye(3)


def walk(edges, sites_eV, lattice=CUBE, kelvin=300.0):
    return diffusion_tensor_cm2_per_s(edges, sites_eV, lattice, kelvin, 1e13)


def cubic(saddle_eV):
    return [
        Edge(0, 0, shift, saddle_eV, "hop")
        for shift in [(1, 0, 0), (0, 1, 0), (0, 0, 1), (-1, 0, 0), (0, -1, 0), (0, 0, -1)]
    ]


def test_simple_cubic_random_walk():
    # lambda^2 nu exp(-E/kT), with kT = 25.85 meV at 300 K
    expected = 4e-16 * 1e13 * math.exp(-0.5 / 0.025852)
    assert np.allclose(walk(cubic(0.5), [0.0]), expected * np.eye(3), rtol=1e-3, atol=0)


def test_arrhenius_slope_is_the_barrier():
    cold, hot = (walk(cubic(0.8), [0.0], kelvin=kelvin)[0, 0] for kelvin in (300.0, 600.0))
    slope = math.log(hot / cold) / (1 / 300.0 - 1 / 600.0) * BOLTZMANN_EV_PER_K
    assert slope == pytest.approx(0.8, abs=1e-9)


def test_no_temperature_below_zero():
    with pytest.raises(ValueError, match="above 0 K"):
        walk(cubic(0.5), [0.0], kelvin=0.0)


@pytest.mark.parametrize(("easy_eV", "hard_eV"), [(0.3, 0.5), (0.05, 2.05)])
def test_barriers_in_turn_along_a_chain_add_their_resistances(easy_eV, hard_eV):
    """D = L² ν / 2 (e^(E1/kT) + e^(E2/kT)), however much more often the easy hop is passed."""
    thermal_eV = BOLTZMANN_EV_PER_K * 300.0
    found = walk([Edge(0, 1, (0, 0, 0), easy_eV, "a"), Edge(1, 0, (1, 0, 0), hard_eV, "b")], [0, 0])
    resistance = math.exp(easy_eV / thermal_eV) + math.exp(hard_eV / thermal_eV)
    assert found[0, 0] == pytest.approx(4e-16 * 1e13 / 2 / resistance, rel=1e-6, abs=0)
    assert np.abs(found[1:, 1:]).max() == 0.0


def test_a_network_without_a_way_out_does_not_conduct():
    """Twelve easy hops about a ring that closes in its own cell: not a rounding error is left."""
    ring = [Edge(k, (k + 1) % 12, (0, 0, 0), 0.05 + 0.01 * k, f"{k}") for k in range(12)]
    assert not walk(ring, [0.01 * k for k in range(12)]).any()


@pytest.mark.parametrize("sites", [1, 2, 5, 9])
def test_any_network_is_that_of_linear_algebra(sites):
    random = np.random.default_rng(sites)
    sites_eV = random.uniform(0.0, 0.2, sites)
    lattice = CUBE + random.normal(scale=0.5, size=(3, 3))
    edges = [
        Edge(
            *map(int, random.integers(sites, size=2)),
            tuple(map(int, random.integers(-1, 2, size=3))),
            random.uniform(0.3, 0.6),
            str(number),
        )
        for number in range(6 * sites)
    ]
    found = walk(edges, sites_eV, lattice, 600.0)
    assert np.allclose(found, solved(edges, sites_eV, lattice, 600.0), rtol=1e-9, atol=0)
    assert np.allclose(found, walk([*edges, *map(reverse, edges)], sites_eV, lattice, 600.0))


def reverse(edge):
    return Edge(edge.end, edge.start, tuple(-k for k in edge.shift), edge.saddle_eV, edge.kind)


def solved(edges, sites_eV, lattice, kelvin):
    """Return the tensor from the steady drift of all sites at once, by least squares."""
    thermal_eV = BOLTZMANN_EV_PER_K * kelvin
    states = np.exp(-np.array(sites_eV) / thermal_eV).sum()
    matrix, drift = np.zeros((len(sites_eV),) * 2), np.zeros((len(sites_eV), 3))
    passed = [math.exp(-edge.saddle_eV / thermal_eV) / states for edge in edges]
    steps = [np.array(edge.shift) @ lattice for edge in edges]
    for edge, rate, step in zip(edges, passed, steps, strict=True):
        link = np.zeros(len(sites_eV))
        link[edge.start] += 1
        link[edge.end] -= 1
        matrix += rate * np.outer(link, link)
        drift += rate * np.outer(link, step)
    corrector = np.linalg.lstsq(matrix, drift, rcond=None)[0]
    tensor = np.zeros((3, 3))
    for edge, rate, step in zip(edges, passed, steps, strict=True):
        moved = step + corrector[edge.end] - corrector[edge.start]
        tensor += rate * np.outer(moved, moved)
    return tensor * 1e-16 * 1e13
