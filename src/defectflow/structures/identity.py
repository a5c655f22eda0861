"""Whether two structures are of one crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from defectflow.structures.symmetry import found_by

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: Shift (Å) of an atom for which an operation still counts: engines leave noise.
_SYMPREC_A: Final = 0.1
#: Lengths and angles within which lattices are alike: those of functionals differ by less.
_LENGTHS: Final = 0.08
_ANGLES_DEG: Final = 4.0
#: Root mean square distance of like atoms, in units of the cube root of the volume per atom (some
#: 2.3 Å).
_PLACES: Final = 0.2


def same_crystal(one: Structure, other: Structure) -> bool:
    """Tell whether two structures are the same crystal, be they relaxed by different engines.

    Same composition, space group, number of atoms in the primitive cell, a primitive lattice that
    agrees within 8 % and 4°, and like atoms at like places in it within about 0.5 Å.

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
    (group, cell), (group_2, cell_2) = _primitive(one), _primitive(other)
    if (group, len(cell)) != (group_2, len(cell_2)):
        return False
    if cell.lattice.find_mapping(cell_2.lattice, ltol=_LENGTHS, atol=_ANGLES_DEG) is None:
        return False
    return _like_places(cell, cell_2)


def _like_places(one: Structure, other: Structure) -> bool:
    """Tell whether like atoms are at like places of two primitive cells."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    matcher = StructureMatcher(
        ltol=_LENGTHS, stol=_PLACES, angle_tol=_ANGLES_DEG, primitive_cell=False
    )
    return bool(matcher.fit(one, other))


def _primitive(structure: Structure) -> tuple[int, Structure]:
    """Return the number of the space group, and the primitive cell."""
    import spglib
    from pymatgen.core.structure import Structure

    dataset = found_by(spglib.get_symmetry_dataset, structure, _SYMPREC_A)
    matrix, places, numbers = found_by(spglib.find_primitive, structure, _SYMPREC_A)
    return int(dataset.number), Structure(matrix, numbers, places)
