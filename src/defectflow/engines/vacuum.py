"""Vacuum levels from the potential that any code writes, relative to its Fermi level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.analysis.work_functions import vacuum_levels, whole_slab
from defectflow.documents.electronic import VacuumDocument
from defectflow.engines.electrons import vacuum_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    Array = NDArray[np.float64]

#: The axis along which a slab has its vacuum.
NORMAL: Final = 2


def has_vacuum(structure: Structure) -> bool:
    """Tell whether there is a vacuum along the third axis, as of a slab."""
    return NORMAL in vacuum_axes(structure)


def vacuum_document(
    potential_eV: Sequence[float] | Array, structure: Structure, fermi_eV: float
) -> VacuumDocument:
    """Return the vacuum levels above the Fermi level.

    Parameters
    ----------
    potential_eV
        Electrostatic potential energy of an electron, mean over planes parallel to the slab on
        equal steps along the third vector, on the scale of `fermi_eV`.

    Raises
    ------
    StructureError
        If the vacuum is too thin for a level.
    """
    height_A = structure.lattice.c
    heights = whole_slab(structure.cart_coords[:, NORMAL], height_A)
    found = vacuum_levels(np.asarray(potential_eV, dtype=float), height_A, heights)
    return VacuumDocument(
        top_eV=found.top_eV - fermi_eV,
        bottom_eV=found.bottom_eV - fermi_eV,
        field_eV_per_A=found.field_eV_per_A,
        ripple_eV=found.ripple_eV,
    )
