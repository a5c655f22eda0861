from __future__ import annotations

import numpy as np
import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from defectflow.engines.conversion import to_atoms, to_structure
from defectflow.errors import StructureError


@pytest.fixture
def slab() -> Structure:
    lattice = Lattice([[3.0, 0, 0], [1.0, 3.2, 0], [0, 0, 12.0]], pbc=(True, True, False))
    return Structure(
        lattice,
        ["Mg2+", "O2-", "O2-"],
        [[0.1, 0.2, 0.3], [1.4, -0.2, 0.5], [0.5, 0.5, 0.7]],
        site_properties={"tag": ["a", "b", "c"]},
    )


def test_there_and_back_keeps_everything(slab):
    before = slab.copy()
    atoms = to_atoms(slab, frozen=[2])
    again = to_structure(atoms, slab)
    assert again == slab == before
    assert np.allclose(again.frac_coords, slab.frac_coords, atol=1e-12), (
        "images must not be wrapped"
    )
    assert again.species == slab.species
    assert again.site_properties == slab.site_properties
    assert again.lattice.pbc == slab.lattice.pbc == tuple(atoms.pbc)
    assert list(atoms.constraints[0].index) == [2]


def test_the_cell_is_carried_over(slab):
    atoms = to_atoms(slab)
    atoms.set_cell(atoms.cell * 1.1, scale_atoms=True)
    assert to_structure(atoms, slab).volume == pytest.approx(slab.volume * 1.1**3)


def test_partial_occupation_is_refused():
    mixed = Structure(Lattice.cubic(3.0), [{"Li": 0.5}, "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(StructureError, match=r"Li:0\.5.*partially occupied"):
        to_atoms(mixed)


def test_another_number_of_atoms_is_refused(slab):
    with pytest.raises(StructureError, match="2 atoms cannot take the place of 3"):
        to_structure(to_atoms(slab)[:2], slab)
