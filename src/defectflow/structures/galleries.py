"""Layers of a crystal and the galleries between them: found, opened, and repeated in the plane."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.lattices import hermite_forms
from defectflow.structures.layers import layer_pieces
from defectflow.structures.symmetry import operations

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.layers import Piece

_STEPS: Final = np.array(list(itertools.product(range(-4, 5), repeat=3)))
#: A supercell that keeps the symmetry is taken if its images are at least this far, as a fraction
#: of what the widest supercell of the same area gives.
_WIDE_ENOUGH: Final = 0.8


@dataclass(frozen=True, eq=False)
class Layering:
    """A layered crystal in a cell whose first two vectors lie in the layers.

    Attributes
    ----------
    structure
        The crystal; the third vector crosses each layer once. Atoms keep their order and, within a
        layer, lie together, so that heights along the normal may be compared.
    layers
        Atoms of each layer, from bottom to top.
    guests
        Atoms between the layers, for each gallery.
    """

    structure: Structure
    layers: tuple[tuple[int, ...], ...]
    guests: tuple[tuple[int, ...], ...]

    @property
    def normal(self) -> np.ndarray:
        """Unit vector across the layers, on the side of the third lattice vector."""
        a, b, _ = self.structure.lattice.matrix
        normal: np.ndarray = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
        return normal

    @property
    def spacing_A(self) -> float:
        """Mean distance of neighbouring layers, one layer's thickness included."""
        return float(self.structure.lattice.matrix[2] @ self.normal) / len(self.layers)

    def heights_A(self) -> np.ndarray:
        """Return the height of each atom along the normal."""
        heights: np.ndarray = self.structure.cart_coords @ self.normal
        return heights

    def gallery_A(self, gallery: int) -> tuple[float, float]:
        """Return the heights of the top of the layer below a gallery and the bottom of that above.

        Gallery ``k`` lies above layer ``k``; the last one continues into the next cell.
        """
        heights = self.heights_A()
        below = float(heights[list(self.layers[gallery])].max())
        if gallery + 1 < len(self.layers):
            return below, float(heights[list(self.layers[gallery + 1])].min())
        period = self.spacing_A * len(self.layers)
        return below, float(heights[list(self.layers[0])].min()) + period


def layering(structure: Structure, guests: Collection[str] = ()) -> Layering:
    """Return the layers of a crystal.

    Parameters
    ----------
    guests
        Elements between the layers, such as the Na of NaCoO2, which bond them together.

    Raises
    ------
    StructureError
        If the crystal is not made of layers.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> found = layering(hosts.load("2H-MoS2").structure)
    >>> [round(top - bottom, 2) for bottom, top in (found.gallery_A(0), found.gallery_A(1))]
    [2.98, 2.98]
    """
    flat = _flat_pieces(structure, guests)
    rows = _cell_of(flat[0], structure.lattice.matrix)
    matrix = rows @ structure.lattice.matrix
    normal = np.cross(matrix[0], matrix[1])
    normal /= np.linalg.norm(normal)
    places = structure.cart_coords.copy()
    for piece in flat:
        places[piece.atoms] += piece.images @ structure.lattice.matrix
    period = float(matrix[2] @ normal)
    groups = []
    for piece in flat:
        base = float(np.mean(places[piece.atoms] @ normal))
        places[piece.atoms] -= np.floor(base / period + 1e-6) * matrix[2]
        groups.append(piece.atoms)
    groups = _merged(groups, places @ normal)
    between = [k for k, site in enumerate(structure) if site.specie.symbol in guests]
    bottom = min(float((places[group] @ normal).min()) for group in groups)
    for k in between:
        places[k] -= np.floor((places[k] @ normal - bottom) / period) * matrix[2]
    layers = tuple(tuple(int(k) for k in group) for group in groups)
    return Layering(
        _recast(structure, matrix, places),
        layers,
        _between(places @ normal, layers, between),
    )


