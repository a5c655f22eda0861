"""Warren-Cowley parameters of distributions whose values are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.cells import Cell, site_change
from defectflow.structures.ordering import Decoration, orderings
from defectflow.structures.quasirandom import Randomness, quasirandom
from defectflow.structures.short_range_order import parameters, shells_of, short_range_order


def decorated(structure, indices, species, host):
    changes = [site_change(structure, k, species) for k in indices]
    return Cell.from_changes(structure, changes, name="x", kind="order", multiplicity=1), host


def test_rock_salt_order_on_a_simple_cubic_lattice():
    """Alternating atoms: every first neighbour unlike, every second one like."""
    simple = Structure(Lattice.cubic(3.0), ["Po"], [[0, 0, 0]]) * (4, 4, 4)
    places = np.round(simple.frac_coords * 4).astype(int)
    odd = np.flatnonzero(places.sum(axis=1) % 2)
    cell, host = decorated(simple, odd.tolist(), "Bi", "Po")
    found = short_range_order(cell, host, 2)
    assert found.distances_A == pytest.approx((3.0, 3.0 * np.sqrt(2)))
    assert found.of("Po", "Bi") == pytest.approx((-1.0, 1.0))
    assert found.of("Po", "Po") == pytest.approx((1.0, -1.0))


def test_layered_order_of_copper_gold():
    """L1_0: of twelve neighbours eight are unlike, so alpha = 1 - (8/12) / (1/2) = -1/3."""
    copper = hosts.load("fcc-Cu").structure * (2, 2, 2)
    upper = np.flatnonzero(np.round(copper.frac_coords[:, 2] * 4).astype(int) % 2)
    cell, host = decorated(copper, upper.tolist(), "Au", "Cu")
    assert short_range_order(cell, host, 1).of("Cu", "Au") == pytest.approx((-1 / 3,))


def test_a_single_species_has_no_unlike_pairs():
    """One site, emptied: as an arrangement of one vacancy on a sublattice of one atom."""
    crystal = hosts.load("B2-CuZr").structure
    cell, host = decorated(crystal, [0], None, crystal[0].specie.symbol)
    assert short_range_order(cell, host, 2).largest() == (0.0, 0.0)


def test_neighbours_of_each_shell():
    """fcc: 12, 6, 24 and 12 neighbours, in a cell so small that images count several times."""
    copper = hosts.load("fcc-Cu").structure
    shells = shells_of(copper, range(4), 4)
    assert shells.neighbours.sum(axis=2).tolist() == [[n] * 4 for n in (12, 6, 24, 12)]
    a = copper.lattice.a
    expected = [a * np.sqrt(x) for x in (0.5, 1, 1.5, 2)]
    assert list(shells.distances_A) == pytest.approx(expected)


def test_average_over_all_arrangements_is_that_of_drawing_without_putting_back():
    """Over all 35 ways to put 3 of 7 atoms on a ring the mean alpha is -1/(n - 1)."""
    ring = Structure(Lattice.orthorhombic(21.0, 30.0, 30.0), ["Po"] * 7,
                     [[k / 7, 0, 0] for k in range(7)])  # fmt: skip
    shells = shells_of(ring, range(7), 2)
    values = []
    for chosen in itertools.combinations(range(7), 3):
        labels = np.isin(np.arange(7), chosen).astype(int)
        values.append(parameters(shells, labels, 2)[:, 0, 1])
    assert np.mean(values, axis=0) == pytest.approx([-1 / 6, -1 / 6])


def test_sum_rule():
    """The neighbours of an atom are of some species: sum_j c_j alpha_ij = 0."""
    host = hosts.load("rocksalt-MgO").structure * (3, 2, 2)
    decorations = [Decoration("Mg", {"Ni": 8, "Co": 12, "vacancy": 4})]
    cell = next(quasirandom(host, decorations, 1, Randomness(steps=300)))
    found = short_range_order(cell, "Mg")
    shares = {"Mg": 24, "Ni": 8, "Co": 12, "vacancy": 4}
    concentrations = np.array([shares[symbol] for symbol in found.species]) / 48
    assert found.parameters @ concentrations == pytest.approx(np.zeros((3, 4)), abs=1e-12)


def test_measured_from_the_cell_whatever_made_it():
    spinel = hosts.load("spinel-LiMn2O4").structure
    cell = next(orderings(spinel, [Decoration("Mn", {"Ni": 4})]))
    found = short_range_order(cell, "Mn", 1).of("Ni", "Mn")[0]
    nickel = [k for k, site in enumerate(cell.structure) if site.specie.symbol == "Ni"]
    around = [
        site.specie.symbol
        for k in nickel
        for site in cell.structure.get_neighbors(cell.structure[k], 3.1)
        if site.specie.symbol in {"Mn", "Ni"}
    ]
    assert len(around) == 6 * 4
    assert found == pytest.approx(1 - around.count("Mn") / len(around) / 0.75)


def test_bad_input_is_refused():
    cell = next(orderings(hosts.load("fcc-Cu").structure, [Decoration("Cu", {"Au": 2})]))
    with pytest.raises(StructureError, match="has no Ni"):
        short_range_order(cell, "Ni")
    with pytest.raises(StructureError, match="not on these sites"):
        short_range_order(cell, "Cu").of("Cu", "Ag")
    with pytest.raises(StructureError, match="at least one"):
        short_range_order(cell, "Cu", 0)
