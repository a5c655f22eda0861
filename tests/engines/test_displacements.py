"""Hessians from the fewest displacements, against ASE's from all of them."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import add_adsorbate, fcc111, molecule
from ase.vibrations import Vibrations
from pymatgen.core import Lattice, Structure
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.engines import engine
from defectflow.engines.conversion import to_atoms
from defectflow.engines.displacements import Displacements
from defectflow.engines.request import Request
from defectflow.engines.vibrations import vibrations

EMT = engine("emt")


def slab_with(adsorbate, site, height_A) -> Structure:
    atoms = fcc111("Cu", (2, 2, 3), vacuum=6.0, periodic=True)
    add_adsorbate(atoms, adsorbate, height_A, site)
    return AseAtomsAdaptor.get_structure(atoms)


def hessian_of_ase(structure, atoms, folder):
    """All six displacements of each atom, none by symmetry."""
    moved = to_atoms(structure)
    moved.calc = EMT.caching_calculator(Request(structure))
    peer = Vibrations(moved, indices=atoms, delta=0.01, name=str(folder / "peer"))
    peer.run()
    return peer.get_vibrations().get_hessian_2d()


@pytest.mark.parametrize(
    ("adsorbate", "site", "height_A", "fewest"),
    [
        ("H", "fcc", 1.0, 3),  # C3v: one along the surface, up, down
        ("H", "ontop", 1.5, 3),
        ("H", "bridge", 1.1, 5),  # one mirror plane: the layers below break the other
        (molecule("CO"), "fcc", 1.4, 6),
    ],
)
def test_adsorbates_need_few(adsorbate, site, height_A, fewest, tmp_path):
    structure = slab_with(adsorbate, site, height_A)
    atoms = list(range(12, len(structure)))
    found = vibrations(Request(structure, EMT.settings("vibrations"), folder=tmp_path), EMT, atoms)
    assert found.force_calls <= 1 + 6 * len(atoms)
    assert len(Displacements(structure, atoms).needed) == fewest == found.force_calls - 1
    expected = hessian_of_ase(structure, atoms, tmp_path)
    assert np.allclose(found.hessian_eV_per_A2, expected, atol=2e-3 * np.abs(expected).max())


def test_displacements_that_keep_the_symmetry_come_first():
    hollow = Displacements(slab_with("H", "fcc", 1.0), [12])
    assert [str(one) for one in hollow.needed] == ["0 z +", "0 z -", "0 x +"]
    upright = Displacements(slab_with(molecule("CO"), "bridge", 1.3), [12, 13])
    assert {str(one) for one in upright.needed[-2:]} == {"0 x +", "1 x +"}  # out of the mirror


def test_equivalent_atoms_are_displaced_once(tmp_path):
    structure = Structure(
        Lattice.cubic(3.62),
        ["Cu"] * 4,
        0.5 * np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]]),
    )
    assert len(Displacements(structure, [0, 1, 2, 3]).needed) == 1
    found = vibrations(
        Request(structure, EMT.settings("vibrations"), folder=tmp_path), EMT, [0, 1, 2, 3]
    )
    expected = hessian_of_ase(structure, [0, 1, 2, 3], tmp_path)
    assert np.allclose(found.hessian_eV_per_A2, expected, atol=1e-3 * np.abs(expected).max())


def test_without_symmetry_every_displacement_is_needed(tmp_path):
    structure = slab_with("H", "fcc", 1.0)
    rough = structure.copy()
    rough.perturb(0.1, seed=3)
    assert len(Displacements(rough, [12]).needed) == 6
    assert len({str(one) for one in Displacements(rough, [11, 12]).needed}) == 12
    found = vibrations(Request(rough, EMT.settings("vibrations"), folder=tmp_path), EMT, [11, 12])
    expected = hessian_of_ase(rough, [11, 12], tmp_path)
    assert np.allclose(found.hessian_eV_per_A2, expected, atol=1e-4 * np.abs(expected).max())


def test_moments_lower_the_symmetry():
    places = [[0, 0, 0], [0.5, 0.5, 0.5]]
    iron = Structure(Lattice.cubic(2.87), ["Fe", "Fe"], places)
    assert len(Displacements(iron, [0, 1], [2.2, 2.2]).needed) == 1
    assert len(Displacements(iron, [0, 1], [2.2, -2.2]).needed) == 2
    assert len(Displacements(iron, [0, 1]).needed) == 1


def test_only_operations_among_the_displaced_atoms_count():
    """A twofold axis that takes the displaced atom to one that stands still is of no use."""
    dumbbell = Structure(Lattice.orthorhombic(6, 7, 8), ["N", "N"], [[0, 0, 0.1], [0, 0, -0.1]])
    assert len(Displacements(dumbbell, [0]).needed) == 4
    assert len(Displacements(dumbbell, [0, 1]).needed) == 4
