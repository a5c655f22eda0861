"""Grain boundaries, judged by what is measured from their atoms and by other packages."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive
from defectflow.structures.boundary_planes import BoundaryChoice, boundary, tilt_planes
from defectflow.structures.coincidence import Lattices, low_angle, rotations
from defectflow.structures.disorientation import disorientation_deg
from defectflow.structures.grain_boundaries import BoundaryScan, grain_boundaries

CASES = [
    ("fcc-Al", BoundaryChoice((0, 0, 1), 5, (3, 1, 0)), 36.87),
    ("fcc-Al", BoundaryChoice((1, 1, 0), 3, (1, -1, 1)), 60.0),
    ("fcc-Al", BoundaryChoice((0, 0, 1), 5, character="twist"), 36.87),
    ("fcc-Al", BoundaryChoice((0, 0, 1), 5, (3, 1, 1), character="mixed"), 36.87),
    ("bcc-Fe", BoundaryChoice((1, 1, 0), 9), 38.94),
    ("rocksalt-MgO", BoundaryChoice((0, 0, 1), 5, (3, 1, 0)), 36.87),
    ("fluorite-CeO2", BoundaryChoice((1, 1, 0), 3, (1, -1, 1)), 60.0),
    ("rutile-TiO2", BoundaryChoice((0, 0, 1), 5, (3, 1, 0)), 36.87),
    ("hcp-Mg", BoundaryChoice((0, 0, 1), 7), 21.79),
    ("O3-LiCoO2", BoundaryChoice((0, 0, 1), 7), 38.21),
]
NAMES = [f"{host}-{choice.sigma}-{choice.character}" for host, choice, _ in CASES]


def middles(structure):
    """One atom in the middle of each grain, of the first element."""
    c = structure.lattice.matrix[2, 2]
    symbols = np.array([site.specie.symbol for site in structure])
    of_kind = np.flatnonzero(symbols == symbols[0])
    heights = structure.cart_coords[of_kind, 2] % c
    lower = np.minimum(heights, c - heights)
    return int(of_kind[np.argmin(lower)]), int(of_kind[np.argmin(np.abs(heights - c / 2))])


def first_cells(host, choice, number=3, **scan):
    scan = BoundaryScan(**{"shifts": (2, 2), "min_thickness_A": 12.0} | scan)
    crystal = hosts.load(host).structure
    return crystal, list(itertools.islice(grain_boundaries(crystal, choice, scan), number))


@pytest.mark.parametrize(("host", "choice", "angle"), CASES, ids=NAMES)
def test_atoms_show_the_disorientation_and_the_composition(host, choice, angle):
    crystal, cells = first_cells(host, choice)
    assert cells
    for cell in cells:
        made = cell.structure
        assert made.reduced_formula == crystal.reduced_formula
        assert disorientation_deg(made, crystal, middles(made)) == pytest.approx(angle, abs=0.02)


@pytest.mark.parametrize(("host", "choice", "angle"), CASES, ids=NAMES)
def test_no_two_atoms_overlap(host, choice, angle, closest_A):
    crystal, cells = first_cells(host, choice)
    elements = sorted({site.specie.symbol for site in crystal})
    for cell in cells:
        for one, other in itertools.combinations_with_replacement(elements, 2):
            usual = closest_A(crystal, one, other)
            if usual < 3.9:
                assert closest_A(cell.structure, one, other) > 0.699 * usual


@pytest.mark.parametrize(("host", "choice", "angle"), CASES, ids=NAMES)
def test_both_boundaries_are_the_same(host, choice, angle, boundary, same_boundaries):
    _, cells = first_cells(host, choice)
    for cell in cells:
        c = cell.structure.lattice.matrix[2, 2]
        # The grains are centred on 0 and c/2; the boundaries lie between, as high as the lower.
        seen = [boundary(cell.structure, sign * c / 4, depth_A=c / 4 - 1.0) for sign in (1, -1)]
        if cell.planar.equivalent:
            assert same_boundaries(*seen), cell.name
    assert any(cell.planar.equivalent for cell in cells)


def test_sigma_and_angles_are_those_of_pymatgen():
    from pymatgen.core.interface import GrainBoundaryGenerator as Peer

    def angles(lattices, axis, most):
        found = {}
        for one in rotations(lattices, axis, most):
            found.setdefault(one.sigma, []).append(one.angle_deg)
        return found

    cubic = Lattices.of(hosts.load("fcc-Al").structure)
    for axis in ((0, 0, 1), (1, 1, 0), (1, 1, 1)):
        theirs = Peer.enum_sigma_cubic(29, axis)
        ours = angles(cubic, axis, 29)
        assert set(ours) == set(theirs)
        for sigma, values in ours.items():
            for value in values:
                assert np.min(np.abs(np.array(theirs[sigma]) - value)) < 1e-3
    hexagonal = Lattices.of(hosts.load("hcp-Mg").structure)
    for axis in ((0, 0, 1), (1, 0, 0), (2, 1, 0)):
        assert set(angles(hexagonal, axis, 25)) == set(Peer.enum_sigma_hex(25, axis, (8, 3)))


@pytest.mark.parametrize(
    ("axis", "sigma", "miller", "area"),
    [
        # Smallest cells of symmetric tilt boundaries of fcc, in a²: the period along the axis
        # times the one across it (V. Randle, The Measurement of Grain Boundary Geometry, 1993).
        ((0, 0, 1), 5, (3, 1, 0), math.sqrt(10) / 2),
        ((0, 0, 1), 5, (2, 1, 0), math.sqrt(5) / 2),
        ((0, 0, 1), 5, (2, -1, 0), math.sqrt(5) / 2),
        ((1, 1, 0), 3, (1, -1, 1), math.sqrt(3) / 4),
        ((0, 0, 1), 5, (0, 0, 1), 5 / 2),
    ],
)
def test_the_cell_is_the_smallest_whatever_the_sign_of_the_plane(axis, sigma, miller, area):
    aluminium = hosts.load("fcc-Al").structure
    a = aluminium.lattice.a
    for signed in (miller, tuple(-k for k in miller)):
        found = boundary(Lattices.of(aluminium), BoundaryChoice(axis, sigma, signed))
        assert found.area_A2 == pytest.approx(area * a**2)
        assert sorted(map(abs, found.other_miller)) == sorted(map(abs, miller))


def test_areas_are_those_of_the_sublattice_by_brute_force():
    """Vectors of one grain's plane that the other has too, found by rotating them."""
    crystal = hosts.load("fcc-Al").structure
    lattices = Lattices.of(crystal)
    found = boundary(lattices, BoundaryChoice((1, 1, 0), 9))
    axis = np.array([1, 1, 0]) / 2**0.5
    a = crystal.lattice.a
    steps = np.array(list(itertools.product(range(-12, 13), repeat=3)))
    steps = steps[(steps.sum(axis=1) % 2 == 0) & (steps @ found.miller == 0)] / 2
    areas = []
    for sense in (1, -1):
        angle = math.radians(sense * found.rotation.angle_deg)
        cross = np.cross(np.eye(3), axis)
        turn = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
        images = steps @ turn * 2
        shared = steps[
            np.all(np.abs(images - np.round(images)) < 1e-6, axis=1)
            & (np.round(images).sum(axis=1) % 2 == 0)
            & np.any(steps, axis=1)
        ]
        products = np.linalg.norm(np.cross(shared[:, None], shared[None]), axis=2)
        areas.append(products[products > 1e-6].min(initial=np.inf) * a**2)
    assert found.area_A2 == pytest.approx(min(areas))


