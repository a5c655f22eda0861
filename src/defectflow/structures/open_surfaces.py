"""Atoms below the top layer of a slab that an adsorbate reaches: terraces, undercoordinated metals.

The top layer alone does not tell the sites of a surface that is not flat: the terrace of fcc (211)
lies 0.8 and 1.6 Å below its edge, and the fivefold metal of rutile (110) 1.3 Å below its oxygen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.layers import covalent_radius_A

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymatgen.core.structure import Structure

    from defectflow.structures.surfaces import Slab

#: Farther (Å) than the shortest distance in any crystal of atoms: 5.2 Å in caesium.
_FAR_A: Final = 6.0
#: Neighbours are within this many shortest distances: not the second ones of bcc, at 1.155.
_FIRST: Final = 1.13
#: Covalent radius (Å) of what looks for a way to an atom, about that of C, N and O.
_PROBE_A: Final = 0.7
#: It passes atoms that are farther than this fraction of a bond.
_PASSES: Final = 0.85
_AROUND: Final = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])


def shortest_distances_A(structure: Structure) -> dict[str, float]:
    """Return the distance from an atom to its nearest neighbour, the shortest of each element."""
    first, _, _, apart = structure.get_neighbor_list(_FAR_A)
    shortest: dict[str, float] = {}
    for k, distance in zip(first, apart, strict=True):
        symbol = structure[int(k)].specie.symbol
        shortest[symbol] = min(float(distance), shortest.get(symbol, float(distance)))
    return shortest


def neighbour_counts(
    structure: Structure, shortest_A: Mapping[str, float], within: float
) -> np.ndarray:
    """Return the number of neighbours (n,) of each atom.

    Parameters
    ----------
    shortest_A
        By element; neighbours are up to `within` times as far.
    """
    if not shortest_A:
        return np.zeros(len(structure), dtype=int)
    limits = np.array([within * shortest_A.get(site.specie.symbol, 0.0) for site in structure])
    first, _, _, apart = structure.get_neighbor_list(float(limits.max()))
    return np.bincount(first[apart < limits[first]], minlength=len(structure))


def exposed_atoms(slab: Slab) -> tuple[int, ...]:
    """Return the atoms below the top layer to which an adsorbate can bind from above, by index.

    They lie in the upper half, have fewer neighbours than other atoms of their element in the slab,
    and nothing is in the way straight above them. A vacancy counts as the atom that it was: what it
    lays bare is the site of the vacancy.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.surfaces import slab_of
    >>> platinum = hosts.load("fcc-Pt").structure
    >>> [len(exposed_atoms(slab_of(platinum, m, 9))) for m in ((1, 1, 1), (1, 0, 0), (2, 1, 1))]
    [0, 0, 2]
    """
    structure = slab.structure
    shortest = shortest_distances_A(structure)
    counts = neighbour_counts(structure, shortest, _FIRST) + _lost_to_vacancies(slab, shortest)
    symbols = np.array([site.specie.symbol for site in structure])
    most = {symbol: counts[symbols == symbol].max() for symbol in set(symbols)}
    heights = structure.cart_coords[:, 2]
    middle_A = (heights.min() + heights.max()) / 2
    return tuple(
        k
        for k in range(len(structure))
        if slab.layer[k] < slab.layers - 1
        and heights[k] > middle_A
        and counts[k] < most[symbols[k]]
        and _open_above(structure, k)
    )


def vacancy_places(slab: Slab) -> np.ndarray:
    """Return (x, y) of the vacancies in the top layer, shape (n, 2)."""
    places = [[x, y] for name, x, y in slab.marks if name.startswith("V_")]
    return np.reshape(np.array(places, dtype=float), (-1, 2))


def _lost_to_vacancies(slab: Slab, shortest_A: Mapping[str, float]) -> np.ndarray:
    """Return how many neighbours each atom has lost to vacancies in the top layer."""
    structure = slab.structure
    reach = np.array([_FIRST * shortest_A.get(site.specie.symbol, 0.0) for site in structure])
    down = structure.cart_coords[list(slab.top()), 2].mean() - structure.cart_coords[:, 2]
    lost = np.zeros(len(structure), dtype=int)
    for place in vacancy_places(slab):
        asides = lateral_gaps_A(structure.cart_coords[:, :2] - place, structure.lattice.matrix)
        lost += np.hypot(asides, down) < reach
    return lost


def _open_above(structure: Structure, atom: int) -> bool:
    """Tell whether the way from the vacuum straight down to an atom is free."""
    radii = np.array([covalent_radius_A(site.specie.symbol) for site in structure])
    gaps = structure.cart_coords - structure.cart_coords[atom]
    asides = lateral_gaps_A(gaps[:, :2], structure.lattice.matrix)
    # What lies above the probe's last place is passed on the way; the rest may be below it.
    below = np.maximum(radii[atom] + _PROBE_A - gaps[:, 2], 0.0)
    near = np.hypot(asides, below) < _PASSES * (radii + _PROBE_A)
    near[atom] = False
    return not near.any()


def lateral_gaps_A(vectors: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return the lengths (n,), Å, of the shortest images of vectors (n, 2) in the slab's plane."""
    plane = lattice[:2, :2]
    frac = vectors @ np.linalg.inv(plane)
    frac -= np.round(frac)
    images = (frac[:, None, :] + _AROUND) @ plane
    lengths: np.ndarray = np.sqrt((images**2).sum(axis=-1)).min(axis=1)
    return lengths
