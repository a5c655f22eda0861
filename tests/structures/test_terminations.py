"""Surfaces: counted by group theory, composition exact, faces and dipoles from the atoms."""

from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from defectflow.errors import Remark, StructureError
from defectflow.structures import hosts
from defectflow.structures.oxidation import oxidation_states
from defectflow.structures.planes import distinct_planes
from defectflow.structures.symmetry import symmetry_maps
from defectflow.structures.terminations import side_by_side, surfaces

HOSTS = ("fcc-Cu", "rocksalt-MgO", "fluorite-CeO2", "rutile-TiO2", "spinel-LiMn2O4", "1T-TiS2")


def slabs(name, planes=None, **options):
    host = hosts.load(name).structure
    return host, list(surfaces(host, planes or distinct_planes(host, 1), **options))


def dipole(cell, charges) -> float:
    """Return the dipole of a slab per area, e/Å."""
    q = [charges[site.specie.symbol] for site in cell.structure]
    return float(np.dot(q, cell.structure.cart_coords[:, 2])) / cell.planar.area_A2


@pytest.mark.parametrize("name", [*HOSTS, "olivine-LiFePO4", "anatase-TiO2"])
def test_planes_are_the_orbits_of_normals_under_the_point_group(name):
    analyzer = SpacegroupAnalyzer(hosts.load(name).structure)
    whole = analyzer.get_conventional_standard_structure()
    normals = whole.lattice.reciprocal_lattice_crystallographic.matrix
    turns = [
        one.rotation_matrix
        for one in SpacegroupAnalyzer(whole).get_point_group_operations(cartesian=True)
    ]
    orbits = set()
    for index in itertools.product(range(-2, 3), repeat=3):
        if any(index) and math.gcd(*index) == 1:
            images = [turn @ (np.array(index) @ normals) for turn in turns]
            rows = {tuple(np.round(sign * one, 4) + 0.0) for one in images for sign in (1, -1)}
            inside = np.array(sorted(rows)) @ np.linalg.inv(normals)
            orbits.add(tuple(sorted(map(tuple, np.round(inside, 2) + 0.0))))
    ours = distinct_planes(whole, 2)
    high = [orbit for orbit in orbits if np.abs(orbit).max() <= 2]
    beyond = len(orbits) - len(high)
    assert len(high) <= len(ours) <= len(high) + beyond
    for orbit in high:
        assert sum(any(np.allclose(one, other) for other in orbit) for one in ours) == 1


@pytest.mark.parametrize("name", HOSTS)
def test_every_slab_is_the_crystal_with_nothing_lost_or_squeezed(name):
    host, cells = slabs(name)
    bulk = min(n.nn_distance for k in range(len(host)) for n in host.get_neighbors(host[k], 4))
    for cell in cells:
        assert cell.structure.reduced_formula == host.reduced_formula
        assert len(cell.structure) == len(cell.pristine)
        found = min(
            n.nn_distance for site in cell.structure for n in cell.structure.get_neighbors(site, 4)
        )
        assert found == pytest.approx(bulk, abs=1e-4), cell.name
        heights = cell.structure.cart_coords[:, 2]
        assert np.ptp(heights) > 8
        assert cell.structure.lattice.matrix[2, 2] - np.ptp(heights) == pytest.approx(12.0)
        assert cell.structure.lattice.matrix[2, :2] == pytest.approx([0, 0], abs=1e-9)


@pytest.mark.parametrize("name", HOSTS)
def test_faces_said_to_be_alike_are_mapped_by_an_operation_of_the_slab(name):
    _, cells = slabs(name)
    for cell in cells:
        turning = [one for one in symmetry_maps(cell.structure) if one.rotation[2, 2] < -0.5]
        assert bool(turning) == cell.planar.equivalent, cell.name


@pytest.mark.parametrize("name", HOSTS)
def test_polar_is_what_has_a_dipole_that_grows(name):
    host = hosts.load(name).structure
    charges = oxidation_states(host)
    planes = distinct_planes(host, 1)
    thin = list(surfaces(host, planes, (8.0, 12.0)))
    thick = list(surfaces(host, planes, (24.0, 12.0)))
    for one, other in zip(thin, thick, strict=True):
        grows = abs(dipole(other, charges)) > 1.5 * abs(dipole(one, charges)) + 0.01
        assert grows == (one.note == "polar"), one.name


