"""Stacking faults: half a crystal displaced along a plane, periodic or in a slab.

A periodic cell holds one fault: the vector that crosses it is tilted by the displacement, so that
every image of the cell meets the next one at the same fault and no second fault is needed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, Planar, frac_tuple
from defectflow.structures.planes import fractions_said, stack_of, written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.planes import Stack

#: Faults of close-packed crystals by their names: fcc (intrinsic, extrinsic), hcp (I1, I2, E).
FaultName = Literal["intrinsic", "extrinsic", "I1", "I2", "E"]

#: Default least height of a cell, Å: images of the fault are this far apart.
MIN_HEIGHT_A: Final = 20.0
#: A fault in which atoms come closer than this fraction of their distance in the crystal is none.
CLASH: Final = 0.7
_THIRD: Final = 3
_IN_PLANE_A: Final = 1e-3
_SAME_A: Final = 0.02


def stacking_faults(
    structure: Structure,
    miller: Sequence[int],
    shift: Sequence[float],
    min_height_A: float = MIN_HEIGHT_A,
    vacuum_A: float = 0.0,
) -> Iterator[Cell]:
    """Yield the crystal displaced by `shift` along a plane, one cell for each distinct cut.

    Cuts that symmetry makes equal may differ once displaced: in a hcp crystal the shift that turns
    AB|AB into AB|CA at one cut puts A on A at the next. Both are yielded then.

    Parameters
    ----------
    shift
        Of the upper half, in vectors of the standard conventional cell; has to lie in the plane.
    min_height_A
        Least height of the crystal in the cell.
    vacuum_A
        0: periodic, one fault; more: a slab with the fault in its middle and two surfaces.

    Raises
    ------
    StructureError
        If the shift is no vector of the plane; the nearest one that is, is named.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> copper = hosts.load("fcc-Cu").structure
    >>> fault = next(stacking_faults(copper, (1, 1, 1), (1 / 6, 1 / 6, -1 / 3)))
    >>> fault.name, len(fault.structure), fault.planar.count
    ('SF(111)[1/6 1/6 -1/3]', 10, 1)
    """
    stack = stack_of(structure, miller)
    vector = in_plane(stack, shift)
    slices = slices_of(stack, min_height_A)
    return _by_cut(stack, vector, slices, vacuum_A)


def named_faults(
    structure: Structure, fault: FaultName, min_height_A: float = MIN_HEIGHT_A
) -> Iterator[Cell]:
    """Yield a fault of a close-packed crystal; periodic, one fault per cell.

    ``intrinsic`` and ``extrinsic`` are those of a crystal stacked ABC, on {111}: one plane taken
    out (two planes with the neighbours of hcp) or put in (two of these with one of fcc between).
    ``I1``, ``I2`` and ``E`` are the growth, deformation and extrinsic faults of a hcp element:
    one, two and three planes with the neighbours of fcc (J. P. Hirth and J. Lothe, Theory of
    Dislocations, 2nd ed., Wiley 1982, section 10-2).

    Raises
    ------
    StructureError
        If the crystal is not stacked in that way.
    """
    if fault in {"intrinsic", "extrinsic"}:
        return _cubic(structure, fault, min_height_A)
    return _hexagonal(structure, fault, min_height_A)


def perfect(stack: Stack, cut_A: float, slices: int) -> Structure:
    """Return `slices` slices of the perfect crystal, the lowest atoms just above a cut."""
    return glided(stack, cut_A, slices, {})


def glided(
    stack: Stack, cut_A: float, slices: int, glides: Mapping[int, np.ndarray], gap_A: float = 0.0
) -> Structure:
    """Return a periodic cell in which whole slices have glided.

    Parameters
    ----------
    cut_A
        Height of the plane between two slices, from `Stack.cuts_A`.
    glides
        Cartesian displacement of everything above the lower face of a slice, by its number; number
        0 is the face where the cell meets its image.
    gap_A
        Extra distance at face 0, along the normal.
    """
    heights = _raised(stack, cut_A)
    moved = np.zeros((slices, 3))
    for number, glide in glides.items():
        if number:
            moved[number:] += glide
    base = np.arange(slices)[:, None] * stack.matrix[2] + moved
    places = (base[:, None, :] + heights[None, :, :]).reshape(-1, 3)
    last = slices * stack.matrix[2] + sum(glides.values(), np.zeros(3))
    last = upright(last + np.array([0.0, 0.0, gap_A]), stack.matrix)
    return crystal_of(np.array([*stack.matrix[:2], last]), stack.symbols * slices, places)


def glided_slab(
    stack: Stack, cut_A: float, slices: int, shift_A: np.ndarray, vacuum_A: float
) -> Structure:
    """Return a slab whose upper half has glided; the third vector is along the normal."""
    places = glided(stack, cut_A, slices, {slices // 2: shift_A}).cart_coords
    places[:, 2] += vacuum_A / 2 - places[:, 2].min()
    height = float(np.ptp(places[:, 2])) + vacuum_A
    matrix = np.array([*stack.matrix[:2], [0.0, 0.0, height]])
    return crystal_of(matrix, stack.symbols * slices, places)


def upright(vector: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return a vector less those vectors of the plane that make it lean least."""
    plane = matrix[:2, :2]
    near = np.round(vector[:2] @ np.linalg.inv(plane) - 1e-6)
    steps = near + np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
    flat = vector[:2] - steps @ plane
    best = flat[int(np.argmin(np.linalg.norm(flat, axis=1).round(6)))]
    return np.array([best[0], best[1], vector[2]])