def test_a_coherent_twin_is_among_the_displacements(close_packed_labels):
    crystal = hosts.load("fcc-Al").structure
    cell = next(grain_boundaries(crystal, BoundaryChoice((1, 1, 0), 3, (1, -1, 1))))
    labels = close_packed_labels(cell.structure, crystal.lattice.a / 2**0.5)
    assert labels.count("h") == 2
    assert labels.count("f") == len(labels) - 2


def test_low_angles_are_met():
    aluminium = hosts.load("fcc-Al").structure
    turn = low_angle(Lattices.of(aluminium), (0, 0, 1), 9.0)
    assert turn.angle_deg == pytest.approx(9.0, abs=1.0)
    choice = BoundaryChoice((0, 0, 1), angle_deg=12.0)
    crystal, (cell, *_) = first_cells("fcc-Al", choice, shifts=(1, 1))
    assert disorientation_deg(cell.structure, crystal, middles(cell.structure)) == pytest.approx(
        12.68, abs=0.02
    )


def test_a_strain_is_told_where_the_axis_needs_one():
    _, (cell, *_) = first_cells("hcp-Mg", BoundaryChoice((1, 0, 0), 18, character="twist"), 1)
    assert "strain" in cell.planar.said
    _, (cell, *_) = first_cells("hcp-Mg", BoundaryChoice((0, 0, 1), 7), 1)
    assert "strain" not in cell.planar.said


