"""The vacuum of a cell: where it is, the levels in it, and the dipole correction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.analysis.work_functions import (
    stepped_vacuum_levels,
    vacuum_levels,
    whole_slab,
)
from defectflow.documents.electronic import VacuumDocument
from defectflow.engines.levels import DIPOLE
from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    Array = NDArray[np.float64]

#: A direction with an empty gap of at least this width is not periodic for the electrons.
VACUUM_A: Final = 7.0
#: The axis along which a slab has its vacuum.
NORMAL: Final = 2
#: The step of the potential, at the ends of the cell, is this wide (Å), as GPAW has it.
STEP_A: Final = 1.0
#: No atom may be nearer (Å) to the middle of the step: its density must not reach there.
_CLEAR_A: Final = 2.0
#: Vectors with a smaller product (Å²) are at right angles.
_SKEW_A2: Final = 1e-3


def vacuum_axes(structure: Structure) -> tuple[int, ...]:
    """Return the lattice directions along which the atoms leave a gap of at least 7 Å."""
    axes = []
    for axis in range(3):
        if not structure.lattice.pbc[axis]:
            axes.append(axis)
            continue
        gap, height_A = widest_gap(structure, axis)
        if gap * height_A >= VACUUM_A:
            axes.append(axis)
    return tuple(axes)


def widest_gap(structure: Structure, axis: int) -> tuple[float, float]:
    """Return the widest gap between atoms along a lattice vector, and the cell's height there.

    The gap as a share of the height; the height (Å) at right angles to the other two vectors.
    """
    others = np.delete(structure.lattice.matrix, axis, axis=0)
    height_A = structure.volume / np.linalg.norm(np.cross(*others))
    places = np.sort(structure.frac_coords[:, axis] % 1.0)
    gaps = np.diff(np.append(places, places[0] + 1.0))
    return float(gaps.max()), float(height_A)


def has_vacuum(structure: Structure) -> bool:
    """Tell whether there is a vacuum along the third axis, as of a slab."""
    return NORMAL in vacuum_axes(structure)


def dipole_correction(
    structure: Structure, settings: Mapping[str, Any], charge: int = 0, spare_A: float = 0.0
) -> bool:
    """Return whether the cell is computed with a dipole correction: where `settings` ask for it.

    L. Bengtsson, Phys. Rev. B 59, 12301 (1999). The step is at the ends of the third vector with
    every code.

    Parameters
    ----------
    spare_A
        Room that is to be left to atoms which will move.

    Raises
    ------
    StructureError
        If the cell is no neutral slab with its vacuum along the third vector, the normal, and room
        for the step at both ends of it.
    """
    if not settings.get(DIPOLE, False):
        return False
    why = "it is charged" if charge else _no_slab(structure, _CLEAR_A + spare_A)
    if why:
        message = (
            f"{structure.composition.reduced_formula} with {DIPOLE}: {why}; it is for neutral "
            "slabs in the middle of a cell with the vacuum along its third vector, leave it out"
        )
        raise StructureError(message)
    return True


def _no_slab(structure: Structure, clear_A: float) -> str:
    """Return why a cell is no slab that a dipole correction is for; empty if it is one."""
    if vacuum_axes(structure) != (NORMAL,):
        return "the vacuum is not along the third vector alone"
    matrix = structure.lattice.matrix
    if np.abs(matrix[:NORMAL] @ matrix[NORMAL]).max() > _SKEW_A2:
        return "the third vector is not at right angles to the others"
    places = structure.frac_coords[:, NORMAL]
    room_A = float(min(places.min(), 1.0 - places.max())) * structure.lattice.c
    if room_A < clear_A:
        return (
            f"an atom is {room_A:.1f} Å from an end of the cell, where the potential has its step; "
            f"give {clear_A:g} Å by a larger `vacuum_A`"
        )
    return ""


def vacuum_document(
    potential_eV: Sequence[float] | Array,
    structure: Structure,
    fermi_eV: float,
    *,
    corrected: bool = False,
) -> VacuumDocument:
    """Return the vacuum levels above the Fermi level.

    Parameters
    ----------
    potential_eV
        Electrostatic potential energy of an electron, mean over planes parallel to the slab on
        equal steps along the third vector, on the scale of `fermi_eV`.
    corrected
        Whether it has the step of a dipole correction.

    Raises
    ------
    StructureError
        If the vacuum is too thin for a level.
    """
    height_A = structure.lattice.c
    potential = np.asarray(potential_eV, dtype=float)
    if corrected:
        heights = structure.cart_coords[:, NORMAL]
        found = stepped_vacuum_levels(potential, height_A, heights, STEP_A)
    else:
        heights = whole_slab(structure.cart_coords[:, NORMAL], height_A)
        found = vacuum_levels(potential, height_A, heights)
    return VacuumDocument(
        top_eV=found.top_eV - fermi_eV,
        bottom_eV=found.bottom_eV - fermi_eV,
        field_eV_per_A=found.field_eV_per_A,
        ripple_eV=found.ripple_eV,
    )
