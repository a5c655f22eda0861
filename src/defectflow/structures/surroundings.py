"""Which atoms of a cell are not surrounded as in the perfect crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: Neighbours up to this multiple of the crystal's shortest distance are compared. It has to reach
#: the third shell of fcc, in which fcc and hcp differ.
_REACH: Final = 1.8
#: First neighbours of an element lie within this multiple of the nearest one.
_FIRST: Final = 1.2
#: Relative difference of a distance from which surroundings are others.
_OTHER: Final = 0.04


def strange_atoms(structure: Structure, crystal: Structure) -> np.ndarray:
    """Return the atoms that have other neighbours than those of a perfect crystal, by index.

    An atom is like one of the crystal if the same numbers of neighbours of each element lie at the
    same distances, within 4 %, up to 1.8 times the crystal's shortest distance, and if its first
    neighbours are as far from each other: a plane of an fcc metal that is stacked as in hcp is not,
    nor are the planes beside it.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.stacking_faults import named_faults
    >>> copper = hosts.load("fcc-Cu").structure
    >>> len(strange_atoms(next(named_faults(copper, "intrinsic")).structure, copper))
    4
    """
    reach_A = _REACH * float(crystal.get_neighbor_list(6.0)[3].min())
    known = [
        (site.specie.symbol, shells)
        for site, shells in zip(crystal, _shells(crystal, reach_A), strict=True)
    ]
    found = _shells(structure, 1.4 * reach_A)
    return np.array(
        [
            k
            for k, (site, shells) in enumerate(zip(structure, found, strict=True))
            if not any(
                symbol == site.specie.symbol and _alike(shells, usual) for symbol, usual in known
            )
        ],
        dtype=int,
    )


def _shells(structure: Structure, reach_A: float) -> list[dict[str, np.ndarray]]:
    """Return for each atom the vectors (n, 3) to its neighbours of each element, nearest first."""
    first, second, images, distances = structure.get_neighbor_list(reach_A)
    places = structure.cart_coords
    vectors = places[second] + images @ structure.lattice.matrix - places[first]
    symbols = np.array([site.specie.symbol for site in structure])
    shells = []
    for atom in range(len(structure)):
        mine = np.flatnonzero(first == atom)
        mine = mine[np.argsort(distances[mine], kind="stable")]
        kinds = symbols[second[mine]]
        shells.append({str(one): vectors[mine[kinds == one]] for one in np.unique(kinds)})
    return shells


def _alike(found: dict[str, np.ndarray], usual: dict[str, np.ndarray]) -> bool:
    """Tell whether the neighbours of each element lie as usual."""
    for symbol, vectors in usual.items():
        here = found.get(symbol, np.empty((0, 3)))[: len(vectors)]
        if len(here) < len(vectors):
            return False
        lengths = np.linalg.norm(vectors, axis=1)
        if not _close(np.linalg.norm(here, axis=1), lengths):
            return False
        near = int(np.sum(lengths < _FIRST * lengths[0]))
        if not _close(_mutual(here[:near]), _mutual(vectors[:near])):
            return False
    return True


def _mutual(vectors: np.ndarray) -> np.ndarray:
    """Return the distances between all ends of vectors, sorted."""
    i, j = np.triu_indices(len(vectors), k=1)
    mutual: np.ndarray = np.sort(np.linalg.norm(vectors[i] - vectors[j], axis=1))
    return mutual


def _close(lengths: np.ndarray, usual: np.ndarray) -> bool:
    return not len(usual) or bool(np.max(np.abs(lengths / usual - 1)) < _OTHER)
