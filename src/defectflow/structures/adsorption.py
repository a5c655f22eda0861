"""Where an atom can sit on a surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.surfaces import DEFECT_MARK
from defectflow.structures.symmetry import upward_operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.surfaces import Slab

#: Two places of a surface closer than this (Å) are one.
_SAME_A: Final = 0.2
#: Lowest height (Å) above the top layer at which an adsorbate is put.
_LOWEST_A: Final = 0.8
#: Bonds in a vacancy start longer by this factor.
_WIDE: Final = 1.15
#: A hollow this close (Å) to the place of a vacancy is the vacancy.
_HOLE_A: Final = 0.5
#: An edge of the surface's triangles that is longer than this many nearest distances bridges none.
_LONG_EDGE: Final = 1.3
_TRIANGLE: Final = 3
_AROUND: Final = np.array([[i, j] for i in (-1, 0, 1) for j in (-1, 0, 1)])
#: Half a cell (fraction) and a margin for rounding.
_HALF_CELL: Final = 0.501


@dataclass(frozen=True)
class SurfaceSite(MSONable):
    """One symmetry-distinct place on the top side of a slab.

    Attributes
    ----------
    label
        ``top``, ``bridge``, ``fcc``, ``hcp`` (a hollow above an atom of the third, second layer of
        a close-packed surface), ``hollow``; numbered where there are several.
    places_A
        Cartesian coordinates (x, y) of all equivalent places in the slab's cell.
    height_A
        Above the mean height of the top layer at which an adsorbate starts.
    floor_A
        Height below which an adsorbate here is below the surface: 0, or less in a vacancy.
    """

    label: str
    places_A: list[list[float]]
    height_A: float
    floor_A: float = 0.0

    @property
    def multiplicity(self) -> int:
        """Number of equivalent places in the slab's cell."""
        return len(self.places_A)


def surface_sites(slab: Slab, adsorbate: str) -> tuple[SurfaceSite, ...]:
    """Return the distinct sites on the top side, found from the top layer alone.

    The atoms of the top layer are joined to triangles (Delaunay); atoms, middles of edges and
    centres of triangles are the candidates. Symmetry operations of the whole slab that keep the top
    side up tell which are equivalent. The place of a vacancy is called by its name, ``V_S``, and a
    top of a layer of several elements by its atom, ``top Nb``.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.surfaces import slab_of
    >>> slab = slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), layers=4)
    >>> [(site.label, site.multiplicity) for site in surface_sites(slab, "H")]
    [('top', 1), ('bridge', 3), ('fcc', 1), ('hcp', 1)]
    """
    sites: list[SurfaceSite] = []
    counts: dict[str, int] = {}
    found = [
        (_kind(slab, kind, orbit[0]), orbit)
        for kind, candidates in _candidates(slab).items()
        for orbit in _orbits(slab.structure, candidates)
    ]
    for kind, orbit in found:
        several = sum(other == kind for other, _ in found) > 1
        counts[kind] = counts.get(kind, 0) + 1
        label = f"{kind} {counts[kind]}" if several else kind
        hole = kind.startswith("V_")
        height = _height_A(slab, orbit[0], adsorbate, layers=2 if hole else 1)
        floor = -_spacing_A(slab) if hole else 0.0
        sites.append(SurfaceSite(label, orbit.tolist(), height, floor))
    return tuple(sites)


def named_site(sites: Sequence[SurfaceSite], label: str) -> SurfaceSite:
    """Return the site of that name.

    Raises
    ------
    StructureError
        If the surface has none.
    """
    for site in sites:
        if site.label == label:
            return site
    labels = [site.label for site in sites]
    message = f"site {label!r} does not exist on this surface; {did_you_mean(label, labels)}"
    raise StructureError(message)


