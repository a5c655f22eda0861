"""Symmetry-distinct hops of a mobile ion between the sites of a host."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import FracCoords, frac_tuple
from defectflow.structures.moments import magnetic_operations, moments_of
from defectflow.structures.symmetry import (
    SAME_PLACE_A,
    SYMPREC_A,
    clusters,
    nearest_places,
    primitive,
)

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

Edge = tuple[int, int, tuple[int, int, int]]
#: Hops whose lengths differ by less (Å) are of one length in the order of the list.
_SAME_LENGTH_A: Final = 1e-4


@dataclass(frozen=True)
class Hop:
    """One orbit of hops under the space group of the host.

    Attributes
    ----------
    start, end
        Fractional coordinates of one representative; `end` is in the periodic image that the ion
        reaches, so that ``end - start`` is the displacement.
    distance_A
        Straight length.
    multiplicity
        Number of undirected hops of this orbit per cell of the structure it was found in.
    label
        ``hop 1 (3.637 Å)``, numbered from the shortest.
    edges
        All directed hops (i, j, image) of the orbit, both directions: from site i in the home cell
        to site j in cell `image`. The representative comes first.
    """

    start: FracCoords
    end: FracCoords
    distance_A: float
    multiplicity: int
    label: str
    edges: tuple[Edge, ...]


def distinct_hops(
    structure: Structure,
    sites_frac: np.ndarray,
    cutoff_A: float,
    symprec: float = SYMPREC_A,
) -> tuple[Hop, ...]:
    """Return the orbits of hops no longer than `cutoff_A`, shortest first.

    Parameters
    ----------
    structure
        The host *without* mobile ions; its space group decides what is equivalent, and its
        magnetic moments, if the atoms have any.
    sites_frac
        (n, 3) all sites of the mobile ion in that cell: whole orbits, one or several.

    Raises
    ------
    StructureError
        If the sites are not closed under the space group, or two of them coincide.
    """
    sites = np.asarray(sites_frac, dtype=float).reshape(-1, 3)
    edges, lengths = _edges(sites, structure.lattice.matrix, cutoff_A)
    if not len(edges):
        return ()
    labels = _orbit_labels(structure, sites, edges, symprec)
    # Within an orbit the home-cell edge from the first site is the representative.
    orbits = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    orbits.sort(key=lambda members: (round(lengths[members[0]] / _SAME_LENGTH_A), members[0]))
    return tuple(
        _hop(rank, sites, edges[members], float(lengths[members[0]]))
        for rank, members in enumerate(orbits, start=1)
    )


def _hop(rank: int, sites: np.ndarray, edges: np.ndarray, length: float) -> Hop:
    i, j = edges[0, :2]
    return Hop(
        start=frac_tuple(sites[i]),
        end=frac_tuple(sites[j] + edges[0, 2:]),
        distance_A=length,
        multiplicity=len(edges) // 2,
        label=f"hop {rank} ({length:.3f} Å)",
        edges=tuple((int(a), int(b), (int(x), int(y), int(z))) for a, b, x, y, z in edges),
    )


def _edges(
    sites: np.ndarray, lattice: np.ndarray, cutoff_A: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return directed edges (m, 5: i, j, image) up to the cutoff and their lengths (m,), Å."""
    heights = 1.0 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    spread = np.ptp(sites, axis=0) if len(sites) else np.zeros(3)
    reach = np.ceil(cutoff_A / heights + spread).astype(int)
    images = np.array(list(itertools.product(*(range(-r, r + 1) for r in reach))))
    gaps = sites[None, :, None, :] - sites[:, None, None, :] + images[None, None, :, :]
    lengths = np.linalg.norm(gaps @ lattice, axis=-1)
    i, j, k = np.nonzero(lengths <= cutoff_A)
    home = (i == j) & ~images[k].any(axis=1)
    i, j, k = i[~home], j[~home], k[~home]
    found = lengths[i, j, k]
    if len(found) and found.min() < SAME_PLACE_A:
        worst = int(np.argmin(found))
        message = (
            f"sites {i[worst]} and {j[worst]} are {found[worst]:.3f} Å apart; "
            "give every site of the cell once"
        )
        raise StructureError(message)
    return np.column_stack([i, j, images[k]]), found


