"""Crystals to ASE and back, at the edge of the engines. Both sides use Å.

Positions are never wrapped into the cell, so that images of a band stay continuous.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence


def to_atoms(structure: Structure, frozen: Sequence[int] = ()) -> Atoms:
    """Return `structure` as ASE atoms, in the same order, with the atoms `frozen` fixed.

    Raises
    ------
    StructureError
        If a site is partially occupied.
    """
    if not structure.is_ordered:
        site = next(site for site in structure if not site.is_ordered)
        message = (
            f"{structure.composition.reduced_formula}: site {site.species_string} is partially "
            "occupied; make an ordered cell of it first"
        )
        raise StructureError(message)
    atoms = Atoms(
        numbers=[site.specie.Z for site in structure],
        positions=structure.cart_coords,
        cell=structure.lattice.matrix,
        pbc=structure.lattice.pbc,
    )
    if frozen:
        atoms.set_constraint(FixAtoms(indices=list(frozen)))
    return atoms


def poscar_text(structure: Structure) -> str:
    """Return cell and atoms, in their order, as VASP reads them."""
    from pymatgen.io.vasp import Poscar

    bare = structure.copy()
    for name in list(bare.site_properties):
        bare.remove_site_property(name)
    text: str = Poscar(bare, sort_structure=False).get_str(significant_figures=10)
    return text


def to_structure(atoms: Atoms, like: Structure) -> Structure:
    """Return `like` with the cell and the positions of `atoms`; species and properties kept."""
    if len(atoms) != len(like):
        message = f"{len(atoms)} atoms cannot take the place of {len(like)} sites"
        raise StructureError(message)
    return Structure(
        Lattice(np.asarray(atoms.cell), pbc=like.lattice.pbc),
        like.species_and_occu,
        atoms.positions,
        coords_are_cartesian=True,
        site_properties=like.site_properties,
        labels=like.labels,
    )
