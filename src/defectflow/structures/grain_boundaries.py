"""Grain boundaries: tilt, twist and mixed, by Σ, axis and plane, for any crystal system.

Both grains are slabs around inversion centres where the crystal has these. The second boundary of
the periodic cell is then the image of the first by inversion, whatever the plane and displacement.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.boundary_planes import boundary
from defectflow.structures.boundary_scan import (
    GAPS_A,
    MIN_RATIO,
    Bicrystal,
    closest,
    closest_pairs,
    separated,
)
from defectflow.structures.cells import Cell, Planar, frac_tuple
from defectflow.structures.coincidence import Lattices
from defectflow.structures.planes import shortest_plane, stack_of
from defectflow.structures.stacking_faults import crystal_of, upright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.boundary_planes import Boundary, BoundaryChoice
    from defectflow.structures.grains import Grain

MIN_THICKNESS_A: Final = 8.0
MAX_ATOMS: Final = 1000
#: A boundary is at most this much thinner than the crystal, Å.
_LOOSE_A: Final = 2.5
_SAME: Final = 1e-6


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
    >>> from defectflow.structures.boundary_planes import BoundaryChoice
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
