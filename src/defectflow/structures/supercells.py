"""Choice of the supercell that holds one defect."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.lattices import (
    hermite_forms,
    kept_by,
    nearest_image_distance_A,
    reduction,
)
from defectflow.structures.orbits import crystal_operations
from defectflow.structures.symmetry import SYMPREC_A, primitive_cells

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

__all__ = ["MAX_ATOMS", "MIN_IMAGE_DISTANCE_A", "nearest_image_distance_A", "supercell_matrix"]

#: Default distance (Å) between a defect and its nearest periodic image.
MIN_IMAGE_DISTANCE_A: Final = 8.0
#: Default limit on the size of a supercell; larger ones are refused rather than computed.
MAX_ATOMS: Final = 400
_TIE_A: Final = 1e-6
_WHOLE: Final = 1e-3


def supercell_matrix(
    structure: Structure,
    min_image_distance_A: float = MIN_IMAGE_DISTANCE_A,
    max_atoms: int = MAX_ATOMS,
    symprec: float = SYMPREC_A,
) -> np.ndarray:
    """Return the smallest supercell that is wide enough and as symmetric as the crystal.

    The rule: among the supercells of the given cell whose lattice is kept by every rotation of the
    crystal's point group, and in which an atom is at least `min_image_distance_A` from its nearest
    periodic image, the one of smallest determinant; among equals, the one with the larger image
    distance. A supercell that breaks the point group would make equivalent hops inequivalent.

    Returns
    -------
    ndarray
        (3, 3) integers, determinant > 0; rows are the new lattice vectors in terms of the old ones
        (the convention of ``Structure.make_supercell``), reduced to short vectors.

    Raises
    ------
    StructureError
        If even that supercell has more than `max_atoms` atoms.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> supercell_matrix(hosts.load("fcc-Al").structure).tolist()
    [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    """
    return _searched(
        structure.lattice.matrix.tobytes(),
        structure.frac_coords.tobytes(),
        tuple(structure.atomic_numbers),
        (float(min_image_distance_A), int(max_atoms), float(symprec)),
    ).copy()


@functools.lru_cache(maxsize=128)
def _searched(
    lattice: bytes, places: bytes, numbers: tuple[int, ...], limits: tuple[float, int, float]
) -> np.ndarray:
    """Return the supercell of a crystal given as bytes: one search per host."""
    from pymatgen.core.periodic_table import Element
    from pymatgen.core.structure import Structure

    elements = [Element.from_Z(number) for number in numbers]
    structure = Structure(
        np.frombuffer(lattice).reshape(3, 3), elements, np.frombuffer(places).reshape(-1, 3)
    )
    return _search(structure, *limits)


def _search(
    structure: Structure, min_image_distance_A: float, max_atoms: int, symprec: float
) -> np.ndarray:
    lattice = np.asarray(structure.lattice.matrix, dtype=float)
    rotations, times = _point_group(structure, symprec)
    most = max_atoms // len(structure)
    volume = abs(np.linalg.det(lattice))
    # The densest lattice packing is fcc: no lattice of this image distance has a smaller volume.
    lowest = max(1, int(np.ceil(min_image_distance_A**3 / np.sqrt(2) / volume - 1e-9)))
    unit = _smallest(rotations, times, most)
    # A uniform multiple of a symmetric cell is always symmetric enough: the search ends there.
    apart_A = nearest_image_distance_A(unit @ lattice)
    multiple = max(int(np.ceil(min_image_distance_A / apart_A - 1e-9)), 1)
    highest = min(multiple**3 * round(np.linalg.det(unit)), most)
    for determinant in range(lowest, highest + 1):
        candidates = kept_by(hermite_forms(determinant), rotations, times)
        matrix = _widest(candidates, lattice, min_image_distance_A)
        if matrix is not None:
            return matrix
    message = (
        f"{structure.reduced_formula}: no symmetric supercell of at most {max_atoms} atoms keeps "
        f"images {min_image_distance_A:g} Å apart; "
    )
    if times > 1:
        message += (
            f"the cell given holds {times} primitive cells in a shape that breaks the symmetry of "
            "the crystal, and its primitive cell makes smaller ones: give that"
        )
    else:
        message += _what_would_do(structure, multiple, max_atoms)
    raise StructureError(message)


def _point_group(structure: Structure, symprec: float) -> tuple[np.ndarray, int]:
    """Return a number and the crystal's rotations times it, integers in the cell's vectors.

    The number is 1 unless the cell breaks the crystal's point group.
    """
    rotations, _ = crystal_operations(structure, symprec)
    whole = np.abs(rotations - np.round(rotations)).max() < _WHOLE
    times = 1 if whole else primitive_cells(structure, symprec)
    return np.unique(np.round(times * rotations).astype(int), axis=0), times


def _smallest(rotations: np.ndarray, times: int, most: int) -> np.ndarray:
    """Return a small symmetric supercell: the cell itself unless it breaks the point group."""
    # Primitive vectors times `times` are vectors of the cell, and span a symmetric lattice.
    for determinant in range(1, min(times**2, most) + 1):
        kept = kept_by(hermite_forms(determinant), rotations, times)
        if len(kept):
            return np.asarray(kept[0])
    return times * np.eye(3, dtype=int)


def _what_would_do(structure: Structure, multiple: int, max_atoms: int) -> str:
    """Return a distance that fits the limit, and a limit that fits the distance."""
    enough = f"max_atoms {multiple**3 * len(structure)} is enough"
    fitting = int(np.cbrt(max_atoms / len(structure)) + 1e-9)
    if not fitting:
        return f"the cell given has {len(structure)} atoms; {enough}"
    distance = nearest_image_distance_A(np.asarray(structure.lattice.matrix)) * fitting
    return f"{np.floor(distance * 10) / 10:g} Å fits, or {enough}"


def _widest(
    candidates: np.ndarray, lattice: np.ndarray, min_image_distance_A: float
) -> np.ndarray | None:
    best, best_distance = None, min_image_distance_A - 2 * _TIE_A
    for candidate in candidates:
        distance = nearest_image_distance_A(candidate @ lattice)
        if distance > best_distance + _TIE_A:
            best, best_distance = candidate, distance
    if best is None:
        return None
    reduced: np.ndarray = reduction(best @ lattice) @ best
    return reduced