def test_primitive_and_conventional_cells_give_the_same_boundary(closest_A):
    crystal = hosts.load("fluorite-CeO2").structure
    choice, scan = BoundaryChoice((0, 0, 1), 5, (3, 1, 0)), BoundaryScan(shifts=(1, 1))
    first, second = (
        list(grain_boundaries(one, choice, scan)) for one in (crystal, primitive(crystal))
    )
    assert [len(one.structure) for one in first] == [len(one.structure) for one in second]
    for one, other in zip(first, second, strict=True):
        assert closest_A(one.structure) == pytest.approx(closest_A(other.structure), abs=1e-3)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        (BoundaryChoice((0, 0, 1), 7), "nearest are Σ 5, 13, 17"),
        (BoundaryChoice((0, 0, 1), 5, (3, 1, 1)), r"does not contain the axis.*\(310\)"),
        (BoundaryChoice((0, 0, 1), 5, (3, 1, 0), character="twist"), r"twist is \(001\)"),
        (BoundaryChoice((0, 0, 1), 5, (3, 1, 0), character="mixed"), "tilt boundary"),
        (BoundaryChoice((0, 0, 1), 5, angle_deg=30), "has 36.87, 53.13|has 36.87"),
        (BoundaryChoice((0, 0, 1)), "give Σ, or an angle"),
        (BoundaryChoice((0, 0, 0), 5), "no direction"),
    ],
)
def test_what_does_not_exist_is_refused_with_the_nearest(choice, said):
    with pytest.raises(StructureError, match=said):
        grain_boundaries(hosts.load("fcc-Al").structure, choice)


def test_a_cell_that_is_too_large_is_refused():
    with pytest.raises(StructureError, match="make them thinner"):
        grain_boundaries(
            hosts.load("spinel-MgAl2O4").structure,
            BoundaryChoice((0, 0, 1), 29),
            BoundaryScan(max_atoms=300),
        )


def test_symmetric_planes_are_equivalent_planes_of_both_grains():
    lattices = Lattices.of(hosts.load("fcc-Al").structure)
    known = {5: {(2, 1, 0), (3, 1, 0)}, 13: {(3, 2, 0), (5, 1, 0)}, 29: {(5, 2, 0), (7, 3, 0)}}
    for turn in rotations(lattices, (0, 0, 1), 29):
        symmetric = {
            tuple(sorted(map(abs, miller), reverse=True))
            for miller, alike, _ in tilt_planes(lattices, turn)
            if alike
        }
        assert symmetric
        if turn.sigma in known:
            assert symmetric <= known[turn.sigma] | {(1, 0, 0), (1, 1, 0)}


def test_the_measure_refuses_an_atom_at_the_boundary():
    crystal, (cell, *_) = first_cells("fcc-Al", BoundaryChoice((0, 0, 1), 5, character="twist"))
    structure = cell.structure
    c = structure.lattice.matrix[2, 2]
    worst = int(np.argmin(np.abs(structure.cart_coords[:, 2] % c - c / 4)))
    with pytest.raises(StructureError, match="farther from the boundary"):
        disorientation_deg(structure, crystal, (worst, worst))
