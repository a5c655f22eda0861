"""Cells with an odd number of electrons that are no metals have a spin, with every engine."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.engines import engine
from defectflow.engines.electrons import electronic_input
from defectflow.engines.request import Request
from defectflow.structures import hosts
from defectflow.structures.surfaces import slab_of

ENGINES = ("gpaw", "espresso", "vasp")


def rocksalt(*added: str) -> Structure:
    """Return MgO with atoms more: OH on it is a radical, OH and H together are not."""
    crystal = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    for number, symbol in enumerate(added):
        crystal.append(symbol, [0.25, 0.25, 0.1 + 0.3 * number])
    return crystal


def inputs(structure, name="gpaw", charge=0, moments=None, **options):
    made = engine(name, **options)
    return electronic_input(
        made.options, Request(structure, made.settings("relax"), charge, moments)
    )


@pytest.mark.parametrize("name", ENGINES)
def test_a_radical_on_an_insulator_has_a_spin(name):
    found = inputs(rocksalt("O", "H"), name)
    assert found.spin
    assert sum(found.magnetic_moments) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ENGINES)
def test_closed_shells_have_none(name):
    assert not inputs(rocksalt(), name).spin
    assert not inputs(rocksalt("O", "H", "H"), name).spin


@pytest.mark.parametrize(("charge", "spin"), [(0, True), (1, False), (2, True), (-1, False)])
def test_the_charge_counts(charge, spin):
    assert inputs(rocksalt("O", "H"), charge=charge).spin is spin


@pytest.mark.parametrize("adsorbate", [["H"], ["O", "H"], ["O", "O", "H"]])
def test_metal_surfaces_are_left_without(adsorbate):
    slab = slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), 3, repeat=(2, 2)).structure
    for symbol in adsorbate:
        slab.append(symbol, [0.5, 0.5, 0.8])
    assert not inputs(slab).spin


def test_what_is_asked_for_holds():
    radical = rocksalt("O", "H")
    assert not inputs(radical, spin="off").spin
    assert inputs(radical, spin="on").magnetic_moments == (1.0,) * len(radical)
    assert inputs(radical, moments=(0.0,) * len(radical)).magnetic_moments == (0.0,) * len(radical)


def test_a_radical_does_not_start_from_the_zeros_of_its_clean_slab():
    slab = rocksalt()
    slab.add_site_property("magmom", [0.0] * len(slab))
    for symbol in ("O", "H"):
        slab.append(symbol, [0.25, 0.25, 0.3])
    assert sum(inputs(slab, spin="on").magnetic_moments) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ENGINES)
def test_a_hole_does_not_start_from_the_zeros_of_low_spin_cobalt(name):
    """The crystal relaxed to no moment at all; without one Li the cobalt beside it has one."""
    crystal = hosts.load("O3-LiCoO2").structure.copy()
    crystal.add_site_property("magmom", [0.0] * len(crystal))
    assert set(inputs(crystal, name).magnetic_moments) == {0.0}
    crystal.remove_sites([next(k for k, one in enumerate(crystal) if one.specie.symbol == "Li")])
    assert sum(inputs(crystal, name).magnetic_moments) == pytest.approx(1.0)


@pytest.mark.parametrize("name", ENGINES)
def test_spin_on_never_starts_from_the_zeros_of_another_crystal(name):
    """A vacancy of oxygen in TiO2 leaves two electrons: a triplet that zeros do not lead to."""
    crystal = hosts.load("anatase-TiO2").structure.copy()
    crystal.add_site_property("magmom", [0.0] * len(crystal))
    crystal.remove_sites([next(k for k, one in enumerate(crystal) if one.specie.symbol == "O")])
    assert set(inputs(crystal, name, spin="on").magnetic_moments) == {1.0}
    asked = (0.0,) * len(crystal)
    assert inputs(crystal, name, spin="on", moments=asked).magnetic_moments == asked


@pytest.mark.parametrize("name", ENGINES)
def test_electrons_that_U_localises_have_a_spin(name):
    """Mo5+ beside a vacancy of oxygen, two of them: an even number."""
    crystal = hosts.load("alpha-MoO3").structure.copy()
    crystal.remove_sites([next(k for k, one in enumerate(crystal) if one.specie.symbol == "O")])
    assert not inputs(crystal, name).spin
    assert set(inputs(crystal, name, functional="PBE+U").magnetic_moments) == {1.0}
    assert not inputs(crystal, name, functional="PBE+U", spin="off").spin


def test_cobalt_with_U_keeps_the_low_spin_that_it_relaxed_to():
    crystal = hosts.load("O3-LiCoO2").structure.copy()
    crystal.add_site_property("magmom", [0.0] * len(crystal))
    for spin in ("auto", "on"):
        found = inputs(crystal, functional="PBE+U", spin=spin).magnetic_moments
        assert set(found) == {0.0}
