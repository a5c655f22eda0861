"""Where between two layers the centre of a guest may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.orbits import orbit
from defectflow.structures.sites import insertion_sites
from defectflow.structures.symmetry import images, operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.galleries import Layering
    from defectflow.structures.guests import Guest

_SAME_PLACE_A: Final = 0.1
#: Heights for an ion are looked at in such steps, also so far below the highest atom of a layer.
_SCAN_A: Final = 0.02
_INTO_LAYER_A: Final = 1.0
#: An ion farther than this many bond lengths from every atom is not bonded.
_LOOSE: Final = 1.3


def gallery_voids(found: Layering, gallery: int) -> tuple[np.ndarray, ...]:
    """Return the distinct voids of a gallery, Cartesian, in the cell of the layers.

    Raises
    ------
    StructureError
        If there is no such gallery, or none has a void.
    """
    if not 0 <= gallery < len(found.layers):
        message = (
            f"gallery {gallery}: the host has galleries 0 to {len(found.layers) - 1}; give one"
        )
        raise StructureError(message)
    heights, lattice = found.heights_A(), found.structure.lattice
    period = found.spacing_A * len(found.layers)
    low = float(heights[list(found.layers[gallery])].mean())
    following = list(found.layers[(gallery + 1) % len(found.layers)])
    high = float(heights[following].mean()) + (period if gallery + 1 == len(found.layers) else 0.0)
    for every in (False, True):
        inside = []
        for site in insertion_sites(found.structure, "H", every_vertex=every):
            for place in orbit(found.structure, site.frac_coords):
                cartesian = lattice.get_cartesian_coords(place)
                turns = np.ceil((low - float(cartesian @ found.normal)) / period)
                cartesian = cartesian + turns * lattice.matrix[2]
                if low < float(cartesian @ found.normal) < high:
                    inside.append(cartesian)
                    break
        if inside:
            return tuple(inside)
    message = f"{found.structure.reduced_formula}: gallery {gallery} has no void; give another host"
    raise StructureError(message)


def centres(
    wide: Layering, gallery: int, voids: Sequence[np.ndarray], guest: Guest
) -> list[np.ndarray]:
    """Return the distinct places for a guest's centre in an opened gallery, Cartesian.

    They lie over the `voids` of the closed gallery, since layers move along the normal only.
    """
    found: list[np.ndarray] = []
    lattice = wide.structure.lattice
    group = operations(wide.structure)
    taken = np.empty((0, 3))
    for void in voids:
        for height in _heights_A(wide, gallery, void, guest):
            place = void + (height - float(void @ wide.normal)) * wide.normal
            coords = lattice.get_fractional_coords(place)
            gaps = taken - coords
            gaps = (gaps - np.round(gaps)) @ lattice.matrix
            if not np.any(np.linalg.norm(gaps, axis=-1) < _SAME_PLACE_A):
                taken = np.vstack([taken, images(coords, *group, lattice.matrix)])
                found.append(place)
    return found


def _heights_A(wide: Layering, gallery: int, void: np.ndarray, guest: Guest) -> list[float]:
    """Return the heights at which a guest's centre may be on the normal through a void.

    A molecule is half-way. An ion is where the nearest atom is farthest, and, if that is too far
    for a bond, also where it touches a layer.
    """
    bottom, top = wide.gallery_A(gallery)
    if not guest.single:
        return [(bottom + top) / 2]
    low, high = bottom - _INTO_LAYER_A, top + _INTO_LAYER_A
    heights = np.linspace(low, high, round((high - low) / _SCAN_A) + 1)
    line = void + np.outer(heights - float(void @ wide.normal), wide.normal)
    bonds = _bond_lengths(wide.structure, guest.species[0], line)
    best = int(np.argmax(bonds.round(3)))
    if bonds[best] < _LOOSE:
        return [float(heights[best])]
    above = np.flatnonzero((bonds[:best] < 1) & (bonds[1 : best + 1] >= 1))
    below = np.flatnonzero((bonds[best:-1] >= 1) & (bonds[best + 1 :] < 1)) + best
    return [float(heights[k]) for k in (best, *above[-1:] + 1, *below[:1])]


def _bond_lengths(structure: Structure, species: str, places: np.ndarray) -> np.ndarray:
    """Return the distance of each place to the host in units of a bond: radii of both atoms."""
    lattice = structure.lattice
    radii = np.array([covalent_radius_A(site.specie.symbol) for site in structure])
    distances = np.asarray(
        lattice.get_all_distances(lattice.get_fractional_coords(places), structure.frac_coords)
    )
    nearest: np.ndarray = (distances / (radii + covalent_radius_A(species))).min(axis=1)
    return nearest
