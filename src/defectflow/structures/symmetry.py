"""Symmetry operations of a crystal as maps of its atoms, and what follows from them.

Conventions: fractional coordinates are columns, an operation is x -> W x + w. Symmetry is that of
the elements and positions; oxidation states are not looked at, nor magnetic moments, which
`defectflow.structures.moments` knows.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.lattices import reduction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pymatgen.core.structure import Structure

#: Largest shift (Å) of an atom from its ideal place for which an operation still counts.
SYMPREC_A: Final = 0.01
#: Positions nearer than this (Å) are the same place when two structures are laid over each other.
SAME_PLACE_A: Final = 0.1
_NEIGHBOURS: Final = np.array(list(itertools.product((-1, 0, 1), repeat=3)))


@dataclass(frozen=True, eq=False)
class SymmetryMap:
    """An operation x -> W x + w and what it does to each atom of a structure.

    Attributes
    ----------
    rotation
        W, (3, 3) integers, in fractional coordinates.
    translation
        w, (3,), fractional.
    permutation
        (N,) Atom ``j`` lands on the place of atom ``permutation[j]`` (of the same structure, or of
        the other one for a `mapping`).
    shifts
        (N, 3) Lattice vectors to add so that atom ``j`` lands in the very periodic image in which
        atom ``permutation[j]`` is listed. A path therefore stays continuous under `apply`.
    sign
        Of magnetic moments: -1 where the operation reverses all of them, too.
    """

    rotation: np.ndarray
    translation: np.ndarray
    permutation: np.ndarray
    shifts: np.ndarray
    sign: int = 1


def operations(structure: Structure, symprec: float = SYMPREC_A) -> tuple[np.ndarray, np.ndarray]:
    """Return all space-group operations of the cell as given: W (n, 3, 3) and w (n, 3).

    A cell that holds several primitive cells has their translations among its operations.

    Raises
    ------
    StructureError
        If no symmetry can be found, which happens when atoms overlap.
    """
    import spglib

    found = found_by(spglib.get_symmetry, structure, symprec)
    return np.asarray(found["rotations"]), np.asarray(found["translations"])


def upward_operations(slab: Structure) -> tuple[np.ndarray, np.ndarray]:
    """Return the operations of a slab that keep up what is up: W (n, 3, 3) and w (n, 3).

    The third lattice vector is along the normal.
    """
    rotations, translations = operations(slab)
    up = rotations[:, 2, 2] == 1
    return rotations[up], translations[up]


def found_by(search: Callable[..., Any], structure: Structure, symprec: float = SYMPREC_A) -> Any:
    """Return what a function of spglib finds in a crystal.

    Raises
    ------
    StructureError
        If it finds nothing, which happens when atoms overlap.
    """
    import spglib

    cell = (
        structure.lattice.matrix.tolist(),
        structure.frac_coords.tolist(),
        list(structure.atomic_numbers),
    )
    cause: Exception | None = None
    found = None
    try:
        found = search(cell, symprec=symprec)
    except spglib.SpglibError as error:
        cause = error
    if found is None:
        message = (
            f"{structure.reduced_formula}: no symmetry found within {symprec} Å; take out "
            "overlapping atoms, and move those that are nearly at places of higher symmetry there"
        )
        raise StructureError(message) from cause
    return found


def primitive_cells(structure: Structure, symprec: float = SYMPREC_A) -> int:
    """Return how many primitive cells of the crystal `structure` holds."""
    rotations, _ = operations(structure, symprec)
    return int(np.sum(np.all(rotations == np.eye(3, dtype=int), axis=(1, 2))))


def primitive(structure: Structure, symprec: float = SYMPREC_A) -> Structure:
    """Return the primitive cell on short lattice vectors, in the Cartesian frame of `structure`."""
    rotations, translations = operations(structure, symprec)
    inner = translations[np.all(rotations == np.eye(3, dtype=int), axis=(1, 2))]
    short = reduction(structure.lattice.matrix)
    basis = short @ structure.lattice.matrix
    steps = wrapped(inner @ np.linalg.inv(short))[:, None, :] + _NEIGHBOURS
    vectors = steps.reshape(-1, 3) @ basis
    # In three dimensions the vectors of the successive minima form a basis.
    chosen: list[np.ndarray] = []
    for vector in vectors[np.argsort(np.linalg.norm(vectors, axis=1), kind="stable")]:
        if np.linalg.matrix_rank(np.array([*chosen, vector]), tol=symprec) > len(chosen):
            chosen.append(vector)
        if len(chosen) == len(basis):
            break
    return in_cell(structure, chosen if np.linalg.det(chosen) > 0 else -np.array(chosen))


def in_cell(structure: Structure, vectors: np.ndarray | Sequence[np.ndarray]) -> Structure:
    """Return a crystal in another cell of it, with these rows as vectors, in the same frame."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    lattice = Lattice(vectors)
    coords = wrapped(lattice.get_fractional_coords(structure.cart_coords))
    labels = clusters(coords, lattice.matrix, SAME_PLACE_A)
    _, first = np.unique(labels, return_index=True)
    kept = np.sort(first)
    return Structure(lattice, [structure[int(k)].species for k in kept], coords[kept])


