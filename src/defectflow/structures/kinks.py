"""Kinks: walls over which the layers of a layered crystal bend without breaking.

Layers that glide on each other let a crystal bend about an axis in them. Where one gallery in
several glides by a lattice vector b, the layers of both sides meet at a wall, the bisector, and are
tilted by 2 arctan(b / 2h), h the height of the layers between two glides: a symmetric tilt boundary
made of basal dislocations (F. C. Frank and A. N. Stroh, Proc. Phys. Soc. B 65, 811 (1952)). Cut and
joined as two crystals, layers would end at such a wall with atoms too many or too few; here every
layer is drawn as one sheet, in which the mismatch of its two sides, at most b/2, is spread over a
few cells.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, Planar
from defectflow.structures.galleries import layering
from defectflow.structures.grains import inversion_centres
from defectflow.structures.layer_nets import layer_net
from defectflow.structures.planes import (
    equivalent_normals,
    in_lattice,
    reduced_miller,
    standard_cell,
    written,
)
from defectflow.structures.stacking_faults import closest_ratio, crystal_of
from defectflow.structures.symmetry import cartesian_rotations, operations, primitive

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.galleries import Layering
    from defectflow.structures.layer_nets import LayerNet

#: Default least way along a layer from one wall to the next, Å.
MIN_WIDTH_A: Final = 14.0
#: The mismatch of a layer is spread over so many glides' lengths.
_SPREAD: Final = 4.0
#: An angle is met if it is so near, degrees.
_NEAR_DEG: Final = 1.0
_MOST_GLIDES: Final = 4
_MOST_CELLS: Final = 12
#: Shares of a glide that differ by less are the same.
_SAME: Final = 1e-3


def kinks(
    structure: Structure,
    angle_deg: float = 10.0,
    axis: Sequence[int] | None = None,
    guests: Collection[str] = (),
    min_width_A: float = MIN_WIDTH_A,
    max_atoms: int = 1000,
) -> Iterator[Cell]:
    """Yield a layered crystal that is bent to and fro at two walls, all layers whole.

    The cell has as many atoms as the crystal has. Of the walls within a degree of the angle that
    with the fewest layers is made. Where the crystal has inversion centres the two walls are images
    of each other, but for guests midway between two glided layers.

    Parameters
    ----------
    angle_deg
        Between the layers of both sides.
    axis
        About which they bend: in the layers, in vectors of the standard conventional cell; by
        default across the shortest glide.
    guests
        Elements between the layers, which bond them together.
    min_width_A
        Least way along a layer from one wall to the next.

    Raises
    ------
    StructureError
        If the crystal is not made of layers, the axis does not lie in them or has no glide across
        it, or no wall of few enough atoms is near the angle.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> cell = next(kinks(hosts.load("2H-MoS2").structure, 15.0))
    >>> cell.name, cell.planar.equivalent
    ('kink(1-2-1)_14.6°', True)
    """
    whole = standard_cell(structure)
    found = layering(primitive(whole), guests)
    net = layer_net(found, whole.lattice.matrix, axis)
    bend = _bend(net, angle_deg, min_width_A, max_atoms)
    return iter([_kinked(found, bend, whole.lattice.matrix)])


@dataclass(frozen=True, eq=False)
class _Bend:
    """One wall: `glides` glides in `cells` cells across the layers, and arms of `length` glides."""

    net: LayerNet
    cells: int
    glides: int
    length: int
    across: np.ndarray

    @property
    def height_A(self) -> float:
        """Of the layers after which the wall repeats, along their normal."""
        return self.cells * float(self.net.vectors[2, 1])

    @property
    def slope(self) -> float:
        """Tangent of half the angle."""
        return self.glides * self.net.glide_A / (2 * self.height_A)

    @property
    def angle_deg(self) -> float:
        """Between the layers of both sides."""
        return 2 * math.degrees(math.atan(self.slope))

    @property
    def arm_A(self) -> float:
        """Way along a layer from wall to wall."""
        return self.length * self.net.glide_A

    @property
    def atoms(self) -> int:
        """Of the cell."""
        return self.net.atoms * self.cells * self.net.rows * 2 * self.length

    def mismatch_A(self, heights_A: np.ndarray) -> np.ndarray:
        """Return by how much a layer's two sides miss each other at the wall."""
        period = self.net.glide_A
        missed: np.ndarray = 2 * heights_A * self.slope
        return missed - period * np.round(missed / period - _SAME)


