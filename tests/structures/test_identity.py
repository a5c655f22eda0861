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


def half_heusler(*symbols):
    """Return XYZ; of its three orders one has the last element between the other two."""
    places = [[0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]]
    return Structure.from_spacegroup("F-43m", Lattice.cubic(5.9), symbols, places)


def test_atoms_at_other_places_of_a_like_cell_are_another_crystal():
    known = half_heusler("Ti", "Sn", "Ni")
    assert not same_crystal(known, half_heusler("Ti", "Ni", "Sn"))
    assert not same_crystal(known, half_heusler("Ni", "Sn", "Ti"))
    other_origin = half_heusler("Sn", "Ti", "Ni")
    other_origin.apply_strain(0.03)
    assert same_crystal(known, other_origin * (1, 1, 2))
    olivine = hosts.load("olivine-LiFePO4").structure
    reversed_olivine = olivine.copy()
    reversed_olivine.replace_species({"Li": "Fe", "Fe": "Li"})
    assert not same_crystal(olivine, reversed_olivine)


@pytest.mark.parametrize("name", ["alpha-V2O5", "delta-MgV2O5", "Chevrel-Mo6S8", "black-P"])
def test_a_crystal_in_another_cell_is_itself(name):
    host = hosts.load(name).structure
    other = host * (2, 1, 1)
    other.translate_sites(range(len(other)), [0.13, 0.27, 0.41])
    other.perturb(0.02)
    assert same_crystal(host, other)
