"""Burgers vectors measured from the atoms: Frank's circuit, for every loop around a line at once.

Bonds between atoms of one element are compared with those of the perfect crystal. Added up along a
closed loop, the perfect ones miss by the Burgers vector of what the loop encloses (F. C. Frank,
Philos. Mag. 42, 809 (1951)). No displacement, elastic constant or cut plane enters.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: Bonds up to this many nearest distances are compared.
_REACH: Final = 1.25
_SAME_A: Final = 0.05


def burgers_vector(
    structure: Structure,
    pristine: Structure,
    line_A: tuple[float, float],
    ring_A: tuple[float, float],
) -> np.ndarray:
    """Return the Burgers vector (3,), Å, of what a line along z holds.

    Sign: from finish to start of a right-handed circuit around +z (FS/RH), as in Hirth and Lothe.

    Parameters
    ----------
    pristine
        The perfect crystal in the same orientation.
    line_A
        x and y of the line.
    ring_A
        Inner and outer radius (Å) of the ring of atoms that the loops go through: outside the core,
        and short of the next line.

    Raises
    ------
    StructureError
        If no loop goes around the line, or loops disagree: then the ring cuts another core.
    """
    symbol = structure[0].specie.symbol
    ideal = _ideal_bonds(pristine, symbol)
    atoms = _ring(structure, symbol, line_A, ring_A)
    bonds = _bonds(atoms, 1.1 * np.linalg.norm(ideal, axis=1).max())
    steps = {pair: ideal[_nearest(ideal, vector)] for pair, vector in bonds.items()}
    angles = np.arctan2(atoms[:, 1] - line_A[1], atoms[:, 0] - line_A[0])
    misses = _misses(len(atoms), steps, angles)
    if not misses:
        message = (
            f"{structure.reduced_formula}: no loop of {symbol} atoms goes around the line at "
            f"{line_A[0]:.1f}, {line_A[1]:.1f} Å; widen the ring ({ring_A[0]:g}-{ring_A[1]:g} Å)"
        )
        raise StructureError(message)
    found = np.array(misses)
    if np.ptp(found, axis=0).max() > _SAME_A:
        message = (
            f"{structure.reduced_formula}: loops around the line at {line_A[0]:.1f}, "
            f"{line_A[1]:.1f} Å disagree; keep the ring ({ring_A[0]:g}-{ring_A[1]:g} Å) off cores"
        )
        raise StructureError(message)
    closing: np.ndarray = -found.mean(axis=0)
    return closing


def _ideal_bonds(pristine: Structure, symbol: str) -> np.ndarray:
    """Return the distinct vectors (n, 3) between near atoms of an element."""
    only = pristine.copy()
    only.remove_species([one for one in _symbols(pristine) if one != symbol])
    reach = 4.0
    while True:
        first, second, images, lengths = only.get_neighbor_list(reach)
        if len(lengths):
            break
        reach *= 1.5
    first, second, images, lengths = only.get_neighbor_list(_REACH * lengths.min())
    coords = only.frac_coords
    vectors = (coords[second] + images - coords[first]) @ only.lattice.matrix
    distinct: np.ndarray = np.unique(np.round(vectors, 3), axis=0)
    return distinct


def _ring(
    structure: Structure, symbol: str, line_A: tuple[float, float], ring_A: tuple[float, float]
) -> np.ndarray:
    """Return places (n, 3) of the atoms in a ring, three periods long."""
    matrix = structure.lattice.matrix
    kept = [k for k, site in enumerate(structure) if site.specie.symbol == symbol]
    reach = int(np.ceil(2 * ring_A[1] * np.abs(np.linalg.inv(matrix)).max())) + 1
    steps = range(-reach - 1, reach + 2)
    shifts = np.array([[i, j, k] for i in steps for j in steps for k in (-1, 0, 1)]) @ matrix
    places = (structure.cart_coords[kept][:, None, :] + shifts[None, :, :]).reshape(-1, 3)
    radii = np.linalg.norm(places[:, :2] - line_A, axis=1)
    inside: np.ndarray = places[(radii > ring_A[0]) & (radii < ring_A[1])]
    return inside


def _bonds(places: np.ndarray, reach_A: float) -> dict[tuple[int, int], np.ndarray]:
    from scipy.spatial import KDTree

    pairs = KDTree(places).query_pairs(reach_A, output_type="ndarray")
    return {(int(i), int(j)): places[j] - places[i] for i, j in pairs}


def _nearest(ideal: np.ndarray, vector: np.ndarray) -> int:
    return int(np.argmin(np.linalg.norm(ideal - vector, axis=1)))


def _misses(
    count: int, steps: dict[tuple[int, int], np.ndarray], angles: np.ndarray
) -> list[np.ndarray]:
    """Return by how much each loop that goes around once misses, counter-clockwise."""
    linked: dict[int, list[tuple[int, np.ndarray]]] = {k: [] for k in range(count)}
    for (i, j), step in steps.items():
        linked[i].append((j, step))
        linked[j].append((i, -step))
    ideal, turned = _walked(linked, angles)
    misses = []
    for (i, j), step in steps.items():
        if i not in ideal or j not in ideal:
            continue
        around = turned[i] + _turn(angles[j] - angles[i]) - turned[j]
        if abs(abs(around) - 2 * np.pi) < 1e-6:  # noqa: PLR2004 - rounding
            misses.append(np.sign(around) * (ideal[i] + step - ideal[j]))
    return misses


def _walked(
    linked: dict[int, list[tuple[int, np.ndarray]]], angles: np.ndarray
) -> tuple[dict[int, np.ndarray], dict[int, float]]:
    """Return where each atom would be in the perfect crystal, and how far around, on one walk."""
    start = max(linked, key=lambda k: len(linked[k]))
    ideal, turned = {start: np.zeros(3)}, {start: 0.0}
    todo = deque([start])
    while todo:
        atom = todo.popleft()
        for other, step in linked[atom]:
            if other not in ideal:
                ideal[other] = ideal[atom] + step
                turned[other] = turned[atom] + _turn(angles[other] - angles[atom])
                todo.append(other)
    return ideal, turned


def _turn(angle: float) -> float:
    return float((angle + np.pi) % (2 * np.pi) - np.pi)


def _symbols(structure: Structure) -> set[str]:
    return {site.specie.symbol for site in structure}
