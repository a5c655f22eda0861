"""Choice of the supercell that holds one defect."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.symmetry import SYMPREC_A, operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

#: Default distance (Å) between a defect and its nearest periodic image.
MIN_IMAGE_DISTANCE_A: Final = 8.0
#: Default limit on the size of a supercell; larger ones are refused rather than computed.
MAX_ATOMS: Final = 400
_STEPS: Final = np.array([s for s in itertools.product(range(-2, 3), repeat=3) if any(s)])
_TIE_A: Final = 1e-6


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
    lattice = np.asarray(structure.lattice.matrix, dtype=float)
    rotations = np.unique(operations(structure, symprec)[0], axis=0)
    volume = abs(np.linalg.det(lattice))
    # The densest lattice packing is fcc: no lattice of this image distance has a smaller volume.
    lowest = max(1, int(np.ceil(min_image_distance_A**3 / np.sqrt(2) / volume - 1e-9)))
    highest = int(np.ceil(min_image_distance_A / nearest_image_distance_A(lattice) - 1e-9)) ** 3
    limit = max_atoms // len(structure)
    for determinant in range(lowest, min(max(highest, 1), limit) + 1):
        matrix = _widest(_symmetric(determinant, rotations), lattice, min_image_distance_A)
        if matrix is not None:
            return matrix
    message = (
        f"{structure.reduced_formula}: no symmetric supercell of at most {max_atoms} atoms keeps "
        f"images {min_image_distance_A:g} Å apart; lower the distance or raise max_atoms"
    )
    raise StructureError(message)


def nearest_image_distance_A(lattice: np.ndarray) -> float:
    """Return the length (Å) of the shortest lattice vector; `lattice` holds vectors as rows."""
    reduced = _reduction(np.asarray(lattice, dtype=float)) @ lattice
    return float(np.linalg.norm(_STEPS @ reduced, axis=1).min())


def _widest(
    candidates: Iterator[np.ndarray], lattice: np.ndarray, min_image_distance_A: float
) -> np.ndarray | None:
    best, best_distance = None, min_image_distance_A - _TIE_A
    for candidate in candidates:
        distance = nearest_image_distance_A(candidate @ lattice)
        if distance > best_distance + (_TIE_A if best is not None else 0.0):
            best, best_distance = candidate, distance
    if best is None:
        return None
    reduced: np.ndarray = _reduction(best @ lattice) @ best
    return reduced


def _symmetric(determinant: int, rotations: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the superlattices of that determinant which every rotation maps onto themselves.

    Rows of H span the superlattice; W maps it onto itself if H W^T H^-1 is an integer matrix.
    """
    forms = hermite_forms(determinant)
    for rotation in rotations:
        if np.array_equal(np.abs(rotation), np.eye(3)) and abs(np.trace(rotation)) == len(rotation):
            continue  # identity and inversion keep every lattice
        images = forms @ rotation.T @ _adjugate(forms)
        forms = forms[np.all(images % determinant == 0, axis=(1, 2))]
    yield from forms


def hermite_forms(determinant: int) -> np.ndarray:
    """Return every superlattice of `determinant` cells once, (n, 3, 3) lower-triangular integers.

    Hermite normal forms: G. L. W. Hart and R. W. Forcade, Phys. Rev. B 77, 224115 (2008).
    """
    blocks = []
    for a, b in itertools.product(_divisors(determinant), repeat=2):
        if determinant % (a * b):
            continue
        c = determinant // (a * b)
        low = np.stack(np.meshgrid(range(a), range(a), range(b), indexing="ij"), axis=-1)
        low = low.reshape(-1, 3)
        block = np.zeros((len(low), 3, 3), dtype=int)
        block[:, [0, 1, 2], [0, 1, 2]] = (a, b, c)
        block[:, [1, 2, 2], [0, 0, 1]] = low
        blocks.append(block)
    return np.concatenate(blocks)


def _adjugate(forms: np.ndarray) -> np.ndarray:
    """Return det(H) H^-1 of lower-triangular integer matrices, (n, 3, 3)."""
    a, b, c = forms[:, 0, 0], forms[:, 1, 1], forms[:, 2, 2]
    d, e, f = forms[:, 1, 0], forms[:, 2, 0], forms[:, 2, 1]
    adjugate = np.zeros_like(forms)
    adjugate[:, 0, 0], adjugate[:, 1, 1], adjugate[:, 2, 2] = b * c, a * c, a * b
    adjugate[:, 1, 0], adjugate[:, 2, 0], adjugate[:, 2, 1] = -c * d, d * f - b * e, -a * f
    return adjugate


def _divisors(number: int) -> list[int]:
    return [k for k in range(1, number + 1) if number % k == 0]


def _reduction(lattice: np.ndarray) -> np.ndarray:
    """Return integers M, det +1, such that the rows of ``M @ lattice`` are short.

    Each row in turn is shortened by combinations of the other two until none gets shorter, which
    in three dimensions ends in a Minkowski-reduced basis up to ties.
    """
    matrix = np.eye(3, dtype=int)
    pairs = np.array([p for p in itertools.product((-1, 0, 1), repeat=2) if any(p)])
    changed = True
    while changed:
        changed = False
        for row in range(3):
            others = [k for k in range(3) if k != row]
            trials = matrix[row] + pairs @ matrix[others]
            lengths = np.linalg.norm(trials @ lattice, axis=1)
            best = int(np.argmin(lengths))
            if lengths[best] < np.linalg.norm(matrix[row] @ lattice) - 1e-8:
                matrix[row] = trials[best]
                changed = True
    return matrix
