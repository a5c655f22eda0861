"""Where an ion can sit in a host: known sites, and voids where none are known."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.adatoms import adatom_places
from defectflow.structures.cells import FracCoords, frac_tuple, require_element
from defectflow.structures.coordination import coordination
from defectflow.structures.symmetry import (
    SAME_PLACE_A,
    SYMPREC_A,
    images,
    operations,
    primitive,
    wrapped,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

#: A void nearer to an atom than this (Å) holds no ion but hydrogen.
MIN_DISTANCE_A: Final = 0.9
#: Voids nearer to each other than this (Å) are one site.
MERGE_A: Final = 0.9
#: A void wider than this (Å) is vacuum: no ion stays there.
VACUUM_RADIUS_A: Final = 3.5
#: A more symmetric place is taken for a void if its sphere is smaller by no more than this (Å).
_SYMMETRY_COSTS_A: Final = 0.1
#: Atoms count as touching the sphere of a void within this distance (Å).
_TOUCH_A: Final = 0.02
#: Length of the mean of the unit vectors to the touching atoms below which they enclose the void.
_ENCLOSED: Final = 0.05
#: A void moves no farther than this (Å) if the site it would belong to is too far away.
_BESIDE_A: Final = 0.2
_CONVERGED_A: Final = 1e-8
_EDGE: Final = 1e-6
_MOST_AVERAGES: Final = 50
#: Atomic number that marks a filled void for spglib; no host contains it.
_MARK: Final = 118
#: Radii (Å) within one bin count as equal when voids are ranked.
_RADIUS_BIN_A: Final = 0.01


@dataclass(frozen=True)
class InsertionSite:
    """A place that an ion can take in a host, one representative of its orbit.

    Attributes
    ----------
    label
        E.g. ``8a tetrahedral``.
    frac_coords
        Fractional coordinates in the cell of the host.
    species
        Ions that are known to take this site; empty where it is not known.
    coordination
        Number of nearest host neighbours; None if not determined.
    multiplicity
        Number of equivalent places per primitive cell; None if not determined.
    """

    label: str
    frac_coords: FracCoords
    species: tuple[str, ...] = ()
    coordination: int | None = None
    multiplicity: int | None = None


def insertion_sites(
    structure: Structure,
    species: str,
    min_distance_A: float = MIN_DISTANCE_A,
    symprec: float = SYMPREC_A,
    *,
    every_vertex: bool = False,
) -> tuple[InsertionSite, ...]:
    """Return the symmetry-distinct voids of a host, widest first.

    A void is a place where the distance to the nearest atom has a local maximum: a vertex of the
    Voronoi diagram of the atoms that is enclosed by the atoms it touches. Each is moved onto the
    most symmetric Wyckoff position that is nearer than `MERGE_A` and about as wide: the average of
    its images under the operations that move it little. Voids nearer to each other than `MERGE_A`
    count as one, so that every local maximum is a site or nearer than that to one. All of it
    happens in the primitive cell, so that the answer does not depend on the cell given.
    Multiplicities are sizes of orbits, not of clusters of candidates; the Wyckoff symbol in the
    label is what spglib calls the orbit when it is filled. Vacuum holds no site, but a sheet or a
    slab has `adatom_places` beside it.

    Parameters
    ----------
    species
        Element to insert; it does not change where voids are, only the height of adatoms.
    min_distance_A
        Least distance of a site from the nearest atom.
    every_vertex
        Take vertices that no atoms enclose, too. An ion there is pushed away to a wider place,
        unless a bond holds it.

    Raises
    ------
    StructureError
        If `species` is not an element.
    """
    require_element(species)
    cell = primitive(structure, symprec)
    group = operations(cell, symprec)
    found: list[InsertionSite] = []
    taken = np.empty((0, 3))
    for place in _ranked(cell, group, min_distance_A, every_vertex=every_vertex):
        if len(taken) and _distances(taken, place, cell).min() < MERGE_A:
            continue
        places = images(place, *group, cell.lattice.matrix)
        taken = np.vstack([taken, places])
        number, shape = coordination(cell, place)
        label = f"{_wyckoff(cell, places, symprec)} {shape}"
        found.append(InsertionSite(label, frac_tuple(place), (species,), number, len(places)))
    for label, places in adatom_places(cell, species, group):
        found.append(InsertionSite(label, frac_tuple(places[0]), (species,), None, len(places)))
    return tuple(_in_cell(site, cell, structure) for site in found)


def _in_cell(site: InsertionSite, cell: Structure, structure: Structure) -> InsertionSite:
    """Return a site of the primitive cell in another cell of the crystal."""
    cartesian = cell.lattice.get_cartesian_coords(site.frac_coords)
    coords = wrapped(structure.lattice.get_fractional_coords(cartesian).round(10))
    return replace(site, frac_coords=frac_tuple(coords))


def _ranked(
    cell: Structure,
    group: tuple[np.ndarray, np.ndarray],
    min_distance_A: float,
    *,
    every_vertex: bool,
) -> Iterator[np.ndarray]:
    """Yield snapped voids, widest first.

    A more symmetric one that is near and about as wide comes in its place. The voids themselves
    follow: those from which that one stands too far away are not yet taken.
    """
    vertices = [
        vertex
        for vertex in _voronoi_vertices(cell)
        if min_distance_A <= _radius_A(vertex, cell) <= VACUUM_RADIUS_A
        and (every_vertex or _is_enclosed(vertex, cell))
    ]
    places, radii, orders = _sorted_snapped(vertices, cell, group, MERGE_A)
    for place, radius in zip(places, radii, strict=True):
        near = _distances(places, place, cell) < MERGE_A
        near &= radii >= radius - _SYMMETRY_COSTS_A
        yield places[int(np.argmax(np.where(near, orders, 0)))]
    yield from _sorted_snapped(vertices, cell, group, _BESIDE_A)[0]


def _sorted_snapped(
    vertices: Sequence[np.ndarray],
    cell: Structure,
    group: tuple[np.ndarray, np.ndarray],
    limit_A: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return snapped places (n, 3), their radii and the orders of their stabilisers."""
    rows: list[tuple[tuple[float, ...], float, int, np.ndarray]] = []
    for vertex in vertices:
        place, stabiliser = _snapped(vertex, *group, cell, limit_A)
        radius = _radius_A(place, cell)
        key = (-round(radius / _RADIUS_BIN_A), -stabiliser, *wrapped(place).round(6))
        rows.append((key, radius, stabiliser, place))
    rows.sort(key=lambda row: row[0])
    return (
        np.array([row[3] for row in rows]).reshape(-1, 3),
        np.array([row[1] for row in rows]),
        np.array([row[2] for row in rows]),
    )