def _orbit_labels(
    structure: Structure, sites: np.ndarray, edges: np.ndarray, symprec: float
) -> np.ndarray:
    """Return (m,) labels of the orbits of undirected edges under the space group of the crystal.

    They are found among the sites of the primitive cell: another cell may lack operations. Moments
    need the cell that they are given in.
    """
    cell = structure if moments_of(structure) else primitive(structure, symprec)
    lattice = cell.lattice.matrix
    places = cell.lattice.get_fractional_coords(structure.lattice.get_cartesian_coords(sites))
    _, first = np.unique(clusters(places, lattice, SAME_PLACE_A), return_index=True)
    own, shift, _ = nearest_places(places, places[first], lattice)
    rotations, permutations, shifts, alone = _site_maps(cell, places[first], symprec)
    alone |= np.bincount(own) < round(structure.volume / cell.volume)
    if alone.any():
        lost = int(first[alone][0])
        place = ", ".join(f"{x:.4f}" for x in sites[lost])
        message = (
            f"site {lost} ({place}) has an equivalent site that is not in the list; "
            "give the whole orbit (see defectflow.structures.orbit)"
        )
        raise StructureError(message)
    steps = np.round(structure.lattice.matrix @ np.linalg.inv(lattice)).astype(int)
    i, j = edges[:, 0], edges[:, 1]
    between = edges[:, 2:] @ steps + shift[i] - shift[j]
    rows = np.column_stack([own[i], own[j], between])
    different, number = np.unique(rows, axis=0, return_inverse=True)
    return _joined(different, rotations, permutations, shifts)[number.ravel()]


def _joined(
    edges: np.ndarray, rotations: np.ndarray, permutations: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """Return (m,) labels of edges that operations, or a turn from end to start, make one.

    The edge i -> j + n becomes p(i) -> p(j) + W n + s(j) - s(i), where the operation moves site i
    to site p(i) in the cell -s(i).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    numbered = {tuple(edge): k for k, edge in enumerate(edges.tolist())}
    i, j, image = edges[:, 0], edges[:, 1], edges[:, 2:]
    links = []
    for rotation, place, shift in zip(rotations, permutations, shifts, strict=True):
        cell = image @ rotation.T + shift[i] - shift[j]
        links.append(_numbers(numbered, np.column_stack([place[i], place[j], cell])))
    links.append(_numbers(numbered, np.column_stack([j, i, -image])))
    joined = np.concatenate(links)
    source = np.tile(np.arange(len(edges)), len(links))
    inside = joined >= 0
    graph = coo_array((np.ones(inside.sum()), (source[inside], joined[inside])), [len(edges)] * 2)
    return np.asarray(connected_components(graph, directed=False)[1])


def _numbers(numbered: dict[tuple[int, ...], int], edges: np.ndarray) -> np.ndarray:
    # An edge of exactly the cutoff length may lose its partner to rounding; it is then skipped.
    return np.array([numbered.get(tuple(edge), -1) for edge in edges.tolist()])


def _site_maps(
    structure: Structure, sites: np.ndarray, symprec: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return rotations (n, 3, 3) and, per operation, the permutation and shift of every site.

    ``W x + w + shift == sites[permutation]``. Last, (m,): whether an image of a site is none.
    """
    rotations, translations = magnetic_operations(structure, symprec)
    moved = np.einsum("oij,nj->oni", rotations, sites) + translations[:, None, :]
    lattice = structure.lattice.matrix
    index, shift, distance = nearest_places(moved.reshape(-1, 3), sites, lattice)
    shape = moved.shape[:2]
    alone = np.any(distance.reshape(shape) > SAME_PLACE_A, axis=0)
    return rotations, index.reshape(shape), shift.reshape(moved.shape), np.asarray(alone)
