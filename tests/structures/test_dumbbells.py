"""Split interstitials: directions and multiplicities by spglib, geometry."""

from __future__ import annotations

import numpy as np
import pytest
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive
from defectflow.structures.dumbbells import SEPARATION, dumbbells


def test_the_three_dumbbells_of_a_cubic_metal():
    """Three axes along the edges of a cube, six face and four body diagonals."""
    for name in ("fcc-Cu", "bcc-Fe"):
        cells = list(dumbbells(hosts.load(name).structure * (2, 2, 2)))
        assert [cell.multiplicity for cell in cells] == [3, 6, 4]
    mixed = dumbbells(hosts.load("fcc-Cu").structure * (2, 2, 2), "Ni")
    assert [cell.multiplicity for cell in mixed] == [6, 12, 8]


@pytest.mark.parametrize("name", ["fcc-Cu", "hcp-Mg", "rutile-TiO2", "2H-MoS2"])
def test_multiplicity_is_the_group_over_the_stabiliser(name):
    """Order of the point group of the crystal over that of the cell with the dumbbell."""
    structure = primitive(hosts.load(name).structure)
    host = structure * (3, 3, 3)
    whole = len(SpacegroupAnalyzer(structure).get_symmetry_operations())
    for cell in dumbbells(host):
        kept = len(SpacegroupAnalyzer(cell.structure).get_symmetry_operations())
        assert cell.multiplicity * kept == whole, cell.name


@pytest.mark.parametrize("name", ["fcc-Cu", "rutile-TiO2", "hcp-Mg"])
def test_same_answer_from_every_cell(name):
    structure = hosts.load(name).structure
    answers = [
        sorted(cell.multiplicity for cell in dumbbells(crystal))
        for crystal in (structure, primitive(structure), structure * (2, 1, 1))
    ]
    assert answers[0] == answers[1] == answers[2]


def test_two_atoms_share_the_site():
    host = hosts.load("fcc-Cu").structure * (2, 2, 2)
    cell = next(dumbbells(host, "Ni", families=["110"]))
    removed, nickel, copper = cell.changed
    assert len(cell.structure) == len(host) + 1
    assert cell.structure[nickel.index].specie.symbol == "Ni"
    assert cell.structure[copper.index].specie.symbol == "Cu"
    for change in (nickel, copper):
        assert cell.structure[change.index].frac_coords == pytest.approx(change.frac_coords)
    nearest_A = 3.6147 / np.sqrt(2)
    gap_A = cell.structure.get_distance(nickel.index, copper.index)
    assert gap_A == pytest.approx(SEPARATION * nearest_A, rel=1e-3)
    ends = np.array([nickel.frac_coords, copper.frac_coords])
    assert ends.mean(axis=0) == pytest.approx(removed.frac_coords)
    axis = np.abs((ends[0] - ends[1]) @ host.lattice.matrix)
    assert axis[0] == pytest.approx(axis[1])
    assert axis[2] == pytest.approx(0)


def test_only_the_host_asked_for():
    structure = hosts.load("rocksalt-MgO").structure
    names = [cell.name for cell in dumbbells(structure, host="O", families=["111"])]
    assert names == ["(O-O)_O[111]"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"species": "Xx"}, "not a chemical element"),
        ({"host": "S"}, "has no S"),
        ({"families": ["112"]}, "112"),
        ({"families": []}, "100"),
    ],
)
def test_mistakes_are_refused_at_once(options, says):
    with pytest.raises(StructureError, match=says):
        dumbbells(hosts.load("rocksalt-MgO").structure, **options)
