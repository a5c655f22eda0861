"""What became of an adsorbate: where it is, and whether it is still what it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.adsorbates import bonds_between
from defectflow.structures.adsorption import lateral_distance_A, top_height_A
from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.poses import overlapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.adsorbates import Adsorbate
    from defectflow.structures.adsorption import SurfaceSite
    from defectflow.structures.surfaces import Slab

#: An adsorbate farther from every atom than this many bond lengths has left the surface.
_LEFT: Final = 1.6
#: A bond of an adsorbate is broken where it is longer than this many sums of covalent radii. A
#: stretched bond on a surface, as that of O2 on Pt, is at 1.1.
_BROKEN: Final = 1.45


@dataclass(frozen=True)
class Whereabouts:
    """What became of an adsorbate.

    Attributes
    ----------
    outcome
        ``stays``, ``moved``, ``desorbed``, ``below the surface`` (in the slab or on its lower
        side), ``dissociated`` (a bond broke), ``rearranged`` (a bond formed) or ``atoms overlap``.
    where
        Label of the site nearest to the atom that binds; empty if it left the surface.
    height_A
        Of that atom above the mean height of the top layer; negative below it.
    """

    outcome: str
    where: str
    height_A: float


def whereabouts(
    slab: Slab,
    sites: Sequence[SurfaceSite],
    start: str,
    relaxed: Structure,
    adsorbate: Adsorbate,
) -> Whereabouts:
    """Tell what became of the adsorbate, the last atoms of a relaxed slab, that was put at `start`.

    Bonds decide, not distances moved. Bound to the surface is an adsorbate with an atom (hydrogen
    counts only where there is nothing else) within 1.6 sums of covalent radii of the slab; an atom
    of the slab that left with the adsorbate, as oxygen of an oxide does with CO, is none of it. The
    upper half of the vacuum belongs to the lower side of the slab's next image.
    """
    count = len(adsorbate.species)
    first = len(relaxed) - count
    places = in_one_piece(relaxed, range(first, len(relaxed)))
    heights = places[:, 2] - top_height_A(slab, relaxed)
    bound = _bonds_to_slab(relaxed, first)
    heavy = [k for k, symbol in enumerate(adsorbate.species) if symbol != "H"] or [0]
    anchor = min(heavy, key=lambda k: bound[k])
    height = float(heights[anchor])
    if overlapping(relaxed, count) is not None:
        return Whereabouts("atoms overlap", "", height)
    changed = _changed_bonds(adsorbate, places)
    if changed:
        return Whereabouts(changed, "", height)
    if bound[anchor] > _LEFT:
        return Whereabouts("desorbed", "", height)
    if height > _middle_of_vacuum_A(slab, relaxed):
        return Whereabouts("below the surface", "", height - relaxed.lattice.c)
    nearest = min(sites, key=lambda site: lateral_distance_A(relaxed, site, places[anchor, :2]))
    if height < nearest.floor_A:
        return Whereabouts("below the surface", "", height)
    return Whereabouts("stays" if nearest.label == start else "moved", nearest.label, height)


def _middle_of_vacuum_A(slab: Slab, relaxed: Structure) -> float:
    """Return the height (Å) above the top layer that is as far from the slab's next image."""
    lowest_A = float(relaxed.cart_coords[list(slab.bottom(1)), 2].mean())
    thickness_A = top_height_A(slab, relaxed) - lowest_A
    return float(relaxed.lattice.c - thickness_A) / 2


def in_one_piece(structure: Structure, atoms: Sequence[int]) -> np.ndarray:
    """Return Cartesian coordinates of some atoms, each in the image nearest to the first one."""
    frac = structure.frac_coords[list(atoms)]
    gap = frac - frac[0]
    places: np.ndarray = (frac - np.round(gap)) @ structure.lattice.matrix
    return places


def _changed_bonds(adsorbate: Adsorbate, places: np.ndarray) -> str:
    bonds = adsorbate.bonds()
    if bonds - bonds_between(adsorbate.species, places, _BROKEN):
        return "dissociated"
    return "rearranged" if bonds_between(adsorbate.species, places) - bonds else ""


def _bonds_to_slab(relaxed: Structure, first: int) -> np.ndarray:
    """Return, for each atom of the adsorbate, its shortest distance to the slab in bond lengths.

    Atoms of the slab that are bound to none of its others do not count.
    """
    radii = np.array([covalent_radius_A(site.specie.symbol) for site in relaxed])
    apart = relaxed.distance_matrix[:, :first] / (radii[:, None] + radii[None, :first])
    among = apart[:first].copy()
    np.fill_diagonal(among, np.inf)
    held = among.min(axis=1) <= _LEFT
    if not held.any():  # one atom per cell of a single layer
        held[:] = True
    ratios: np.ndarray = apart[first:, held].min(axis=1)
    return ratios