def _bend(net: LayerNet, angle_deg: float, min_width_A: float, max_atoms: int) -> _Bend:
    """Return the wall with the fewest layers near an angle."""
    length = max(1, math.ceil(min_width_A / net.glide_A - _SAME))
    walls = [
        _Bend(net, cells, glides, length, across)
        for cells in range(1, _MOST_CELLS + 1)
        for glides in range(1, _MOST_GLIDES + 1)
        if (across := _across(net, cells, glides)) is not None
    ]
    near = [one for one in walls if abs(one.angle_deg - angle_deg) <= _NEAR_DEG]
    if not near:
        nearest = sorted(walls, key=lambda one: abs(one.angle_deg - angle_deg))[:2]
        named = " and ".join(f"{one.angle_deg:.1f}" for one in nearest)
        message = f"angle {angle_deg:g}°: no wall within {_NEAR_DEG:g}°; the nearest are {named}°"
        raise StructureError(message)
    best = min(near, key=lambda one: (one.cells, abs(one.angle_deg - angle_deg)))
    if best.atoms > max_atoms:
        message = (
            f"angle {best.angle_deg:.1f}°: takes {best.atoms} atoms, more than {max_atoms}; allow "
            "more, or take a larger angle or narrower arms"
        )
        raise StructureError(message)
    return best


def _across(net: LayerNet, cells: int, glides: int) -> np.ndarray | None:
    """Return the lattice vector along the wall, in vectors of the layering; None if there is none.

    It climbs `cells` cells while it goes by half the glides, so that the vector which goes as far
    to the other side is one of the lattice too.
    """
    missing = glides * net.glide_A / 2 - cells * net.vectors[2, 2]
    turns = missing / float(net.between @ net.vectors[:2, 2])
    if abs(turns - round(turns)) > _SAME:
        return None
    flat = round(turns) * net.between
    aside = float(flat @ net.vectors[:2, 0]) + cells * net.vectors[2, 0]
    flat = flat - round(aside / net.along_A) * net.along
    return np.array([*flat, cells])


def _kinked(found: Layering, bend: _Bend, standard: np.ndarray) -> Cell:
    """Return the cell of a wall and its image."""
    net = bend.net
    origin, centred = _origin(found, bend)
    places, symbols, references = _crystal(found, bend, origin)
    sine, cosine = math.sin(math.atan(bend.slope)), math.cos(math.atan(bend.slope))
    aside = float(bend.across @ net.vectors[:, 0])
    matrix = np.array(
        [
            [net.along_A, 0.0, 0.0],
            [aside, bend.height_A / cosine, 0.0],
            [0.0, 0.0, 2 * bend.arm_A * cosine],
        ]
    )
    flat = matrix.copy()
    flat[2, 1] = 2 * bend.arm_A * sine
    turn = np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    pristine = crystal_of(flat, symbols, places @ turn)
    made = crystal_of(matrix, symbols, _folded(places, references, bend))
    index = np.cross([*net.along, 0], bend.across)
    miller = reduced_miller(in_lattice(tuple(index), found.structure.lattice.matrix, standard))
    layers = bend.cells * len(found.layers)
    said = (
        f"bend {bend.angle_deg:.1f}°, {bend.glides} x {net.glide_A:.2f} Å in {layers} layers, "
        f"closest {closest_ratio(made, pristine):.2f}"
    )
    planar = Planar(miller, float(matrix[0, 0] * matrix[1, 1]), 2, centred, said=said)
    name = f"kink({written(miller)})_{bend.angle_deg:.1f}°"
    walls = _orientations(found, np.array([0.0, -sine, cosine]) @ net.frame)
    return Cell(made, pristine, name, "kink", (), walls, planar=planar)


def _orientations(found: Layering, normal: np.ndarray) -> int:
    """Return how many walls like the one with this normal the crystal's symmetry makes."""
    turns = cartesian_rotations(found.structure.lattice.matrix, operations(found.structure)[0])
    return equivalent_normals(turns, normal)