def images(
    frac_coords: Sequence[float] | np.ndarray,
    rotations: np.ndarray,
    translations: np.ndarray,
    lattice: np.ndarray,
) -> np.ndarray:
    """Return the distinct places (m, 3; in [0, 1)) that operations take a place to, itself first.

    `rotations` and `translations` are those of `operations`; rows of `lattice` are its vectors.
    """
    start = np.asarray([frac_coords], dtype=float)
    moved = wrapped(np.vstack([start, rotations @ start[0] + translations]))
    labels = clusters(moved, lattice, SAME_PLACE_A)
    _, first = np.unique(labels, return_index=True)
    places: np.ndarray = moved[np.sort(first)]
    return places


def clusters(frac_coords: np.ndarray, lattice: np.ndarray, distance_A: float) -> np.ndarray:
    """Return (n,) labels; points joined by steps of at most `distance_A` modulo lattice share one.

    `distance_A` has to be short against the lattice vectors.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    points = wrapped(frac_coords)
    radius = distance_A * np.linalg.norm(np.linalg.inv(lattice), 2)
    pairs = cKDTree(points, boxsize=1.0).query_pairs(radius, output_type="ndarray")
    gap = points[pairs[:, 0]] - points[pairs[:, 1]]
    near = np.linalg.norm((gap - np.round(gap)) @ lattice, axis=1) <= distance_A
    i, j = pairs[near].T
    graph = coo_array((np.ones(len(i)), (i, j)), shape=(len(points), len(points)))
    return np.asarray(connected_components(graph, directed=False)[1])


def wrapped(frac_coords: np.ndarray) -> np.ndarray:
    """Return fractional coordinates moved into [0, 1)."""
    inside: np.ndarray = frac_coords - np.floor(frac_coords)
    inside[inside >= 1.0] = 0.0
    return inside


def nearest_places(
    points: np.ndarray, places: np.ndarray, lattice: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each point, the place it coincides with modulo lattice vectors.

    Parameters
    ----------
    points, places
        (n, 3) and (m, 3) fractional coordinates, in any periodic image.
    lattice
        (3, 3) rows are lattice vectors, Å.

    Returns
    -------
    index (n,), shift (n, 3) integers, distance_A (n,)
        ``points + shift`` is at `distance_A` from ``places[index]``. Exact for points that do
        coincide with a place; only an upper bound of the distance for those that do not.
    """
    from scipy.spatial import cKDTree

    _, index = cKDTree(wrapped(places), boxsize=1.0).query(wrapped(points))
    gap = places[index] - points
    shift = np.round(gap)
    return index, shift.astype(int), np.linalg.norm((gap - shift) @ lattice, axis=-1)