def sites_near(
    slab: Slab, sites: Sequence[SurfaceSite], within_A: float
) -> tuple[SurfaceSite, ...]:
    """Return the sites that lie near the defect of a generated cell, as seen from above.

    Near is what is within that lateral distance (Å) of an atom of the two uppermost layers whose
    surroundings are not those of the perfect crystal.

    Raises
    ------
    StructureError
        If the slab has no such atom near its top, or no such site.
    """
    places = [np.array([x, y]) for name, x, y in slab.marks if name == DEFECT_MARK]
    structure = slab.structure
    near = tuple(
        site
        for site in sites
        if any(lateral_distance_A(structure, site, place) <= within_A for place in places)
    )
    if not near:
        message = (
            f"{structure.reduced_formula}: no site within {within_A:g} Å of a defect of the host "
            "in the two uppermost layers; leave out `near_defect_A`, or make it larger"
        )
        raise StructureError(message)
    return near


def _candidates(slab: Slab) -> dict[str, np.ndarray]:
    """Return Cartesian (x, y) of atoms, bridges and hollows in the slab's cell, by kind."""
    from scipy.spatial import Delaunay

    top = slab.structure.cart_coords[list(slab.top())][:, :2]
    plane = slab.structure.lattice.matrix[:2, :2]
    shifts = np.array([[i, j] for i in range(-3, 4) for j in range(-3, 4)]) @ plane
    # A tiny shear decides, the same way everywhere, how rectangles fall into triangles.
    points = (top[None, :, :] + shifts[:, None, :]).reshape(-1, 2)
    triangles = points[Delaunay(points @ np.array([[1.0, 1e-5], [0.0, 1.0]])).simplices]
    hollows = np.array([_circumcentre(triangle) for triangle in triangles])
    edges = np.concatenate([triangles[:, [i, j]] for i, j in ((0, 1), (1, 2), (2, 0))])
    lengths = np.linalg.norm(edges[:, 0] - edges[:, 1], axis=1)
    edges = edges[lengths < _LONG_EDGE * lengths.min()]
    bridges = edges.mean(axis=1)
    return {
        "top": _unique(top, plane),
        "bridge": _unique(bridges, plane, apart_from=hollows),
        "hollow": _unique(hollows, plane, apart_from=top),
    }


def _circumcentre(triangle: np.ndarray) -> np.ndarray:
    a, b = triangle[1] - triangle[0], triangle[2] - triangle[0]
    rows = 2 * np.array([a, b])
    if abs(np.linalg.det(rows)) < 1e-3:  # noqa: PLR2004 - a sliver at the rim of the points
        far: np.ndarray = triangle.mean(axis=0)
        return far
    centre: np.ndarray = triangle[0] + np.linalg.solve(rows, [a @ a, b @ b])
    return centre


def _unique(
    points: np.ndarray, plane: np.ndarray, apart_from: np.ndarray | None = None
) -> np.ndarray:
    """Return the points of one cell, each once; without those that coincide with others."""
    left = _wrapped(points, plane)
    if apart_from is not None:
        taken = _wrapped(apart_from, plane)
        free = [bool(np.all(_gaps_A(taken - point, plane) > _SAME_A)) for point in left]
        left = left[free] if len(left) else left
    kept: list[np.ndarray] = []
    while len(left):
        kept.append(left[0])
        left = left[_gaps_A(left - left[0], plane) > _SAME_A]
    return np.array(kept).reshape(-1, 2)


