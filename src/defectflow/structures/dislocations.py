"""Dislocations: pairs of opposite sign in cells that are periodic in three directions.

Both lines lie in one glide plane, half a cell apart, and the fault between them heals by a Burgers
vector: no atom is added or taken away, whatever the character. Displacements are those of linear
elasticity for the whole periodic array (`ElasticField.row`, summed over the glide planes); the cell
leans by half a Burgers vector, the plastic strain of the pair, which leaves no mean stress
(W. Cai, V. V. Bulatov et al., Philos. Mag. 83, 539 (2003)). Cores are for a relaxation to find.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, Line
from defectflow.structures.planes import standard_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.elastic_field import ElasticField
    from defectflow.structures.slip_systems import SlipSystem

Arrangement = Literal["quadrupole", "dipole"]

#: Distance between the two lines, and of the glide plane from its image, Å.
SEPARATION_A: Final = 12.0
_SAME: Final = 1e-4
#: Rows of the array are added up until what is left is below this fraction of a Burgers vector.
_TAIL: Final = 1e-9


def dislocations(
    system: SlipSystem,
    size: tuple[float, float] = (SEPARATION_A, 0.0),
    arrangement: Arrangement = "quadrupole",
    elastic: Mapping[str, float] | None = None,
    places: int = 1,
) -> Iterator[Cell]:
    """Yield the cell of a pair of dislocations, one for each distinct gap in which they may glide.

    Parameters
    ----------
    size
        Least distance (Å) of the two lines, and of the glide planes, and least length along the
        line.
    arrangement
        ``quadrupole``: the nearest neighbours of each line, up, down and to the sides, have the
        other sign; ``dipole``: lines of one sign stand above each other.
    elastic
        Elastic constants by name, any unit; isotropic with a Poisson ratio of 0.3 for None.
    places
        So many places of the lines across one period of the crystal: cores begin as different
        ones, e.g. in the valleys and on the hills that the lattice puts into the way of a line.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.slip_systems import slip_system
    >>> copper = hosts.load("fcc-Cu").structure
    >>> cell = next(dislocations(slip_system(copper, (0.5, -0.5, 0), (1, 1, -2))))
    >>> cell.name, len(cell.structure) == len(cell.pristine)
    ('edge[1/2 -1/2 0](111)', True)
    """
    box = _box(system, size, arrangement)
    return _pairs(system, system.field(elastic), box, places)


def strained_crystals(
    structure: Structure,
    system: SlipSystem,
    places_A: Sequence[tuple[float, float]],
    elastic: Mapping[str, float] | None = None,
) -> Iterator[Cell]:
    """Yield the crystal as it is strained beside a dislocation: the strained-lattice model.

    A catalyst rich in dislocations is computed as a perfect crystal (of which a slab may be cut)
    with the strain that linear elasticity gives at some distance from a line.

    Parameters
    ----------
    places_A
        Where: distance (Å) across the line in the glide plane, and above the plane.

    Raises
    ------
    StructureError
        If a place is inside the core, nearer than a Burgers vector, where elasticity ends.
    """
    core = float(np.linalg.norm(system.burgers_A))
    for place in places_A:
        if math.hypot(*place) < core - _SAME:
            message = (
                f"{structure.reduced_formula}: {math.hypot(*place):.3g} Å from the line is inside "
                f"the core; give a distance of at least one Burgers vector, {core:.3g} Å"
            )
            raise StructureError(message)
    return _strained(structure, system, places_A, system.field(elastic))


def _strained(
    structure: Structure,
    system: SlipSystem,
    places_A: Sequence[tuple[float, float]],
    field: ElasticField,
) -> Iterator[Cell]:
    whole = standard_cell(structure)
    lattice = whole.lattice.matrix
    turn = np.linalg.inv(lattice) @ system.stack.standard
    for x, y in places_A:
        gradient = field.distortion(x, y)
        strain = system.frame.T @ ((gradient + gradient.T) / 2) @ system.frame
        made = whole.copy()
        made.lattice = lattice @ (np.eye(3) + turn @ strain @ turn.T)
        dilatation = 100 * float(np.trace(strain))
        yield Cell(
            structure=made,
            pristine=whole,
            name=f"{system.name}, strain at {x:g}, {y:g} Å ({dilatation:+.1f} % volume)",
            kind="dislocation_strain",
            changed=(),
            multiplicity=1,
        )


def _pairs(
    system: SlipSystem, field: ElasticField, matrix: np.ndarray, steps: int
) -> Iterator[Cell]:
    places, symbols = _filled(system, matrix)
    cuts = system.stack.cuts_A()
    for (rank, cut_A), step in itertools.product(enumerate(cuts, start=1), range(steps)):
        x, y = _core(system, matrix, places, cut_A)
        core = (x + step * float(system.vectors[0, 0]) / steps, y)
        made = _displaced(field, matrix, places, core)
        name = system.name if len(cuts) == 1 else f"{system.name}_{rank}"
        name += f" at {step}/{steps}" if steps > 1 else ""
        other = (core[0] + float(matrix[0, 0]) / 2, core[1])
        leaning = matrix + np.outer([0, 1, 0], system.burgers_A / 2)
        yield Cell(
            structure=_structure(leaning, symbols, made),
            pristine=_structure(matrix, symbols, places),
            name=name,
            kind="dislocation",
            changed=(),
            multiplicity=system.equivalent(),
            line=Line(
                burgers_A=_floats(system.burgers_A),
                character=system.character,
                length_A=float(np.linalg.norm(matrix[2])),
                cores_A=(core, other),
                miller=system.stack.miller,
            ),
        )


def _box(system: SlipSystem, size: tuple[float, float], arrangement: Arrangement) -> np.ndarray:
    """Return the vectors (3, 3), Å, of the perfect cell."""
    across, up, along = system.vectors
    apart, length = size
    width = max(2, math.ceil(2 * apart / across[0] - _SAME))
    slices = max(1, math.ceil(apart / up[1] - _SAME))
    first = width * across
    first = first - np.round(first[2] / along[2] - _SAME) * along
    wanted = first[0] / 2 if arrangement == "quadrupole" else 0.0
    steps = np.arange(width)
    lean = slices * up[0] + steps * across[0] + system.burgers_A[0] / 2 - wanted
    misfit = np.abs(lean - first[0] * np.round(lean / first[0]))
    second = slices * up + int(steps[int(np.argmin(misfit.round(6)))]) * across
    second = second - np.round(second[0] / first[0] - _SAME) * first
    second = second - np.round(second[2] / along[2] - _SAME) * along
    return np.array([first, second, max(1, math.ceil(length / along[2] - _SAME)) * along])


def _filled(system: SlipSystem, matrix: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Return the atoms of the perfect crystal in a cell: places (n, 3), Å, and elements."""
    whole = np.round(matrix @ np.linalg.inv(system.vectors)).astype(int)
    points = lattice_points(whole) @ system.vectors
    basis = system.stack.places @ system.frame.T
    places = (points[:, None, :] + basis[None, :, :]).reshape(-1, 3)
    coords = places @ np.linalg.inv(matrix)
    coords -= np.floor(coords + 1e-9)
    return coords @ matrix, list(system.stack.symbols) * len(points)


