"""Slabs: a few layers of a crystal with a vacuum above them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

#: Atoms whose heights differ by less belong to one layer.
SAME_LAYER_A: Final = 0.3
#: Among the marks of a slab: an atom near its top that belongs to a defect of its host.
DEFECT_MARK: Final = "defect"


@dataclass(frozen=True)
class Slab(MSONable):
    """A slab with its surface normal along z and its top side up.

    Attributes
    ----------
    structure
        Third lattice vector along z; the atoms are in the middle of the cell.
    miller
        Indices of the surface, in the conventional cell of the host.
    layer
        Of each atom, counted from the bottom (0).
    cells
        Surface unit cells side by side.
    vacuum_A
        Empty height.
    marks
        Defects in the top layer: name, and Cartesian (x, y) of each changed place. Of the defect
        of a generated host, `DEFECT_MARK` and (x, y) of its atoms near the top.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> slab = slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), layers=4, repeat=(2, 2))
    >>> len(slab.structure), slab.layers, slab.top(), round(slab.vacuum_A, 6)
    (16, 4, (12, 13, 14, 15), 12.0)
    """

    structure: Structure
    miller: tuple[int, int, int]
    layer: tuple[int, ...]
    cells: int
    vacuum_A: float
    marks: tuple[tuple[str, float, float], ...] = ()

    @property
    def layers(self) -> int:
        """Number of atomic layers."""
        return max(self.layer) + 1

    def top(self) -> tuple[int, ...]:
        """Return the indices of the atoms of the uppermost layer."""
        last = self.layers - 1
        return tuple(k for k, number in enumerate(self.layer) if number == last)

    def bottom(self, layers: int) -> tuple[int, ...]:
        """Return the indices of the atoms of the lowest `layers` layers."""
        return tuple(k for k, number in enumerate(self.layer) if number < layers)


def slab_of(
    host: Structure,
    miller: Sequence[int],
    layers: int,
    vacuum_A: float = 12.0,
    repeat: Sequence[int] = (1, 1),
) -> Slab:
    """Return the slab of a crystal, cut as in the bulk.

    Raises
    ------
    StructureError
        If the crystal has several terminations along that normal, as `cell_slabs.ended_slab`
        tells apart by name.
    """
    from pymatgen.core.structure import Structure

    cut = _cut(host, miller, layers)
    cell = _upright(cut)
    heights = cell.cart_coords[:, 2]
    order, numbers = layers_of(heights)
    if numbers.max() + 1 < layers:
        message = (
            f"{host.reduced_formula} {tuple(miller)}: {numbers.max() + 1} layers were cut where "
            f"{layers} were asked for; ask for fewer"
        )
        raise StructureError(message)
    keep = order[numbers >= numbers.max() + 1 - layers]
    places = cell.cart_coords[keep]
    thickness = np.ptp(places[:, 2])
    places[:, 2] += vacuum_A / 2 - places[:, 2].min()
    matrix = cell.lattice.matrix.copy()
    matrix[2] = [0.0, 0.0, thickness + vacuum_A]
    species = [cell[int(k)].specie for k in keep]
    slab = Structure(matrix, species, places, coords_are_cartesian=True)
    moments = cell.site_properties.get("magmom")
    if moments is not None:
        slab.add_site_property("magmom", [moments[int(k)] for k in keep])
    slab.make_supercell([int(repeat[0]), int(repeat[1]), 1])
    order, numbers = layers_of(slab.cart_coords[:, 2])
    whole = Structure.from_sites([slab[int(k)] for k in order])
    return Slab(
        structure=whole,
        miller=(int(miller[0]), int(miller[1]), int(miller[2])),
        layer=tuple(int(number) for number in numbers),
        cells=int(repeat[0]) * int(repeat[1]),
        vacuum_A=float(vacuum_A),
    )


def _cut(host: Structure, miller: Sequence[int], layers: int) -> Structure:
    """Return a slab of at least `layers` layers, in the smallest cell of the surface."""
    from pymatgen.core.surface import SlabGenerator
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        conventional = SpacegroupAnalyzer(host).get_conventional_standard_structure()
        generator = SlabGenerator(
            conventional,
            tuple(miller),
            min_slab_size=layers,
            min_vacuum_size=layers,
            in_unit_planes=True,
            primitive=True,
            max_normal_search=max(abs(int(index)) for index in miller),
        )
        slabs = generator.get_slabs()
    if len(slabs) != 1:
        from defectflow.structures.cell_slabs import end_names

        names = ", ".join(repr(name) for name in end_names(host, miller))
        message = (
            f"{host.reduced_formula} {tuple(miller)}: {len(slabs)} terminations; say which by "
            f"`termination`, the uppermost layer: {names}"
        )
        raise StructureError(message)
    found: Structure = slabs[0]
    return found


def _upright(slab: Structure) -> Structure:
    """Return a slab with its first vector along x and its normal along z; atoms in one piece."""
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    c = slab.lattice.matrix[2]
    a, b = _short(slab.lattice.matrix[:2])
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    if c @ normal < 0:
        a, b, normal = b, a, -normal
    x = a / np.linalg.norm(a)
    frame = np.array([x, np.cross(normal, x), normal])
    flat = slab.frac_coords.copy()
    flat[:, 2] = _in_one_piece(flat[:, 2])
    places = flat @ slab.lattice.matrix @ frame.T
    matrix = np.array([frame @ a, frame @ b, [0.0, 0.0, c @ normal]])
    matrix[np.abs(matrix) < 1e-12] = 0.0  # noqa: PLR2004 - rounding
    return Structure(
        Lattice(matrix),
        slab.species,
        places,
        coords_are_cartesian=True,
        site_properties={k: v for k, v in slab.site_properties.items() if k == "magmom"},
    )


def _short(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two shortest vectors of a plane lattice (Lagrange's reduction)."""
    a, b = sorted(plane, key=lambda vector: float(vector @ vector))
    while True:
        # The small number keeps a tie between b and b - a from turning round for ever.
        b = b - np.round(b @ a / (a @ a) - 1e-6) * a
        if b @ b >= a @ a - 1e-9:
            return a, b
        a, b = b, a


def _in_one_piece(heights: np.ndarray) -> np.ndarray:
    """Return periodic heights (fractions) shifted so that the largest gap is at the end."""
    wrapped = heights % 1.0
    ranked = np.sort(wrapped)
    gaps = np.diff(np.append(ranked, ranked[0] + 1.0))
    start = ranked[(int(gaps.argmax()) + 1) % len(ranked)]
    shifted: np.ndarray = (wrapped - start + 1e-9) % 1.0
    return shifted


def layers_of(heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the atoms from bottom to top, and the number of the layer of each in that order."""
    order = np.argsort(np.round(heights, 4), kind="stable")
    steps = np.diff(heights[order]) > SAME_LAYER_A
    return order, np.concatenate([[0], np.cumsum(steps)])
