"""Where an atom can sit on a surface."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.open_surfaces import exposed_atoms, lateral_gaps_A, vacancy_places
from defectflow.structures.surfaces import DEFECT_MARK
from defectflow.structures.symmetry import upward_operations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
#: Half a cell (fraction) and a margin for rounding.
_HALF_CELL: Final = 0.501
#: Cells of the grid that orders places, per vector of the plane, and its origin in such cells.
_GRID: Final = 1000
_ASIDE: Final = 0.137
#: Atoms are equally near to a place if their lateral distances differ by less (Å).
_EQUAL_A: Final = 0.1
#: End of the label of a site at atoms below the top layer.
_BELOW_TOP: Final = re.compile(r" L\d+(-\d+)?( \d+)?$")


@dataclass(frozen=True)
class SurfaceSite(MSONable):
    """One symmetry-distinct place on the top side of a slab.

    Attributes
    ----------
    label
        ``top``, ``bridge``, ``fcc``, ``hcp`` (a hollow above an atom of the third, second layer of
        a close-packed surface), ``hollow``; numbered where there are several. Sites at atoms below
        the top layer end with the layers of these, counted from the top: ``top Ti L2``,
        ``bridge L1-2``.
    places_A
        Cartesian coordinates (x, y) of all equivalent places in the slab's cell.
    height_A
        Above the mean height of the top layer at which an adsorbate starts.
    floor_A
        Height below which an adsorbate here is below the surface: 0, or less in a vacancy and
        beside exposed atoms of lower layers.
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
    """Return the distinct sites on the top side.

    The atoms of the top layer are joined to triangles (Delaunay); atoms, middles of edges and
    centres of triangles are the candidates. Symmetry operations of the whole slab that keep the top
    side up tell which are equivalent. The place of a vacancy is called by its name, ``V_S``, and a
    top of a layer of several elements by its atom, ``top Nb``.

    Where atoms of lower layers are exposed (`exposed_atoms`), as on stepped surfaces and oxides,
    these belong to the net as well. Sites that the top layer alone has too keep their names, so
    that the ``hollow`` of fcc (110) is the place above an atom of its second layer; that above an
    atom of another element, such as the metal of an oxide, is called by that atom.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.surfaces import slab_of
    >>> platinum = hosts.load("fcc-Pt").structure
    >>> slab = slab_of(platinum, (1, 1, 1), layers=4)
    >>> [(site.label, site.multiplicity) for site in surface_sites(slab, "H")]
    [('top', 1), ('bridge', 3), ('hcp', 1), ('fcc', 1)]
    >>> trough = slab_of(platinum, (1, 1, 0), layers=5)
    >>> [site.label for site in surface_sites(trough, "H")][3:]
    ['bridge L1-2', 'bridge L2', 'hollow L1-2 1', 'hollow L1-2 2']
    """
    lower = exposed_atoms(slab)
    of_top = _beside_others(slab, _candidates(slab, slab.top()), lower)
    of_top["hollow"] = np.concatenate([of_top["hollow"], _holes(slab, of_top)])
    net = (*slab.top(), *lower)
    whole = _candidates(slab, net) if lower else of_top
    found = [
        (name, orbit)
        for kind, candidates in of_top.items()
        for orbit in _orbits(slab.structure, candidates)
        if (name := _kind(slab, kind, orbit[0])).startswith("V_") or _among(slab, orbit[0], whole)
    ]
    found += [
        (_lower_kind(slab, net, kind, orbit[0]), orbit)
        for kind, candidates in (whole if lower else {}).items()
        for orbit in _orbits(slab.structure, candidates)
        if not _among(slab, orbit[0], of_top)
    ]
    return tuple(
        _site(slab, label, orbit, adsorbate, lower)
        for label, (_, orbit) in zip(_numbered([kind for kind, _ in found]), found, strict=True)
    )


def _beside_others(
    slab: Slab, candidates: dict[str, np.ndarray], lower: Sequence[int]
) -> dict[str, np.ndarray]:
    """Return the candidates that are not straight above a lower atom of another element."""
    structure = slab.structure
    own = {structure[k].specie.symbol for k in slab.top()}
    others = [k for k in lower if structure[k].specie.symbol not in own]
    if not others:
        return candidates
    taken = structure.cart_coords[others, :2]
    plane = structure.lattice.matrix[:2, :2]
    return {kind: _unique(places, plane, taken) for kind, places in candidates.items()}


