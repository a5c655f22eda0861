"""Cells of a crystal in the setting of the International Tables, in the frame it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
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

#: Moments of atoms that are alike differ by less, Bohr magnetons.
_SAME_MOMENT_MUB: Final = 0.1
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

    Raises
    ------
    StructureError
        If the magnetic moments do not repeat with that cell, as those of an antiferromagnet.

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
    if centring == "I" and spread > _UNEQUAL_PER_A:
        cell = primitive(structure, symprec)
    _require_same_moments(structure, cell)
    return cell


def _require_same_moments(structure: Structure, cell: Structure) -> None:
    """Refuse a smaller cell in which atoms of different moments become one."""
    moments = structure.site_properties.get("magmom")
    if moments is None:
        return
    places = cell.lattice.get_fractional_coords(structure.cart_coords)
    alike = cell.lattice.get_all_distances(places, cell.frac_coords).argmin(axis=1)
    known: dict[int, float] = {}
    for here, moment in zip(alike, moments, strict=True):
        value = 0.0 if moment is None else float(moment)
        if abs(known.setdefault(int(here), value) - value) > _SAME_MOMENT_MUB:
            message = (
                f"{structure.composition.reduced_formula}: in the primitive cell atoms with "
                f"moments {known[int(here)]:g} and {value:g} become one; leave `primitive` out to "
                "keep the magnetic order"
            )
            raise StructureError(message)