def opened(found: Layering, expansion_A: float, galleries: Sequence[int] | None = None) -> Layering:
    """Return the crystal with galleries widened along the normal; layers move as rigid sheets.

    Parameters
    ----------
    expansion_A
        Added to the height of each gallery; negative closes it.
    galleries
        Which; all by default. Ions in a gallery move to stay in its middle.

    Raises
    ------
    StructureError
        If a gallery does not exist or nothing of it would be left.
    """
    chosen = range(len(found.layers)) if galleries is None else galleries
    for gallery in chosen:
        _check_gallery(found, gallery, expansion_A)
    step = expansion_A * found.normal
    places = found.structure.cart_coords.copy()
    for gallery in chosen:
        for layer in found.layers[gallery + 1 :]:
            places[list(layer)] += step
        places[list(found.guests[gallery])] += step / 2
        for between in found.guests[gallery + 1 :]:
            places[list(between)] += step
    matrix = found.structure.lattice.matrix.copy()
    matrix[2] += len(chosen) * step
    return Layering(_recast(found.structure, matrix, places), found.layers, found.guests)


def plane_supercell(found: Layering, cells: int) -> np.ndarray:
    """Return the supercell of `cells` cells side by side, (3, 3) integers, whose images are far.

    Of those that every rotation of the crystal keeps the widest is taken; if there are none, or
    the widest of all holds images much farther apart, that one.
    """
    lattice = found.structure.lattice.matrix
    forms = hermite_forms(cells)
    forms = forms[(forms[:, 2, 2] == 1) & np.all(forms[:, 2, :2] == 0, axis=1)]
    best = max(forms, key=lambda form: _image_distance_A(form, lattice))
    symmetric = _kept_in_plane(found, forms)
    if len(symmetric):
        widest = max(symmetric, key=lambda form: _image_distance_A(form, lattice))
        least = _WIDE_ENOUGH * _image_distance_A(best, lattice)
        best = widest if _image_distance_A(widest, lattice) >= least else best
    return _shortened(best, lattice)


def plane_cells(found: Layering, min_image_distance_A: float, most: int = 100) -> int:
    """Return the least number of cells side by side that keep images that far apart in the plane.

    Only supercells that keep the symmetry count, so that equivalent guests stay equivalent.

    Raises
    ------
    StructureError
        If more than `most` cells were needed.
    """
    lattice = found.structure.lattice.matrix
    for cells in range(1, most + 1):
        form = plane_supercell(found, cells)
        wide = _image_distance_A(form, lattice) >= min_image_distance_A - 1e-6
        if wide and is_kept_in_plane(found, form):
            return cells
    message = (
        f"{found.structure.reduced_formula}: {most} cells side by side do not keep images "
        f"{min_image_distance_A:g} Å apart; lower the distance"
    )
    raise StructureError(message)


def is_kept_in_plane(found: Layering, form: np.ndarray) -> bool:
    """Tell whether every rotation of the crystal maps a supercell in the plane onto itself."""
    return bool(len(_kept_in_plane(found, form[None])))


def _kept_in_plane(found: Layering, forms: np.ndarray) -> np.ndarray:
    """Return those supercells in the plane that every rotation of the crystal keeps."""
    rotations = np.unique(operations(found.structure)[0], axis=0)
    kept = []
    for form in forms:
        plane = form[:2, :2]
        adjugate = np.array([[plane[1, 1], -plane[0, 1]], [-plane[1, 0], plane[0, 0]]])
        images = plane @ np.swapaxes(rotations[:, :2, :2], 1, 2) @ adjugate
        determinant = round(float(np.linalg.det(plane)))
        if np.all(images % determinant == 0):
            kept.append(form)
    return np.array(kept).reshape(-1, 3, 3)


def _flat_pieces(structure: Structure, guests: Collection[str]) -> list[Piece]:
    """Return the layers as connected pieces."""
    found = layer_pieces(structure, guests)
    if found:
        return found
    inside = f" without {', '.join(guests)}" if guests else ""
    # What lies between layers gives its electrons to them: Na in NaCoO2, not Co between sheets of
    # NaO2.
    ion = min(structure.elements, key=lambda element: element.X).symbol
    hint = (
        f"without {ion} it is: name it as the ion between the layers"
        if not guests and layer_pieces(structure, [ion])
        else "give a layered host"
    )
    message = f"{structure.reduced_formula}{inside} is not made of layers; {hint}"
    raise StructureError(message)


