"""Bonds between two crystals, measured from the atoms alone."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.errors import StructureError
from defectflow.recipes.kinds.interfaces import Interface
from defectflow.structures import hosts
from defectflow.structures.interfaces import Joint, Side, interfaces

GRAPHENE = Side(hosts.load("graphene").structure)
PHOSPHORUS = hosts.load("black-P").structure
EDGE = Side(PHOSPHORUS, (0, 0, 1))
AREA = {"max_area_A2": 110.0}


def across(cell, reach=2.9):
    """Return elements and lengths of what is near each other on both sides, by ASE."""
    atoms = AseAtomsAdaptor.get_atoms(cell.structure)
    first = cell.junction.film_from
    i, j, lengths = neighbor_list("ijd", atoms, reach)
    crossing = (i < first) & (j >= first)
    symbols = atoms.get_chemical_symbols()
    return [
        (symbols[b], symbols[a], d)
        for a, b, d in zip(i[crossing], j[crossing], lengths[crossing], strict=True)
    ]


def test_phosphorus_bonds_to_carbon():
    cells = list(interfaces(GRAPHENE, EDGE, Joint(bond=("P", "C"), **AREA)))
    assert len(cells) > 1
    length = covalent_radii[15] + covalent_radii[6]
    for cell in cells:
        found = across(cell)
        assert {pair[:2] for pair in found} == {("P", "C")}
        assert min(pair[2] for pair in found) == pytest.approx(length, abs=1e-3)
        assert "bonds P-C" in cell.planar.said
        heights = cell.structure.cart_coords[:, 2]
        first = cell.junction.film_from
        gap = heights[first:].min() - heights[:first].max()
        assert gap == pytest.approx(cell.junction.gap_A, abs=1e-6)


@pytest.mark.parametrize("film", [EDGE, Side(PHOSPHORUS)], ids=["edge", "layer"])
def test_oxygen_between_them_bonds_to_both_at_an_angle(film):
    cell = next(interfaces(GRAPHENE, film, Joint(bond=("P", "C"), bridge="O", **AREA)))
    oxygen = len(cell.structure) - 1
    assert cell.structure[oxygen].specie.symbol == "O"
    near = sorted(
        cell.structure.get_neighbors(cell.structure[oxygen], 2.1), key=lambda n: n.nn_distance
    )
    carbon = next(n for n in near if n.specie.symbol == "C")
    phosphorus = next(n for n in near if n.specie.symbol == "P")
    assert carbon.nn_distance == pytest.approx(covalent_radii[6] + covalent_radii[8], abs=1e-3)
    length = covalent_radii[15] + covalent_radii[8]
    assert phosphorus.nn_distance == pytest.approx(length, abs=1e-3)
    arms = [n.coords - cell.structure[oxygen].coords for n in (carbon, phosphorus)]
    cosine = arms[0] @ arms[1] / np.prod([np.linalg.norm(one) for one in arms])
    assert np.degrees(np.arccos(cosine)) == pytest.approx(125, abs=0.5)
    assert min(pair[2] for pair in across(cell) if pair[0] == "P") > 2.5
    assert len(cell.pristine) == cell.junction.film_from


def test_tin_of_an_edge_bonds_to_carbon():
    sulfide = Side(hosts.load("1T-SnS2").structure, (1, 1, 0))
    cell = next(interfaces(GRAPHENE, sulfide, Joint(bond=("Sn", "C"), max_area_A2=200.0)))
    found = across(cell)
    length = covalent_radii[50] + covalent_radii[6]
    assert min(d for a, _, d in found if a == "Sn") == pytest.approx(length, abs=1e-3)
    # Sulphur is not bonded: three quarters of 0.7 (1.89 + 1.77) Å, Alvarez' radii, and more.
    assert min((d for a, _, d in found if a == "S"), default=9.0) > 0.75 * 0.7 * (1.89 + 1.77)


def test_tin_inside_a_layer_cannot_bond_and_the_nearest_is_named():
    sulfide = Side(hosts.load("1T-SnS2").structure)
    with pytest.raises(StructureError, match=r"nearest possible leaves a contact at \d+ %"):
        interfaces(GRAPHENE, sulfide, Joint(bond=("Sn", "C"), **AREA))


def test_an_element_that_is_not_there_is_refused():
    with pytest.raises(StructureError, match="holds no As; choose from P"):
        interfaces(GRAPHENE, EDGE, Joint(bond=("As", "C"), **AREA))
    with pytest.raises(ValueError, match="needs the `bond`"):
        Interface(film="black-P", bridge="O")