def _voronoi_vertices(cell: Structure) -> np.ndarray:
    """Return the vertices (n, 3; fractional, in [0, 1)) of the periodic Voronoi diagram.

    They are the places equally far from four or more atoms.
    """
    from scipy.spatial import Voronoi

    heights = 1.0 / np.linalg.norm(np.linalg.inv(cell.lattice.matrix), axis=0)
    reach_A = 8.0
    while True:
        counts = np.ceil(reach_A / heights).astype(int)
        images = np.stack(np.meshgrid(*(range(-n, n + 1) for n in counts)), axis=-1).reshape(-1, 3)
        points = (wrapped(cell.frac_coords)[:, None, :] + images).reshape(-1, 3)
        diagram = Voronoi(points @ cell.lattice.matrix)
        places = diagram.vertices @ np.linalg.inv(cell.lattice.matrix)
        inside = places[np.all(np.floor(places + _EDGE) == 0, axis=1)]
        radii = [_distances(cell.frac_coords, place, cell).min() for place in inside]
        # A vertex is right if the sphere around it, empty of atoms, lies in the sampled region.
        if radii and max(radii) < reach_A:
            return wrapped(inside)
        reach_A *= 2


def _is_enclosed(place: np.ndarray, cell: Structure) -> bool:
    """Tell whether no step away from `place` leads away from every atom that it touches.

    That is so if some weighted mean of the unit vectors to these atoms vanishes.
    """
    from scipy.optimize import nnls

    centre = cell.lattice.get_cartesian_coords(place)
    radius = _radius_A(place, cell)
    touching = cell.get_sites_in_sphere(centre, radius + _TOUCH_A)
    vectors = np.array([site.coords for site in touching]) - centre
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    rows = np.vstack([units.T, np.ones(len(units))])
    return bool(nnls(rows, np.array([0.0, 0.0, 0.0, 1.0]))[1] < _ENCLOSED)


