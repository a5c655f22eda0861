"""Twins, judged by labels, mirror images and fingerprints of their two boundaries."""

from __future__ import annotations

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive
from defectflow.structures.twins import twins

CASES = [
    ("fcc-Al", (1, 1, 1)),
    ("bcc-Fe", (1, 1, 2)),
    ("hcp-Mg", (1, 0, 2)),
    ("hcp-Mg", (1, 0, 1)),
    ("rutile-TiO2", (1, 0, 1)),
    ("spinel-MgAl2O4", (1, 1, 1)),
    ("anatase-TiO2", (1, 1, 2)),
    ("O3-LiCoO2", (0, 0, 1)),
]


def test_a_twin_of_fcc_has_two_planes_with_the_neighbours_of_hcp(close_packed_labels, closest_A):
    first, second = twins(hosts.load("fcc-Al").structure, (1, 1, 1))
    bond = hosts.load("fcc-Al").structure.lattice.a / 2**0.5
    labels = close_packed_labels(first.structure, bond)
    assert labels == "hffffhffff"
    assert closest_A(first.structure) == pytest.approx(bond, abs=1e-3)
    assert closest_A(second.structure) == pytest.approx(bond * (2 / 3) ** 0.5, abs=1e-3)
    assert (first.multiplicity, first.planar.count) == (4, 2)


@pytest.mark.parametrize(("host", "miller"), CASES)
def test_every_twin_is_its_own_mirror_image_and_has_the_composition(host, miller, closest_A):
    crystal = hosts.load(host).structure
    for cell in twins(crystal, miller):
        made = cell.structure
        assert made.composition == cell.pristine.composition
        assert made.volume == pytest.approx(cell.pristine.volume)
        assert closest_A(made) > 0.5 * closest_A(crystal)
        image = made.frac_coords * [1, 1, -1]
        for number in set(made.atomic_numbers):
            ours = np.flatnonzero(np.array(made.atomic_numbers) == number)
            distances = made.lattice.get_all_distances(image[ours], made.frac_coords[ours])
            assert np.all(distances.min(axis=1) < 1e-3)


@pytest.mark.parametrize(("host", "miller"), CASES)
def test_both_boundaries_are_the_same_where_the_cell_says_so(
    host, miller, boundary, same_boundaries
):
    told = []
    for cell in twins(hosts.load(host).structure, miller):
        made = cell.structure
        one, two = (boundary(made, height) for height in (0, made.lattice.c / 2))
        assert cell.planar.equivalent == (same_boundaries(one, two)), cell.name
        told.append(cell.planar.equivalent)
    assert any(told)


def test_primitive_and_conventional_cells_give_the_same_twin(boundary, same_boundaries):
    crystal = hosts.load("hcp-Mg").structure
    first, second = (
        next(twins(one, (1, 0, 2))).structure for one in (crystal * (2, 1, 1), primitive(crystal))
    )
    assert len(first) == len(second)
    assert same_boundaries(boundary(first, 0.0), boundary(second, 0.0))


def test_a_plane_along_a_mirror_gives_no_twin():
    with pytest.raises(StructureError, match=r"plane \(100\).*near it are .*111"):
        twins(hosts.load("fcc-Al").structure, (1, 0, 0))
    with pytest.raises(StructureError, match=r"plane \(001\)"):
        twins(hosts.load("hcp-Mg").structure, (0, 0, 1))


def test_planes_too_dense_to_part_are_refused():
    with pytest.raises(StructureError, match=r"plane \(401\).*lower indices"):
        next(twins(hosts.load("O3-LiCoO2").structure, (4, 0, 1)))


@pytest.mark.parametrize(("miller", "number", "steps"), [((0, 1, 2), 1, 1), ((1, 0, 4), 0, 2)])
def test_layers_are_kinked_at_twins_across_them(miller, number, steps, bonds_of):
    """Layers of O3 crystals bend as sheets: each glides by a/√3, or twice that, on the one below.

    The angle is twice that by which a layer's normal leaves the plane of the twin. A mirror through
    oxygen leaves every octahedron whole.
    """
    crystal = hosts.load("O3-LiCoO2").structure
    made = list(twins(crystal, miller, 14.0))[number].structure
    glide_A, spacing_A = steps * crystal.lattice.a / 3**0.5, crystal.lattice.c / 3
    metals = [k for k, site in enumerate(made) if site.specie.symbol != "O"]
    heights = made.cart_coords[:, 2] / made.lattice.matrix[2, 2]
    normals = []
    for middle in (0.25, 0.75):
        atom = min(metals, key=lambda k: abs(heights[k] - middle))
        vectors, owner = bonds_of(made, atom, 1.02 * crystal.lattice.a)
        same = [made[int(k)].specie == made[atom].specie for k in owner]
        assert sum(same) == 6
        normals.append(np.linalg.svd(vectors[same])[2][-1])
    angle = np.degrees(np.arccos(abs(normals[0] @ normals[1])))
    assert angle == pytest.approx(2 * np.degrees(np.arctan(glide_A / spacing_A)), abs=0.1)
    for atom in metals:
        vectors, owner = bonds_of(made, atom, 2.4)
        oxygen = vectors[[made[int(k)].specie.symbol == "O" for k in owner]]
        assert len(oxygen) == 6
        assert all(np.linalg.norm(oxygen + one, axis=1).min() < 0.7 for one in oxygen)
