"""Rotations that bring part of a lattice onto itself, and the planes that both lattices share."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.planes import in_lattice, plane_basis, shortest_plane, standard_cell
from defectflow.structures.symmetry import operations, primitive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.planes import Miller

#: Denominators of the squared ratios of lattice constants that stand for the measured ones.
METRIC_DENOMINATOR: Final = 5
_CENTRING: Final = 24
_SAME: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Rotation:
    """A rotation with a coincidence site lattice.

    Attributes
    ----------
    axis
        In vectors of the standard conventional cell.
    angle_deg
        Between 0 and 180, about that axis.
    sigma
        Cells of the lattice in one of the coincidence site lattice.
    half_tangent
        tan(θ/2) V/|u|, a fraction; see `rotations`.
    matrix
        (3, 3) Fractions: takes coordinates (columns) of the primitive lattice to those of the
        turned vector in the same lattice.
    """

    axis: tuple[int, int, int]
    angle_deg: float
    sigma: int
    half_tangent: Fraction
    matrix: np.ndarray

    @property
    def reverse(self) -> Rotation:
        """The rotation by the same angle in the other sense."""
        back = _inverse(self.matrix)
        return Rotation(self.axis, self.angle_deg, self.sigma, -self.half_tangent, back)

    def bisected(self, index: Sequence[int], metric: np.ndarray) -> list[int]:
        """Return the plane that a plane along the axis becomes by half of the rotation.

        k + tan(θ/2) V/|u| (u ∧ G⁻¹ k): whole numbers, though half of the rotation has no
        coincidence lattice.
        """
        k = np.array([Fraction(int(one)) for one in index])
        u = np.array(self.axis, dtype=object)
        direction = _inverse(metric) @ k
        turned = np.array(
            [u[i - 2] * direction[i - 1] - u[i - 1] * direction[i - 2] for i in range(3)]
        )
        return _coprime(k + self.half_tangent * turned)


@dataclass(frozen=True, eq=False)
class SharedPlane:
    """A plane that two grains share, and its smallest common cell.

    Attributes
    ----------
    rows
        (2, 3) Integers: its vectors in the primitive lattice of the first grain.
    turned
        (2, 3) The same vectors in the lattice of the second grain.
    index, other_index
        Of the plane in the two primitive lattices.
    area_A2
        Of the common cell.
    """

    rows: np.ndarray
    turned: np.ndarray
    index: tuple[int, int, int]
    other_index: tuple[int, int, int]
    area_A2: float


@dataclass(frozen=True, eq=False)
class Lattices:
    """The standard conventional cell of a crystal and its primitive cell, in one frame."""

    whole: Structure
    cell: Structure

    @classmethod
    def of(cls, structure: Structure) -> Lattices:
        """Return both cells of a crystal."""
        whole = standard_cell(structure)
        return cls(whole, primitive(whole))

    @cached_property
    def metric(self) -> np.ndarray:
        """Metric of the conventional cell in units of a², as fractions of small numbers."""
        rows = self.whole.lattice.matrix
        exact = rows @ rows.T / (rows[0] @ rows[0])
        near = [
            [Fraction(float(one)).limit_denominator(METRIC_DENOMINATOR) for one in row]
            for row in exact
        ]
        return np.array(near, dtype=object)

    @cached_property
    def centring(self) -> np.ndarray:
        """Rows: vectors of the primitive cell in those of the conventional one, fractions."""
        exact = self.cell.lattice.matrix @ np.linalg.inv(self.whole.lattice.matrix)
        near = [[Fraction(float(x)).limit_denominator(_CENTRING) for x in row] for row in exact]
        return np.array(near, dtype=object)

    @cached_property
    def points(self) -> np.ndarray:
        """Distinct point operations in the primitive lattice, (m, 3, 3) integers on columns."""
        unique: np.ndarray = np.unique(operations(self.cell)[0], axis=0)
        return unique

    def plane(self, miller: Sequence[int]) -> tuple[int, int, int]:
        """Return the index of a plane in the primitive lattice."""
        index = tuple(int(one) for one in miller)
        h, k, l = in_lattice(index, self.whole.lattice.matrix, self.cell.lattice.matrix)  # type: ignore[arg-type]  # noqa: E741
        return h, k, l

    def miller(self, index: Sequence[int]) -> Miller:
        """Return the index of a plane of the primitive lattice in the conventional cell."""
        parts = _inverse(self.centring) @ np.array([Fraction(int(one)) for one in index])
        h, k, l = _coprime(parts)  # noqa: E741
        return h, k, l

    def direction(self, row: Sequence[int]) -> tuple[int, int, int]:
        """Return a vector of the primitive lattice as a direction of the conventional cell."""
        u, v, w = _coprime(np.array([Fraction(int(one)) for one in row]) @ self.centring)
        return u, v, w


def rotations(lattices: Lattices, axis: Sequence[int], max_sigma: int) -> list[Rotation]:
    """Return the rotations about an axis with 1 < Σ <= `max_sigma`, lowest Σ and angle first.

    tan(θ/2) = (n/m) |u| / V in the metric of the lattice, |u| the length of the axis and V the
    volume, for whole n and m: for cubic crystals S. Ranganathan, Acta Cryst. 21, 197 (1966). The
    ratios of the lattice constants are taken as fractions, so that an axis other than that of a
    hexagonal or tetragonal crystal gives a coincidence with a small strain.

    Raises
    ------
    StructureError
        If the axis is zero.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> found = rotations(Lattices.of(hosts.load("fcc-Al").structure), (0, 0, 1), 13)
    >>> [(one.sigma, round(one.angle_deg, 2)) for one in found]
    [(5, 36.87), (5, 53.13), (13, 22.62), (13, 67.38)]
    """
    u = np.array(_axis(axis), dtype=object)
    length2 = u @ lattices.metric @ u
    ratio2 = length2 / _determinant(lattices.metric)
    found: dict[tuple[int, float], Rotation] = {}
    for n, m in _pairs(max_sigma, float(ratio2)):
        matrix = _rotation(lattices, u, Fraction(n, m), ratio2)
        sigma = coincidence_index(matrix)
        half = math.atan2(n * math.sqrt(ratio2), m)
        angle = round(math.degrees(2 * half), 6)
        if 1 < sigma <= max_sigma and angle < 180 - _SAME:
            found.setdefault(
                (sigma, angle), Rotation(_axis(axis), angle, sigma, Fraction(n, m), matrix)
            )
    return _distinct(lattices, [found[key] for key in sorted(found)])


def rotation_of(
    lattices: Lattices, axis: Sequence[int], sigma: int, angle_deg: float | None = None
) -> Rotation:
    """Return the rotation with that Σ about an axis: of the angle given, or the smallest.

    Raises
    ------
    StructureError
        If the axis has no such Σ or angle; the nearest that it has are named.
    """
    reach = max(2 * sigma, 31)
    known = rotations(lattices, axis, reach)
    found = [one for one in known if one.sigma == sigma]
    text = "".join(str(one) for one in _axis(axis))
    if not found:
        near = sorted({one.sigma for one in known}, key=lambda one: (abs(one - sigma), one))[:3]
        hint = ", ".join(str(one) for one in sorted(near)) or "none"
        message = f"Σ{sigma}: the axis [{text}] has no such coincidence; the nearest are Σ {hint}"
        raise StructureError(message)
    if angle_deg is None:
        return found[0]
    best = min(found, key=lambda one: abs(one.angle_deg - angle_deg))
    if abs(best.angle_deg - angle_deg) > 0.5:  # noqa: PLR2004 - degrees, as tables round them
        angles = ", ".join(f"{one.angle_deg:.2f}" for one in found)
        message = f"angle {angle_deg:g}°: Σ{sigma} [{text}] has {angles}°; give one of them"
        raise StructureError(message)
    return best


def low_angle(
    lattices: Lattices, axis: Sequence[int], angle_deg: float, tolerance_deg: float = 1.0
) -> Rotation:
    """Return the rotation of least Σ whose angle is that near.

    Raises
    ------
    StructureError
        If there is none with Σ < 2000.
    """
    u = np.array(_axis(axis), dtype=object)
    ratio2 = (u @ lattices.metric @ u) / _determinant(lattices.metric)
    best: Rotation | None = None
    for n, m in itertools.product(range(1, 4), range(1, 91)):
        angle = 2 * math.degrees(math.atan2(n * math.sqrt(ratio2), m))
        if math.gcd(n, m) > 1 or abs(angle - angle_deg) > tolerance_deg:
            continue
        matrix = _rotation(lattices, u, Fraction(n, m), ratio2)
        sigma = coincidence_index(matrix)
        if best is None or sigma < best.sigma:
            best = Rotation(_axis(axis), angle, sigma, Fraction(n, m), matrix)
    if best is None or best.sigma >= 2000:  # noqa: PLR2004 - as said
        message = (
            f"angle {angle_deg:g}°: no coincidence within {tolerance_deg:g}°; give another angle"
        )
        raise StructureError(message)
    return best


def shared_plane(lattices: Lattices, rotation: Rotation, index: Sequence[int]) -> SharedPlane:
    """Return the smallest cell that both grains have in a plane of the first."""
    k = [int(one) for one in index]
    flat = plane_basis(k)[:2]
    back = _inverse(rotation.matrix)
    images = np.array([back @ row for row in flat], dtype=object)
    lcd = math.lcm(*(Fraction(one).denominator for one in images.ravel()))
    scaled = np.array([[int(one * lcd) for one in row] for row in images])
    inside = _sublattice(scaled, lcd)
    matrix = lattices.cell.lattice.matrix
    rows = inside @ flat
    rows = shortest_plane(rows @ matrix) @ rows
    turned = np.array([[int(one) for one in back @ row] for row in rows])
    other = np.cross(turned[0], turned[1])
    own = np.cross(rows[0], rows[1])
    area = float(np.linalg.norm(np.cross(*(rows @ matrix))))
    sign = 1 if own @ k > 0 else -1
    h, kk, l = (sign * int(one) // math.gcd(*(int(x) for x in other)) for one in other)  # noqa: E741
    if sign < 0:
        rows, turned = rows[::-1].copy(), turned[::-1].copy()
    return SharedPlane(rows, turned, (k[0], k[1], k[2]), (h, kk, l), area)


def coincidence_index(matrix: np.ndarray) -> int:
    """Return Σ of a rotation in lattice coordinates.

    The product of the numerators of its Smith form: H. Grimmer, Acta Cryst. A 32, 783 (1976).

    Examples
    --------
    >>> import numpy as np
    >>> turn = np.array([[3, -4, 0], [4, 3, 0], [0, 0, 5]], dtype=object) * Fraction(1, 5)
    >>> coincidence_index(turn)
    5
    """
    lcd = math.lcm(*(Fraction(one).denominator for one in matrix.ravel()))
    whole = [[int(one * lcd) for one in row] for row in matrix]
    first = math.gcd(*itertools.chain(*whole))
    minors = [
        whole[i][k] * whole[j][m] - whole[i][m] * whole[j][k]
        for i, j in itertools.combinations(range(3), 2)
        for k, m in itertools.combinations(range(3), 2)
    ]
    second = math.gcd(*minors)
    third = abs(int(_determinant(np.array(whole, dtype=object))))
    invariants = (first, second // first, third // second)
    return reduce(lambda product, one: product * (one // math.gcd(one, lcd)), invariants, 1)


def _rotation(lattices: Lattices, axis: np.ndarray, q: Fraction, ratio2: Fraction) -> np.ndarray:
    """Return the rotation with tan(θ/2) = q |u| / V in coordinates of the primitive lattice.

    Rodrigues' formula in an oblique basis, where v × w has the components V G⁻¹ (v ∧ w).
    """
    g = lattices.metric
    a, b, c = axis
    wedge = np.array([[0, -c, b], [c, 0, -a], [-b, a, 0]], dtype=object)
    s = q * q * ratio2
    dyad = np.outer(axis, g @ axis) / (axis @ g @ axis)
    unit = np.array([[Fraction(int(i == j)) for j in range(3)] for i in range(3)], dtype=object)
    turn = unit + (2 * q / (1 + s)) * (_inverse(g) @ wedge) + (2 * s / (1 + s)) * (dyad - unit)
    to_whole = lattices.centring.T
    found: np.ndarray = _inverse(to_whole) @ turn @ to_whole
    return found


def _pairs(max_sigma: int, ratio2: float) -> list[tuple[int, int]]:
    """Return coprime n, m that may give Σ up to a limit: Σ is (m² + n² |u|²/V²) over a factor."""
    limit = 6.0 * max_sigma * max(1.0, ratio2)
    ms = range(1, math.isqrt(int(limit)) + 1)
    ns = range(1, math.isqrt(int(limit / ratio2)) + 1)
    return [
        (n, m)
        for n, m in itertools.product(ns, ms)
        if math.gcd(n, m) == 1 and m * m + n * n * ratio2 <= limit
    ]


def _distinct(lattices: Lattices, found: list[Rotation]) -> list[Rotation]:
    """Leave out rotations that differ from an earlier one by a rotation about the same axis."""
    kept: list[Rotation] = []
    for one in found:
        if not any(_same_turn(lattices, one, other) for other in kept):
            kept.append(one)
    return kept


def _same_turn(lattices: Lattices, one: Rotation, other: Rotation) -> bool:
    """Return whether two rotations turn the lattice into the same one."""
    if one.sigma != other.sigma:
        return False
    between = _inverse(other.matrix) @ one.matrix
    if any(Fraction(part).denominator > 1 for part in between.ravel()):
        return False
    whole = np.array([[int(part) for part in row] for row in between])
    return bool(np.any(np.all(lattices.points == whole, axis=(1, 2))))


def _sublattice(scaled: np.ndarray, modulus: int) -> np.ndarray:
    """Return (2, 2) integers: the basis of all (i, j) with i α + j β divisible by a number."""
    if modulus == 1:
        return np.eye(2, dtype=int)
    steps = np.arange(modulus)
    sums = steps[:, None, None] * scaled[0] + steps[None, :, None] * scaled[1]
    good = np.all(sums % modulus == 0, axis=2)
    along = next(i for i in range(1, modulus + 1) if good[i % modulus, 0])
    for j in range(1, modulus + 1):
        hits = np.flatnonzero(good[:, j % modulus])
        if len(hits):
            return np.array([[along, 0], [int(hits[0]), j]])
    return np.array([[along, 0], [0, modulus]])


def _axis(axis: Sequence[int]) -> tuple[int, int, int]:
    whole = [int(one) for one in axis]
    divisor = math.gcd(*whole) if len(whole) == 3 else 0  # noqa: PLR2004 - u, v, w
    if divisor == 0:
        message = f"axis {tuple(axis)}: no direction; give three whole numbers, e.g. [0, 0, 1]"
        raise StructureError(message)
    u, v, w = (one // divisor for one in whole)
    return u, v, w


def _coprime(parts: np.ndarray) -> list[int]:
    factor = math.lcm(*(Fraction(one).denominator for one in parts))
    whole = [int(one * factor) for one in parts]
    divisor = math.gcd(*whole)
    return [one // divisor for one in whole]


def _determinant(m: np.ndarray) -> Fraction:
    a, b, c = m
    cross = (b[1] * c[2] - b[2] * c[1], b[2] * c[0] - b[0] * c[2], b[0] * c[1] - b[1] * c[0])
    return Fraction(a[0] * cross[0] + a[1] * cross[1] + a[2] * cross[2])


def _inverse(m: np.ndarray) -> np.ndarray:
    """Return the exact inverse of a matrix of fractions."""
    columns = [
        [
            m[(j + 1) % 3][(i + 1) % 3] * m[(j + 2) % 3][(i + 2) % 3]
            - m[(j + 1) % 3][(i + 2) % 3] * m[(j + 2) % 3][(i + 1) % 3]
            for j in range(3)
        ]
        for i in range(3)
    ]
    inverse: np.ndarray = np.array(columns, dtype=object) / _determinant(m)
    return inverse
