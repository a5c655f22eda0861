"""Wulff's shape against geometry, against pymatgen's construction, and against its own surface."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import spglib
from pymatgen.analysis.wulff import WulffShape
from pymatgen.core.lattice import Lattice

from defectflow.analysis.wulff import appears_below_J_per_m2, wulff_shape
from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.planes import standard_cell

#: The 24 proper rotations of a cube and their negatives.
CUBIC = np.array(
    [
        np.eye(3)[list(order)] @ np.diag(signs)
        for order in itertools.permutations(range(3))
        for signs in itertools.product((1, -1), repeat=3)
    ]
)


def cubic(energies):
    return wulff_shape(np.eye(3), CUBIC, energies)


def test_a_cube_has_100_and_an_octahedron_111():
    assert cubic({(1, 0, 0): 1.0, (1, 1, 1): 0.5}).shares()[1, 1, 1] == pytest.approx(1.0)
    # γ111/γ100 = 2/√3 is the cube with its corners cut off to the middle of its edges.
    shape = cubic({(1, 0, 0): 1.0, (1, 1, 1): 2 / np.sqrt(3)})
    triangles, squares = 8 * np.sqrt(3) / 4 * 2, 6 * 2.0
    assert shape.shares()[1, 1, 1] == pytest.approx(triangles / (triangles + squares), rel=1e-6)
    assert shape.counts() == {(1, 0, 0): 6, (1, 1, 1): 8}
    assert all(len(facet.corners) in {3, 4} for facet in shape.facets)


@pytest.mark.parametrize("seed", range(4))
def test_shares_are_those_of_pymatgen(seed):
    planes = [(1, 0, 0), (1, 1, 0), (1, 1, 1), (2, 1, 1)]
    energies = dict(zip(planes, np.random.default_rng(seed).uniform(0.8, 1.2, 4), strict=True))
    theirs = WulffShape(Lattice.cubic(1.0), planes, list(energies.values())).area_fraction_dict
    assert cubic(energies).shares() == pytest.approx(theirs, abs=1e-6)


def test_the_surface_is_closed_and_encloses_what_the_planes_leave():
    energies = {(1, 0, 0): 1.0, (1, 1, 1): 0.9, (1, 1, 0): 0.98}
    shape = cubic(energies)
    assert np.allclose(sum(one.area * one.normal for one in shape.facets), 0.0, atol=1e-9)
    volume = sum(one.area * energies[one.family] / 3 for one in shape.facets)
    points = np.random.default_rng(1).uniform(-1, 1, (200_000, 3))
    inside = np.ones(len(points), dtype=bool)
    for family, energy in energies.items():
        normals = np.unique(np.array(family) @ CUBIC, axis=0) / np.linalg.norm(family)
        inside &= (points @ normals.T <= energy).all(axis=1)
    assert volume == pytest.approx(8 * inside.mean(), rel=0.01)


def test_planes_that_only_the_lattice_makes_equal_are_told_apart():
    """Of a rhombohedral crystal (012) and (102) differ, though its lattice has both alike."""
    whole = standard_cell(hosts.load("O3-LiCoO2").structure)
    cell = (whole.lattice.matrix, whole.frac_coords, whole.atomic_numbers)
    rotations = spglib.get_symmetry(cell)["rotations"]
    shape = wulff_shape(whole.lattice.matrix, rotations, {(0, 0, 1): 1.0, (1, 0, 4): 1.0})
    assert shape.counts()[1, 0, 4] == 6


def test_a_plane_shows_just_below_the_energy_that_is_said():
    energies = {(1, 1, 1): 1.0, (1, 0, 0): 5.0}
    limit = appears_below_J_per_m2(np.eye(3), CUBIC, energies)[1, 0, 0]
    assert limit == pytest.approx(np.sqrt(3))
    assert cubic({**energies, (1, 0, 0): limit - 0.01}).counts()[1, 0, 0] == 6
    assert cubic({**energies, (1, 0, 0): limit + 0.01}).counts()[1, 0, 0] == 0


def test_what_has_no_shape_is_refused():
    for energy in (-1.0, 0.0, np.inf, np.nan):
        with pytest.raises(StructureError, match="not above zero and finite"):
            cubic({(1, 0, 0): energy})
    tetragonal = CUBIC[np.abs(CUBIC[:, 2, 2]) == 1]
    with pytest.raises(StructureError, match="enclose no volume"):
        wulff_shape(np.diag([1.0, 1.0, 2.0]), tetragonal, {(0, 0, 1): 1.0})
    with pytest.raises(StructureError, match="enclose no volume"):
        wulff_shape(np.diag([1.0, 1.0, 2.0]), tetragonal, {(1, 0, 0): 1.0})
    only = appears_below_J_per_m2(
        np.diag([1.0, 1.0, 2.0]), tetragonal, {(0, 0, 1): 1.0, (1, 0, 0): 1.0}
    )
    assert only == {(0, 0, 1): None, (1, 0, 0): None}
