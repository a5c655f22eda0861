"""Hop orbits against brute force, against pymatgen's path finder, and against geometry."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
import spglib
from pymatgen.core import Structure

from defectflow.errors import StructureError
from defectflow.structures import hosts, orbit, primitive
from defectflow.structures.hops import distinct_hops


def filled(name, rank=0):
    """Host, its sites of one orbit, and the host with Mg on all of them."""
    host = hosts.load(name)
    places = orbit(host.structure, host.sites[rank].frac_coords)
    full = host.structure.copy()
    for place in places:
        full.append("Mg", place)
    return host.structure, places, full


#: Prototype, cutoff (Å), lengths (Å) that follow from the lattice constants.
CASES = [
    ("spinel-Mn2O4", 4.5, [8.03 * np.sqrt(3) / 4]),
    ("1T-TiS2", 5.0, [3.407]),
    ("alpha-V2O5", 4.5, [3.564, 4.368]),
    ("olivine-FePO4", 4.9, [5.7893 / 2, 4.782]),
    ("O3-NiO2", 4.0, [2.82]),
    ("anatase-TiO2", 3.9, None),
    ("P2-CoO2", 4.0, [2.84]),
    ("delta-V2O5", 5.0, None),
]


@pytest.mark.parametrize(("name", "cutoff", "lengths"), CASES)
def test_against_the_path_finder_of_pymatgen(name, cutoff, lengths):
    """Same number of distinct hops and the same lengths; its symmetry code is its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pymatgen.analysis.diffusion.neb.pathfinder import DistinctPathFinder
    structure, places, full = filled(name)
    hops = distinct_hops(structure, places, cutoff)
    paths = DistinctPathFinder(full, "Mg", max_path_length=cutoff).get_paths()
    assert [hop.distance_A for hop in hops] == pytest.approx(
        sorted(path.length for path in paths), abs=1e-3
    )
    if lengths is not None:
        assert [hop.distance_A for hop in hops] == pytest.approx(lengths, abs=1e-3)


@pytest.mark.parametrize(("name", "cutoff", "lengths"), CASES)
def test_orbits_by_brute_force(name, cutoff, lengths):
    """Carry one hop of each orbit through every operation of spglib and count the images.

    No image may be shared by two orbits, and all together they are all pairs within the cutoff.
    """
    del lengths
    structure, places, _ = filled(name)
    hops = distinct_hops(structure, places, cutoff)
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    operations = spglib.get_symmetry(cell, symprec=0.01)
    found = []
    for hop in hops:
        start, end = np.array(hop.start), np.array(hop.end)
        images = []
        for rotation, translation in zip(
            operations["rotations"], operations["translations"], strict=True
        ):
            a, b = rotation @ start + translation, rotation @ end + translation
            images.append(canonical(a, b))
        found.append(set(images))
        assert len(found[-1]) == hop.multiplicity
    for first, second in itertools.combinations(found, 2):
        assert not first & second
    total = sum(len(group) for group in found)
    assert total == count_pairs(structure, places, cutoff)


def canonical(a, b):
    """An undirected hop modulo lattice vectors: its middle and its direction up to sign."""
    middle = np.round((a + b) / 2, 4) % 1.0 % 1.0
    half = np.round((b - a) / 2, 4) + 0.0
    return min(
        (tuple(np.round(middle, 3) % 1.0), tuple(half)),
        (tuple(np.round(middle, 3) % 1.0), tuple(-half + 0.0)),
    )


def count_pairs(structure, places, cutoff):
    """Undirected pairs within the cutoff per cell, by pymatgen's neighbour list."""
    ions = Structure(structure.lattice, ["Mg"] * len(places), places)
    return len(ions.get_neighbor_list(cutoff)[0]) // 2


@pytest.mark.parametrize("name", ["spinel-Mn2O4", "olivine-FePO4", "alpha-V2O5"])
def test_edges_are_complete_and_directed_both_ways(name):
    structure, places, _ = filled(name)
    for hop in distinct_hops(structure, places, 4.9):
        edges = set(hop.edges)
        assert len(edges) == len(hop.edges) == 2 * hop.multiplicity
        for i, j, image in edges:
            assert (j, i, tuple(-n for n in image)) in edges
            step = (places[j] + image - places[i]) @ structure.lattice.matrix
            assert np.linalg.norm(step) == pytest.approx(hop.distance_A, abs=1e-4)
        i, j, image = hop.edges[0]
        assert hop.start == pytest.approx(tuple(places[i]))
        assert hop.end == pytest.approx(tuple(places[j] + image))


def test_network_of_two_kinds_of_sites():
    """The 8a-16c hop of spinel is 1/8 of the body diagonal, and each 16c has two 8a beside it."""
    host = hosts.load("spinel-Mn2O4")
    places = np.vstack([orbit(host.structure, site.frac_coords) for site in host.sites])
    hops = distinct_hops(host.structure, places, 2.0)
    assert [hop.distance_A for hop in hops] == pytest.approx([8.03 * np.sqrt(3) / 8])
    assert hops[0].multiplicity == 32


