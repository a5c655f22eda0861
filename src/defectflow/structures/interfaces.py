"""Heterointerfaces and superlattices: a film stretched onto a substrate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from defectflow.structures.bonded_interfaces import bonded
from defectflow.structures.joints import Joint, Pair, joined
from defectflow.structures.lattice_matching import Plane, matches
from defectflow.structures.sides import Side, block
from defectflow.structures.symmetry import cartesian_rotations, upward_operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

__all__ = ["Joint", "Side", "interfaces"]


def interfaces(substrate: Side, film: Side, joint: Joint | None = None) -> Iterator[Cell]:
    """Yield the interface in each common cell of the two planes, the smallest first.

    Cells that differ in the twist of the film alone are different interfaces, unless operations of
    the two slabs make them equal: graphene on itself is found at 0, 21.8, 27.8, 13.2° and so on,
    MoS2 on itself at 0 and at 60°.

    The substrate is below and its atoms come first; `pristine` is the substrate alone in the cell.
    With a `bond` there is one for each distinct pair of atoms that it may join.

    Raises
    ------
    StructureError
        If a plane or termination does not exist, or no cell fits within the strain, or no bond can
        be made without contacts; the nearest is named.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> sulfide, graphene = hosts.load("2H-MoS2").structure, hosts.load("graphene").structure
    >>> joint = Joint(gap_A=3.3, max_area_A2=80)
    >>> cell = next(interfaces(Side(graphene, (0, 0, 1)), Side(sulfide, (0, 0, 1)), joint))
    >>> cell.structure.formula, round(100 * cell.junction.largest_strain, 1)
    ('Mo7 C24 S14', 2.1)
    """
    joint = joint or Joint()
    lower, upper = block(substrate), block(film)
    found = matches(plane_of(upper), plane_of(lower), joint.max_area_A2, joint.max_strain)
    names = substrate.name, film.name
    pairs = [Pair(lower, upper, names, match) for match in found]
    if joint.bond:
        return bonded(pairs, joint)
    return (joined(pair, joint) for pair in pairs)


def plane_of(slab: Structure) -> Plane:
    """Return the lattice of a slab's plane, with the operations that keep up what is up."""
    matrix = slab.lattice.matrix
    turns = np.unique(upward_operations(slab)[0], axis=0)
    return Plane(matrix[:2, :2], cartesian_rotations(matrix, turns)[:, :2, :2])