def _cell_of(piece: Piece, lattice: np.ndarray) -> np.ndarray:
    """Return (3, 3) integers: two short vectors in the plane of a layer, one across; det +1."""
    loops = piece.loops
    cross = np.cross(loops[:, None, :], loops[None, :, :]).reshape(-1, 3)
    index = cross[np.flatnonzero(np.abs(cross).sum(axis=1))[0]]
    index = index // math.gcd(*(int(k) for k in index))
    order = np.argsort(np.linalg.norm(_STEPS @ lattice, axis=1), kind="stable")
    steps = _STEPS[order]
    flat = [step for step in steps if step @ index == 0 and np.any(step)]
    first = flat[0]
    second = next(step for step in flat if np.any(np.cross(first, step)))
    across = np.array([step for step in steps if step @ index == 1])
    rows = np.array([first, second, across[0]])
    if np.linalg.det(rows) < 0:
        rows = np.array([first, -second, across[0]])
    normal = np.cross(*(rows[:2] @ lattice))
    if normal @ (rows[2] @ lattice) < 0:
        rows = np.array([rows[1], rows[0], -rows[2]])
    rows[2] = _most_upright(rows, lattice)
    return rows


def _most_upright(rows: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return the vector across the layers with the shortest part along them."""
    normal = np.cross(*(rows[:2] @ lattice))
    normal /= np.linalg.norm(normal)
    shifts = _STEPS[_STEPS[:, 2] == 0]
    trials = rows[2] + shifts[:, :2] @ rows[:2]
    vectors = trials @ lattice
    aside = np.linalg.norm(vectors - np.outer(vectors @ normal, normal), axis=1)
    upright: np.ndarray = trials[int(np.argmin(aside.round(6)))]
    return upright


def _merged(groups: list[np.ndarray], heights: np.ndarray) -> list[np.ndarray]:
    """Return the groups from bottom to top, those at overlapping heights as one."""
    ranked = sorted(groups, key=lambda group: float(heights[group].mean()))
    merged = [ranked[0]]
    for group in ranked[1:]:
        if heights[group].min() < heights[merged[-1]].max():
            merged[-1] = np.concatenate([merged[-1], group])
        else:
            merged.append(group)
    return merged


def _between(
    heights: np.ndarray, layers: tuple[tuple[int, ...], ...], atoms: list[int]
) -> tuple[tuple[int, ...], ...]:
    """Return, of each gallery, the atoms in it: above the middle of its lower layer."""
    middles = np.array([heights[list(layer)].mean() for layer in layers])
    owner = {k: int(np.searchsorted(middles, heights[k])) - 1 for k in atoms}
    return tuple(
        tuple(k for k in atoms if owner[k] % len(layers) == gallery)
        for gallery in range(len(layers))
    )


def _recast(structure: Structure, matrix: np.ndarray, places: np.ndarray) -> Structure:
    """Return the atoms at Cartesian `places` in the cell `matrix`, moved along the layers only."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    lattice = Lattice(matrix)
    coords = lattice.get_fractional_coords(places)
    coords[:, :2] -= np.floor(coords[:, :2] + 1e-9)
    return Structure(lattice, structure.species, coords, site_properties=structure.site_properties)


def _check_gallery(found: Layering, gallery: int, expansion_A: float) -> None:
    count = len(found.layers)
    if not 0 <= gallery < count:
        message = f"gallery {gallery}: the cell has galleries 0 to {count - 1}; give one of them"
        raise StructureError(message)
    bottom, top = found.gallery_A(gallery)
    if top - bottom + expansion_A <= 0:
        message = (
            f"expansion {expansion_A:g} Å: the gallery of {found.structure.reduced_formula} is "
            f"{top - bottom:.2f} Å high and would close; give more than {bottom - top:.2f} Å"
        )
        raise StructureError(message)


def _image_distance_A(form: np.ndarray, lattice: np.ndarray) -> float:
    """Return the distance of images in the plane."""
    a, b = (_shortened(form, lattice) @ lattice)[:2]
    return float(min(np.linalg.norm(a), np.linalg.norm(b)))


def _shortened(form: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return the same supercell with the two shortest vectors in the plane (Lagrange), det > 0."""
    a, b = np.array(form[0]), np.array(form[1])
    while True:
        if np.linalg.norm(b @ lattice) < np.linalg.norm(a @ lattice) - 1e-9:
            a, b = b, a
        u, v = a @ lattice, b @ lattice
        turns = int(np.round(u @ v / (u @ u) - 1e-6))
        if turns == 0:
            break
        b = b - turns * a
    rows = np.array([a, b, form[2]])
    if np.linalg.det(rows) < 0:
        rows[1] *= -1
    return rows