def _origin(found: Layering, bend: _Bend) -> tuple[np.ndarray, bool]:
    """Return what becomes the middle of an arm, and whether inversion there makes walls alike.

    Taken is the height at which the layers miss each other least.
    """
    net = bend.net
    layers = _layer_heights(found, net, bend.cells)
    centres = inversion_centres(found.structure) @ net.frame.T
    if not len(centres):
        middles = [*layers[:2], *((layers[:1] + layers[1:2]) / 2)]
        centres = np.array([[0.0, height, 0.0] for height in middles])
        return min(centres, key=lambda one: _missed(bend, layers - one[1])), False
    best = min(centres, key=lambda one: _missed(bend, layers - one[1]))
    between = [k for gallery in found.guests for k in gallery]
    heights = found.structure.cart_coords[between] @ net.frame[1] - best[1]
    steps = np.arange(bend.cells)[:, None] * net.vectors[2, 1]
    missed = np.abs(bend.mismatch_A(heights + steps)) if between else np.zeros(1)
    return best, bool(np.all(missed < net.glide_A / 2 - 2 * _SAME * net.glide_A))


def _layer_heights(found: Layering, net: LayerNet, cells: int) -> np.ndarray:
    """Return the mean heights of the layers of several cells, from the bottom."""
    heights = found.structure.cart_coords @ net.frame[1]
    means = np.array([heights[list(layer)].mean() for layer in found.layers])
    stacked: np.ndarray = (np.arange(cells)[:, None] * net.vectors[2, 1] + means).ravel()
    return stacked


def _missed(bend: _Bend, heights_A: np.ndarray) -> float:
    """Return the mismatches squared, to 1e-6 Å²."""
    return round(float(np.sum(bend.mismatch_A(heights_A) ** 2)), 6)


def _crystal(
    found: Layering, bend: _Bend, origin: np.ndarray
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Return the atoms of the flat crystal, elements, and the height of each atom's sheet.

    An atom of a layer bends with the middle of its layer, one between the layers by itself.
    """
    net = bend.net
    places = found.structure.cart_coords @ net.frame.T
    sheets = places[:, 1].copy()
    for layer in found.layers:
        sheets[list(layer)] = places[list(layer), 1].mean()
    counts = (range(bend.cells), range(net.rows), range(2 * bend.length))
    copies = np.array(list(itertools.product(*counts)))
    rows = np.array([net.vectors[2], net.between @ net.vectors[:2], net.glide @ net.vectors[:2]])
    steps = copies @ rows
    every = (places + steps[:, None] - origin).reshape(-1, 3)
    heights = (sheets + steps[:, None, 1] - origin[1]).ravel()
    symbols = [site.specie.symbol for site in found.structure] * len(copies)
    return every, symbols, heights


def _folded(places: np.ndarray, sheets_A: np.ndarray, bend: _Bend) -> np.ndarray:
    """Return the atoms after bending.

    s is the way along the sheet of an atom: 0 where the sheet meets one wall, the arm's length
    where it meets the other, whence it goes back down. Both arms hold the lattice in their own
    orientation; a sheet passes from the one to the other by the mismatch, evenly over `_SPREAD`.
    """
    angle, arm = math.atan(bend.slope), bend.arm_A
    way = (places[:, 2] + arm / 2 - sheets_A * bend.slope) % (2 * arm)
    spread = min(_SPREAD * bend.net.glide_A, arm)
    to_wall = arm / 2 - np.abs(way - 3 * arm / 2)
    to_wall = np.where(way < arm / 2, -way, to_wall)
    share = np.clip(to_wall / spread + 1 / 2, 0.0, 1.0)
    way = (way + bend.mismatch_A(sheets_A) * share) % (2 * arm)
    up = way < arm
    sign = np.where(up, 1.0, -1.0)
    along = np.where(up, way, way - arm) + sign * sheets_A * bend.slope
    start = np.where(up, 0.0, arm)
    y = sign * along * math.sin(angle) + places[:, 1] * math.cos(angle) + start * math.sin(angle)
    z = along * math.cos(angle) - sign * places[:, 1] * math.sin(angle) + start * math.cos(angle)
    return np.column_stack([places[:, 0], y, z])