def symmetry_maps(structure: Structure, symprec: float = SYMPREC_A) -> tuple[SymmetryMap, ...]:
    """Return every operation of the cell, its inner translations included, as a map of atoms.

    The first map is the identity.
    """
    rotations, translations = operations(structure, symprec)
    places = structure.frac_coords
    moved = np.einsum("oij,nj->oni", rotations, places) + translations[:, None, :]
    index, shift, _ = nearest_places(moved.reshape(-1, 3), places, structure.lattice.matrix)
    index, shift = index.reshape(len(moved), -1), shift.reshape(moved.shape)
    valid = np.all(np.sort(index, axis=1) == np.arange(len(places)), axis=1)
    if not valid.all():
        message = (
            f"{structure.reduced_formula}: two atoms share a place within {symprec} Å; "
            "take one of them out"
        )
        raise StructureError(message)
    return tuple(
        SymmetryMap(*parts) for parts in zip(rotations, translations, index, shift, strict=True)
    )


def mapping(
    start: Structure,
    end: Structure,
    maps: Sequence[SymmetryMap],
    tolerance_A: float = SAME_PLACE_A,
) -> SymmetryMap | None:
    """Return an operation of the host that lays `start` onto `end`; None if there is none.

    Parameters
    ----------
    start, end
        The host's supercell with the same defect (ion, vacancy) at two places, before relaxation.
    maps
        Operations of the host's supercell, from `symmetry_maps`.

    Returns
    -------
    SymmetryMap
        Its `permutation` and `shifts` run from the atoms of `start` to those of `end`: applied to
        the relaxed `start` it gives the relaxed `end`, atom order and periodic image included.
    """
    return next(iter(_mappings(start, end, maps, tolerance_A)), None)


def reversing_maps(
    start: Structure,
    end: Structure,
    maps: Sequence[SymmetryMap],
    tolerance_A: float = SAME_PLACE_A,
) -> tuple[SymmetryMap, ...]:
    """Return the operations that swap `start` and `end` and so may reverse the path between them.

    The two structures list the same atoms in the same order. The path is taken to move every atom
    by its minimum image. An operation that takes `start` to `end` and `end` to another periodic
    image of `start` continues the path instead of reversing it and is left out, and so is one that
    exchanges atoms on its way there but not back.
    """
    gap = end.frac_coords - start.frac_coords
    near_end = end.copy()
    for site, offset in zip(near_end, np.round(gap), strict=True):
        site.frac_coords = site.frac_coords - offset
    forward = _mappings(start, near_end, maps, tolerance_A)
    kept = []
    for there in forward:
        moved = apply(there, near_end).frac_coords
        distance = np.linalg.norm((moved - start.frac_coords) @ start.lattice.matrix, axis=1)
        if np.all(distance <= tolerance_A):
            kept.append(there)
    return tuple(kept)


def apply(symmetry: SymmetryMap, structure: Structure) -> Structure:
    """Return `structure` carried by `symmetry`, its atoms in the order of the target."""
    moved = structure.frac_coords @ symmetry.rotation.T + symmetry.translation + symmetry.shifts
    coords = np.empty_like(moved)
    coords[symmetry.permutation] = moved
    source = np.argsort(symmetry.permutation)
    carried = structure.copy()
    for target, (site, origin) in enumerate(zip(carried, source, strict=True)):
        site.species = structure[int(origin)].species
        site.properties = dict(structure[int(origin)].properties)
        if symmetry.sign < 0 and site.properties.get("magmom") is not None:
            site.properties["magmom"] = -site.properties["magmom"]
        site.frac_coords = coords[target]
    return carried


def cartesian_rotations(lattice: np.ndarray, rotations: np.ndarray) -> np.ndarray:
    """Return rotations (..., 3, 3) of fractional columns as those of Cartesian columns.

    `lattice` is (3, 3) with lattice vectors as rows.
    """
    columns = np.asarray(lattice, dtype=float).T
    turned: np.ndarray = columns @ np.asarray(rotations) @ np.linalg.inv(columns)
    return turned


