"""Grain boundaries: tilt, twist and mixed, by Σ, axis and plane, for any crystal system.

Both grains are slabs around inversion centres where the crystal has these. The second boundary of
the periodic cell is then the image of the first by inversion, whatever the plane and displacement.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.boundary_scan import (
    GAPS_A,
    MIN_RATIO,
    Bicrystal,
    closest,
    closest_pairs,
    separated,
)
from defectflow.structures.cells import Cell, Planar, frac_tuple
from defectflow.structures.coincidence import Lattices, low_angle, rotation_of, shared_plane
from defectflow.structures.grains import grain_of
from defectflow.structures.planes import reduced_miller, shortest_plane, stack_of, written
from defectflow.structures.stacking_faults import crystal_of, upright

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.coincidence import Rotation, SharedPlane
    from defectflow.structures.grains import Grain
    from defectflow.structures.planes import Miller

#: How the axis lies to the plane: in it, along its normal, or neither.
Character = Literal["tilt", "twist", "mixed"]

MIN_THICKNESS_A: Final = 8.0
MAX_ATOMS: Final = 1000
#: Planes up to these indices, and those turned by half of the rotation, are looked at.
_LOW: Final = 2
_MOST_STRAIN: Final = 0.05
#: A boundary is at most this much thinner than the crystal, Å.
_LOOSE_A: Final = 2.5
_SAME: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Boundary:
    """Which boundary: rotation, plane, and the two grains.

    Attributes
    ----------
    miller
        Of the plane, in the first grain.
    other_miller
        Of the plane, in the second grain.
    character
        ``tilt``, ``twist`` or ``mixed``.
    strain
        Largest strain of the second grain that makes the two planes fit; 0 for cubic crystals.
    """

    rotation: Rotation
    miller: Miller
    other_miller: Miller
    character: Character
    area_A2: float
    strain: float
    lower: Grain
    upper: Grain

    @property
    def name(self) -> str:
        """As it is written: ``Σ5(310)[001]``."""
        plane, axis = written(self.miller), written(self.rotation.axis)
        return f"Σ{self.rotation.sigma}({plane})[{axis}]"


@dataclass(frozen=True)
class BoundaryChoice:
    """Which boundary is asked for.

    Attributes
    ----------
    axis
        Of the rotation, in vectors of the standard conventional cell.
    sigma, angle_deg
        At least one of them: Σ with its smallest angle or the one given, or, of an angle alone,
        the least Σ that is within half a degree.
    miller
        Of the plane in the lower grain; None for the smallest symmetric tilt boundary, or the
        plane along the normal for a twist.
    character
        None: what the plane makes it, tilt or twist; a plane that is neither has to be asked for
        as mixed.
    """

    axis: tuple[int, int, int]
    sigma: int | None = None
    miller: tuple[int, ...] | None = None
    angle_deg: float | None = None
    character: Character | None = None


@dataclass(frozen=True)
class BoundaryScan:
    """Which cells of a boundary are made.

    Attributes
    ----------
    shifts
        Displacements of the upper grain along the two vectors of the cell of non-identical
        displacements; (6, 6) holds those of coherent twins.
    min_thickness_A
        Least thickness of each grain.
    min_ratio
        Least distance of two atoms, relative to the nearest such pair of the crystal; the grains
        are moved apart, or formula units taken out, until it is kept.
    """

    shifts: tuple[int, int] = (6, 6)
    min_thickness_A: float = MIN_THICKNESS_A
    min_ratio: float = MIN_RATIO
    max_atoms: int = MAX_ATOMS


def grain_boundaries(
    structure: Structure, choice: BoundaryChoice, scan: BoundaryScan | None = None
) -> Iterator[Cell]:
    """Yield cells of a grain boundary: each termination and displacement, least overlap first.

    The composition is that of the crystal: atoms that overlap are taken out by formula units, the
    same of both boundaries. A cell without and one with atoms taken out are made where both work,
    and equal cells once.

    Raises
    ------
    StructureError
        If the axis has no such Σ, the plane does not contain it, or the cell is too large.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> aluminium = hosts.load("fcc-Al").structure
    >>> cell = next(grain_boundaries(aluminium, BoundaryChoice((0, 0, 1), 5, (3, 1, 0))))
    >>> cell.name, cell.planar.count, cell.planar.equivalent
    ('Σ5(310)[001]_1', 2, True)
    """
    scan = scan or BoundaryScan()
    lattices = Lattices.of(structure)
    found = boundary(lattices, choice)
    atoms = sum(len(grain.places) * _slices(grain, scan) for grain in (found.lower, found.upper))
    if atoms > scan.max_atoms:
        message = (
            f"{found.name}: two grains of {scan.min_thickness_A:g} Å hold {atoms} atoms, more than "
            f"{scan.max_atoms}; make them thinner or choose a smaller Σ"
        )
        raise StructureError(message)
    return _scanned(lattices, found, scan)


def boundary(lattices: Lattices, choice: BoundaryChoice) -> Boundary:
    """Return the boundary asked for, in the sense of rotation that gives the smaller cell.

    Raises
    ------
    StructureError
        If the axis has no such Σ, or the plane does not lie to the axis as it should.
    """
    if choice.sigma is not None:
        turn = rotation_of(lattices, choice.axis, choice.sigma, choice.angle_deg)
    elif choice.angle_deg is not None:
        turn = low_angle(lattices, choice.axis, choice.angle_deg)
    else:
        message = f"grain boundary about {choice.axis}: give Σ, or an angle"
        raise StructureError(message)
    if choice.miller is not None:
        miller = reduced_miller(choice.miller)
    elif choice.character == "twist":
        miller = normal_plane(lattices, turn.axis)
    elif choice.character == "mixed":
        message = "a mixed boundary: has no plane of its own; give the plane as well"
        raise StructureError(message)
    else:
        miller = tilt_planes(lattices, turn)[0][0]
    character = _character(lattices, turn, miller, choice.character)
    index = lattices.plane(miller)
    turn, plane = min(
        ((one, shared_plane(lattices, one, index)) for one in (turn, turn.reverse)),
        key=lambda pair: round(pair[1].area_A2, 4),
    )
    return _made(lattices, turn, miller, character, plane)


def normal_plane(lattices: Lattices, axis: Sequence[int]) -> Miller:
    """Return the plane whose normal is a direction of the conventional cell."""
    parts = lattices.metric @ np.array([Fraction(int(one)) for one in axis])
    factor = math.lcm(*(Fraction(one).denominator for one in parts))
    return reduced_miller([int(one * factor) for one in parts])


def tilt_planes(lattices: Lattices, turn: Rotation) -> list[tuple[Miller, bool, float]]:
    """Return planes that contain the axis: Miller indices, whether symmetric, area of the cell.

    Symmetric ones are equivalent planes of both grains: a low-index plane turned by half of the
    rotation. They come first, then those with small cells.
    """
    low = [
        miller
        for miller in itertools.product(range(-_LOW, _LOW + 1), repeat=3)
        if math.gcd(*miller) == 1 and np.dot(miller, turn.axis) == 0
    ]
    halves = [
        one.bisected(miller, lattices.metric) for one in (turn, turn.reverse) for miller in low
    ]
    found = []
    for miller in dict.fromkeys(_positive(one) for one in [*halves, *low]):
        index = lattices.plane(miller)
        plane = min(
            (shared_plane(lattices, one, index) for one in (turn, turn.reverse)),
            key=lambda one: round(one.area_A2, 4),
        )
        symmetric = _equivalent(lattices, plane.index, plane.other_index)
        found.append((miller, symmetric, plane.area_A2))
    found.sort(key=_rank)
    return found


def _positive(index: Sequence[int]) -> Miller:
    """Return indices with the sign that makes most of them, and the first, positive."""
    h, k, l = index  # noqa: E741 - Miller indices
    opposite = (-h, -k, -l)
    return max((h, k, l), opposite, key=lambda one: (sum(np.sign(one)), one))


def _rank(plane: tuple[Miller, bool, float]) -> tuple[bool, float, int, tuple[int, ...]]:
    """Return what orders planes: symmetric, small, with few negative and falling indices."""
    miller, symmetric, area = plane
    return (not symmetric, round(area, 4), sum(k < 0 for k in miller), tuple(-k for k in miller))


def _equivalent(lattices: Lattices, one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    images = np.array(one) @ lattices.points
    signed = np.vstack([images, -images])
    return bool(np.any(np.all(signed == other, axis=1)))


def _character(
    lattices: Lattices, turn: Rotation, miller: Miller, wanted: Character | None
) -> Character:
    """Return how the axis lies to the plane, if that is what is wanted."""
    found: Character = "mixed"
    if np.dot(miller, turn.axis) == 0:
        found = "tilt"
    elif miller in (one := normal_plane(lattices, turn.axis), tuple(-k for k in one)):
        found = "twist"
    if found == wanted or (wanted is None and found != "mixed"):
        return found
    plane, axis = written(miller), written(turn.axis)
    if wanted == "twist":
        hint = f"the plane of a twist is ({written(normal_plane(lattices, turn.axis))})"
    elif wanted == "mixed":
        hint = f"it is a {found} boundary; leave out the character"
    else:
        near = sorted(
            tilt_planes(lattices, turn)[:8], key=lambda one: _angle(lattices, one, miller)
        )
        said = " and ".join(f"({written(one[0])})" for one in near[:2])
        hint = f"the nearest that do are {said}; for this one give the character mixed"
    lacks = "is not normal to" if wanted == "twist" else "does not contain"
    lacks = "is no mixed plane of" if wanted == "mixed" else lacks
    message = f"plane ({plane}): {lacks} the axis [{axis}]; {hint}"
    raise StructureError(message)


def _angle(lattices: Lattices, one: tuple[Miller, bool, float], miller: Miller) -> float:
    """Return the angle between two planes, radians."""
    back = np.linalg.inv(lattices.whole.lattice.matrix)
    a, b = back @ np.array(one[0]), back @ np.array(miller)
    return float(np.arccos(min(1.0, abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b))))


def _made(
    lattices: Lattices, turn: Rotation, miller: Miller, character: Character, plane: SharedPlane
) -> Boundary:
    lower = grain_of(lattices.cell, plane.rows, plane.index)
    upper = grain_of(lattices.cell, plane.turned, plane.other_index)
    fit = np.linalg.solve(upper.matrix[:2, :2], lower.matrix[:2, :2])
    strain = float(np.max(np.abs(np.linalg.svd(fit, compute_uv=False) - 1)))
    if strain > _MOST_STRAIN:
        message = (
            f"Σ{turn.sigma}({written(miller)}): the grains fit only with a strain of {strain:.1%}; "
            "choose another Σ"
        )
        raise StructureError(message)
    return Boundary(
        rotation=turn,
        miller=miller,
        other_miller=lattices.miller(plane.other_index),
        character=character,
        area_A2=plane.area_A2,
        strain=strain if strain > _SAME else 0.0,
        lower=lower,
        upper=upper.fitted(fit),
    )


def _slices(grain: Grain, scan: BoundaryScan) -> int:
    return max(math.ceil(scan.min_thickness_A / grain.spacing_A - 1e-9), 1)


def _scanned(lattices: Lattices, found: Boundary, scan: BoundaryScan) -> Iterator[Cell]:
    crystal = lattices.cell
    known = closest_pairs(crystal)
    unit = {str(one): int(n) for one, n in crystal.composition.reduced_composition.items()}
    units = len(crystal) / sum(unit.values())
    most = math.ceil(found.area_A2 * _LOOSE_A * units / crystal.volume)
    slices = _slices(found.lower, scan)
    places, symbols = found.lower.slab(np.zeros(3), slices)
    last = upright(slices * found.lower.matrix[2], found.lower.matrix)
    pristine = crystal_of(np.array([*found.lower.matrix[:2], last]), symbols, places)
    planes = stack_of(lattices.whole, found.miller).equivalent_planes()
    seen: set[tuple[int, float]] = set()
    for joining in _joinings(found, scan, known):
        for made, gap in _variants(joining, known, unit, most, scan):
            key = _key(made.structure)
            if key in seen:
                continue
            seen.add(key)
            planar = Planar(
                miller=found.miller,
                area_A2=found.area_A2,
                count=2,
                equivalent=made.inverted,
                shift_A=frac_tuple(joining.shift_A),
                said=_said(found, made, gap, closest(made.structure, known)),
            )
            name = f"{found.name}_{len(seen)}"
            yield Cell(made.structure, pristine, name, "grain_boundary", (), planes, planar=planar)


@dataclass(frozen=True, eq=False)
class _Joining:
    """Two grains with their faces, before it is known how far apart they have to be."""

    lower: tuple[np.ndarray, list[str]]
    upper: tuple[np.ndarray, list[str]]
    plane: np.ndarray
    heights_A: tuple[float, float]
    shift_A: np.ndarray
    inverted: bool

    def at(self, gap_A: float) -> Bicrystal:
        """Return the cell with the grains moved apart."""
        lower, upper = self.heights_A
        step = self.shift_A + np.array([0.0, 0.0, (lower + upper) / 2 + gap_A])
        places = np.vstack([self.lower[0], self.upper[0] + step])
        matrix = np.array([*self.plane, upright(2 * step, self.plane)])
        structure = crystal_of(matrix, [*self.lower[1], *self.upper[1]], places)
        half = (lower + gap_A) / 2
        return Bicrystal(structure, (half, -half), self.inverted)

    def overlap(self, known: dict[tuple[str, str], float]) -> float:
        """Return how much atoms overlap across the boundary, per area: Σ (1 - d/d₀)² of pairs."""
        low, high = self.heights_A
        reach = max(known.values())
        below = self.lower[0][:, 2] > low / 2 - reach
        above = self.upper[0][:, 2] < reach - high / 2
        places = self.upper[0][above] + self.shift_A + np.array([0.0, 0.0, (low + high) / 2])
        gaps = places[None] - self.lower[0][below][:, None]
        plane = self.plane[:, :2]
        near = np.round(gaps[..., :2] @ np.linalg.inv(plane))
        gaps[..., :2] -= near @ plane
        images = (np.array(list(itertools.product((-1, 0, 1), repeat=2))) @ plane)[:, None, None]
        flat = gaps[..., :2] + images
        distances = np.sqrt(np.sum(flat**2, axis=-1) + gaps[..., 2] ** 2)
        kinds = np.array(self.lower[1])[below][:, None], np.array(self.upper[1])[above][None]
        usual = np.zeros(gaps.shape[:2])
        for (one, other), bond in known.items():
            usual[(kinds[0] == one) & (kinds[1] == other)] = bond
            usual[(kinds[0] == other) & (kinds[1] == one)] = bond
        ratios = distances / np.maximum(usual, _SAME)
        area = abs(float(np.linalg.det(plane)))
        return float(np.sum(np.maximum(0.0, 1.0 - ratios) ** 2)) / area


def _joinings(
    found: Boundary, scan: BoundaryScan, known: dict[tuple[str, str], float]
) -> list[_Joining]:
    """Return each pair of terminations with each displacement, those that overlap least first."""
    lower, upper = found.lower, found.upper
    slices = [_slices(grain, scan) for grain in (lower, upper)]
    ends = [
        grain.terminations(number) for grain, number in zip((lower, upper), slices, strict=True)
    ]
    steps = displacements(lower, upper)
    n, m = scan.shifts
    ranked: list[tuple[float, int, _Joining]] = []
    for (one, alike), (other, too) in itertools.product(*ends):
        slabs = lower.slab(one, slices[0]), upper.slab(other, slices[1])
        heights = slices[0] * lower.spacing_A, slices[1] * upper.spacing_A
        for i, j in itertools.product(range(n), range(m)):
            shift = np.array([*(i / n * steps[0] + j / m * steps[1]), 0.0])
            joining = _Joining(*slabs, lower.matrix[:2], heights, shift, alike and too)
            ranked.append((round(joining.overlap(known), 4), len(ranked), joining))
    ranked.sort(key=lambda one: one[:2])
    return [joining for _, _, joining in ranked]


def displacements(lower: Grain, upper: Grain) -> np.ndarray:
    """Return the cell of non-identical displacements, (2, 2), Å.

    It is spanned by the vectors that both grains have in the plane: a displacement by any of them
    gives the same boundary.
    """
    plane = lower.matrix[:2, :2]
    vectors = np.vstack([lower.primitive, upper.primitive]) @ np.linalg.inv(plane)
    areas = [
        round(abs(np.linalg.det(plane) / np.linalg.det(grain.primitive)))
        for grain in (lower, upper)
    ]
    lcd = math.lcm(*areas)
    rows = [[round(float(x) * lcd) for x in row] for row in vectors]
    basis = _spanned(rows) / lcd @ plane
    short: np.ndarray = shortest_plane(basis) @ basis
    return short


def _spanned(rows: list[list[int]]) -> np.ndarray:
    """Return the basis of the plane lattice that whole vectors span (Hermite)."""
    pivot = [0, 0]
    rest = 0
    for row in rows:
        one = list(row)
        while one[0]:
            if pivot[0] == 0 or abs(one[0]) < abs(pivot[0]):
                pivot, one = one, pivot
            if one[0] == 0:
                break
            times = one[0] // pivot[0]
            one = [one[0] - times * pivot[0], one[1] - times * pivot[1]]
        rest = math.gcd(rest, one[1])
    return np.array([pivot, [0, rest]])


def _variants(
    joining: _Joining,
    known: dict[tuple[str, str], float],
    unit: dict[str, int],
    most: int,
    scan: BoundaryScan,
) -> Iterator[tuple[Bicrystal, float]]:
    """Yield the cell with the grains moved apart, and the one with atoms taken out."""
    for gap in GAPS_A:
        whole = separated(joining.at(gap), known, unit, 0, scan.min_ratio)
        if whole is not None:
            yield whole, gap
            break
    thinned = separated(joining.at(0.0), known, unit, most, scan.min_ratio)
    if thinned is not None and thinned.removed:
        yield thinned, 0.0


def _key(structure: Structure) -> tuple[int, float]:
    """Return what equal cells have in common: atoms, and a sum over their distances."""
    distances = structure.get_neighbor_list(_LOOSE_A + 2)[3]
    return len(structure), round(float(np.sum(np.exp(-distances))), 4)


def _said(found: Boundary, made: Bicrystal, gap_A: float, ratio: float) -> str:
    """Return what tells a cell from others."""
    said = [f"{found.character} {found.rotation.angle_deg:.2f}°", f"closest {ratio:.2f}"]
    if gap_A:
        said.append(f"{gap_A:g} Å apart")
    if made.removed:
        said.append(f"{made.removed} formula units taken out of each boundary")
    if found.strain:
        said.append(f"strain {found.strain:.2%}")
    return ", ".join(said)
