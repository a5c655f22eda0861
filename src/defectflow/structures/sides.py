"""The two crystals of an interface, each cut along a plane."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.layers import pieces
from defectflow.structures.planes import (
    SAME_PLANE_A,
    reduced_miller,
    stack_of,
    standard_cell,
    written,
)
from defectflow.structures.stacking_faults import crystal_of, perfect
from defectflow.structures.terminations import VACUUM_A, Termination, lifted, terminations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

#: Least thickness (Å) of a crystal that is not layered.
THICKNESS_A: Final = 8.0
_LAYER: Final = 2


@dataclass(frozen=True)
class Side:
    """One of the two crystals.

    Attributes
    ----------
    crystal
        Any cell of it.
    miller
        The plane that meets the other crystal, in the standard conventional cell; for None that of
        the layers of a layered crystal, and (001) of another.
    slices
        How many slices between lattice planes; for None, one layer of a layered crystal that is
        cut between its layers, and at least 8 Å of another.
    termination
        Number of the termination, from `terminations.terminations`, counted from 1.
    flipped
        Whether the crystal stands on its head: the other face meets the other crystal.
    """

    crystal: Structure
    miller: Sequence[int] | None = None
    slices: int | None = None
    termination: int = 1
    flipped: bool = False

    @property
    def plane(self) -> tuple[int, int, int]:
        """Indices of the plane."""
        if self.miller is None:
            return layer_plane(self.crystal) or (0, 0, 1)
        return stack_of(self.crystal, self.miller).miller

    @property
    def name(self) -> str:
        """Formula and plane: ``TiO2(101)``."""
        return f"{self.crystal.reduced_formula}({written(self.plane)})"


def layer_plane(crystal: Structure) -> tuple[int, int, int] | None:
    """Return the plane of the layers in the standard conventional cell; None of other crystals.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> [layer_plane(hosts.load(name).structure) for name in ("2H-MoS2", "black-P", "fcc-Cu")]
    [(0, 0, 1), (0, 1, 0), None]
    """
    found = pieces(standard_cell(crystal))
    layers = [one for one in found if one.dimensions == _LAYER]
    if not layers or any(one.dimensions > _LAYER for one in found):
        return None
    loops = layers[0].loops
    normals = np.cross(loops[0], loops)
    normal = normals[int(np.argmax(np.abs(normals).sum(axis=1)))]
    return reduced_miller((normal * np.sign(normal[np.flatnonzero(normal)[0]])).tolist())


def block(side: Side) -> Structure:
    """Return the slab of one crystal, opened at its termination, with vacuum above.

    Raises
    ------
    StructureError
        If there is no such termination.
    """
    plane = side.plane
    found = terminations(side.crystal, plane)
    if not 1 <= side.termination <= len(found):
        said = "; ".join(f"{k}: {one.said}" for k, one in enumerate(found, start=1))
        message = f"{side.name}: no termination {side.termination}; choose from {said}"
        raise StructureError(message)
    one = found[side.termination - 1]
    sheets = side.termination == 1 and plane == layer_plane(side.crystal)
    slices = side.slices or (1 if sheets else _slices(one))
    slab = lifted(perfect(one.stack, one.cut_A, slices), one.cut_A, VACUUM_A)
    if sheets and side.slices is None:
        slab = _lowest_sheet(slab, one)
    return _on_its_head(slab) if side.flipped else slab


def _slices(one: Termination) -> int:
    return max(1, math.ceil(THICKNESS_A / one.stack.spacing_A - 1e-9))


def _lowest_sheet(slab: Structure, one: Termination) -> Structure:
    """Return the atoms below the first gap that is as wide as the one that was cut."""
    heights = np.sort(slab.cart_coords[:, 2])
    cut = np.sort(one.stack.places[:, 2] % one.stack.spacing_A)
    widest = float(np.diff(np.append(cut, cut[0] + one.stack.spacing_A)).max())
    wide = np.flatnonzero(np.diff(heights) > widest - SAME_PLANE_A)
    if not len(wide):
        return slab
    top = heights[wide[0]] + SAME_PLANE_A / 2
    return slab.__class__.from_sites([site for site in slab if site.coords[2] <= top])


def _on_its_head(slab: Structure) -> Structure:
    """Return a slab turned by half a turn about its first vector."""
    turn = np.diag([1.0, -1.0, -1.0])
    matrix = slab.lattice.matrix @ turn
    matrix[2] *= -1.0
    matrix[1] *= -1.0
    places = slab.cart_coords @ turn + matrix[2]
    return crystal_of(matrix, [site.specie.symbol for site in slab], places)
