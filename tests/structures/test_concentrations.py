"""Concentration series: exact fractions, sensible cells, ranking."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import concentrations as concentrations_module
from defectflow.structures import hosts
from defectflow.structures.concentrations import (
    FRACTIONS,
    Series,
    boltzmann_weights,
    concentration_cell,
    concentrations,
    coulomb_energy_eV,
    lowest,
)
from defectflow.structures.symmetry import operations

QUARTER = Series((Fraction(1, 4),), changed=2)


@pytest.mark.parametrize(
    ("name", "host", "species"),
    [
        ("rocksalt-MgO", "Mg", "Ni"),
        ("rutile-TiO2", "O", "vacancy"),
        ("1T-TiS2", "Ti", "Nb"),
        ("graphene", "C", "N"),
        ("fcc-Al", "Al", "vacancy"),
    ],
)
def test_series_has_the_fractions_asked_for(name, host, species):
    crystal = hosts.load(name).structure
    found = {}
    for cell in concentrations(crystal, host, species, Series(at_most=1)):
        sites = sum(site.specie.symbol == host for site in cell.pristine)
        found[Fraction(len(cell.changed), sites)] = cell
        assert cell.kind == "concentration"
        left = sum(site.specie.symbol == host for site in cell.structure)
        assert left == sites - len(cell.changed)
    assert tuple(found) == FRACTIONS
    # The cell keeps all rotations of the crystal.
    whole = len(np.unique(operations(crystal)[0], axis=0))
    for cell in found.values():
        assert len(np.unique(operations(cell.pristine)[0], axis=0)) == whole


def test_only_cells_that_keep_the_rotations_are_compared(monkeypatch):
    """Of 2/5 in a cubic crystal that is one cell of 125; the many of 5 to 120 are not."""
    crystal, measured = hosts.load("fcc-Al").structure.get_primitive_structure(), []
    widths = concentrations_module.nearest_image_distance_A
    monkeypatch.setattr(
        concentrations_module,
        "nearest_image_distance_A",
        lambda lattice: measured.append(lattice) or widths(lattice),
    )
    cell, changed = concentration_cell(crystal, "Al", Fraction(2, 5))
    assert (len(cell), changed) == (125, 50)
    assert len(measured) == 1


def test_layers_are_repeated_in_their_plane_only():
    """Graphene in its box of vacuum is not stacked to dilute a dopant."""
    crystal = hosts.load("graphene").structure
    for cell in concentrations(crystal, "C", "N", Series(at_most=1)):
        assert max(cell.pristine.lattice.abc) >= crystal.lattice.c - 1e-6
        heights = cell.pristine.frac_coords[:, 2]
        assert np.ptp(heights - np.round(heights - heights[0])) < 1e-6


def test_one_atom_of_a_quarter_of_rock_salt_is_the_known_cell():
    (cell,) = concentrations(
        hosts.load("rocksalt-MgO").structure, "Mg", "Ni", Series((Fraction(1, 4),))
    )
    assert cell.structure.composition.formula == "Mg3 Ni1 O4"
    assert cell.pristine.lattice.abc == pytest.approx([4.2112] * 3, abs=0.01)
    assert cell.multiplicity == 4


def test_all_arrangements_of_two_atoms():
    """2 of 8 sites: degeneracies sum to all 28 pairs."""
    cells = list(concentrations(hosts.load("rocksalt-MgO").structure, "Mg", "Ni", QUARTER))
    sites = len(cells[0].pristine) // 2
    assert sum(cell.multiplicity for cell in cells) == math.comb(sites, sites // 4)
    assert len(cells) > 1


def test_quasirandom_series():
    series = Series((Fraction(1, 8), Fraction(1, 4)), "random", at_most=2)
    cells = list(concentrations(hosts.load("rocksalt-MgO").structure, "Mg", "Ni", series))
    assert [len(cell.changed) >= 8 for cell in cells] == [True] * 4
    assert len({cell.name for cell in cells}) == 4


def test_same_from_conventional_cell_and_supercell():
    crystal = hosts.load("rutile-TiO2").structure
    answers = [
        [(cell.name, cell.multiplicity) for cell in concentrations(one, "O", "vacancy", QUARTER)]
        for one in (crystal, crystal * (2, 1, 1))
    ]
    assert answers[0] == answers[1]


def test_the_lowest_are_kept_in_order():
    crystal = hosts.load("rutile-TiO2").structure
    cells = list(concentrations(crystal, "O", "F", QUARTER))
    energies = {cell.name: (7 * rank) % 5 + 0.1 * rank for rank, cell in enumerate(cells)}
    ranked = lowest(iter(cells), lambda cell: energies[cell.name], keep=4)
    expected = sorted(energies.values())[:4]
    assert [one.energy_eV for one in ranked] == pytest.approx(expected)
    assert [one.above_lowest_eV for one in ranked] == pytest.approx(
        [energy - expected[0] for energy in expected]
    )


def test_weights_count_the_equivalents():
    cells = list(concentrations(hosts.load("rocksalt-MgO").structure, "Mg", "Ni", QUARTER))
    ranked = lowest(cells, lambda _: -3.0, keep=99)
    weights = boltzmann_weights(ranked, 300.0)
    total = sum(cell.multiplicity for cell in cells)
    assert weights == pytest.approx([one.cell.multiplicity / total for one in ranked])
    two = lowest(cells[:2], lambda cell: 0.05 * (cell is cells[1]), keep=2)
    a, b = boltzmann_weights(two, 600.0)
    ratio = cells[1].multiplicity / cells[0].multiplicity
    assert b / a == pytest.approx(ratio * math.exp(-0.05 / (8.617333262e-5 * 600)))


def test_coulomb_energy_of_rock_salt_is_madelungs():
    """Formal charges 2 at nearest distance r: -4 x 1.747565 x 14.39964 / r per pair of ions."""
    crystal = hosts.load("rocksalt-MgO").structure
    series = Series((Fraction(1, 4),))
    (cell,) = concentrations(crystal, "Mg", "Ni", series)  # Ni is 2+ as well
    r = crystal.lattice.a / 2
    expected = -4 * 1.747565 * 14.399645 / r * 4
    assert coulomb_energy_eV(cell) == pytest.approx(expected, rel=1e-4)


def test_charges_apart_come_first():
    """Vacancies of oxygen beside each other cost: the Coulomb ranking puts them apart."""
    crystal = hosts.load("spinel-LiMn2O4").structure
    series = Series((Fraction(1, 8),), changed=2)
    cells = itertools.islice(concentrations(crystal, "Mn", "Al", series), 6)
    ranked = lowest(cells, coulomb_energy_eV, keep=3)
    assert ranked[0].above_lowest_eV == 0
    assert ranked == sorted(ranked, key=lambda one: one.energy_eV)


@pytest.mark.parametrize(
    ("host", "species", "series", "remedy"),
    [
        ("Fe", "Ni", Series(), "has no Fe"),
        ("Mg", "Mg", Series(), "other species"),
        ("Mg", "Nj", Series(), "not a chemical element"),
        ("Mg", "Ni", Series((Fraction(3, 2),)), "between 0 and 1"),
        ("Mg", "Ni", Series((Fraction(1, 997),)), "such as 1/200"),
    ],
)
def test_bad_input_is_refused_at_the_call(host, species, series, remedy):
    with pytest.raises(StructureError, match=remedy):
        concentrations(hosts.load("rocksalt-MgO").structure, host, species, series)


def test_different_compositions_are_not_ranked_together():
    cells = concentrations(hosts.load("rocksalt-MgO").structure, "Mg", "Ni", Series(at_most=1))
    with pytest.raises(StructureError, match="one concentration at a time"):
        lowest(cells, lambda _: 0.0)


def test_temperature_is_checked():
    with pytest.raises(StructureError, match="above 0"):
        boltzmann_weights([], 0.0)
