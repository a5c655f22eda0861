"""Symmetry maps against spglib, brute force and the covariance of forces."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import spglib
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.errors import StructureError
from defectflow.structures import hosts, orbit, primitive
from defectflow.structures.hops import distinct_hops
from defectflow.structures.symmetry import (
    apply,
    apply_vectors,
    mapping,
    primitive_cells,
    reversing_maps,
    symmetrized,
    symmetry_maps,
)

SUPERCELLS = {
    "fcc-Al": (2, 2, 2),
    "1T-TiS2": (3, 3, 2),
    "spinel-Mn2O4": (1, 1, 1),
    "alpha-V2O5": (1, 3, 2),
    "olivine-FePO4": (1, 2, 2),
    "hcp-Mg": (3, 3, 2),
}


def supercell(name):
    return hosts.load(name).structure * SUPERCELLS[name]


def brute_distances(first, second):
    """Distances (Å) of atom k of one structure from atom k of the other, over all images."""
    steps = np.array(list(itertools.product(range(-2, 3), repeat=3)))
    gap = first.frac_coords - second.frac_coords
    gap = gap[:, None, :] - np.round(gap)[:, None, :] + steps
    return np.linalg.norm(gap @ first.lattice.matrix, axis=-1).min(axis=1)


@pytest.mark.parametrize("name", SUPERCELLS)
def test_every_operation_is_there(name):
    """Order of the space group modulo the supercell: that of the primitive cell times its count."""
    structure = supercell(name)
    small = primitive(hosts.load(name).structure)
    order = len(
        spglib.get_symmetry((small.lattice.matrix, small.frac_coords, small.atomic_numbers))[
            "rotations"
        ]
    )
    maps = symmetry_maps(structure)
    assert len(maps) == order * len(structure) // len(small)
    assert primitive_cells(structure) == len(structure) // len(small)
    assert maps[0].permutation.tolist() == list(range(len(structure)))
    assert len({item.permutation.tobytes() for item in maps}) == len(maps)


@pytest.mark.parametrize("name", SUPERCELLS)
def test_maps_lay_the_crystal_onto_itself(name):
    structure = supercell(name)
    generator = np.random.default_rng(0)
    maps = symmetry_maps(structure)
    for k in generator.choice(len(maps), size=min(24, len(maps)), replace=False):
        carried = apply(maps[k], structure)
        # In the same periodic image, not only modulo the lattice.
        assert np.abs(carried.frac_coords - structure.frac_coords).max() < 1e-6
        assert carried.species == structure.species


def test_maps_form_a_group():
    maps = symmetry_maps(supercell("hcp-Mg"))
    known = {item.permutation.tobytes() for item in maps}
    generator = np.random.default_rng(0)
    for _ in range(200):
        first, second = generator.choice(len(maps), size=2)
        product = maps[first].permutation[maps[second].permutation]
        assert product.tobytes() in known


@pytest.mark.parametrize("name", ["1T-TiS2", "hcp-Mg", "olivine-FePO4"])
def test_vectors_follow_the_atoms(name):
    """Displacing and then carrying equals carrying and then displacing by the carried vectors."""
    structure = supercell(name)
    generator = np.random.default_rng(1)
    vectors = generator.normal(0, 0.05, (len(structure), 3))
    moved = displaced(structure, vectors)
    lattice = structure.lattice.matrix
    for item in symmetry_maps(structure)[:: 7 if len(structure) < 60 else 13]:
        expected = displaced(
            apply(item, structure), apply_vectors(item, lattice, vectors)
        ).frac_coords
        assert np.abs(apply(item, moved).frac_coords - expected).max() < 1e-6


def displaced(structure, vectors):
    return Structure(
        structure.lattice,
        structure.species,
        structure.cart_coords + vectors,
        coords_are_cartesian=True,
    )


def test_forces_are_carried_like_a_calculator_would():
    """EMT forces on a distorted Al supercell and on its image agree with `apply_vectors`."""
    from ase.calculators.emt import EMT

    structure = supercell("fcc-Al")
    generator = np.random.default_rng(2)
    distorted = displaced(structure, generator.normal(0, 0.08, (len(structure), 3)))

    def forces(crystal):
        atoms = AseAtomsAdaptor.get_atoms(crystal)
        atoms.calc = EMT()
        return atoms.get_forces()

    before = forces(distorted)
    assert np.abs(before).max() > 0.1
    for item in symmetry_maps(structure)[::331]:
        after = forces(apply(item, distorted))
        carried = apply_vectors(item, structure.lattice.matrix, before)
        assert np.abs(after - carried).max() < 1e-8


def two_ions(name, rank=0, cutoff=4.0, species="Mg"):
    """Supercell, and the supercell with one ion at each end of the shortest hop."""
    host = hosts.load(name)
    structure = supercell(name)
    place = structure.lattice.get_fractional_coords(
        host.structure.lattice.get_cartesian_coords(host.sites[rank].frac_coords)
    )
    hop = distinct_hops(structure, orbit(structure, place), cutoff)[0]
    ends = []
    for coords in (hop.start, hop.end):
        end = structure.copy()
        end.append(species, coords)
        ends.append(end)
    return structure, *ends


@pytest.mark.parametrize("name", ["1T-TiS2", "spinel-Mn2O4", "alpha-V2O5", "olivine-FePO4"])
def test_one_relaxed_end_gives_the_other(name):
    """Distort one end, carry it: every distance of the distorted cell is kept, at the other end."""
    structure, start, end = two_ions(name)
    maps = symmetry_maps(structure)
    found = mapping(start, end, maps)
    assert np.abs(apply(found, start).frac_coords - end.frac_coords).max() < 1e-6
    generator = np.random.default_rng(3)
    relaxed = displaced(start, generator.normal(0, 0.05, (len(start), 3)))
    carried = apply(found, relaxed)
    assert brute_distances(carried, end).max() < 0.3
    assert carried.species == end.species
    order = found.permutation
    assert np.abs(
        carried.distance_matrix[np.ix_(order, order)] - relaxed.distance_matrix
    ).max() == pytest.approx(0, abs=1e-6)


def test_vacancies_are_mapped_too():
    structure = supercell("fcc-Al")
    maps = symmetry_maps(structure)
    ends = []
    for index in (0, 17):
        end = structure.copy()
        end.remove_sites([index])
        ends.append(end)
    found = mapping(*ends, maps)
    assert np.abs(apply(found, ends[0]).frac_coords - ends[1].frac_coords).max() < 1e-6


def test_inequivalent_places_are_not_mapped():
    host = hosts.load("spinel-Mn2O4")
    structure = host.structure
    ends = []
    for site in host.sites:
        end = structure.copy()
        end.append("Mg", site.frac_coords)
        ends.append(end)
    maps = symmetry_maps(structure)
    assert mapping(*ends, maps) is None
    other = structure.copy()
    other.append("Zn", host.sites[0].frac_coords)
    assert mapping(ends[0], other, maps) is None
    assert mapping(ends[0], ends[0], maps).permutation.tolist() == list(range(49))


def test_two_ions_do_not_land_on_one_place():
    """However large the tolerance, a mapping is one to one."""
    chain = Structure(Lattice.orthorhombic(6.0, 9.0, 10.0), ["Ar"], [[0.3, 0, 0]])
    start, end = chain.copy(), chain.copy()
    for x in (0.0, 0.1):
        start.append("Mg", [x, 0.5, 0.5])
    for x in (0.0, 0.5):
        end.append("Mg", [x, 0.5, 0.5])
    assert mapping(start, end, symmetry_maps(chain)[:1], tolerance_A=1.0) is None


@pytest.mark.parametrize(
    ("name", "cutoff", "count"),
    [
        ("1T-TiS2", 4.0, 2),  # the middle of the hop has 2/m: 4 operations, 2 of them swap the ends
        ("spinel-Mn2O4", 4.0, 6),  # 16c, -3m: 12 operations
        ("alpha-V2O5", 4.0, 2),  # along b, mm2 at the middle: 4 operations
        ("olivine-FePO4", 3.0, 1),  # along b, the mirror at y = 1/4
    ],
)
def test_reversing_operations(name, cutoff, count):
    """Half of the operations that keep the middle of the hop in place."""
    structure, start, end = two_ions(name, cutoff=cutoff)
    found = reversing_maps(start, end, symmetry_maps(structure))
    assert len(found) == count
    for item in found:
        there = apply(item, start)
        back = apply(item, end)
        assert np.abs(there.frac_coords - end.frac_coords).max() < 1e-6
        assert np.abs(back.frac_coords - start.frac_coords).max() < 1e-6
        assert item.permutation[-1] == len(start) - 1


def test_reversed_band_is_the_band():
    """A curved path built to be symmetric: image k carried equals image n - k."""
    structure, start, end = two_ions("spinel-Mn2O4")
    item = reversing_maps(start, end, symmetry_maps(structure))[-1]
    generator = np.random.default_rng(4)
    path = end.cart_coords - start.cart_coords
    half = []
    for fraction in (0.1, 0.2, 0.3, 0.4):
        bend = generator.normal(0, 0.03, path.shape)
        half.append(displaced(start, fraction * path + bend))
    mirrored = [apply(item, image) for image in half]
    for image, mirror, fraction in zip(half, mirrored, (0.1, 0.2, 0.3, 0.4), strict=True):
        straight = start.cart_coords + (1 - fraction) * path
        assert np.abs(mirror.cart_coords - straight).max() < 0.2
        again = apply(item, mirror)
        assert image.volume == pytest.approx(again.volume)
        assert sorted(image.distance_matrix.ravel()) == pytest.approx(
            sorted(mirror.distance_matrix.ravel())
        )


def test_a_translation_does_not_reverse():
    """In a cell two hops wide the translation by one hop takes A to B and B to the next A."""
    chain = Structure(Lattice.orthorhombic(6.0, 9.0, 10.0), ["Ar", "Ar"], [[0, 0, 0], [0.5, 0, 0]])
    start, end = chain.copy(), chain.copy()
    start.append("Mg", [0.0, 0.5, 0.5])
    end.append("Mg", [0.5, 0.5, 0.5])
    found = reversing_maps(start, end, symmetry_maps(chain))
    assert len(found) == 4
    assert all(item.rotation[0, 0] == -1 for item in found)


def test_unequal_ends_are_not_reversed():
    host = hosts.load("spinel-Mn2O4")
    start, end = host.structure.copy(), host.structure.copy()
    start.append("Mg", host.sites[0].frac_coords)
    end.append("Mg", host.sites[1].frac_coords)
    assert reversing_maps(start, end, symmetry_maps(host.structure)) == ()


def test_hop_across_the_cell_boundary():
    """The end may be written in any image; the reversal is found all the same."""
    structure, start, end = two_ions("1T-TiS2")
    wrapped = end.copy()
    wrapped[len(wrapped) - 1].frac_coords = end[-1].frac_coords + np.array([1, -1, 2])
    maps = symmetry_maps(structure)
    assert len(reversing_maps(start, wrapped, maps)) == len(reversing_maps(start, end, maps)) == 2


@pytest.mark.parametrize("name", ["spinel-Mn2O4", "O3-NiO2", "anatase-TiO2", "fcc-Cu"])
def test_primitive_cell(name):
    """Same crystal, same frame, atoms on top of those of the large cell, as small as spglib's."""
    structure = hosts.load(name).structure
    large = structure * [[1, 1, 0], [0, 2, 0], [0, -1, 1]]
    small = primitive(large)
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    assert len(small) == len(spglib.find_primitive(cell)[1])
    assert small.density == pytest.approx(structure.density)
    steps = small.lattice.get_fractional_coords(large.lattice.matrix)
    assert np.abs(steps - np.round(steps)).max() < 1e-6
    places = small.lattice.get_fractional_coords(large.cart_coords)
    distances = small.lattice.get_all_distances(places, small.frac_coords)
    assert distances.min(axis=1).max() < 1e-6
    nearest = distances.argmin(axis=1)
    assert [small[int(k)].specie for k in nearest] == [site.specie for site in large]


