"""Surface layers without crystalline order: which atoms are in them, and how deep they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: An atom farther than this fraction of the shortest bond from every place of its element in the
#: crystal has left the crystal; atoms of a crystal at its melting point are at 0.1 to 0.2.
_LEFT: Final = 0.25


@dataclass(frozen=True)
class Disorder:
    """How much of a layer is disordered.

    Attributes
    ----------
    thickness_A
        From the uppermost atom of the crystal down to the lowest atom that left its place.
    fraction
        Share of the layer's atoms that left their places.
    """

    thickness_A: float
    fraction: float


def upper_atoms(slab: Structure, thickness_A: float) -> list[int]:
    """Return the atoms of a slab that are at most so far below its uppermost atom.

    Raises
    ------
    StructureError
        If these are none, or all: nothing would stay crystalline.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.terminations import surfaces
    >>> slab = next(surfaces(hosts.load("fcc-Cu").structure, [(1, 1, 1)])).structure
    >>> len(upper_atoms(slab, 3.0)), len(slab)
    (2, 5)
    """
    heights = slab.cart_coords[:, 2]
    chosen = [int(k) for k in np.flatnonzero(heights > heights.max() - thickness_A - 1e-6)]
    if thickness_A <= 0 or len(chosen) == len(slab):
        message = (
            f"{slab.reduced_formula}: a layer of {thickness_A:g} Å leaves nothing crystalline of a "
            f"slab of {np.ptp(heights):.1f} Å; give a thicker slab or a thinner layer"
        )
        raise StructureError(message)
    return chosen


def disorder(crystal: Structure, changed: Structure, layer: list[int]) -> Disorder:
    """Return how much of a layer left the places of the crystal, whatever atom took them.

    Parameters
    ----------
    crystal, changed
        The slab before and after, same cell, same order of atoms.
    layer
        Atoms of the layer.
    """
    distances = crystal.lattice.get_all_distances(changed.frac_coords, crystal.frac_coords)
    symbols = np.array([site.specie.symbol for site in crystal])
    unlike = symbols[:, None] != symbols[None, :]
    nearest = np.where(unlike, np.inf, distances).min(axis=1)
    apart = crystal.distance_matrix
    bond = float(apart[apart > 1e-3].min())  # noqa: PLR2004 - itself
    left = [k for k in layer if nearest[k] > _LEFT * bond]
    if not left:
        return Disorder(0.0, 0.0)
    top = float(crystal.cart_coords[:, 2].max())
    lowest = min(float(changed.cart_coords[k, 2]) for k in left)
    return Disorder(top - lowest, len(left) / len(layer))
