"""Atoms that overlap at grain boundaries: how close they are, and whole formula units taken out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.symmetry import nearest_places

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pymatgen.core.structure import Structure

Pair = tuple[str, str]

#: Least distance of two atoms at a boundary, relative to the nearest such pair of the crystal.
MIN_RATIO: Final = 0.7
#: Distances beyond those of touching grains that are tried before atoms are taken out, Å.
GAPS_A: Final = (0.0, 0.3, 0.6)
_SAME_A: Final = 0.05


@dataclass(frozen=True, eq=False)
class Bicrystal:
    """Two grains stacked along z, before or after atoms were taken out.

    Attributes
    ----------
    structure
        The middle of the lower grain is the origin.
    heights_A
        Of the two boundaries.
    inverted
        Whether inversion at the origin maps one boundary on the other; atoms are then taken out of
        both alike.
    removed
        Formula units taken out of each boundary.
    """

    structure: Structure
    heights_A: tuple[float, float]
    inverted: bool
    removed: int = 0

    def away_A(self) -> np.ndarray:
        """Return the distance of each atom from the nearest boundary, and which one: (n, 2)."""
        c = float(self.structure.lattice.matrix[2, 2])
        z = self.structure.cart_coords[:, 2]
        first, second = (np.abs((z - h + c / 2) % c - c / 2) for h in self.heights_A)
        return np.column_stack([np.minimum(first, second), np.where(first <= second, 0, 1)])


def closest_pairs(crystal: Structure, reach_A: float = 4.5) -> dict[Pair, float]:
    """Return the shortest distance of each pair of elements in a crystal, Å."""
    first, second, _, distances = crystal.get_neighbor_list(reach_A)
    symbols = [site.specie.symbol for site in crystal]
    found: dict[Pair, float] = {}
    for i, j, distance in zip(first, second, distances, strict=True):
        pair = _pair(symbols[i], symbols[j])
        found[pair] = min(found.get(pair, reach_A), float(distance))
    return found


def closest(structure: Structure, known: Mapping[Pair, float]) -> float:
    """Return the least distance of two atoms relative to that in the crystal, at most 1."""
    ratios = _ratios(structure, known, 1.0)[2]
    return float(ratios.min()) if len(ratios) else 1.0


def separated(
    made: Bicrystal,
    known: Mapping[Pair, float],
    unit: Mapping[str, int],
    most: int,
    min_ratio: float = MIN_RATIO,
) -> Bicrystal | None:
    """Take the fewest formula units out of each boundary that leave no two atoms overlapping.

    Of each element the atoms that overlap most go first; without overlap, those at the boundary.

    Parameters
    ----------
    known
        From `closest_pairs` of the crystal.
    unit
        Atoms of each element in a formula unit.
    most
        Formula units that may be taken out of one boundary; None is returned if more were needed.
    """
    first, second, ratios = _ratios(made.structure, known, min_ratio)
    symbols = np.array([site.specie.symbol for site in made.structure])
    partner = _partners(made)
    away = made.away_A()
    kept = np.ones(len(symbols), dtype=bool)
    for taken in range(most + 1):
        left = kept[first] & kept[second]
        if not left.any():
            atoms = [int(k) for k in np.flatnonzero(~kept)]
            structure = made.structure.copy()
            structure.remove_sites(atoms)
            alike = made.inverted and partner is not None
            return replace(made, structure=structure, removed=taken, inverted=alike)
        for symbol, number in unit.items():
            for _ in range(number):
                left = kept[first] & kept[second]
                score = np.bincount(first[left], 1.0 - ratios[left], minlength=len(symbols))
                if not _take(score, symbols == symbol, kept, away, partner):
                    return None
    return None


def _take(
    score: np.ndarray,
    wanted: np.ndarray,
    kept: np.ndarray,
    away: np.ndarray,
    partner: np.ndarray | None,
) -> bool:
    """Take one atom out of each boundary; return whether there were any left."""
    for side in (0, 1):
        among = np.flatnonzero(wanted & kept & (away[:, 1] == side))
        if not len(among):
            return False
        order = np.lexsort((away[among, 0].round(3), -score[among].round(6)))
        atom = int(among[order[0]])
        kept[atom] = False
        if partner is not None:
            other = int(partner[atom])
            if other == atom or not kept[other]:
                return False
            kept[other] = False
            return True
    return True


def _partners(made: Bicrystal) -> np.ndarray | None:
    """Return the atom that inversion at the origin maps each atom to; None if it maps none."""
    if not made.inverted:
        return None
    places = made.structure.frac_coords
    index, _, distance = nearest_places(-places, places, made.structure.lattice.matrix)
    return index if distance.max() < _SAME_A else None


def _ratios(
    structure: Structure, known: Mapping[Pair, float], limit: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both atoms of each near pair, and their distance relative to that in the crystal.

    Near is less than `limit` times that distance.
    """
    first, second, _, distances = structure.get_neighbor_list(limit * max(known.values()))
    symbols = [site.specie.symbol for site in structure]
    usual = np.array(
        [known.get(_pair(symbols[i], symbols[j]), 0.0) for i, j in zip(first, second, strict=True)]
    )
    near = distances < limit * usual - 1e-6
    return first[near], second[near], distances[near] / usual[near]


def _pair(one: str, other: str) -> Pair:
    return (one, other) if one <= other else (other, one)
