"""Crystals of one formula are told apart, and one crystal by two engines is not."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.structures import hosts
from defectflow.structures.identity import same_crystal


@pytest.mark.parametrize("pair", [("anatase-TiO2", "rutile-TiO2"), ("1T-TiS2", "spinel-Ti2S4")])
def test_polymorphs_differ(pair):
    one, other = (hosts.load(name).structure for name in pair)
    assert not same_crystal(one, other)


def test_cells_noise_and_functionals_make_no_other_crystal():
    rutile = hosts.load("rutile-TiO2").structure
    relaxed = rutile * (1, 2, 1)
    relaxed.apply_strain([0.02, 0.02, -0.01])
    relaxed.perturb(0.01)
    assert same_crystal(rutile, relaxed)


def test_a_lattice_of_another_size_is_another_crystal():
    alpha = Structure(Lattice.cubic(3.6), ["Ce"], [[0, 0, 0]])
    gamma = Structure(Lattice.cubic(4.1), ["Ce"], [[0, 0, 0]])
    assert not same_crystal(alpha, gamma)
