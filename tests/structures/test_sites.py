"""Voids: counts known from elsewhere, orbits by spglib, one answer from every cell."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures import hosts, orbit, primitive
from defectflow.structures.sites import MERGE_A, insertion_sites

#: Orbits per primitive cell, as doped 3.2 finds them (its own Voronoi search and symmetry).
KNOWN = {
    "fcc-Al": [1, 2],
    "rocksalt-MgO": [2],
    "rutile-TiO2": [4, 4, 8],
    "spinel-MgAl2O4": [2, 4, 12],
    "O3-LiNiO2": [2, 2, 6],
    "2H-MoS2": [2, 2, 4, 4],
    "fluorite-CeO2": [1],
}
CELLS = ["rutile-TiO2", "O3-LiNiO2", "fluorite-CeO2", "1T-TiS2", "olivine-FePO4"]
TWELVE = [
    "rutile-TiO2",
    "anatase-TiO2",
    "spinel-MgAl2O4",
    "olivine-LiFePO4",
    "O3-LiNiO2",
    "P2-CoO2",
    "2H-MoS2",
    "fluorite-CeO2",
    "rocksalt-MgO",
    "fcc-Al",
    "graphene",
    "alpha-V2O5",
]


def load(name):
    return hosts.load(name).structure


@pytest.mark.parametrize(("name", "multiplicities"), KNOWN.items())
def test_known_counts(name, multiplicities):
    found = insertion_sites(load(name), "Li")
    assert sorted(site.multiplicity for site in found) == multiplicities


def transforms(structure):
    """The same crystal in other cells: primitive, sheared, doubled and shifted."""
    shifted = structure.copy()
    shifted.translate_sites(range(len(shifted)), [0.137, 0.274, 0.411])
    return {
        "primitive": (primitive(structure), 0.0),
        "sheared": (structure * [[1, 1, 0], [0, 1, 0], [0, -1, 1]], 0.0),
        "doubled": (structure * (1, 1, 2), 0.0),
        "shifted": (shifted, structure.lattice.get_cartesian_coords([0.137, 0.274, 0.411])),
    }


@pytest.mark.parametrize("cell", ["primitive", "sheared", "doubled", "shifted"])
@pytest.mark.parametrize("name", CELLS)
def test_same_places_from_every_cell(name, cell):
    structure = load(name)
    other, shift = transforms(structure)[cell]
    reference = insertion_sites(structure, "Li")
    found = insertion_sites(other, "Li")
    assert len(found) == len(reference)
    unmatched = list(reference)
    orbits = {site: orbit(structure, site.frac_coords) for site in reference}
    for site in found:
        place = other.lattice.get_cartesian_coords(site.frac_coords) - shift
        frac = structure.lattice.get_fractional_coords(place)
        hits = [
            known
            for known in unmatched
            if structure.lattice.get_all_distances(orbits[known], frac).min() < 1e-3
        ]
        assert len(hits) == 1
        assert hits[0].multiplicity == site.multiplicity
        assert hits[0].coordination == site.coordination
        unmatched.remove(hits[0])


@pytest.mark.parametrize("name", sorted({*CELLS, *TWELVE}))
def test_orbits_by_spglib(name):
    cell = primitive(load(name))
    operations = len(
        spglib.get_symmetry((cell.lattice.matrix, cell.frac_coords, cell.atomic_numbers))[
            "rotations"
        ]
    )
    for site in insertion_sites(cell, "Li"):
        places = orbit(cell, site.frac_coords)
        assert len(places) == site.multiplicity
        assert operations % site.multiplicity == 0
        filled = cell.copy()
        for place in places:
            filled.append("Og", place)
        dataset = spglib.get_symmetry_dataset(
            (filled.lattice.matrix, filled.frac_coords, filled.atomic_numbers), symprec=0.01
        )
        assert len(dataset.rotations) == operations
        assert len(set(dataset.equivalent_atoms[len(cell) :])) == 1


@pytest.mark.parametrize("name", CELLS)
def test_sites_are_apart_from_atoms_and_each_other(name):
    cell = primitive(load(name))
    sites = insertion_sites(cell, "Li", min_distance_A=1.5)
    places = np.vstack([orbit(cell, site.frac_coords) for site in sites])
    assert cell.lattice.get_all_distances(places, cell.frac_coords).min() >= 1.5
    apart = cell.lattice.get_all_distances(places, places) + 9 * np.eye(len(places))
    assert apart.min() >= MERGE_A - 1e-6


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        ("spinel-Mn2O4", 0),
        ("spinel-Mn2O4", 1),
        ("1T-TiS2", 1),
        ("olivine-FePO4", 0),
        ("rutile-TiO2", 1),
        ("alpha-V2O5", 0),
        ("Chevrel-Mo6S8", 0),
        ("Chevrel-Mo6S8", 1),
    ],
)
def test_known_sites_are_found(name, rank):
    host = hosts.load(name)
    known = orbit(host.structure, host.sites[rank].frac_coords)
    found = insertion_sites(host.structure, "Mg")
    nearest = [
        host.structure.lattice.get_all_distances(known, site.frac_coords).min() for site in found
    ]
    assert min(nearest) < MERGE_A


def test_widest_first():
    structure = hosts.load("spinel-Mn2O4").structure
    radii = [
        structure.lattice.get_all_distances(structure.frac_coords, site.frac_coords).min()
        for site in insertion_sites(structure, "Mg")
    ]
    assert radii == sorted(radii, reverse=True)
    # 16c, 8a: the radii follow from u = 0.2631 and a = 8.03 Å.
    assert radii[0] == pytest.approx(8.03 * 0.2638, abs=2e-3)
    assert radii[1] == pytest.approx(8.03 * np.sqrt(3) * (0.2631 - 0.125), abs=1e-3)


def test_a_more_symmetric_place_that_is_about_as_wide_is_taken():
    """The octahedral site of anatase lies between two slightly wider places, 0.7 Å off."""
    host = hosts.load("anatase-TiO2")
    octahedral = orbit(host.structure, [0, 0, 0.5])
    site = insertion_sites(host.structure, "Li")[0]
    gaps = host.structure.lattice.get_all_distances(octahedral, site.frac_coords)
    assert gaps.min() < 1e-3
    assert site.label.startswith("4b ")
    assert site.multiplicity == 2


def test_every_vertex_adds_those_that_no_atoms_enclose():
    structure = hosts.load("alpha-V2O5").structure
    voids = insertion_sites(structure, "Li")
    vertices = insertion_sites(structure, "Li", every_vertex=True)
    assert len(vertices) > len(voids)
    wide = {site.frac_coords for site in vertices}
    assert voids[0].frac_coords in wide


def test_a_vacuum_holds_no_site_but_a_sheet_has_places_beside_it():
    """Hollow, bridge and top: 1, 3 and 2 in the plane of graphene's cell, on both sides."""
    structure = hosts.load("graphene").structure
    sites = insertion_sites(structure, "Li")
    assert [(site.label, site.multiplicity) for site in sites] == [
        ("hollow", 2),
        ("bridge", 6),
        ("top", 4),
    ]
    neighbours = {"hollow": 6, "bridge": 2, "top": 1}
    for site in sites:
        place = structure.lattice.get_cartesian_coords(site.frac_coords)
        near = structure.get_sites_in_sphere(place, 1.28 + 0.76 + 1e-6)  # covalent radii of Li, C
        assert len(near) == neighbours[site.label]
        assert all(abs(atom.nn_distance - 2.04) < 1e-6 for atom in near)