def fault_cell(
    stack: Stack, cut_A: float, slices: int, shift_A: np.ndarray, vacuum_A: float = 0.0
) -> Cell:
    """Return the cell of one displacement at one cut."""
    if vacuum_A > 0:
        made = glided_slab(stack, cut_A, slices, shift_A, vacuum_A)
        pristine = glided_slab(stack, cut_A, slices, np.zeros(3), vacuum_A)
    else:
        made = glided(stack, cut_A, slices, {0: shift_A})
        pristine = perfect(stack, cut_A, slices)
    direction = fractions_said(stack.to_standard(shift_A))
    return Cell(
        structure=made,
        pristine=pristine,
        name=f"SF({written(stack.miller)})[{direction}]",
        kind="stacking_fault",
        changed=(),
        multiplicity=stack.equivalent_planes(),
        planar=Planar(stack.miller, stack.area_A2, 1, shift_A=frac_tuple(shift_A)),
    )


def glide_vector(stack: Stack) -> np.ndarray:
    """Return the Cartesian displacement that turns ABC|ABC into ABC|BCA.

    Raises
    ------
    StructureError
        If the crystal is not stacked ABC along the normal.
    """
    a, b = stack.matrix[:2]
    size = float(a @ a)
    hexagonal = max(abs(size - b @ b), abs(2 * a @ b + size)) < _SAME_A * size
    thirds = (stack.offset_A @ np.linalg.inv(stack.matrix))[:2] * _THIRD
    third = np.all(np.abs(thirds - np.round(thirds)) < _SAME_A)
    if not (hexagonal and third and np.any(np.round(thirds).astype(int) % _THIRD)):
        message = (
            f"plane ({written(stack.miller)}): not stacked as ABC, so that it has no intrinsic or "
            "extrinsic fault; give the displacement as a shift"
        )
        raise StructureError(message)
    return stack.offset_A


def _cubic(structure: Structure, fault: FaultName, min_height_A: float) -> Iterator[Cell]:
    stack, vector = _stacked_abc(structure)
    slices = slices_of(stack, min_height_A)
    faces = (0,) if fault == "intrinsic" else (0, 1)
    stem = f"{fault[0].upper()}SF({written(stack.miller)})"
    return _without_clash(stack, vector, slices, faces, stem)


