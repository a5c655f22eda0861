"""Which directions a free cell relaxes in: those without vacuum, or its height alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase.filters import FrechetCellFilter

from defectflow.engines.vacuum import NORMAL, vacuum_axes, widest_gap

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    from defectflow.engines.contract import FreeCell

    Array = NDArray[np.float64]

#: What one sheet of atoms counts as, about twice a van der Waals radius.
_SHEET_A: Final = 3.4


def holds_vacuum(structure: Structure, cell: FreeCell) -> bool:
    """Tell whether a relaxation that frees the cell has to keep a vacuum."""
    return cell != "fixed" and bool(vacuum_axes(structure))


def free_directions(structure: Structure, cell: FreeCell = "relax") -> Array:
    """Return the projector onto the directions along which a crystal is not cut off by vacuum.

    The unit matrix without vacuum, P = 1 - n n^T for a slab with the normal n, and t t^T for a wire
    along t. Of these, for a cell free in its ``height``, that across its first two vectors: n n^T,
    and nothing where a vacuum lies across them.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> sheet = Structure(
    ...     Lattice.hexagonal(2.46, 15.0), ["C", "C"], [[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0]]
    ... )
    >>> free_directions(sheet).round(6) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 0.]])
    """
    kept = np.delete(structure.lattice.matrix, vacuum_axes(structure), axis=0)
    if cell == "height":
        normal = np.cross(*structure.lattice.matrix[:NORMAL])
        kept = normal[None] if NORMAL not in vacuum_axes(structure) else kept[:0]
    if not len(kept):
        return np.zeros((3, 3))
    basis = np.linalg.qr(kept.T)[0]
    projector: Array = basis @ basis.T
    return projector


def filled_fraction(structure: Structure) -> float:
    """Return the share of a cell that is not vacuum; 1 without vacuum.

    Stresses are of the whole cell: times this they would be of what it holds.
    """
    fraction = 1.0
    for axis in vacuum_axes(structure):
        gap, height_A = widest_gap(structure, axis)
        fraction *= min(1.0, 1.0 - gap + _SHEET_A / height_A)
    return fraction


def free_stress(stress_eV_per_A3: Array, free: Array, *, isotropic: bool) -> Array:
    """Return the part of a stress (3, 3) that strains in the free directions work against.

    Parameters
    ----------
    free
        Projector onto these directions.
    isotropic
        Whether they are stretched alike only: the mean of their normal stresses.
    """
    part: Array = free @ stress_eV_per_A3 @ free
    return np.trace(part) / np.trace(free) * free if isotropic and free.any() else part


class FreeCellFilter(FrechetCellFilter):
    """ASE's filter of atoms and cell, with strains in some directions only.

    Degrees of freedom are the positions and the logarithm of the deformation. The gradient in a
    linear space of such logarithms is the projection of the whole gradient.

    Parameters
    ----------
    free
        Projector onto the directions that strains may have.
    isotropic
        Whether these are stretched alike, by one number.
    length_per_strain
        What a strain counts as beside displacements, Å.
    """

    def __init__(
        self, atoms: Atoms, free: Array, length_per_strain: float, *, isotropic: bool
    ) -> None:
        super().__init__(atoms, exp_cell_factor=length_per_strain)  # type: ignore[no-untyped-call]
        self.free = free
        self.isotropic = isotropic

    def get_forces(self, **kwargs: Any) -> Array:
        """Return forces on the atoms and, in the last three rows, on the strains."""
        forces: Array = super().get_forces(**kwargs).copy()  # type: ignore[no-untyped-call]
        forces[-3:] = free_stress(forces[-3:], self.free, isotropic=self.isotropic)
        return forces
