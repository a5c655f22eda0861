"""One grain of a boundary: a crystal in a cell of the boundary's plane, cut into a slab."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.planes import SAME_PLANE_A, frame_of, plane_basis
from defectflow.structures.symmetry import operations

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

_ROUNDING: Final = 1e-6
_SAME_A: Final = 0.02


@dataclass(frozen=True, eq=False)
class Grain:
    """One slice of a crystal, as thick as its lattice planes lie apart, in a given plane's cell.

    Attributes
    ----------
    matrix
        (3, 3) Rows, Å: the two vectors of the plane, the first along x; the vector to the next
        slice.
    places, symbols
        Atoms of the slice.
    centres
        (m, 3) Inversion centres, up to lattice vectors; empty where the crystal has none.
    primitive
        (2, 2) Rows: the crystal's own vectors in the plane, Å.
    """

    matrix: np.ndarray
    places: np.ndarray
    symbols: tuple[str, ...]
    centres: np.ndarray
    primitive: np.ndarray

    @property
    def spacing_A(self) -> float:
        """Distance of neighbouring lattice planes."""
        return float(self.matrix[2, 2])

    def fitted(self, fit: np.ndarray) -> Grain:
        """Return the grain with its plane deformed: ``row @ fit``, (2, 2); heights stay."""
        whole = np.eye(3)
        whole[:2, :2] = fit
        return Grain(
            matrix=self.matrix @ whole,
            places=self.places @ whole,
            symbols=self.symbols,
            centres=self.centres @ whole,
            primitive=self.primitive @ fit,
        )

    def slab(self, centre: np.ndarray, slices: int) -> tuple[np.ndarray, list[str]]:
        """Return the atoms of so many slices around a place, which becomes the origin."""
        half = slices * self.spacing_A / 2
        reach = int(np.ceil((half + abs(centre[2])) / self.spacing_A)) + 1
        base = np.arange(-reach, reach + 1)[:, None, None] * self.matrix[2]
        places = (base + self.places).reshape(-1, 3) - centre
        symbols = np.tile(self.symbols, 2 * reach + 1)
        inside = (places[:, 2] >= -half - _ROUNDING) & (places[:, 2] < half - _ROUNDING)
        return places[inside], symbols[inside].tolist()

    def terminations(self, slices: int) -> list[tuple[np.ndarray, bool]]:
        """Return where a slab may be centred: the place, and whether inversion there keeps it.

        Inversion centres come first, as the two faces of such a slab are alike; without any, one
        place for each gap between atomic planes. Those whose faces cut through atoms are left out.
        """
        half = slices * self.spacing_A / 2
        found: list[tuple[np.ndarray, bool]] = []
        cuts: list[float] = []
        for centre in self.centres:
            cut = float(centre[2] - half) % self.spacing_A
            if self._gap(cut) > _SAME_A and not any(self._near(cut, one) for one in cuts):
                cuts.append(cut)
                found.append((centre, True))
        if found:
            return found
        return [(np.array([0.0, 0.0, cut + half]), False) for cut in self._middles()]

    def _gap(self, height_A: float) -> float:
        """Return the distance of a plane from the nearest atoms."""
        away = (self.places[:, 2] - height_A) / self.spacing_A
        return float(np.min(np.abs(away - np.round(away))) * self.spacing_A)

    def _near(self, one_A: float, other_A: float) -> bool:
        away = (one_A - other_A) / self.spacing_A
        return abs(away - round(away)) * self.spacing_A < _SAME_A

    def _middles(self) -> list[float]:
        heights = np.sort(self.places[:, 2] % self.spacing_A)
        gaps = np.diff(np.append(heights, heights[0] + self.spacing_A))
        open_ = np.flatnonzero(gaps > SAME_PLANE_A)
        ranked = sorted(open_, key=lambda k: -gaps[k])
        return [float(heights[k] + gaps[k] / 2) for k in ranked] or [float(heights[0] - 1e-3)]


def grain_of(cell: Structure, rows: np.ndarray, index: tuple[int, int, int]) -> Grain:
    """Return a crystal in the cell of a plane.

    Parameters
    ----------
    cell
        Primitive cell.
    rows
        (2, 3) Integers: the two vectors of the plane's cell.
    index
        Of the plane, in the primitive lattice; its normal points to the other grain.
    """
    lattice = cell.lattice.matrix
    basis = plane_basis(index)
    whole = np.array([rows[0], rows[1], basis[2]])
    frame = frame_of(whole @ lattice)
    matrix = whole @ lattice @ frame.T
    if matrix[2, 2] < 0:
        matrix[2] *= -1
        whole[2] *= -1
    matrix[np.abs(matrix) < _ROUNDING] = 0.0
    filled = cell.make_supercell(whole, in_place=False)
    places = filled.frac_coords @ matrix
    return Grain(
        matrix=matrix,
        places=places,
        symbols=tuple(site.specie.symbol for site in filled),
        centres=inversion_centres(cell) @ frame.T,
        primitive=(basis[:2] @ lattice @ frame.T)[:, :2],
    )


def inversion_centres(cell: Structure) -> np.ndarray:
    """Return the eight inversion centres of a primitive cell, Cartesian; none for (0, 3)."""
    turns, shifts = operations(cell)
    inversions = np.all(turns == -np.eye(3, dtype=int), axis=(1, 2))
    if not inversions.any():
        return np.empty((0, 3))
    first = shifts[inversions][0] / 2
    halves = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) / 2
    centres: np.ndarray = (first + halves) @ cell.lattice.matrix
    return centres
