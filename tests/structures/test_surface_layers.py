"""Defects by layer, and groups on cut bonds."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from defectflow.errors import Remark, StructureError
from defectflow.recipes.kinds.surfaces import Surface, SurfaceDefect, SurfaceGroup
from defectflow.structures import hosts

RUTILE = {"miller": (1, 1, 0), "polar": "skip"}


def heights_below_top(cell) -> float:
    z = cell.pristine.cart_coords[:, 2]
    return float(z.max() - cell.changed[0].frac_coords[2] * cell.pristine.lattice.c)


def test_oxygen_vacancies_of_rutile_110_are_bridging_in_plane_and_subbridging():
    host = hosts.load("rutile-TiO2").structure
    with pytest.warns(Remark, match=r"left out \(110\)_1, O2Ti2 above, O below: polar"):
        cells = list(SurfaceDefect(species="O", depth=3, **RUTILE).cells(host))
    by_layer = {cell.name.rpartition(" ")[2]: cell for cell in cells}
    assert sorted(by_layer) == ["1", "2", "3"]
    depths = [heights_below_top(by_layer[k]) for k in "123"]
    assert depths == sorted(depths)
    assert depths[0] == pytest.approx(0, abs=1e-6)
    # The bridging oxygen of the upper face has two titanium neighbours, the in-plane one three.
    for k, count in (("1", 2), ("2", 3), ("3", 3)):
        cell = by_layer[k]
        place = cell.pristine[cell.changed[0].index]
        near = [n for n in cell.pristine.get_neighbors(place, 2.3) if n.specie.symbol == "Ti"]
        assert len(near) == count
    assert all(len(cell.structure) == len(cell.pristine) - 1 for cell in cells)


def test_dopants_below_the_surface_of_a_metal_are_one_per_layer():
    host = hosts.load("fcc-Ag").structure
    cells = list(SurfaceDefect(miller=(1, 1, 1), replace={"Ag": "Pd"}, depth=2).cells(host))
    assert sorted(cell.name.rpartition(" ")[2] for cell in cells) == ["1", "2"]
    assert {cell.structure.formula for cell in cells} == {"Ag19 Pd1"}


@pytest.mark.parametrize(
    ("group", "symbols", "length_A"),
    [
        ("hydroxyl", "OH", 0.97),
        ("fluorine", "F", None),
        ("oxygen", "O", None),
        ("carbonyl", "CO", 1.15),
    ],
)
def test_groups_stand_on_cut_bonds(group, symbols, length_A):
    host = hosts.load("rutile-TiO2").structure
    with pytest.warns(Remark, match=r"left out \(110\)_1"):
        cells = list(SurfaceGroup(group=group, on="Ti", **RUTILE).cells(host))
    assert len(cells) == 1  # the fivefold titanium; the sixfold one lacks nothing
    cell = cells[0]
    assert "".join(change.after for change in cell.changed) == symbols
    first = cell.structure[len(cell.pristine)]
    titanium = min(
        (n for n in cell.structure.get_neighbors(first, 3) if n.specie.symbol == "Ti"),
        key=lambda n: n.nn_distance,
    )
    before = cell.pristine.get_neighbors(cell.pristine[titanium.index], 2.3)
    assert len(before) == 5
    # Where the sixth oxygen of the octahedron was: straight up.
    up = (first.coords - titanium.coords) / titanium.nn_distance
    assert up[2] == pytest.approx(1.0, abs=0.02)
    if length_A:
        last = cell.structure[len(cell.pristine) + 1]
        assert first.distance(last) == pytest.approx(length_A, abs=1e-6)
        angle = np.degrees(np.arccos(np.dot(up, (last.coords - first.coords) / length_A)))
        assert angle == pytest.approx(70 if group == "hydroxyl" else 0, abs=1)


def test_a_carbonyl_on_carbon_is_a_double_bond_straight_up():
    diamond = Structure.from_spacegroup("Fd-3m", Lattice.cubic(3.567), ["C"], [[0, 0, 0]])
    cell = next(SurfaceGroup(group="carbonyl", miller=(0, 0, 1)).cells(diamond))
    assert [change.after for change in cell.changed] == ["O"]
    oxygen = cell.structure[-1]
    (carbon,) = cell.structure.get_neighbors(oxygen, 1.5)
    assert carbon.nn_distance == pytest.approx(1.22)
    assert (oxygen.coords - carbon.coords)[2] == pytest.approx(1.22, abs=1e-3)


@pytest.mark.parametrize(
    ("host", "miller", "on"),
    [
        ("rocksalt-MgO", (0, 0, 1), "Mg"),
        ("rocksalt-MgO", (0, 0, 1), "O"),
        ("rutile-TiO2", (1, 1, 0), "Ti"),
        ("rutile-TiO2", (1, 1, 0), "O"),
        ("O3-LiCoO2", (1, 0, 4), "Co"),
    ],
)
def test_a_carbonate_is_flat_with_three_equal_bonds(host, miller, on):
    crystal = hosts.load(host).structure
    choice = SurfaceGroup(group="carbonate", on=on, miller=miller, polar="skip")
    cell = next(choice.cells(crystal))
    added = [change.after for change in cell.changed]
    assert sorted(added) == (["C", "O", "O"] if on == "O" else ["C", "O", "O", "O"])
    old = len(cell.pristine)
    centre = cell.structure[old + added.index("C")]
    bonds = sorted(cell.structure.get_neighbors(centre, 2.0), key=lambda one: one.nn_distance)
    assert [one.specie.symbol for one in bonds] == ["O", "O", "O"]
    assert [one.nn_distance for one in bonds] == pytest.approx([1.28] * 3, abs=1e-3)
    arms = [one.coords - centre.coords for one in bonds]
    assert np.allclose(sum(arms), 0.0, atol=1e-3)  # flat, and 120° apart
    # At least one of the three is bonded to the face.
    metals = {"Mg", "Ti", "Co", "Li"}
    bound = [
        one.index
        for one in bonds
        if any(n.specie.symbol in metals for n in cell.structure.get_neighbors(one, 2.4))
    ]
    assert bound
    if on == "O":
        assert any(index < old for index in bound)
    near = cell.structure.distance_matrix[old:, :old]
    assert near.min() > 1.2


def test_a_full_face_has_one_group_per_open_atom():
    host = hosts.load("rutile-TiO2").structure
    one = next(SurfaceGroup(group="fluorine", on="Ti", **RUTILE).cells(host))
    full = next(SurfaceGroup(group="fluorine", on="Ti", coverage="full", **RUTILE).cells(host))
    assert len(one.changed) == 1
    assert len(full.changed) == 4


def test_a_face_without_that_element_is_refused():
    host = hosts.load("rutile-TiO2").structure
    with pytest.raises(StructureError, match="no Cu of the upper face"):
        next(SurfaceGroup(group="hydroxyl", on="Cu", **RUTILE).cells(host))


@pytest.mark.parametrize("wrong", [{}, {"miller": (1, 1, 1), "highest": 1}])
def test_one_plane_or_all(wrong):
    with pytest.raises(ValueError, match="give either `miller`"):
        Surface(**wrong)
