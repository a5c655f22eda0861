"""The record of a defect: bookkeeping of atoms, and the input left alone."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures.cells import (
    Cell,
    Change,
    edited,
    insertion,
    require_element,
    site_change,
)


@pytest.fixture
def magnesia():
    structure = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    return structure.add_site_property("magmom", [float(k) for k in range(8)])


def test_removal_keeps_order_of_the_others(magnesia):
    changed = edited(magnesia, [site_change(magnesia, 2, None), site_change(magnesia, 5, None)])
    assert changed.site_properties["magmom"] == [0.0, 1.0, 3.0, 4.0, 6.0, 7.0]
    assert changed.composition.formula == "Mg3 O3"


def test_replacement_keeps_place_and_properties(magnesia):
    changed = edited(magnesia, [site_change(magnesia, 3, "Zn")])
    assert changed[3].specie.symbol == "Zn"
    assert changed[3].distance(magnesia[3]) < 1e-9
    assert changed.site_properties["magmom"][3] == 3.0


def test_insertion_comes_last(magnesia):
    change = insertion(magnesia, "Li", (0.25, 0.25, 0.25))
    changed = edited(magnesia, [change])
    assert change.index == len(magnesia)
    assert changed[change.index].specie.symbol == "Li"
    assert changed[:8] == magnesia[:8]


def test_several_changes_count_from_the_pristine_cell(magnesia):
    """Removing a low index first must not shift what the others mean."""
    cell = Cell.from_changes(
        magnesia,
        [
            site_change(magnesia, 0, None),
            site_change(magnesia, 7, "F"),
            insertion(magnesia, "Li", (0.25, 0.25, 0.25)),
        ],
        name="V_Mg+F_O+Li_i",
        kind="complex",
        multiplicity=1,
    )
    assert cell.structure.composition.formula == "Li1 Mg3 O3 F1"
    assert cell.structure[6].specie.symbol == "F"
    assert cell.charge == 0


def test_pristine_is_not_mutated(magnesia):
    before = magnesia.copy()
    edited(magnesia, [site_change(magnesia, 0, None), insertion(magnesia, "Li", (0.1, 0.2, 0.3))])
    assert magnesia == before
    assert len(magnesia) == 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("remove", "Mg", None, (0.0, 0.0, 0.0), 8), "atoms 0 to 7"),
        (Change("remove", "Mg", None, (0.0, 0.0, 0.0), -1), "atoms 0 to 7"),
        (Change("replace", "O", "F", (0.0, 0.0, 0.0), 0), "it is Mg, not O"),
    ],
)
def test_a_change_that_does_not_fit_is_refused(magnesia, change, words):
    with pytest.raises(StructureError, match=words):
        edited(magnesia, [change])


@pytest.mark.parametrize("symbol", ["Xx", "mg", "", "Magnesium", "Mg2+"])
def test_unknown_elements_are_refused(symbol):
    with pytest.raises(StructureError, match="not a chemical element"):
        require_element(symbol)
    require_element("Mg")
