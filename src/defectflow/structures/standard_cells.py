"""Cells of a crystal in the setting of the International Tables, in the frame it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.symmetry import SYMPREC_A, found_by, in_cell, primitive

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: Primitive vectors (rows) of centred lattices, in those of the standard cell (International
#: Tables for Crystallography A, table 3.1.2.1, obverse setting of R).
_CENTRED: Final = {
    "P": np.eye(3),
    "A": np.array([[1, 0, 0], [0, 1 / 2, -1 / 2], [0, 1 / 2, 1 / 2]]),
    "C": np.array([[1 / 2, -1 / 2, 0], [1 / 2, 1 / 2, 0], [0, 0, 1]]),
    "F": np.array([[0, 1 / 2, 1 / 2], [1 / 2, 0, 1 / 2], [1 / 2, 1 / 2, 0]]),
    "I": np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]]) / 2,
    "R": np.array([[2, 1, 1], [-1, 1, 1], [-1, -2, 1]]) / 3,
}

#: Reciprocal vectors (with 2π) that differ by more are unequal.
_UNEQUAL_PER_A: Final = 1e-3


def standard_vectors(structure: Structure, symprec: float = SYMPREC_A) -> tuple[np.ndarray, str]:
    """Return the vectors (rows, Å) of spglib's standard cell, and the letter of its centring.

    Raises
    ------
    StructureError
        If no symmetry can be found.
    """
    import spglib

    dataset = found_by(spglib.get_symmetry_dataset, structure, symprec)
    # (a b c) = (a_s b_s c_s) P with vectors as columns.
    to_standard = np.linalg.inv(dataset.transformation_matrix).T
    return to_standard @ structure.lattice.matrix, dataset.international[0]


def symmetric_primitive(structure: Structure, symprec: float = SYMPREC_A) -> Structure:
    """Return the primitive cell whose vectors the symmetry of the crystal exchanges.

    A mesh of k-points along its vectors has that symmetry too. On vectors that are merely short
    (`symmetry.primitive`) it need not: of a cubic close-packed crystal these include angles of 60°,
    90° and 120°, along which one spacing makes meshes such as 22x22x25 with several times the
    irreducible points of 22x22x22. Body-centred lattices with unequal axes have no such vectors:
    their cell is the short one.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> copper = symmetric_primitive(hosts.load("fcc-Cu").structure)
    >>> [round(angle) for angle in copper.lattice.angles]
    [60, 60, 60]
    """
    vectors, centring = standard_vectors(structure, symprec)
    cell = in_cell(structure, _CENTRED[centring] @ vectors)
    spread = np.ptp(cell.lattice.reciprocal_lattice.abc)
    return primitive(structure, symprec) if centring == "I" and spread > _UNEQUAL_PER_A else cell