def _without_clash(
    stack: Stack, vector: np.ndarray, slices: int, faces: tuple[int, ...], stem: str
) -> Iterator[Cell]:
    """Yield a fault at each cut that allows it, with the sign of the glide that keeps atoms apart.

    In a compound one sign may put like ions on top of each other.
    """
    rank = 0
    for cut in stack.cuts_A():
        cells: list[tuple[float, int, Cell]] = []
        for sign in (1, -1):
            cell = _upright_fault(stack, cut, slices, sign * vector, faces)
            cells.append((round(closest_ratio(cell.structure, cell.pristine), 3), sign, cell))
        ratio, _, best = max(cells, key=lambda one: one[:2])
        if ratio >= CLASH:
            rank += 1
            yield replace(best, name=f"{stem}_{rank}" if len(stack.cuts_A()) > 1 else stem)


def _upright_fault(
    stack: Stack, cut: float, slices: int, glide: np.ndarray, faces: tuple[int, ...]
) -> Cell:
    """Return a fault of a crystal stacked ABC and the crystal, neither in a tilted cell.

    A glide is a plane more or less, and three planes repeat: with the right number of planes both
    cells are hexagonal, so that the same mesh of k-points has the same symmetry in both. The
    crystal then has other planes than the fault, up to two more or less.
    """
    turn = round(float(glide @ stack.offset_A / (stack.offset_A @ stack.offset_A))) * len(faces)
    planes = slices + (-turn - slices) % _THIRD
    repeats = _THIRD * math.ceil((planes - 1) / _THIRD)
    cell = fault_cell(stack, cut, planes, glide)
    return replace(
        cell,
        structure=glided(stack, cut, planes, dict.fromkeys(faces, glide)),
        pristine=perfect(stack, cut, repeats),
    )


def closest_ratio(structure: Structure, pristine: Structure) -> float:
    """Return the least distance of two atoms relative to that of the same elements in the crystal.

    1 where nothing has come closer than in the perfect crystal.
    """
    known = _closest_pairs(pristine)
    found = _closest_pairs(structure)
    return min((found[pair] / known[pair] for pair in known if pair in found), default=1.0)


def _closest_pairs(structure: Structure, reach_A: float = 4.0) -> dict[frozenset[str], float]:
    first, second, _, distances = structure.get_neighbor_list(reach_A)
    symbols = [site.specie.symbol for site in structure]
    closest: dict[frozenset[str], float] = {}
    for i, j, distance in zip(first, second, distances, strict=True):
        pair = frozenset((symbols[i], symbols[j]))
        closest[pair] = min(closest.get(pair, reach_A), float(distance))
    return closest


def _stacked_abc(structure: Structure) -> tuple[Stack, np.ndarray]:
    """Return a crystal along {111} of a cubic or (001) of a rhombohedral cell, and its glide."""
    first, second = (stack_of(structure, miller) for miller in ((1, 1, 1), (0, 0, 1)))
    try:
        return first, glide_vector(first)
    except StructureError:
        return second, glide_vector(second)


def _hexagonal(structure: Structure, fault: FaultName, min_height_A: float) -> Iterator[Cell]:
    stack = stack_of(structure, (0, 0, 1))
    net = _hexagonal_step(stack)
    pairs = math.ceil(min_height_A / stack.spacing_A - 1e-9)
    signs = {
        "I1": [1, -1] * pairs + [1],
        "I2": [1, -1] * pairs + [1, 1],
        "E": [1, -1] * pairs + [1, 1, 1],
    }[fault]
    perfect_pairs = len(signs) // 2
    planar = Planar(stack.miller, stack.area_A2, 1)
    yield Cell(
        structure=_piled(stack, net, signs),
        pristine=_piled(stack, net, [1, -1] * perfect_pairs),
        name=f"SF({written(stack.miller)})-{fault}",
        kind="stacking_fault",
        changed=(),
        multiplicity=1,
        planar=planar,
    )


