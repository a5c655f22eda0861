"""The rotation between two grains, measured from their atoms alone."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.symmetry import operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

#: How far atoms may lie off their places in the crystal, relative to the shortest bond.
TOLERANCE: Final = 0.12
_REACH: Final = 1.5
_FEWEST: Final = 6


def disorientation_deg(structure: Structure, crystal: Structure, atoms: Sequence[int]) -> float:
    """Return the smallest angle that turns the lattice around one atom into that around another.

    The surroundings of each atom are laid on those of the same element in the crystal; nothing is
    taken from how the cell was built. Equivalent orientations of the crystal count as one.

    Parameters
    ----------
    atoms
        Two atoms of the structure, each well inside a grain.

    Raises
    ------
    StructureError
        If the surroundings of an atom are not those of the crystal.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> copper = hosts.load("fcc-Cu").structure
    >>> disorientation_deg(copper * (2, 2, 2), copper, (0, 9))
    0.0
    """
    first, second = (orientation(structure, crystal, atom) for atom in atoms)
    columns = crystal.lattice.matrix.T
    points = np.unique(operations(crystal)[0], axis=0)
    turns = np.array([columns @ one @ np.linalg.inv(columns) for one in points])
    proper = turns * np.round(np.linalg.det(turns))[:, None, None]
    between = second @ proper @ first.T
    cosines = (np.trace(between, axis1=1, axis2=2) - 1) / 2
    best = float(np.degrees(np.arccos(np.clip(cosines.max(), -1.0, 1.0))))
    return round(best, 6) if best > 1e-4 else 0.0  # noqa: PLR2004 - rounding


def orientation(structure: Structure, crystal: Structure, atom: int) -> np.ndarray:
    """Return the proper rotation (3, 3) from the crystal to what lies around an atom.

    Raises
    ------
    StructureError
        If no rotation fits.
    """
    symbol = structure[atom].specie.symbol
    for index, site in enumerate(crystal):
        if site.specie.symbol != symbol:
            continue
        usual, kinds, bond = _around(crystal, index)
        found, others, _ = _around(structure, atom, _REACH * bond * (1 + TOLERANCE))
        turn = _fitted(usual, kinds, found, others, TOLERANCE * bond)
        if turn is not None:
            return turn
    message = (
        f"atom {atom} ({symbol}): its surroundings are not those of {crystal.reduced_formula}; "
        "take one farther from the boundary"
    )
    raise StructureError(message)


def _around(
    structure: Structure, atom: int, reach_A: float | None = None
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the vectors to the atoms around one, their atomic numbers, and the shortest length."""
    site = structure[atom]
    near = structure.get_neighbors(site, reach_A or 4.0)
    bond = min(one.nn_distance for one in near)
    if reach_A is None:
        near = structure.get_neighbors(site, _REACH * bond)
    near.sort(key=lambda one: float(one.nn_distance))
    vectors = np.array([one.coords - site.coords for one in near])
    return vectors, np.array([one.specie.Z for one in near]), float(bond)


def _fitted(
    usual: np.ndarray, kinds: np.ndarray, found: np.ndarray, others: np.ndarray, off_A: float
) -> np.ndarray | None:
    """Return the rotation that lays every usual vector on a found one of the same element."""
    if len(usual) < _FEWEST:
        return None
    one = usual[0]
    other = next(v for v in usual[1:] if np.linalg.norm(np.cross(one, v)) > off_A * 2)
    k = int(np.flatnonzero(np.all(usual == other, axis=1))[0])
    first = _like(one, kinds[0], found, others, off_A)
    second = _like(other, kinds[k], found, others, off_A)
    best: tuple[float, np.ndarray | None] = (np.inf, None)
    for i, j in itertools.product(first, second):
        if i == j or abs(found[i] @ found[j] - one @ other) > 3 * off_A * np.linalg.norm(one):
            continue
        turn = _turn(np.array([one, other]), found[[i, j]])
        partners = _partners(usual @ turn.T, kinds, found, others, off_A * 2)
        if partners is None:
            continue
        turn = _turn(usual, found[partners])
        misfit = float(np.linalg.norm(usual @ turn.T - found[partners], axis=1).max())
        if misfit < min(best[0], off_A):
            best = (misfit, turn)
    return best[1]


def _like(
    vector: np.ndarray, kind: int, found: np.ndarray, others: np.ndarray, off_A: float
) -> np.ndarray:
    lengths = np.linalg.norm(found, axis=1)
    return np.flatnonzero((np.abs(lengths - np.linalg.norm(vector)) < off_A) & (others == kind))


def _partners(
    turned: np.ndarray, kinds: np.ndarray, found: np.ndarray, others: np.ndarray, off_A: float
) -> np.ndarray | None:
    """Return which found vector each turned one lies on; None if one lies on none."""
    distances = np.linalg.norm(turned[:, None] - found[None], axis=2)
    distances[kinds[:, None] != others[None]] = np.inf
    nearest = np.argmin(distances, axis=1)
    close = distances[np.arange(len(turned)), nearest] < off_A
    return nearest if close.all() and len(set(nearest.tolist())) == len(turned) else None


def _turn(usual: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the proper rotation that lays vectors on others (W. Kabsch, Acta Cryst. A 32, 922)."""
    left, _, right = np.linalg.svd(found.T @ usual)
    handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn: np.ndarray = left @ handed @ right
    return turn
