"""Stacking faults, judged by neighbour labels, distances and group theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive
from defectflow.structures.gamma_grid import gamma_grid, gamma_line, gamma_surface, plane_symmetry
from defectflow.structures.planes import plane_basis, reduced_miller, stack_of
from defectflow.structures.stacking_faults import named_faults, stacking_faults

COPPER = hosts.load("fcc-Cu").structure
MAGNESIUM = hosts.load("hcp-Mg").structure
BOND = {"fcc-Cu": 2.556, "hcp-Mg": 3.20}


def ring(labels, pattern):
    """Whether the labels of the planes of a periodic cell are `pattern`, from some plane on."""
    return len(labels) == len(pattern) and pattern in labels + labels


@pytest.mark.parametrize(
    ("host", "fault", "planes", "odd"),
    [
        ("fcc-Cu", "intrinsic", 11, "hh"),
        ("fcc-Cu", "extrinsic", 10, "hfh"),
        ("hcp-Mg", "I1", 9, "f"),
        ("hcp-Mg", "I2", 10, "ff"),
        ("hcp-Mg", "E", 11, "fff"),
    ],
)
def test_a_periodic_cell_holds_one_fault(host, fault, planes, odd, close_packed_labels):
    (cell,) = named_faults(hosts.load(host).structure, fault)
    usual = "f" if host.startswith("fcc") else "h"
    labels = close_packed_labels(cell.structure, BOND[host])
    assert ring(labels, odd + usual * (planes - len(odd)))
    assert set(close_packed_labels(cell.pristine, BOND[host])) == {usual}
    assert cell.planar.count == 1
    a, b, _ = cell.structure.lattice.matrix
    assert cell.planar.area_A2 == pytest.approx(np.linalg.norm(np.cross(a, b)))


@pytest.mark.parametrize("fault", ["intrinsic", "extrinsic"])
@pytest.mark.parametrize("host", ["fcc-Cu", "rocksalt-MgO", "O3-LiCoO2"])
def test_cells_of_a_fault_and_of_the_crystal_are_upright(host, fault):
    """Both hexagonal with one plane's cell, so that one mesh of k-points serves them alike."""
    for cell in named_faults(hosts.load(host).structure, fault, 15.0):
        for structure in (cell.structure, cell.pristine):
            assert structure.lattice.angles == pytest.approx((90, 90, 120))
        assert np.allclose(cell.structure.lattice.matrix[:2], cell.pristine.lattice.matrix[:2])
        volumes = [one.volume / len(one) for one in (cell.structure, cell.pristine)]
        assert volumes[0] == pytest.approx(volumes[1])


def test_the_wrong_sign_of_a_glide_puts_atoms_on_top_of_each_other(close_packed_labels, closest_A):
    (good,) = stacking_faults(COPPER, (1, 1, 1), (1 / 6, 1 / 6, -1 / 3))
    (clash,) = stacking_faults(COPPER, (1, 1, 1), (-1 / 6, -1 / 6, 1 / 3))
    assert ring(close_packed_labels(good.structure, 2.556), "hh" + "f" * 8)
    assert closest_A(good.structure) == pytest.approx(2.556, abs=1e-3)
    assert closest_A(clash.structure) == pytest.approx(2.556 * math.sqrt(2 / 3), abs=1e-3)


def test_a_shift_by_a_lattice_vector_is_no_fault(close_packed_labels):
    (cell,) = stacking_faults(COPPER, (1, 1, 1), (1 / 2, -1 / 2, 0))
    assert set(close_packed_labels(cell.structure, 2.556)) == {"f"}


@pytest.mark.parametrize("origin", [0.0, 0.25, 0.4])
@pytest.mark.parametrize("shift", [(2 / 3, 1 / 3, 0), (1 / 3, 2 / 3, 0)])
def test_both_cuts_of_hcp_are_displaced(shift, origin, close_packed_labels, closest_A):
    """One shift makes AB|CA at one cut, the deformation fault I2, and A on A at the other."""
    crystal = MAGNESIUM.copy()
    crystal.translate_sites([0, 1], [0, 0, origin])
    cells = sorted(
        stacking_faults(crystal, (0, 0, 1), shift), key=lambda one: closest_A(one.structure)
    )
    nearest = [closest_A(cell.structure) for cell in cells]
    assert nearest == pytest.approx([2.605, closest_A(MAGNESIUM)], abs=1e-3)
    assert ring(close_packed_labels(cells[1].structure, 3.20), "ff" + "h" * 6)
    assert {cell.name[-2:] for cell in cells} == {"_1", "_2"}