def _hexagonal_step(stack: Stack) -> np.ndarray:
    """Return the vector from a close-packed plane to the next one, in the plane and along it."""
    if len(stack.places) == 2 and len(set(stack.symbols)) == 1:  # noqa: PLR2004 - A and B
        step = stack.places[1] - stack.places[0]
        thirds = (step @ np.linalg.inv(stack.matrix))[:2] * _THIRD
        half = abs(abs(step[2]) - stack.spacing_A / 2) < _SAME_A
        if half and np.all(np.abs(thirds - np.round(thirds)) < _SAME_A):
            return np.array([step[0], step[1], stack.spacing_A / 2])
    message = "I1, I2 and E are faults of hcp elements; give another host, or a shift"
    raise StructureError(message)


def _piled(stack: Stack, step: np.ndarray, signs: Sequence[int]) -> Structure:
    """Return close-packed planes, each shifted against the one below by ± the same vector."""
    steps = np.outer(signs, [1.0, 1.0, 0.0]) * step + np.array([0.0, 0.0, step[2]])
    places = np.vstack([np.zeros(3), np.cumsum(steps, axis=0)])
    last = upright(places[-1], stack.matrix)
    matrix = np.array([*stack.matrix[:2], last])
    return crystal_of(matrix, stack.symbols[:1] * len(signs), places[:-1])


def _by_cut(stack: Stack, vector: np.ndarray, slices: int, vacuum_A: float) -> Iterator[Cell]:
    cuts = stack.cuts_A(vector)
    for rank, cut in enumerate(cuts, start=1):
        cell = fault_cell(stack, cut, slices, vector, vacuum_A)
        yield cell if len(cuts) == 1 else replace(cell, name=f"{cell.name}_{rank}")


def slices_of(stack: Stack, min_height_A: float) -> int:
    """Return how many slices make up at least that height."""
    return max(math.ceil(min_height_A / stack.spacing_A - 1e-9), 2)


def in_plane(stack: Stack, shift: Sequence[float]) -> np.ndarray:
    """Return a shift, given in vectors of the standard cell, as a Cartesian vector of the plane.

    Raises
    ------
    StructureError
        If it does not lie in the plane; the nearest vector that does is named.
    """
    vector = stack.from_standard(shift)
    if abs(vector[2]) <= _IN_PLANE_A:
        return np.array([vector[0], vector[1], 0.0])
    vector[2] = 0.0
    near = [float(Fraction(float(x)).limit_denominator(12)) for x in stack.to_standard(vector)]
    if abs(np.dot(stack.miller, near)) > _IN_PLANE_A:
        near = [float(x) for x in stack.to_standard(vector)]
    hint = f"the nearest vector that does is [{fractions_said(near)}]"
    if np.linalg.norm(vector) < _IN_PLANE_A:
        a, b = (fractions_said(stack.to_standard(row)) for row in stack.matrix[:2])
        hint = f"the plane is spanned by [{a}] and [{b}]"
    message = (
        f"shift [{fractions_said(shift)}]: does not lie in the plane ({written(stack.miller)}); "
        f"{hint}"
    )
    raise StructureError(message)


def _raised(stack: Stack, cut_A: float) -> np.ndarray:
    """Return the atoms of the slice that begins at a cut."""
    places = stack.places.copy()
    below = places[:, 2] < cut_A % stack.spacing_A - 1e-9
    places[below] += stack.matrix[2]
    return places


def crystal_of(matrix: np.ndarray, symbols: Sequence[str], places: np.ndarray) -> Structure:
    """Return the crystal with Cartesian places, all moved into the cell."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    lattice = Lattice(matrix)
    coords = lattice.get_fractional_coords(places)
    return Structure(lattice, list(symbols), coords - np.floor(coords + 1e-9))
