"""The cells of a γ-surface: every displacement of half a crystal along a plane, each once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.planes import stack_of
from defectflow.structures.stacking_faults import MIN_HEIGHT_A, fault_cell, in_plane, slices_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell
    from defectflow.structures.planes import Stack

#: Points of a path that show whether an operation keeps all of it, not its end only.
_ON_THE_WAY: Final = (0.1, 1.0)


@dataclass(frozen=True, eq=False)
class GammaGrid:
    """Displacements on a regular grid over the cell of a plane, reduced by symmetry.

    Attributes
    ----------
    stack, cut_A
        The crystal, and the height at which it is cut.
    fractions
        (n, 2) Every point of the grid, in vectors of the plane.
    representative
        (n,) Index of the point that stands for each.
    """

    stack: Stack
    cut_A: float
    fractions: np.ndarray
    representative: np.ndarray

    def distinct(self) -> np.ndarray:
        """Return the indices of the points that have to be computed."""
        points: np.ndarray = np.unique(self.representative)
        return points

    def multiplicity(self, point: int) -> int:
        """Return how many points of the grid a point stands for."""
        return int(np.sum(self.representative == point))

    def shift_A(self, point: int) -> np.ndarray:
        """Return the Cartesian displacement of a point."""
        shift: np.ndarray = self.fractions[point] @ self.stack.matrix[:2]
        return shift


def plane_symmetry(stack: Stack, cut_A: float) -> np.ndarray:
    """Return the symmetry of the γ-surface of a cut: (m, 2, 2) integers acting on row fractions.

    An operation that keeps the cut and both sides takes the displacement t to W t; one that
    exchanges the sides takes it to -W t.
    """
    rotations, sides = stack.keeping(cut_A)
    plane = stack.matrix[:2, :2]
    images = np.swapaxes(rotations[:, :2, :2], 1, 2) * sides[:, None, None]
    acting = np.round(plane @ images @ np.linalg.inv(plane)).astype(int)
    unique: np.ndarray = np.unique(acting, axis=0)
    return unique


def gamma_grid(
    structure: Structure,
    miller: Sequence[int],
    grid: Sequence[int],
    cut: int = 1,
    shift: Sequence[float] | None = None,
) -> GammaGrid:
    """Return the displacements of a γ-surface.

    Parameters
    ----------
    grid
        Points along the two vectors of the plane.
    cut
        Between which atomic planes: 1 for the widest gap, 2 for the next one.
    shift
        A displacement by which cuts are told apart too, as in a `gamma_line`; else those of which
        symmetry makes one surface out of the other are one.

    Raises
    ------
    StructureError
        If the crystal has no such cut, or the grid no points.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> found = gamma_grid(hosts.load("fcc-Al").structure, (1, 1, 1), (10, 10))
    >>> len(found.fractions), len(found.distinct())
    (100, 22)
    """
    n, m = (int(one) for one in grid)
    if min(n, m) < 1:
        message = f"grid {n} x {m}: has no points; give two numbers of at least 1, e.g. [10, 10]"
        raise StructureError(message)
    stack = stack_of(structure, miller)
    height = chosen_cut(stack, cut, None if shift is None else in_plane(stack, shift))
    steps = np.stack(np.meshgrid(np.arange(n), np.arange(m), indexing="ij"), axis=-1).reshape(-1, 2)
    fractions = steps / (n, m)
    representative = np.arange(len(steps))
    for acting in plane_symmetry(stack, height):
        images = fractions @ acting * (n, m)
        whole = np.round(images)
        if np.abs(images - whole).max() > 1e-6:  # noqa: PLR2004 - leaves the grid
            continue
        target = (whole[:, 0] % n * m + whole[:, 1] % m).astype(int)
        representative = np.minimum(representative, target)
    return GammaGrid(stack, height, fractions, representative)


def gamma_surface(
    found: GammaGrid, min_height_A: float = MIN_HEIGHT_A, vacuum_A: float = 0.0
) -> Iterator[Cell]:
    """Yield a cell for each distinct displacement of a grid, the perfect crystal first.

    Its multiplicity is the number of points that it stands for.
    """
    slices = slices_of(found.stack, min_height_A)
    for point in found.distinct():
        cell = fault_cell(found.stack, found.cut_A, slices, found.shift_A(int(point)), vacuum_A)
        yield replace(cell, multiplicity=found.multiplicity(int(point)))


def gamma_line(
    structure: Structure,
    miller: Sequence[int],
    shift: Sequence[float],
    points: int,
    cut: int = 1,
    min_height_A: float = MIN_HEIGHT_A,
) -> Iterator[Cell]:
    """Yield cells displaced by 0 to `shift` in equal steps, both ends included.

    Raises
    ------
    StructureError
        If the shift does not lie in the plane, or there are fewer than two points.
    """
    if points < 2:  # noqa: PLR2004 - both ends
        message = f"points {points}: a line has at least two; give e.g. 11"
        raise StructureError(message)
    stack = stack_of(structure, miller)
    vector = in_plane(stack, shift)
    height = chosen_cut(stack, cut, vector)
    slices = slices_of(stack, min_height_A)
    return (
        fault_cell(stack, height, slices, float(fraction) * vector)
        for fraction in np.linspace(0.0, 1.0, points)
    )


def chosen_cut(stack: Stack, rank: int, path_A: np.ndarray | None = None) -> float:
    """Return the height of a cut by its rank, 1 for the widest gap.

    With `path_A`, the displacement at the end of a path, those cuts follow at which it leads over
    other faults, though symmetry makes the cuts equal.

    Raises
    ------
    StructureError
        If there is none of that rank.
    """
    cuts = stack.cuts_A(None if path_A is None else np.outer(_ON_THE_WAY, path_A))
    if not 1 <= rank <= len(cuts):
        message = f"cut {rank}: the plane has {len(cuts)} distinct cuts; give 1 to {len(cuts)}"
        raise StructureError(message)
    return cuts[rank - 1]
