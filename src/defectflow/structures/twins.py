"""Twins: a crystal and its mirror image on the two sides of a plane."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, Planar
from defectflow.structures.planes import reduced_miller, stack_of, written
from defectflow.structures.stacking_faults import closest_ratio, crystal_of, perfect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.planes import Stack

#: Atoms this near a mirror are put on it and shared: a corrugated plane becomes flat, as in the
#: {10-12} twin of hcp metals.
FLATTENED_A: Final = 0.45
#: Least distance of atoms, relative to the crystal, from which a relaxation still finds its way.
CLASH: Final = 0.55
#: Default least thickness of each of the two twins in a cell, Å.
MIN_THICKNESS_A: Final = 10.0
_SAME_A: Final = 1e-3
_ROUNDING: Final = 1e-6


def twins(
    structure: Structure, miller: Sequence[int], min_thickness_A: float = MIN_THICKNESS_A
) -> Iterator[Cell]:
    """Yield the twin by reflection in a plane, one periodic cell for each height of the mirror.

    A cell holds two boundaries. Atoms on a mirror are shared by both twins, so that every cell has
    the composition of the crystal. Mirrors that put atoms on top of each other are left out; the
    one with the largest distances comes first. Where no operation of the crystal turns the plane
    over, the two boundaries differ (`Planar.equivalent`).

    Raises
    ------
    StructureError
        If the plane is parallel to a mirror plane of the crystal, whose image is no twin.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> cell = next(twins(hosts.load("fcc-Cu").structure, (1, 1, 1)))
    >>> cell.name, len(cell.structure), cell.planar.count, cell.planar.equivalent
    ('twin(111)_1', 10, 2, True)
    """
    stack = stack_of(structure, miller)
    if _is_mirror(stack):
        others = _twin_planes(structure, stack)
        message = (
            f"plane ({written(stack.miller)}): {structure.reduced_formula} has a mirror parallel "
            f"to it, so that its image is no twin; {others}"
        )
        raise StructureError(message)
    return _by_height(stack, max(math.ceil(min_thickness_A / stack.spacing_A - 1e-9), 2))


def mirrored(stack: Stack, height_A: float, slices: int) -> Structure:
    """Return `slices` slices above a height and their image below it, (0, 0, c) across."""
    thickness = slices * stack.spacing_A
    base = np.arange(-2, slices + 2)[:, None, None] * stack.matrix[2]
    places = (base + stack.places).reshape(-1, 3)
    symbols = np.array(stack.symbols * (slices + 4))
    places[:, 2] -= height_A % stack.spacing_A
    reach = min(FLATTENED_A, stack.spacing_A / 2 - _SAME_A)
    inside = (places[:, 2] > -reach) & (places[:, 2] < thickness + reach)
    places, symbols = places[inside], symbols[inside]
    low, high = places[:, 2] < reach, places[:, 2] > thickness - reach
    places[low, 2], places[high, 2] = 0.0, thickness
    image = places[~(low | high)] * [1.0, 1.0, -1.0]
    matrix = np.array([*stack.matrix[:2], [0.0, 0.0, 2 * thickness]])
    every = [*symbols, *symbols[~(low | high)]]
    return crystal_of(matrix, every, np.vstack([places, image]))


def _by_height(stack: Stack, slices: int) -> Iterator[Cell]:
    found: list[tuple[float, float, Cell]] = []
    cuts = stack.cuts_A()
    if not cuts:
        message = (
            f"plane ({written(stack.miller)}): its atomic planes are too close together to part "
            "them; choose a plane of lower indices"
        )
        raise StructureError(message)
    pristine = perfect(stack, cuts[0], 2 * slices)
    for height in _heights(stack):
        made = mirrored(stack, height, slices)
        ratio = round(closest_ratio(made, pristine), 3)
        if ratio < CLASH or made.composition != pristine.composition:
            continue
        _, sides = stack.keeping(height)
        cell = Cell(
            structure=made,
            pristine=pristine,
            name=f"twin({written(stack.miller)})",
            kind="twin",
            changed=(),
            multiplicity=stack.equivalent_planes(),
            planar=Planar(stack.miller, stack.area_A2, 2, equivalent=bool(np.any(sides < 0))),
        )
        found.append((-ratio, height, cell))
    found.sort(key=lambda one: one[:2])
    if not found:
        message = (
            f"plane ({written(stack.miller)}): every mirror puts atoms on top of each other; choose"
            " another plane"
        )
        raise StructureError(message)
    for rank, (_, _, cell) in enumerate(found, start=1):
        yield cell if len(found) == 1 else replace(cell, name=f"{cell.name}_{rank}")


def _heights(stack: Stack) -> list[float]:
    """Return the heights at which a mirror may lie: through atoms, and midway between them."""
    heights = np.sort(stack.places[:, 2] % stack.spacing_A)
    kept = [float(heights[0])]
    for height in heights[1:]:
        if min(height - kept[-1], kept[0] + stack.spacing_A - height) > _SAME_A:
            kept.append(float(height))
    following = [*kept[1:], kept[0] + stack.spacing_A]
    middles = [(low + high) / 2 for low, high in zip(kept, following, strict=True)]
    distinct: list[float] = []
    for height in [*kept, *middles]:
        if not any(stack.same_height(height, other) for other in distinct):
            distinct.append(height)
    return distinct


def _is_mirror(stack: Stack) -> bool:
    mirror = np.diag([1.0, 1.0, -1.0])
    return bool(np.any(np.abs(stack.rotations - mirror).max(axis=(1, 2)) < _ROUNDING))


def _twin_planes(structure: Structure, stack: Stack) -> str:
    """Name low-index planes that can be twin planes."""
    near = sorted(
        {reduced_miller(index) for index in itertools.product(range(3), repeat=3) if any(index)},
        key=lambda index: (
            sum(abs(a - b) for a, b in zip(index, stack.miller, strict=True)),
            index,
        ),
    )
    found = [one for one in near if not _is_mirror(stack_of(structure, one))][:2]
    if not found:
        return "no plane of low index is a twin plane of this crystal"
    return "near it are " + " and ".join(f"({written(one)})" for one in found)