def lattice_points(whole: np.ndarray) -> np.ndarray:
    """Return the integer points (det, 3) inside the cell whose rows are `whole`."""
    corners = np.array(list(itertools.product((0, 1), repeat=3))) @ whole
    ranges = [
        range(low, high + 1) for low, high in zip(corners.min(0), corners.max(0), strict=True)
    ]
    grid = np.array(np.meshgrid(*ranges, indexing="ij")).reshape(3, -1).T
    coords = grid @ np.linalg.inv(whole)
    inside: np.ndarray = grid[np.all((coords > -1e-9) & (coords < 1 - 1e-9), axis=1)]  # noqa: PLR2004
    return inside


def _core(
    system: SlipSystem, matrix: np.ndarray, places: np.ndarray, cut_A: float
) -> tuple[float, float]:
    """Return x and y of the first line: in the middle of the cell, farthest from all atoms."""
    spacing = system.stack.spacing_A
    slices = round(matrix[1, 1] / spacing)
    y = (slices // 2) * spacing + cut_A
    y %= matrix[1, 1]
    best, widest = 0.0, -1.0
    for x in np.arange(0.0, system.vectors[0, 0], system.vectors[0, 0] / 24):
        gaps = [_gap(matrix, places, (x + shift, y)) for shift in (0.0, matrix[0, 0] / 2)]
        if min(gaps) > widest + _SAME:
            best, widest = float(x), min(gaps)
    return best, float(y)


def _gap(matrix: np.ndarray, places: np.ndarray, line: tuple[float, float]) -> float:
    """Return the distance (Å) of the nearest atom from a line."""
    coords = (places[:, :2] - line) @ np.linalg.inv(matrix[:2, :2])
    coords -= np.round(coords)
    return float(np.linalg.norm(coords @ matrix[:2, :2], axis=1).min())


def _displaced(
    field: ElasticField, matrix: np.ndarray, places: np.ndarray, core: tuple[float, float]
) -> np.ndarray:
    """Return the atoms around both lines and all their images."""
    period, height = matrix[0, 0], matrix[1, 1]
    decay = 2 * np.pi * height * field.roots.imag.min() / period
    rows = 2 + math.ceil(-math.log(_TAIL) / decay)
    moved = np.zeros_like(places)
    for row in range(-rows, rows + 1):
        x, y = places[:, 0] - core[0] - row * matrix[1, 0], places[:, 1] - core[1] - row * height
        moved += field.row(x, y, period)
    around: np.ndarray = places + moved
    return around


def _floats(vector: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(one) for one in vector)
    return (x, y, z)


def _structure(matrix: np.ndarray, symbols: Sequence[str], places: np.ndarray) -> Structure:
    from pymatgen.core.structure import Structure

    return Structure(matrix, symbols, places, coords_are_cartesian=True)
