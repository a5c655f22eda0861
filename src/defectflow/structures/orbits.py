"""Equivalent places of a crystal, also in a cell that breaks the crystal's point group.

An operation of the crystal that does not map the lattice of such a cell onto itself is none of the
cell's; it still makes places equivalent. What is equivalent is a fact of the crystal, not of the
cell that a file holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from defectflow.structures.symmetry import SYMPREC_A, images, operations, primitive, wrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure


def crystal_operations(
    structure: Structure, symprec: float = SYMPREC_A
) -> tuple[np.ndarray, np.ndarray]:
    """Return all space-group operations of the crystal, in the cell given: W (n, 3, 3), w (n, 3).

    They are those of `operations` where these have the whole point group of the crystal; else those
    of the primitive cell, each with every lattice translation of the crystal within the cell. Their
    W are then integers in the primitive cell's vectors only.

    Raises
    ------
    StructureError
        If no symmetry can be found, which happens when atoms overlap.
    """
    rotations, translations = operations(structure, symprec)
    inner = translations[np.all(rotations == np.eye(3, dtype=int), axis=(1, 2))]
    if len(inner) == 1:
        return rotations, translations
    cell = primitive(structure, symprec)
    turns, shifts = operations(cell, symprec)
    if len(turns) * len(inner) == len(rotations):
        return rotations, translations
    to_given = np.linalg.inv(structure.lattice.matrix.T) @ cell.lattice.matrix.T
    to_cell = np.linalg.inv(to_given)
    within = to_given @ turns @ to_cell
    moves = shifts @ to_given.T
    return (
        np.repeat(within, len(inner), axis=0),
        wrapped((moves[:, None, :] + inner).reshape(-1, 3)),
    )


def orbit(
    structure: Structure, frac_coords: Sequence[float] | np.ndarray, symprec: float = SYMPREC_A
) -> np.ndarray:
    """Return all places of the cell equivalent to `frac_coords`, (m, 3) in [0, 1), itself first.

    Equivalent in the crystal: a cell of several primitive cells holds that many times the places
    of a primitive one, whatever its shape.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> iron = hosts.load("bcc-Fe").structure
    >>> [len(orbit(cell, [0.5 / n, 0.0, 0.25])) for n, cell in ((1, iron), (2, iron * (2, 1, 1)))]
    [12, 24]
    """
    found = crystal_operations(structure, symprec)
    return images(frac_coords, *found, structure.lattice.matrix)