@pytest.mark.parametrize(
    ("name", "plane", "faces"),
    [
        ("rocksalt-MgO", (0, 0, 1), ["MgO on both faces"]),
        ("fluorite-CeO2", (1, 1, 1), ["O on both faces, Tasker 2", "Ce above, O below, polar"]),
        ("rutile-TiO2", (1, 1, 0), ["O2Ti2 above, O below, polar", "O on both faces, Tasker 2"]),
        ("anatase-TiO2", (0, 0, 1), ["O on both faces, Tasker 2", "Ti above, O below, polar"]),
    ],
)
def test_terminations_known_from_the_literature(name, plane, faces):
    _, cells = slabs(name, [plane])
    assert [cell.planar.said[: len(said)] for cell, said in zip(cells, faces, strict=True)] == faces
    for cell in cells:
        top = cell.structure[int(np.argmax(cell.structure.cart_coords[:, 2]))].specie.symbol
        assert top in cell.planar.said.split(" ", maxsplit=1)[0]


@pytest.mark.parametrize(
    ("name", "plane"),
    [
        ("rocksalt-MgO", (1, 1, 1)),
        ("fluorite-CeO2", (0, 0, 1)),
        ("spinel-LiMn2O4", (0, 0, 1)),
        ("spinel-LiNi0.5Mn1.5O4", (1, 1, 1)),  # a plane of Mn3Ni: not any half of it has the charge
        ("olivine-LiFePO4", (0, 1, 0)),
    ],
)
def test_a_compensated_slab_has_no_dipole_and_all_its_atoms(name, plane):
    host = hosts.load(name).structure
    charges = oxidation_states(host)
    polar = list(surfaces(host, [plane]))
    assert all(cell.note == "polar" for cell in polar)
    found = list(surfaces(host, [plane], polar="compensate"))
    for cell in found:
        assert abs(dipole(cell, charges)) < 1e-6
        assert cell.structure.reduced_formula == host.reduced_formula
        close = cell.structure.distance_matrix
        assert close[close > 1e-6].min() > 1.3
        assert "moved to the other face" in cell.planar.said
    assert found
    with pytest.warns(Remark, match=r"left out \(.*\).*: polar"):
        assert list(surfaces(host, [plane], polar="skip")) == []


def test_a_termination_that_cannot_be_compensated_is_left_out_and_named():
    host = hosts.load("spinel-LiMn2O4").structure
    with pytest.warns(Remark, match=r"left out \(111\)_2: no part of an outermost plane"):
        found = list(surfaces(host, [(1, 1, 1)], polar="compensate"))
    assert [cell.name for cell in found] == ["(111)_1 compensated", "(111)_3 compensated"]
    faces = [cell.planar.said.partition(", polar")[0] for cell in surfaces(host, [(1, 1, 1)])]
    assert len(faces) == 3
    with pytest.raises(StructureError, match=r"\(111\)_2: no part of an outermost plane"):
        list(surfaces(host, [(1, 1, 1)], polar="compensate", wanted=([f"(111) {faces[1]}"], None)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Remark)  # nothing is left out before the first
        (first,) = surfaces(host, [(1, 1, 1)], polar="compensate", wanted=((), 1))
    assert first.name == "(111)_1 compensated"


def test_primitive_and_conventional_cell_give_the_same_slabs():
    host = hosts.load("spinel-LiMn2O4").structure
    ours = [
        [(cell.name, len(cell.structure), cell.planar.said, cell.multiplicity) for cell in made]
        for made in (
            surfaces(host, [(1, 1, 1)]),
            surfaces(host.get_primitive_structure(), [(1, 1, 1)]),
        )
    ]
    assert ours[0] == ours[1]
    assert ours[0][0][3] == 4


def test_cells_side_by_side_keep_all_else():
    _, (cell,) = slabs("fcc-Cu", [(1, 1, 1)])
    wide = side_by_side(cell, (2, 3))
    assert len(wide.structure) == 6 * len(cell.structure)
    assert wide.planar.area_A2 == pytest.approx(6 * cell.planar.area_A2)


def test_what_cannot_be_cut_is_refused():
    host = hosts.load("rocksalt-MgO").structure
    with pytest.raises(StructureError, match="no plane"):
        surfaces(host, [(0, 0, 0)])
    with pytest.raises(StructureError, match="give 1 or more"):
        distinct_planes(host, 0)
    with pytest.raises(StructureError, match="oxidation_states"):
        surfaces(host, [(1, 1, 1)], charges={"Mg": 1.0, "O": -2.0})