def test_a_cut_counts_again_only_where_the_displacement_is_another():
    """A shift that an operation between two cuts keeps makes one fault."""
    for shift in ((1, 0, 0), (1 / 2, 0, 0)):
        assert len(list(stacking_faults(MAGNESIUM, (0, 0, 1), shift))) == 1
    stack = stack_of(hosts.load("2H-MoS2").structure, (0, 0, 1))
    heights = stack.cuts_A(stack.from_standard((2 / 3, 1 / 3, 0)))
    assert heights[:2] == stack.cuts_A()  # those that are other ones anyway keep their rank
    assert (heights[2] - heights[0]) / stack.spacing_A % 1.0 == pytest.approx(0.5)  # a gallery


def test_a_line_and_a_grid_reach_the_other_cut_of_hcp(closest_A):
    shift = (2 / 3, 1 / 3, 0)
    ends = [list(gamma_line(MAGNESIUM, (0, 0, 1), shift, 4, cut))[-1] for cut in (1, 2)]
    nearest = sorted(closest_A(cell.structure) for cell in ends)
    assert nearest == pytest.approx([2.605, closest_A(MAGNESIUM)], abs=1e-3)
    grids = [gamma_grid(MAGNESIUM, (0, 0, 1), (6, 6), cut, shift) for cut in (1, 2)]
    assert len(grids[0].distinct()) == len(grids[1].distinct())
    with pytest.raises(StructureError, match="1 distinct cuts"):
        gamma_grid(MAGNESIUM, (0, 0, 1), (6, 6), 2)


def test_a_slab_has_its_fault_inside_and_a_vacuum(close_packed_labels):
    (cell,) = stacking_faults(COPPER, (1, 1, 1), (-1 / 3, 1 / 6, 1 / 6), vacuum_A=12.0)
    labels = close_packed_labels(cell.structure, 2.556)
    assert labels in {"?ffffhhff?", "?fffhhfff?"}
    heights = cell.structure.cart_coords[:, 2]
    assert cell.structure.lattice.c - np.ptp(heights) == pytest.approx(12.0)


@pytest.mark.parametrize("host", ["rocksalt-MgO", "spinel-MgAl2O4", "O3-LiCoO2"])
def test_faults_of_compounds_keep_composition_and_distances(host, closest_A):
    crystal = hosts.load(host).structure
    cells = list(named_faults(crystal, "intrinsic"))
    assert cells
    for cell in cells:
        assert cell.structure.reduced_formula == crystal.reduced_formula
        assert cell.pristine.reduced_formula == crystal.reduced_formula
        assert closest_A(cell.structure) > 0.99 * closest_A(crystal)
        # A cation at a fault may sit in a prism, whose two triangles of oxygen face each other.
        assert closest_A(cell.structure, "O", "O") > 0.7 * closest_A(crystal, "O", "O")


@pytest.mark.parametrize(
    ("host", "miller"),
    [("fcc-Cu", (1, 1, 0)), ("bcc-Fe", (1, 1, 2)), ("rutile-TiO2", (1, 0, 1))],
)
def test_primitive_and_conventional_cells_give_the_same_fault(host, miller, closest_A):
    crystal = hosts.load(host).structure
    stacks = [stack_of(one, miller) for one in (crystal, primitive(crystal), crystal * (2, 1, 1))]
    shift = stacks[0].to_standard(0.3 * stacks[0].matrix[0])
    made = [next(stacking_faults(one, miller, shift)) for one in (crystal, primitive(crystal))]
    first, second = (cell.structure for cell in made)
    assert first.composition == second.composition
    assert first.volume == pytest.approx(second.volume)
    assert closest_A(first) == pytest.approx(closest_A(second), abs=1e-4)
    for other in stacks[1:]:
        assert other.cuts_A() == pytest.approx(stacks[0].cuts_A(), abs=1e-3)
        assert other.spacing_A == pytest.approx(stacks[0].spacing_A)


def test_the_host_is_not_touched():
    crystal = hosts.load("fcc-Cu").structure
    before = crystal.as_dict()
    list(named_faults(crystal, "extrinsic"))
    assert crystal.as_dict() == before


def test_equivalent_planes_are_counted():
    known = {("fcc-Cu", (1, 1, 1)): 4, ("fcc-Cu", (1, 0, 0)): 3, ("hcp-Mg", (0, 0, 1)): 1}
    known |= {("hcp-Mg", (1, 0, 1)): 6, ("fcc-Cu", (3, 2, 1)): 24, ("rutile-TiO2", (1, 0, 1)): 4}
    for (host, miller), number in known.items():
        assert stack_of(hosts.load(host).structure, miller).equivalent_planes() == number


# --- planes


def test_slices_have_the_spacing_of_the_planes():
    """Lattice planes of a cubic crystal: a / |hkl|, halved where centring puts one between."""
    a = COPPER.lattice.a
    spacings = {(1, 1, 1): a / 3**0.5, (1, 0, 0): a / 2, (1, 1, 0): a / 8**0.5}
    spacings[(3, 1, 0)] = a / 10**0.5 / 2
    for miller, spacing in spacings.items():
        stack = stack_of(COPPER, miller)
        assert stack.spacing_A == pytest.approx(spacing)
        assert stack.area_A2 * stack.spacing_A == pytest.approx(a**3 / 4)
        normal = stack.to_standard(np.array([0, 0, 1.0]))
        assert np.allclose(np.cross(normal, miller), 0, atol=1e-9)


