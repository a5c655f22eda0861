"""Which atoms of a cell are not surrounded as in the perfect crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: What is left of a cell's defect.
Left = Literal["defect", "faults", "nothing"]
#: What a cell has become, in words, where its defect is not left.
BECAME: Final[dict[Left, str]] = {
    "faults": "a crystal with stacking faults at most",
    "nothing": "a perfect crystal",
}

#: Neighbours up to this multiple of the crystal's shortest distance are compared. It has to reach
#: the third shell of fcc, in which fcc and hcp differ.
_REACH: Final = 1.8
#: First neighbours of an element lie within this multiple of the nearest one.
_FIRST: Final = 1.2
#: Relative difference of a distance from which surroundings are others.
_OTHER: Final = 0.04
#: First neighbours of all atoms are as near to the crystal's if they differ by less: wide cores of
#: dislocations stretch them by 5 %.
_SAME_FIRST: Final = 0.02


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
    return np.flatnonzero(strangeness(structure, crystal)[0] >= _OTHER)


def strangeness(structure: Structure, crystal: Structure) -> np.ndarray:
    """Return for each atom by how much its neighbours lie otherwise than in a perfect crystal.

    Shape (2, n): the largest relative difference of the distances that `strange_atoms` compares,
    and of those to the first neighbours only, each against the atom of that element of the crystal
    to which it is most alike; infinite for an element that the crystal has not.
    """
    reach_A = _REACH * float(crystal.get_neighbor_list(6.0)[3].min())
    usual: dict[str, list[dict[str, np.ndarray]]] = {}
    for site, shells in zip(crystal, _shells(crystal, reach_A), strict=True):
        usual.setdefault(site.specie.symbol, []).append(shells)
    found = _shells(structure, 1.4 * reach_A)
    nowhere = np.full((1, 2), np.inf)
    differences = [
        [_differences(shells, one) for one in usual.get(site.specie.symbol, [])] or nowhere
        for site, shells in zip(structure, found, strict=True)
    ]
    return np.array([np.min(one, axis=0) for one in differences]).T


def left_of_defect(before: Structure, after: Structure, crystal: Structure) -> Left:
    """Return what has become of the defect of a cell, e.g. by relaxing.

    ``faults`` if some atoms had other first neighbours than in the crystal, and now those of all
    are as near to the crystal's: of a boundary or a dislocation stacking faults are left at most,
    as where partial dislocations ran into those of the other line, and in a cell of fixed shape the
    strain that the lines had undone. Lengths are compared after the cell is scaled to the volume
    per atom that it had, as the engine that relaxed may have other lattice constants.
    """
    scaled = after.copy()
    scaled.scale_lattice(len(after) * before.volume / len(before))
    was, now = (strangeness(one, crystal) for one in (before, scaled))
    if was[0].max() >= _OTHER > now[0].max():
        return "nothing"
    near, now_near = np.ptp(was[1]), np.ptp(now[1])
    return "faults" if near >= _OTHER and now_near < _SAME_FIRST else "defect"


def distances_from_defect_A(
    points: np.ndarray, structure: Structure, crystal: Structure
) -> np.ndarray:
    """Return how far points are from where a cell is least like the perfect crystal, Å.

    That is at the atoms whose first neighbours are at least half as far from usual as those of
    the strangest: the core of a dislocation and the planes of a boundary, not all that these
    strain. Where first neighbours are as usual, as at a stacking fault, all strange atoms count.

    Parameters
    ----------
    points
        Cartesian, shape (n, 3), in the frame of `structure`.

    Raises
    ------
    StructureError
        If the cell is a perfect crystal.
    """
    whole, near = strangeness(structure, crystal)
    strange = np.minimum(near, 1.0)
    if strange.max() < _OTHER:
        strange = 1.0 * (whole >= _OTHER)
    if strange.max() < _OTHER:
        message = (
            f"{structure.composition.reduced_formula}: all atoms are surrounded as in the crystal; "
            "leave out the distance from its defect"
        )
        raise StructureError(message)
    core = structure.frac_coords[strange >= strange.max() / 2]
    lattice = structure.lattice
    inside = lattice.get_fractional_coords(np.reshape(points, (-1, 3)))
    nearest: np.ndarray = lattice.get_all_distances(inside, core).min(axis=1)
    return nearest


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


def _differences(found: dict[str, np.ndarray], usual: dict[str, np.ndarray]) -> tuple[float, float]:
    """Return the largest relative differences of the distances to neighbours, and to the first.

    Among all are those between the first neighbours.
    """
    whole = first = 0.0
    for symbol, vectors in usual.items():
        here = found.get(symbol, np.empty((0, 3)))[: len(vectors)]
        if len(here) < len(vectors):
            return 1.0, 1.0
        lengths = np.linalg.norm(vectors, axis=1)
        near = int(np.sum(lengths < _FIRST * lengths[0]))
        away = np.abs(np.linalg.norm(here, axis=1) / lengths - 1)
        mutual = _relative(_mutual(here[:near]), _mutual(vectors[:near]))
        whole = max(whole, float(away.max()), mutual)
        first = max(first, float(away[:near].max()))
    return whole, first


def _mutual(vectors: np.ndarray) -> np.ndarray:
    """Return the distances between all ends of vectors, sorted."""
    i, j = np.triu_indices(len(vectors), k=1)
    mutual: np.ndarray = np.sort(np.linalg.norm(vectors[i] - vectors[j], axis=1))
    return mutual


def _relative(lengths: np.ndarray, usual: np.ndarray) -> float:
    return float(np.abs(lengths / usual - 1).max()) if len(usual) else 0.0
