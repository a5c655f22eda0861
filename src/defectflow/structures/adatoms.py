"""Places beside a sheet: where an atom sits on graphene, which has no voids."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.symmetry import images

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

#: A gap between layers wider than this (Å) is vacuum.
VACUUM_A: Final = 7.0
#: Atoms within this height (Å) of the uppermost one are the top of a sheet.
_TOP_A: Final = 0.3
#: Two atoms farther apart than this many nearest distances have no bridge between them.
_BRIDGED: Final = 1.3
_SAME_A: Final = 0.2
_NORMAL: Final = 1e-3


def adatom_places(
    cell: Structure, species: str, group: tuple[np.ndarray, np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ``hollow``, ``bridge`` and ``top`` with all equivalent places (n, 3; fractional).

    Only beside a sheet or slab with more than `VACUUM_A` of vacuum along the third vector, which
    has to be its normal. The candidates are the corners of the Voronoi diagram of the outermost
    atoms, the middles between neighbours, and the atoms; the height is that at which the atom
    touches the first atom below it, by the covalent radii of B. Cordero et al., Dalton Trans. 2832
    (2008).

    Parameters
    ----------
    group
        W and w of the space group of `cell`.
    """
    top = _top_atoms(cell)
    if top is None:
        return
    taken = np.empty((0, 3))
    for label, spots in _spots(top[:, :2], cell.lattice.matrix[:2, :2]).items():
        for spot in spots:
            place = cell.lattice.get_fractional_coords(_landed(spot, cell, species, top))
            places = images(place, *group, cell.lattice.matrix)
            if len(taken) and cell.lattice.get_all_distances(taken, places).min() < _SAME_A:
                continue
            taken = np.vstack([taken, places])
            yield label, places


def _top_atoms(cell: Structure) -> np.ndarray | None:
    """Return the Cartesian places of the atoms below the vacuum; None where there is none."""
    matrix = cell.lattice.matrix
    if np.abs(matrix[2, :2]).max() > _NORMAL or np.abs(matrix[:2, 2]).max() > _NORMAL:
        return None
    period_A = abs(float(matrix[2, 2]))
    places = cell.cart_coords.copy()
    places[:, 2] %= period_A
    heights = np.sort(places[:, 2])
    gaps = np.diff([*heights, heights[0] + period_A])
    if gaps.max() < VACUUM_A:
        return None
    highest = heights[int(np.argmax(gaps))]
    outermost: np.ndarray = places[np.abs(places[:, 2] - highest) < _TOP_A]
    return outermost


def _spots(atoms: np.ndarray, plane: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Return the places (x, y; Å) above a layer by kind, equivalent ones too."""
    from scipy.spatial import Voronoi

    steps = np.array(list(itertools.product(range(-3, 4), repeat=2))) @ plane
    layer = (atoms[None, :, :] + steps[:, None, :]).reshape(-1, 2)
    apart = np.linalg.norm(layer[None, :, :] - atoms[:, None, :], axis=2)
    nearest_A = apart[apart > _SAME_A].min()
    i, j = np.nonzero((apart > _SAME_A) & (apart < _BRIDGED * nearest_A))
    corners = Voronoi(layer).vertices
    inside = np.floor(corners @ np.linalg.inv(plane) + _NORMAL)
    return {
        "hollow": list(corners[np.all(inside == 0, axis=1)]),
        "bridge": list((atoms[i] + layer[j]) / 2),
        "top": list(atoms),
    }


def _landed(spot: np.ndarray, cell: Structure, species: str, top: np.ndarray) -> np.ndarray:
    """Return the place (Å) above `spot` at which an atom touches the sheet."""
    low, high = np.array([*spot, top[:, 2].min() - 2.0]), top[:, 2].max()
    heights = [high]
    for site in cell.get_sites_in_sphere(np.array([*spot, high]), 6.0):
        reach_A = covalent_radius_A(species) + covalent_radius_A(site.specie.symbol)
        aside_A = float(np.linalg.norm(site.coords[:2] - spot))
        if aside_A < reach_A and low[2] < site.coords[2] <= high + _TOP_A:
            heights.append(site.coords[2] + np.sqrt(reach_A**2 - aside_A**2))
    return np.array([*spot, max(heights)])