def test_plane_basis_is_a_basis():
    chooser = np.random.default_rng(3)
    for _ in range(300):
        index = chooser.integers(-9, 10, size=3).tolist()
        if not any(index):
            continue
        index = [one // math.gcd(*index) for one in index]
        rows = plane_basis(index)
        assert (rows @ index).tolist() == [0, 0, 1]
        assert abs(round(np.linalg.det(rows))) == 1


@pytest.mark.parametrize(
    ("miller", "said"),
    [
        ((0, 0, 0), "no plane"),
        ((1, 1), "no plane"),
        ((1, 0, 1, 0), r"did you mean \(1, 0, -1, 0\)"),
    ],
)
def test_indices_that_are_no_plane(miller, said):
    with pytest.raises(StructureError, match=said):
        reduced_miller(miller)


def test_a_shift_out_of_the_plane_is_refused_with_the_nearest_in_it():
    with pytest.raises(StructureError, match=r"nearest vector that does is \[1/2 -1/2 0\]"):
        stacking_faults(COPPER, (1, 1, 1), (0.51, -0.49, 0.01))
    with pytest.raises(StructureError, match="spanned by"):
        stacking_faults(COPPER, (1, 1, 1), (1, 1, 1))


def test_names_of_faults_need_the_right_stacking():
    with pytest.raises(StructureError, match="not stacked as ABC"):
        list(named_faults(MAGNESIUM, "intrinsic"))
    with pytest.raises(StructureError, match="hcp elements"):
        list(named_faults(COPPER, "I1"))


# --- γ-surfaces


@pytest.mark.parametrize(
    ("host", "miller", "order"),
    [
        ("fcc-Al", (1, 1, 1), 6),  # p3m1
        ("hcp-Mg", (0, 0, 1), 6),
        ("rocksalt-MgO", (1, 0, 0), 8),  # p4mm
        ("bcc-Fe", (1, 1, 0), 4),  # c2mm
        ("bcc-Fe", (1, 1, 2), 2),  # pm
    ],
)
def test_points_of_a_surface_are_counted_by_burnside(host, miller, order):
    crystal = hosts.load(host).structure
    found = gamma_grid(crystal, miller, (10, 10))
    group = plane_symmetry(found.stack, found.cut_A)
    assert len(group) == order
    fixed = 0
    for i in range(10):
        for j in range(10):
            moved = (np.array([i, j]) @ group) % 10
            fixed += int(np.sum(np.all(moved == (i, j), axis=1)))
    assert len(found.distinct()) == fixed / order
    cells = list(gamma_surface(found))
    assert sum(cell.multiplicity for cell in cells) == 100


def neighbours(structure):
    """Sorted distances of all pairs: equal for faults that a symmetry maps on each other."""
    distances = structure.get_neighbor_list(4.5)[3]
    return np.sort(distances)


def test_points_of_one_orbit_are_the_same_fault():
    from defectflow.structures.stacking_faults import fault_cell

    found = gamma_grid(hosts.load("hcp-Mg").structure, (0, 0, 1), (6, 6))
    for point, other in enumerate(found.representative):
        one, two = (
            neighbours(fault_cell(found.stack, found.cut_A, 3, found.shift_A(k)).structure)
            for k in (point, int(other))
        )
        assert np.allclose(one, two, atol=1e-6)


def test_distinct_points_are_different_faults():
    found = gamma_grid(COPPER, (1, 1, 1), (5, 5))
    seen = [neighbours(cell.structure) for cell in gamma_surface(found)]
    for k, one in enumerate(seen):
        for other in seen[:k]:
            assert len(one) != len(other) or not np.allclose(one, other, atol=1e-6)


def test_a_line_runs_from_the_crystal_to_the_fault(close_packed_labels):
    line = list(gamma_line(COPPER, (1, 1, 1), (1 / 6, 1 / 6, -1 / 3), 5))
    assert len(line) == 5
    assert set(close_packed_labels(line[0].structure, 2.556)) == {"f"}
    assert close_packed_labels(line[-1].structure, 2.556).count("h") == 2
    lengths = [np.linalg.norm(cell.planar.shift_A) for cell in line]
    assert np.allclose(np.diff(lengths), COPPER.lattice.a / 6**0.5 / 4)


def test_what_a_grid_lacks_is_said():
    with pytest.raises(StructureError, match="has no points"):
        gamma_grid(COPPER, (1, 1, 1), (0, 4))
    with pytest.raises(StructureError, match="1 distinct cuts"):
        gamma_grid(COPPER, (1, 1, 1), (4, 4), cut=2)
    with pytest.raises(StructureError, match="at least two"):
        gamma_line(COPPER, (1, 1, 1), (0, 0, 0), 1)