@pytest.mark.parametrize(
    "turned", [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[2, 1, 0], [-1, 1, 0], [0, 0, 1]]]
)
def test_adatoms_do_not_depend_on_the_cell(turned):
    structure = hosts.load("graphene").structure.make_supercell(turned, in_place=False)
    structure.translate_sites(range(len(structure)), [0.1, 0.2, 0.48])
    found = insertion_sites(structure, "K")
    assert [(site.label, site.multiplicity) for site in found] == [
        ("hollow", 2),
        ("bridge", 6),
        ("top", 4),
    ]


def test_a_slab_of_three_layers_has_adatoms_beside_it_and_voids_in_it():
    """MoS2, one layer: hollow above Mo, hollow in the middle of the ring, bridge, top of S."""
    bulk = hosts.load("2H-MoS2").structure
    layer = Structure(
        Lattice.hexagonal(3.16, 20.0),
        ["Mo", "S", "S"],
        [[1 / 3, 2 / 3, 0.5], [2 / 3, 1 / 3, 0.578], [2 / 3, 1 / 3, 0.422]],
    )
    assert bulk.reduced_formula == layer.reduced_formula
    labels = [site.label for site in insertion_sites(layer, "Li")]
    assert labels.count("top") == 1
    assert labels.count("bridge") == 1
    assert labels.count("hollow") == 2


def test_low_symmetry_supercell():
    """A relaxed supercell without symmetry: each void is its own orbit."""
    structure = hosts.load("alpha-V2O5").structure * (1, 2, 1)
    generator = np.random.default_rng(1)
    for index in range(len(structure)):
        structure.translate_sites([index], generator.normal(0, 0.01, 3), frac_coords=False)
    sites = insertion_sites(structure, "Mg", symprec=1e-4)
    assert {site.multiplicity for site in sites} == {1}
    assert len(sites) > 8


@pytest.mark.parametrize("seed", range(6))
def test_atoms_off_their_places_by_about_the_tolerance(seed):
    """Relaxed crystals are symmetric only more or less: voids are still found, all of them free."""
    structure = hosts.load("1T-TiS2").structure * (2, 2, 1)
    generator = np.random.default_rng(seed)
    for index in range(len(structure)):
        structure.translate_sites([index], generator.normal(0, 0.004, 3), frac_coords=False)
    for symprec in (0.003, 0.01, 0.03):
        sites = insertion_sites(structure, "Mg", symprec=symprec)
        assert len(sites) >= 3
        known = structure.lattice.get_all_distances(
            [site.frac_coords for site in sites],
            [[0, 0, 0.5], [0.5, 0, 0.5], [0, 0.5, 0.5], [0.5, 0.5, 0.5]],
        )
        assert known.min() < 0.3


def test_unknown_species_and_untouched_input():
    structure = hosts.load("fcc-Al").structure
    before = structure.copy()
    with pytest.raises(StructureError, match="Xx"):
        insertion_sites(structure, "Xx")
    insertion_sites(structure, "Li")
    assert structure == before