def _wrapped(points: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return those points that lie in the cell at the origin, with a margin at its upper ends."""
    frac = points @ np.linalg.inv(plane)
    inside: np.ndarray = points[np.all(np.abs(frac - 0.5) < _HALF_CELL, axis=1)]
    return inside


def _gap_A(vector: np.ndarray, plane: np.ndarray) -> float:
    """Return the length (Å) of the shortest periodic image of a vector in the plane."""
    return float(_gaps_A(vector[None], plane)[0])


def _gaps_A(vectors: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return the lengths (n,), Å, of the shortest periodic images of vectors in the plane."""
    frac = vectors @ np.linalg.inv(plane)
    frac -= np.round(frac)
    images = (frac[:, None, :] + _AROUND) @ plane
    lengths: np.ndarray = np.sqrt((images**2).sum(axis=-1)).min(axis=1)
    return lengths


def _orbits(structure: Structure, points: np.ndarray) -> list[np.ndarray]:
    """Return the points in groups of equivalent ones."""
    plane = structure.lattice.matrix[:2, :2]
    rotations, translations = upward_operations(structure)
    turns, shifts = rotations[:, :2, :2], translations[:, :2]
    frac = points @ np.linalg.inv(plane)
    left, orbits = np.arange(len(points)), []
    while len(left):
        images = _unique((turns @ frac[left[0]] + shifts) % 1.0 @ plane, plane)
        apart = np.array([_gaps_A(points[left] - image, plane) for image in images])
        member = (apart < _SAME_A).any(axis=0)
        orbits.append(points[left[member]])
        left = left[~member]
    return orbits


def _kind(slab: Slab, kind: str, place: np.ndarray) -> str:
    """Return what a candidate is called."""
    plane = slab.structure.lattice.matrix[:2, :2]
    for name, x, y in slab.marks:
        if name.startswith("V_") and _gap_A(place - np.array([x, y]), plane) < _HOLE_A:
            return name
    if kind == "hollow":
        return _hollow_kind(slab, place)
    symbols = {slab.structure[k].specie.symbol for k in slab.top()}
    if kind == "top" and len(symbols) > 1:
        coords = slab.structure.cart_coords[:, :2]
        top = np.array(slab.top())
        under = int(top[_gaps_A(coords[top] - place, plane).argmin()])
        return f"top {slab.structure[under].specie.symbol}"
    return kind


def _hollow_kind(slab: Slab, place: np.ndarray) -> str:
    """Return ``hcp`` or ``fcc`` for a threefold hollow with an atom below it, else ``hollow``."""
    plane = slab.structure.lattice.matrix[:2, :2]
    shifts = np.array([[i, j] for i in range(-2, 3) for j in range(-2, 3)]) @ plane
    last = slab.layers - 1
    aside: dict[int, np.ndarray] = {}
    for depth in range(min(slab.layers, 3)):
        atoms = [k for k, n in enumerate(slab.layer) if n == last - depth]
        vectors = slab.structure.cart_coords[atoms][None, :, :2] + shifts[:, None] - place
        aside[depth] = np.linalg.norm(vectors, axis=2).ravel()
    if np.count_nonzero(aside[0] < aside[0].min() + _SAME_A) != _TRIANGLE:
        return "hollow"
    below = {depth: distances.min() < _SAME_A for depth, distances in aside.items()}
    if below.get(1):
        return "hcp"
    return "fcc" if below.get(2) else "hollow"


def _height_A(slab: Slab, place: np.ndarray, adsorbate: str, layers: int = 1) -> float:
    """Return the height at which the adsorbate touches the nearest atom of the top layers."""
    structure = slab.structure
    plane = structure.lattice.matrix[:2, :2]
    heights = [_LOWEST_A] if layers == 1 else []
    stretch = 1.0 if layers == 1 else _WIDE
    numbers = np.array(slab.layer)
    atoms = np.flatnonzero(numbers >= numbers.max() + 1 - layers)
    coords = structure.cart_coords[atoms]
    asides = _gaps_A(coords[:, :2] - place, plane)
    above = coords[:, 2] - top_height_A(slab, structure)
    for k, aside, height in zip(atoms, asides, above, strict=True):
        radius = covalent_radius_A(structure[int(k)].specie.symbol)
        bond = stretch * (covalent_radius_A(adsorbate) + radius)
        if layers == 1 or aside < bond:
            heights.append(height + np.sqrt(max(bond**2 - aside**2, 0.0)))
    return float(max(heights, default=_LOWEST_A))


def _spacing_A(slab: Slab) -> float:
    """Return the height of the top layer above the next one; 0 of a single layer."""
    second = slab.layers - 2
    below = [k for k, number in enumerate(slab.layer) if number == second]
    if not below:
        return 0.0
    next_one = float(slab.structure.cart_coords[below, 2].mean())
    return top_height_A(slab, slab.structure) - next_one


def top_height_A(slab: Slab, structure: Structure) -> float:
    """Return the mean height (Å) of the atoms of the top layer."""
    return float(structure.cart_coords[list(slab.top()), 2].mean())


def lateral_distance_A(structure: Structure, site: SurfaceSite, place: np.ndarray) -> float:
    """Return the lateral distance (Å) of a place from the nearest place of a site."""
    plane = structure.lattice.matrix[:2, :2]
    return float(_gaps_A(place - np.array(site.places_A), plane).min())