def _holes(slab: Slab, candidates: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the places of vacancies at which there is no candidate."""
    every, lattice = np.concatenate(list(candidates.values())), slab.structure.lattice.matrix
    holes = vacancy_places(slab)
    free = [bool(lateral_gaps_A(every - hole, lattice).min() > _HOLE_A) for hole in holes]
    left: np.ndarray = holes[np.array(free, dtype=bool)]
    return left


def _among(slab: Slab, place: np.ndarray, others: Mapping[str, np.ndarray]) -> bool:
    """Tell whether a place is one of some candidates."""
    every = np.concatenate(list(others.values()))
    return bool(lateral_gaps_A(every - place, slab.structure.lattice.matrix).min() < _SAME_A)


def _numbered(kinds: Sequence[str]) -> list[str]:
    """Return labels: kinds, numbered where there are several of one."""
    return [
        f"{kind} {kinds[: k + 1].count(kind)}" if kinds.count(kind) > 1 else kind
        for k, kind in enumerate(kinds)
    ]


def _site(
    slab: Slab, label: str, orbit: np.ndarray, adsorbate: str, lower: Sequence[int]
) -> SurfaceSite:
    """Return a site with its height and its floor."""
    place = orbit[0]
    if label.startswith("V_"):
        two = [k for k, number in enumerate(slab.layer) if number >= slab.layers - 2]
        touching = _touching_A(slab, place, adsorbate, two, _WIDE)
        height = max(touching.values(), default=_LOWEST_A)
        return SurfaceSite(label, orbit.tolist(), height, -_spacing_A(slab))
    heights = slab.structure.cart_coords[:, 2] - top_height_A(slab, slab.structure)
    near = _touching_A(slab, place, adsorbate, lower, _WIDE)
    floor = float(min([0.0, *heights[list(near)]]))
    if not _BELOW_TOP.search(label):
        touching = _touching_A(slab, place, adsorbate, slab.top())
        return SurfaceSite(label, orbit.tolist(), max([_LOWEST_A, *touching.values()]), floor)
    touching = _touching_A(slab, place, adsorbate, (*slab.top(), *lower))
    return SurfaceSite(label, orbit.tolist(), max([floor + _LOWEST_A, *touching.values()]), floor)


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


def _candidates(slab: Slab, atoms: Sequence[int]) -> dict[str, np.ndarray]:
    """Return Cartesian (x, y) of atoms, and of the bridges and hollows between them, by kind."""
    from scipy.spatial import Delaunay

    top = slab.structure.cart_coords[list(atoms)][:, :2]
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
        free = [bool(np.all(lateral_gaps_A(taken - point, plane) > _SAME_A)) for point in left]
        left = left[free] if len(left) else left
    kept: list[np.ndarray] = []
    while len(left):
        kept.append(left[0])
        left = left[lateral_gaps_A(left - left[0], plane) > _SAME_A]
    return np.array(kept).reshape(-1, 2)


def _wrapped(points: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return those points that lie in the cell at the origin, with a margin at its ends.

    They come in an order that is made from their places, whatever order they are given in.
    """
    frac = points @ np.linalg.inv(plane)
    within = np.all(np.abs(frac - 0.5) < _HALF_CELL, axis=1)
    # Boundaries of this grid lie beside the simple fractions, so that rounding decides nothing.
    rows = np.floor(frac[within] * _GRID + _ASIDE)
    inside: np.ndarray = points[within][np.lexsort(rows.T[::-1])]
    return inside


def _orbits(structure: Structure, points: np.ndarray) -> list[np.ndarray]:
    """Return the points in groups of equivalent ones."""
    plane = structure.lattice.matrix[:2, :2]
    rotations, translations = upward_operations(structure)
    turns, shifts = rotations[:, :2, :2], translations[:, :2]
    frac = points @ np.linalg.inv(plane)
    left, orbits = np.arange(len(points)), []
    while len(left):
        images = _unique((turns @ frac[left[0]] + shifts) % 1.0 @ plane, plane)
        apart = np.array([lateral_gaps_A(points[left] - image, plane) for image in images])
        member = (apart < _SAME_A).any(axis=0)
        orbits.append(points[left[member]])
        left = left[~member]
    return orbits


def _kind(slab: Slab, kind: str, place: np.ndarray) -> str:
    """Return what a candidate is called."""
    plane = slab.structure.lattice.matrix[:2, :2]
    for name, x, y in slab.marks:
        if name.startswith("V_") and lateral_gaps_A(np.array([place - (x, y)]), plane)[0] < _HOLE_A:
            return name
    if kind == "hollow":
        return _hollow_kind(slab, place)
    symbols = {slab.structure[k].specie.symbol for k in slab.top()}
    if kind == "top" and len(symbols) > 1:
        coords = slab.structure.cart_coords[:, :2]
        top = np.array(slab.top())
        under = int(top[lateral_gaps_A(coords[top] - place, plane).argmin()])
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


def _lower_kind(slab: Slab, net: Sequence[int], kind: str, place: np.ndarray) -> str:
    """Return what a place between atoms of several layers is called: ``hollow L1-3``."""
    structure = slab.structure
    asides = lateral_gaps_A(structure.cart_coords[list(net), :2] - place, structure.lattice.matrix)
    atoms = [k for k, aside in zip(net, asides, strict=True) if aside < asides.min() + _EQUAL_A]
    depths = [slab.layers - slab.layer[k] for k in atoms]
    layers = "-".join(str(one) for one in sorted({min(depths), max(depths)}))
    mixed = kind == "top" and len({structure[k].specie.symbol for k in net}) > 1
    return f"{kind}{f' {structure[atoms[0]].specie.symbol}' if mixed else ''} L{layers}"


def _touching_A(
    slab: Slab, place: np.ndarray, adsorbate: str, atoms: Sequence[int], stretch: float = 1.0
) -> dict[int, float]:
    """Return the height above the top layer at which the adsorbate touches each atom in reach."""
    structure = slab.structure
    radii = np.array([covalent_radius_A(structure[int(k)].specie.symbol) for k in atoms])
    bonds = stretch * (radii + covalent_radius_A(adsorbate))
    coords = structure.cart_coords[list(atoms)]
    asides = lateral_gaps_A(coords[:, :2] - place, structure.lattice.matrix)
    above = coords[:, 2] - top_height_A(slab, structure)
    return {
        int(k): float(height + np.sqrt(bond**2 - aside**2))
        for k, height, bond, aside in zip(atoms, above, bonds, asides, strict=True)
        if aside < bond
    }


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
    return float(lateral_gaps_A(place - np.array(site.places_A), plane).min())
