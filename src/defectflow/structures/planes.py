"""A crystal seen along a plane: a stack of equal slices between parallel lattice planes."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.indices import without_third
from defectflow.structures.symmetry import (
    SYMPREC_A,
    cartesian_rotations,
    found_by,
    operations,
    primitive,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

Miller = tuple[int, int, int]

#: Atoms whose heights differ by less lie in one atomic plane.
SAME_PLANE_A: Final = 0.2
_FINEST: Final = 24
_ROUNDING: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Stack:
    """One slice of a crystal, as thick as the distance of neighbouring lattice planes.

    Attributes
    ----------
    miller
        Of the plane, coprime, in the standard conventional cell.
    matrix
        (3, 3) Rows, Å: two short vectors of the plane, the first along x, and the vector to the
        next slice, which ends close above its origin; z is the normal.
    places
        (n, 3) Cartesian coordinates of the atoms of one primitive cell, Å.
    symbols
        Their elements.
    standard
        (3, 3) Rows: the vectors of the standard conventional cell in this frame, Å.
    rotations
        (m, 3, 3) Cartesian point operations of the crystal in this frame, the identity first.
    translations
        (m, 3) What goes with them, Å.
    """

    miller: Miller
    matrix: np.ndarray
    places: np.ndarray
    symbols: tuple[str, ...]
    standard: np.ndarray
    rotations: np.ndarray
    translations: np.ndarray

    @property
    def spacing_A(self) -> float:
        """Distance of neighbouring lattice planes."""
        return float(self.matrix[2, 2])

    @property
    def area_A2(self) -> float:
        """Area of the plane's cell."""
        return float(self.matrix[0, 0] * self.matrix[1, 1])

    @property
    def offset_A(self) -> np.ndarray:
        """In-plane part of the vector from one slice to the next, (3,)."""
        offset: np.ndarray = self.matrix[2] * np.array([1.0, 1.0, 0.0])
        return offset

    def cuts_A(self, shifts_A: np.ndarray | None = None) -> list[float]:
        """Return the heights midway between atomic planes of one slice, the widest gap first.

        Of gaps that operations of the crystal map onto each other only one is kept. With `shifts_A`
        (3,) or (n, 3), displacements of what is above the cut, those gaps follow after them at
        which these displacements are others: an operation may take the gap there, but turns them.
        """
        heights = np.sort(self.places[:, 2] % self.spacing_A)
        gaps = np.diff(np.append(heights, heights[0] + self.spacing_A))
        open_ = np.flatnonzero(gaps > SAME_PLANE_A)
        ranked = sorted(open_, key=lambda k: (-round(float(gaps[k]), 3), heights[k]))
        found: list[float] = []
        turned: list[float] = []
        for k in ranked:
            middle = float(heights[k] + gaps[k] / 2) % self.spacing_A
            if not any(self.same_height(middle, other) for other in found):
                found.append(middle)
            elif not any(self.same_height(middle, other, shifts_A) for other in found + turned):
                turned.append(middle)
        return found + turned

    def keeping(self, height_A: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the operations that keep the plane at a height: rotations, and ±1 for its side."""
        sides = np.round(self.rotations[:, 2, 2])
        flat = np.abs(np.abs(self.rotations[:, 2, 2]) - 1) < _ROUNDING
        moved = (sides * height_A + self.translations[:, 2] - height_A) / self.spacing_A
        kept = flat & (np.abs(moved - np.round(moved)) * self.spacing_A < 2 * SYMPREC_A)
        return self.rotations[kept], sides[kept]

    def equivalent_planes(self) -> int:
        """Return how many orientations of the plane the crystal's symmetry makes, ±n as one."""
        return equivalent_normals(self.rotations, np.array([0.0, 0.0, 1.0]))

    def from_standard(self, direction: Sequence[float]) -> np.ndarray:
        """Return a vector given in standard conventional cell vectors, in this frame, Å."""
        vector: np.ndarray = np.asarray(direction, dtype=float) @ self.standard
        return vector

    def to_standard(self, vector_A: np.ndarray) -> np.ndarray:
        """Return a Cartesian vector in units of the standard conventional cell's vectors."""
        direction: np.ndarray = np.asarray(vector_A) @ np.linalg.inv(self.standard)
        return direction

    def same_height(self, one_A: float, other_A: float, shifts_A: np.ndarray | None = None) -> bool:
        """Tell whether operations of the crystal map planes at two heights onto each other.

        With `shifts_A`, (3,) or (n, 3): also each displacement of the upper half onto itself modulo
        the lattice of the plane. An operation that exchanges the sides takes t to -W t.
        """
        sides = np.round(self.rotations[:, 2, 2])
        flat = np.abs(np.abs(self.rotations[:, 2, 2]) - 1) < _ROUNDING
        steps = (sides * one_A + self.translations[:, 2] - other_A) / self.spacing_A
        kept = flat & (np.abs(steps - np.round(steps)) * self.spacing_A < 2 * SYMPREC_A)
        if shifts_A is None or not kept.any():
            return bool(kept.any())
        flat_A = np.atleast_2d(shifts_A)[:, :2]
        images = flat_A @ np.swapaxes(self.rotations[kept, :2, :2], 1, 2)
        images = images * sides[kept, None, None]
        gaps = (images - flat_A) @ np.linalg.inv(self.matrix[:2, :2])
        away = np.linalg.norm((gaps - np.round(gaps)) @ self.matrix[:2, :2], axis=-1)
        return bool(np.any(np.all(away < 2 * SYMPREC_A, axis=1)))


def stack_of(structure: Structure, miller: Sequence[int]) -> Stack:
    """Return a crystal as a stack of slices parallel to a plane.

    Miller indices refer to spglib's standard conventional cell, so that the answer does not depend
    on the cell that is given; for prototypes this is their own cell.

    Raises
    ------
    StructureError
        If the indices are no plane.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> stack = stack_of(hosts.load("fcc-Cu").structure, (1, 1, 1))
    >>> round(stack.spacing_A, 3), len(stack.places), stack.equivalent_planes()
    (2.087, 1, 4)
    """
    from pymatgen.core.structure import Structure

    index = reduced_miller(miller)
    whole = standard_cell(structure)
    cell = primitive(whole)
    rows = plane_basis(in_lattice(index, whole.lattice.matrix, cell.lattice.matrix))
    rows = short_rows(rows, cell.lattice.matrix)
    vectors = rows @ cell.lattice.matrix
    frame = frame_of(vectors)
    matrix = vectors @ frame.T
    matrix[np.abs(matrix) < _ROUNDING] = 0.0
    places = cell.cart_coords @ frame.T
    turned = Structure(matrix, cell.species, places, coords_are_cartesian=True)
    inner, shifts = operations(turned)
    return Stack(
        miller=index,
        matrix=matrix,
        places=_stacked(places, matrix),
        symbols=tuple(site.specie.symbol for site in cell),
        standard=whole.lattice.matrix @ frame.T,
        rotations=cartesian_rotations(turned.lattice.matrix, inner),
        translations=shifts @ turned.lattice.matrix,
    )


def equivalent_normals(rotations: np.ndarray, normal: np.ndarray) -> int:
    """Return how many directions Cartesian rotations (m, 3, 3) make of one, ± as one."""
    normals = rotations @ normal
    first = np.array([n[np.flatnonzero(np.abs(n) > _ROUNDING)[0]] for n in normals])
    signed = np.round(normals * np.sign(first)[:, None], 4) + 0.0
    return len(np.unique(signed, axis=0))


def reduced_miller(miller: Sequence[int]) -> Miller:
    """Return indices without a common factor.

    Raises
    ------
    StructureError
        If there are not three whole numbers, or all are zero.

    Examples
    --------
    >>> reduced_miller((2, 2, 0)), reduced_miller((0, 0, 0, 2)), reduced_miller((1, 0, -1, 0))
    ((1, 1, 0), (0, 0, 1), (1, 0, 0))
    """
    whole = without_third(miller)
    divisor = math.gcd(*whole) if len(whole) == 3 else 0  # noqa: PLR2004 - h, k, l
    if divisor == 0:
        message = f"plane {tuple(miller)}: no plane; give three whole numbers, e.g. [1, 1, 1]"
        raise StructureError(message)
    h, k, l = (one // divisor for one in whole)  # noqa: E741 - Miller indices
    return h, k, l


def written(miller: Sequence[int]) -> str:
    """Return indices as they are written in names.

    Examples
    --------
    >>> written((3, 1, 0)), written((1, -1, 0)), written((11, 0, 1))
    ('310', '1-10', '11,0,1')
    """
    separator = "," if any(abs(one) > 9 for one in miller) else ""  # noqa: PLR2004 - digits
    return separator.join(str(one) for one in miller)


def distinct_planes(structure: Structure, highest: int) -> list[tuple[int, int, int]]:
    """Return one plane of each family up to an index, lowest first; h and -h are one plane.

    Indices refer to the standard conventional cell.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> distinct_planes(hosts.load("fcc-Cu").structure, 2)
    [(0, 0, 1), (0, 1, 1), (1, 1, 1), (0, 1, 2), (1, 1, 2), (1, 2, 2)]
    """
    if highest < 1:
        message = f"highest index {highest}: no plane; give 1 or more"
        raise StructureError(message)
    rotations = np.unique(operations(standard_cell(structure))[0], axis=0)
    indices = [
        one
        for one in itertools.product(range(-highest, highest + 1), repeat=3)
        if any(one) and math.gcd(*one) == 1
    ]
    found: list[tuple[int, int, int]] = []
    seen: set[tuple[int, ...]] = set()
    # Small indices, then few minus signs, then ascending order: (0, 1, 1) stands for its family.
    for index in sorted(indices, key=lambda one: (np.dot(one, one), sum(k < 0 for k in one), one)):
        if index in seen:
            continue
        turned = np.array(index) @ rotations  # h' = h W: planes turn like rows
        seen |= {tuple(row) for row in (*turned.tolist(), *(-turned).tolist())}
        found.append(reduced_miller(index))
    return found


def plane_basis(index: Sequence[int]) -> np.ndarray:
    """Return (3, 3) integers, det ±1: two vectors w with index·w = 0, and one with index·w = 1.

    `index` is coprime; extended Euclid.
    """
    a, b, c = (int(one) for one in index)
    if a == 0 and b == 0:
        return np.array([[1, 0, 0], [0, 1, 0], [0, 0, c]])
    divisor, p, q = _euclid(a, b)
    _, r, s = _euclid(divisor, c)
    return np.array(
        [
            [b // divisor, -a // divisor, 0],
            [-c * p, -c * q, divisor],
            [r * p, r * q, s],
        ]
    )


def shortest_plane(vectors: np.ndarray) -> np.ndarray:
    """Return (2, 2) integers, det ±1, that make two vectors of a plane short (Lagrange)."""
    rows = np.eye(2, dtype=int)
    while True:
        a, b = rows @ vectors
        if b @ b < a @ a - 1e-9:
            rows = rows[::-1].copy()
            continue
        # The small number keeps a tie between b and b - a from turning round for ever.
        turns = int(np.round(a @ b / (a @ a) - 1e-6))
        if turns == 0:
            return rows
        rows[1] -= turns * rows[0]


def frame_of(vectors: np.ndarray) -> np.ndarray:
    """Return the rotation whose rows are x along the first vector and z along the normal."""
    x = vectors[0] / np.linalg.norm(vectors[0])
    z = np.cross(vectors[0], vectors[1])
    z /= np.linalg.norm(z)
    return np.array([x, np.cross(z, x), z])


def fractions_said(values: Sequence[float] | np.ndarray) -> str:
    """Return numbers as fractions with small denominators where they are such: ``1/6 1/6 -1/3``."""
    said = []
    for value in values:
        near = Fraction(float(value)).limit_denominator(_FINEST)
        said.append(str(near) if abs(float(near) - value) < 1e-4 else f"{value:.4g}")  # noqa: PLR2004
    return " ".join(said)


def standard_cell(structure: Structure) -> Structure:
    """Return spglib's standard conventional cell.

    Raises
    ------
    StructureError
        If atoms overlap, so that no symmetry can be found.
    """
    import spglib
    from pymatgen.core.periodic_table import Element
    from pymatgen.core.structure import Structure

    lattice, coords, numbers = found_by(spglib.standardize_cell, structure)
    return Structure(lattice, [Element.from_Z(int(one)) for one in numbers], coords)


def in_lattice(miller: Miller, whole: np.ndarray, cell: np.ndarray) -> list[int]:
    """Return the indices of a plane in a primitive cell of the same frame."""
    normal = np.linalg.inv(whole) @ np.array(miller)
    parts = [Fraction(float(one)).limit_denominator(_FINEST) for one in cell @ normal]
    factor = math.lcm(*(part.denominator for part in parts))
    index = [int(part * factor) for part in parts]
    divisor = math.gcd(*index)
    return [one // divisor for one in index]


def short_rows(rows: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return the same plane on short vectors, the third as upright as it can be, det > 0."""
    plane = shortest_plane(rows[:2] @ lattice) @ rows[:2]
    across = rows[2]
    a, b = plane @ lattice
    if np.cross(a, b) @ (across @ lattice) < 0:
        plane = np.array([plane[0], -plane[1]])
        a, b = plane @ lattice
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    c = across @ lattice
    flat = c - (c @ normal) * normal
    near = np.round(np.linalg.lstsq(np.array([a, b]).T, flat, rcond=None)[0]).astype(int)
    steps = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)]) - near
    lengths = np.linalg.norm(flat + steps @ np.array([a, b]), axis=1).round(6)
    upright = across + steps[int(np.argmin(lengths))] @ plane
    return np.array([plane[0], plane[1], upright])


def _stacked(places: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return the atoms moved by lattice vectors into the slice 0 <= z < spacing."""
    coords = places @ np.linalg.inv(matrix)
    coords -= np.floor(coords + 1e-9)
    moved: np.ndarray = coords @ matrix
    return moved


def _euclid(a: int, b: int) -> tuple[int, int, int]:
    """Return g, p, q with p a + q b = g = gcd(a, b) > 0."""
    if b == 0:
        return (a, 1, 0) if a > 0 else (-a, -1, 0)
    divisor, p, q = _euclid(b, a % b)
    return divisor, q, p - (a // b) * q
