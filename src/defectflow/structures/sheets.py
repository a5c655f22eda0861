"""One layer of a layered crystal, with vacuum on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.layers import pieces
from defectflow.structures.surfaces import SAME_LAYER_A, Slab

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

_SHEET: Final = 2


def sheet_of(host: Structure, vacuum_A: float = 12.0, repeat: Sequence[int] = (1, 1)) -> Slab:
    """Return one layer of a layered crystal as a slab: graphene, a basal plane of MoS2.

    Raises
    ------
    StructureError
        If the crystal has no layers with nothing bonded between them.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> sheet = sheet_of(hosts.load("2H-MoS2").structure, repeat=(2, 2))
    >>> sheet.structure.formula, sheet.layers
    ('Mo4 S8', 3)
    """
    from pymatgen.core.lattice import Lattice
    from pymatgen.core.structure import Structure

    found = [piece for piece in pieces(host) if piece.dimensions == _SHEET]
    if not found:
        message = (
            f"{host.reduced_formula}: has no layers held together by bonds alone; leave out "
            "`sheet` and give the Miller indices of a surface"
        )
        raise StructureError(message)
    piece = found[0]
    places = (host.frac_coords[piece.atoms] + piece.images) @ host.lattice.matrix
    a, b = _in_plane(host, piece.loops)
    normal = np.cross(a, b) / np.linalg.norm(np.cross(a, b))
    x = a / np.linalg.norm(a)
    frame = np.array([x, np.cross(normal, x), normal])
    turned = places @ frame.T
    turned[:, 2] += vacuum_A / 2 - turned[:, 2].min()
    height = np.ptp(turned[:, 2]) + vacuum_A
    matrix = np.array([frame @ a, frame @ b, [0.0, 0.0, height]])
    matrix[np.abs(matrix) < 1e-12] = 0.0  # noqa: PLR2004 - rounding
    order = np.argsort(turned[:, 2].round(4), kind="stable")
    sheet = Structure(
        Lattice(matrix),
        [host[int(k)].specie for k in piece.atoms[order]],
        turned[order],
        coords_are_cartesian=True,
        to_unit_cell=False,
    )
    sheet.make_supercell([int(repeat[0]), int(repeat[1]), 1])
    return _layered(sheet, int(repeat[0]) * int(repeat[1]), vacuum_A)


def _in_plane(host: Structure, loops: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return two short lattice vectors that span the lattice of the layer."""
    steps = np.unique(np.vstack([loops, -loops]), axis=0)
    vectors = steps @ host.lattice.matrix
    order = np.argsort(np.linalg.norm(vectors, axis=1).round(6), kind="stable")
    a = vectors[order[0]]
    for k in order[1:]:
        if np.linalg.norm(np.cross(a, vectors[k])) > 1e-3:  # noqa: PLR2004 - rounding
            return a, vectors[k]
    message = f"{host.reduced_formula}: its layer has no two directions"
    raise StructureError(message)


def _layered(sheet: Structure, cells: int, vacuum_A: float) -> Slab:
    from pymatgen.core.structure import Structure

    heights = sheet.cart_coords[:, 2]
    order = np.argsort(heights.round(4), kind="stable")
    steps = np.diff(heights[order]) > SAME_LAYER_A
    return Slab(
        structure=Structure.from_sites([sheet[int(k)] for k in order]),
        miller=(0, 0, 1),
        layer=tuple(int(n) for n in np.concatenate([[0], np.cumsum(steps)])),
        cells=cells,
        vacuum_A=float(vacuum_A),
    )
