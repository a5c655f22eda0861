"""Vacancies and dopants in a slab and below its surface, told apart by their layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from defectflow.structures.cells import Cell, edited, site_change
from defectflow.structures.planes import SAME_PLANE_A
from defectflow.structures.symmetry import symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pymatgen.core.structure import Structure


def layer_numbers(structure: Structure) -> np.ndarray:
    """Return the atomic layer (n,) of each atom of a slab, 1 for the uppermost."""
    heights = structure.cart_coords[:, 2]
    order = np.argsort(-heights, kind="stable")
    steps = -np.diff(heights[order]) > SAME_PLANE_A
    numbers = np.empty(len(heights), dtype=int)
    numbers[order] = 1 + np.concatenate([[0], np.cumsum(steps)])
    return numbers


def by_layer(cells: Iterable[Cell], deepest: int) -> Iterator[Cell]:
    """Yield those defects of one atom that have an equivalent in the uppermost layers.

    The defect is carried to the uppermost of its equivalent places, and the number of its layer,
    counted from the surface, becomes part of its name: ``V_O_2, layer 3``.

    Parameters
    ----------
    cells
        Vacancies or substitutions in a slab.
    deepest
        Last layer that counts; 1 is the surface.
    """
    maps, last = None, None
    for cell in cells:
        if last is not cell.pristine:
            maps, last = symmetry_maps(cell.pristine), cell.pristine
        numbers = layer_numbers(cell.pristine)
        change = cell.changed[0]
        places = sorted({int(one.permutation[change.index]) for one in maps or ()})
        best = min(places, key=lambda k: (numbers[k], k))
        if numbers[best] > deepest:
            continue
        moved = site_change(cell.pristine, best, change.after)
        yield replace(
            cell,
            structure=edited(cell.pristine, [moved]),
            changed=(moved,),
            name=f"{cell.name}, layer {numbers[best]}",
        )