@pytest.mark.parametrize("name", ["spinel-Mn2O4", "O3-NiO2", "alpha-V2O5", "anatase-TiO2"])
def test_primitive_and_conventional_cell_agree(name):
    host = hosts.load(name)
    small = primitive(host.structure)
    place = small.lattice.get_fractional_coords(
        host.structure.lattice.get_cartesian_coords(host.sites[0].frac_coords)
    )
    large_hops = distinct_hops(
        host.structure, orbit(host.structure, host.sites[0].frac_coords), 4.5
    )
    small_hops = distinct_hops(small, orbit(small, place), 4.5)
    ratio = len(host.structure) // len(small)
    assert [hop.distance_A for hop in small_hops] == pytest.approx(
        [hop.distance_A for hop in large_hops]
    )
    assert [hop.multiplicity * ratio for hop in small_hops] == [
        hop.multiplicity for hop in large_hops
    ]


@pytest.mark.parametrize(
    ("name", "repeats"),
    [
        ("bcc-Fe", (2, 1, 1)),
        ("O3-LiCoO2", (2, 1, 1)),
        ("O3-LiCoO2", (1, 1, 2)),
        ("anatase-TiO2", (2, 1, 1)),
        ("spinel-Mn2O4", (1, 1, 2)),
    ],
)
def test_a_cell_that_breaks_the_point_group_has_the_hops_of_the_crystal(name, repeats):
    """Each hop once, as many times as there are primitive cells: not one hop as two."""
    small = primitive(hosts.load(name).structure)
    large = small * repeats
    ion = small.lattice.matrix[0] / 4 + small.lattice.matrix[1] / 2
    if name == "O3-LiCoO2":
        ion = next(site.coords for site in small if site.specie.symbol == "Li")
    found = []
    cutoff = 3.5 if len(small) > 1 else 2.1
    for cell in (small, large):
        places = orbit(cell, cell.lattice.get_fractional_coords(ion))
        hops = distinct_hops(cell, places, cutoff)
        number = len(cell) // len(small)
        assert count_pairs(cell, places, cutoff) == sum(hop.multiplicity for hop in hops)
        found.append(sorted((round(hop.distance_A, 4), hop.multiplicity / number) for hop in hops))
    assert found[0] == found[1]
    assert found[0]


def test_equal_length_does_not_make_equal_hops():
    """On an fcc lattice the vectors (411)/2 and (330)/2 have one length, but 24 and 12 members."""
    structure = primitive(hosts.load("fcc-Al").structure)
    void = structure.lattice.get_fractional_coords([2.0248, 0.0, 0.0])
    hops = distinct_hops(structure, orbit(structure, void), 8.6)
    constant = 4.0496
    longest = [hop for hop in hops if abs(hop.distance_A - constant * np.sqrt(4.5)) < 1e-3]
    assert sorted(hop.multiplicity for hop in longest) == [6, 12]
    assert len(hops) == 10
    assert [hop.label.split(" (")[0] for hop in hops] == [f"hop {k}" for k in range(1, 11)]


def test_filled_host_without_its_ions():
    """Li in LiFePO4: along [010] b / 2 = 3.005 Å, along [001] c = 4.692 Å."""
    structure = hosts.load("olivine-LiFePO4").structure
    places = np.array([site.frac_coords for site in structure if site.specie.symbol == "Li"])
    structure.remove_species(["Li"])
    hops = distinct_hops(structure, places, 4.9)
    assert [hop.distance_A for hop in hops] == pytest.approx([3.005, 4.692])
    assert [hop.multiplicity for hop in hops] == [4, 4]


def test_nothing_within_reach():
    structure, places, _ = filled("1T-TiS2")
    assert distinct_hops(structure, places, 2.0) == ()


def test_incomplete_and_doubled_sites_are_refused():
    structure, places, _ = filled("spinel-Mn2O4")
    with pytest.raises(StructureError, match="whole orbit"):
        distinct_hops(structure, places[:-1], 4.0)
    steps = 2 * (places - places[0])  # whole numbers for lattice vectors of the crystal
    with pytest.raises(StructureError, match="whole orbit"):
        distinct_hops(structure, places[np.abs(steps - np.round(steps)).max(axis=1) > 0.1], 6.0)
    with pytest.raises(StructureError, match="every site of the cell once"):
        distinct_hops(structure, np.vstack([places, places[:1]]), 4.0)
    with pytest.raises(StructureError, match="every site of the cell once"):
        distinct_hops(structure, np.vstack([places, places[:1] + np.array([1, 0, 0])]), 4.0)