def apply_vectors(symmetry: SymmetryMap, lattice: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return polar vectors (forces, displacements; N x 3, Cartesian) carried by `symmetry`.

    `lattice` is (3, 3) with lattice vectors as rows.
    """
    rotation = cartesian_rotations(lattice, symmetry.rotation)
    carried = np.empty((len(vectors), 3))
    carried[symmetry.permutation] = np.asarray(vectors, dtype=float) @ rotation.T
    return carried


def without_noise(
    moved_A: np.ndarray, maps: Sequence[SymmetryMap], lattice: np.ndarray, tolerance_A: float
) -> np.ndarray:
    """Return displacements (N x 3, Cartesian) averaged over a group of operations.

    They are returned as they are where an atom would then be farther than the tolerance from where
    it is: that is no noise, the symmetry is gone.
    """
    mean_A: np.ndarray = np.mean([apply_vectors(one, lattice, moved_A) for one in maps], axis=0)
    left = np.linalg.norm(mean_A - moved_A, axis=1).max() > tolerance_A
    return moved_A if left else mean_A


def symmetrized(structure: Structure, like: Structure, tolerance_A: float = 0.1) -> Structure:
    """Return `structure` with the symmetry of `like`, where it lacks that by no more than noise.

    A relaxation leaves atoms a little beside their symmetric places; a code with k-points then
    pays for a crystal without symmetry. The displacements from `like` are averaged over its
    operations. A structure in which an atom would move farther than the tolerance has left that
    symmetry, and is returned as it is.

    Parameters
    ----------
    like
        The same atoms in the same order and cell.
    tolerance_A
        Largest distance that an atom may move, Å.
    """
    lattice = structure.lattice.matrix
    away = structure.frac_coords - like.frac_coords
    moved_A = (away - np.round(away)) @ lattice
    even_A = without_noise(moved_A, symmetry_maps(like), lattice, tolerance_A)
    if even_A is moved_A:
        return structure
    even = structure.copy()
    for index, vector in enumerate(even_A - moved_A):
        even.translate_sites([index], vector, frac_coords=False, to_unit_cell=False)
    return even


def _mappings(
    start: Structure, end: Structure, maps: Sequence[SymmetryMap], tolerance_A: float
) -> list[SymmetryMap]:
    """Return every map that lays `start` onto `end`; the rarest element is tried first."""
    if start.composition != end.composition or not maps:
        return []
    rotations = np.array([item.rotation for item in maps])
    translations = np.array([item.translation for item in maps])
    numbers, targets = np.array(start.atomic_numbers), np.array(end.atomic_numbers)
    permutations = np.full((len(maps), len(start)), -1)
    shifts = np.zeros((len(maps), len(start), 3), dtype=int)
    alive = np.arange(len(maps))
    for number in sorted(set(numbers.tolist()), key=lambda z: int(np.sum(numbers == z))):
        ours, theirs = np.flatnonzero(numbers == number), np.flatnonzero(targets == number)
        moved = np.einsum("oij,nj->oni", rotations[alive], start.frac_coords[ours])
        moved += translations[alive][:, None, :]
        index, shift, distance = nearest_places(
            moved.reshape(-1, 3), end.frac_coords[theirs], start.lattice.matrix
        )
        index, distance = index.reshape(len(alive), -1), distance.reshape(len(alive), -1)
        fits = np.all(distance <= tolerance_A, axis=1)
        fits &= np.all(np.sort(index, axis=1) == np.arange(len(theirs)), axis=1)
        permutations[np.ix_(alive, ours)] = theirs[index]
        shifts[np.ix_(alive, ours)] = shift.reshape(len(alive), -1, 3)
        alive = alive[fits]
        if not len(alive):
            return []
    return [replace(maps[int(k)], permutation=permutations[k], shifts=shifts[k]) for k in alive]
