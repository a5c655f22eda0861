"""Whether two structures are of one crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from defectflow.structures.symmetry import found_by

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: Shift (Å) of an atom for which an operation still counts: engines leave noise.
_SYMPREC_A: Final = 0.1
#: Lengths and angles within which lattices are alike: those of functionals differ by less.
_LENGTHS: Final = 0.08
_ANGLES_DEG: Final = 4.0


def same_crystal(one: Structure, other: Structure) -> bool:
    """Tell whether two structures are the same crystal, be they relaxed by different engines.

    Same composition, space group, number of atoms in the primitive cell, and a primitive lattice
    that agrees within 8 % and 4°. Where atoms are within the cell is not looked at.

    Raises
    ------
    StructureError
        If no symmetry can be found, which happens when atoms overlap.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> iron, copper = (hosts.load(name).structure for name in ("bcc-Fe", "fcc-Cu"))
    >>> same_crystal(iron, iron * (2, 2, 2)), same_crystal(iron, copper)
    (True, False)
    """
    if one.composition.reduced_formula != other.composition.reduced_formula:
        return False
    (group, lattice, atoms), (group_2, lattice_2, atoms_2) = _primitive(one), _primitive(other)
    if (group, atoms) != (group_2, atoms_2):
        return False
    return lattice.find_mapping(lattice_2, ltol=_LENGTHS, atol=_ANGLES_DEG) is not None


def _primitive(structure: Structure) -> tuple[int, Any, int]:
    """Return the number of the space group, the primitive lattice and its number of atoms."""
    import spglib
    from pymatgen.core.lattice import Lattice

    dataset = found_by(spglib.get_symmetry_dataset, structure, _SYMPREC_A)
    matrix, _, numbers = found_by(spglib.find_primitive, structure, _SYMPREC_A)
    return int(dataset.number), Lattice(matrix), len(numbers)