@pytest.mark.parametrize(
    ("place", "count"),
    [
        ((0.125, 0.125, 0.125), 8),
        ((0, 0, 0), 16),
        ((0.3, 0.125, 0.125), 48),
        ((0.1, 0.2, 0.34), 192),
    ],
)
def test_orbits_of_spinel(place, count):
    """Wyckoff multiplicities 8a, 16c, 48f and 192i of Fd-3m (International Tables, vol. A)."""
    assert len(orbit(hosts.load("spinel-Mn2O4").structure, place)) == count


def test_overlapping_atoms_are_refused():
    crystal = Structure(Lattice.cubic(4.0), ["Al", "Al"], [[0, 0, 0], [0.0001, 0, 0]])
    with pytest.raises(StructureError, match="overlapping atoms") as caught:
        symmetry_maps(crystal)
    assert "symprec" not in str(caught.value)  # no command and no recipe has it


def test_many_operations_are_quick():
    """64 atoms and 1536 operations take a fraction of a second; the bound allows a busy machine."""
    crystal = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    assert len(crystal) == 64
    start = time.process_time()
    maps = symmetry_maps(crystal)
    ends = []
    for place in ((0.125, 0.125, 0.125), (0.625, 0.125, 0.125)):
        end = crystal.copy()
        end.append("Li", place)
        ends.append(end)
    assert mapping(*ends, maps) is not None
    assert len(maps) == 48 * 32
    assert time.process_time() - start < 3.0


def test_noise_is_taken_off_and_a_broken_symmetry_is_kept():
    ideal = hosts.load("rutile-TiO2").structure
    rng = np.random.default_rng(4)
    noisy = ideal.copy()
    for index, vector in enumerate(rng.normal(scale=0.01, size=(len(ideal), 3))):
        noisy.translate_sites([index], vector, frac_coords=False)
    even = symmetrized(noisy, ideal)
    assert len(symmetry_maps(noisy, 1e-3)) < len(symmetry_maps(ideal))
    assert len(symmetry_maps(even, 1e-6)) == len(symmetry_maps(ideal))
    broken = ideal.copy()
    broken.translate_sites([0], [0.3, 0.0, 0.0], frac_coords=False)
    assert symmetrized(broken, ideal) is broken


def test_what_has_the_symmetry_stays_where_it_is():
    ideal = hosts.load("rutile-TiO2").structure
    noisy = ideal.copy()
    noisy.perturb(0.05)
    even = symmetrized(noisy, ideal)
    assert np.abs(even.cart_coords - ideal.cart_coords).max() > 1e-3  # oxygen has a free parameter
    assert np.allclose(symmetrized(even, ideal).cart_coords, even.cart_coords, atol=1e-10)