def _snapped(
    place: np.ndarray,
    rotations: np.ndarray,
    translations: np.ndarray,
    cell: Structure,
    limit_A: float,
) -> tuple[np.ndarray, int]:
    """Return the Wyckoff position that stands for `place` and the order of its stabiliser.

    The position is the fixed point of averaging over the images that are near, far ones first; it
    is kept by the very operations that were averaged over, and neither far nor much narrower, or
    else fewer of them are tried.
    """
    least_A = _radius_A(place, cell) - _SYMMETRY_COSTS_A
    while True:
        moved, near = place, np.zeros(len(rotations), dtype=bool)
        for _ in range(_MOST_AVERAGES):
            gaps = _gaps(moved, rotations, translations)
            near = np.linalg.norm(gaps @ cell.lattice.matrix, axis=1) < limit_A
            step = gaps[near].mean(axis=0)
            moved = moved + step
            if np.linalg.norm(step @ cell.lattice.matrix) < _CONVERGED_A:
                break
        gaps = _gaps(moved, rotations, translations)[near]
        kept = np.linalg.norm(gaps @ cell.lattice.matrix, axis=1).max() < SAME_PLACE_A
        short = np.linalg.norm((moved - place) @ cell.lattice.matrix) < MERGE_A
        if kept and short and _radius_A(moved, cell) >= least_A:
            return moved, int(near.sum())
        limit_A /= 2


def _radius_A(place: np.ndarray, cell: Structure) -> float:
    """Return the distance (Å) of a place from the nearest atom."""
    return float(_distances(cell.frac_coords, place, cell).min())


def _gaps(place: np.ndarray, rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """Return the steps (n, 3; fractional) from `place` to the nearest image of each operation."""
    gaps: np.ndarray = rotations @ place + translations - place
    nearest: np.ndarray = gaps - np.round(gaps)
    return nearest


def _distances(places: np.ndarray, place: np.ndarray, cell: Structure) -> np.ndarray:
    """Return the distances (Å) of `place` from the nearest image of each of `places`."""
    return np.asarray(cell.lattice.get_all_distances(places, place)).ravel()


def _wyckoff(cell: Structure, places: np.ndarray, symprec: float) -> str:
    """Return the Wyckoff symbol of an orbit, e.g. ``8a``, by filling it and asking spglib.

    Where spglib does not find the filled places equivalent (atoms that deviate from symmetry by
    about `symprec`), the orbit has no symbol and is called ``void``.
    """
    import spglib

    filled = (
        cell.lattice.matrix.tolist(),
        np.vstack([cell.frac_coords, places]).tolist(),
        [*cell.atomic_numbers, *[_MARK] * len(places)],
    )
    dataset = None
    with contextlib.suppress(spglib.SpglibError):
        dataset = spglib.get_symmetry_dataset(filled, symprec=symprec)
    first = len(cell)
    if dataset is None or len(set(dataset.equivalent_atoms[first:])) > 1:
        return "void"
    cells = round(len(dataset.std_types) / len(filled[2]))
    return f"{len(places) * cells}{dataset.wyckoffs[first]}"
