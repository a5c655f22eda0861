"""The energy of sliding half a crystal over the other: lines and surfaces through points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import NotConverged

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Share of the points that the coefficients of a surface may use up.
_MOST_COEFFICIENTS: Final = 0.7
_SAMPLES: Final = 2001
_FEWEST: Final = 4
_PARABOLA: Final = 3


@dataclass(frozen=True)
class Summit:
    """The highest point of a path: where (fraction of the path) and how high."""

    fraction: float
    energy: float


@dataclass(frozen=True, eq=False)
class FourierSurface:
    """A periodic surface with the symmetry of the plane: Σ_s a_s Re φ_s(t) + b_s Im φ_s(t).

    φ_s is the mean of exp(2πi G·t) over the star of G under the plane's symmetry; t are fractions
    of the plane's two vectors.

    Attributes
    ----------
    orders
        (k, 2) One G of each star, integers.
    cosines, sines
        (k,) Coefficients a and b, in the unit of the energies.
    symmetry
        (m, 2, 2) Integers acting on row fractions.
    residual
        Root mean square distance from the points, in the same unit.
    """

    orders: np.ndarray
    cosines: np.ndarray
    sines: np.ndarray
    symmetry: np.ndarray
    residual: float

    def energies(self, fractions: np.ndarray | Sequence[Sequence[float]]) -> np.ndarray:
        """Return the surface at (n, 2) fractions, (n,)."""
        basis = _basis(
            np.atleast_2d(np.asarray(fractions, dtype=float)), self.orders, self.symmetry
        )
        values: np.ndarray = basis.real @ self.cosines + basis.imag @ self.sines
        return values

    def summit(
        self, start: Sequence[float] | np.ndarray, end: Sequence[float] | np.ndarray
    ) -> Summit:
        """Return the highest point of the straight path between two fractions."""
        fractions = np.linspace(0.0, 1.0, _SAMPLES)
        path = np.outer(1 - fractions, start) + np.outer(fractions, end)
        energies = self.energies(path)
        best = int(np.argmax(energies))
        return Summit(float(fractions[best]), float(energies[best]))


def fitted_surface(
    fractions: np.ndarray,
    energies: np.ndarray,
    symmetry: np.ndarray,
    weights: np.ndarray | None = None,
) -> FourierSurface:
    """Return the smoothest Fourier surface of the given symmetry through points, by least squares.

    Stars of short G come first; as many are used as leave 30 % of the points to judge the fit.

    Parameters
    ----------
    fractions, energies
        (n, 2) and (n,) symmetry-distinct points.
    symmetry
        (m, 2, 2) from `structures.gamma_grid.plane_symmetry`.
    weights
        (n,) How many points of the grid each stands for; 1 by default.

    Raises
    ------
    NotConverged
        If there are too few points.

    Examples
    --------
    >>> points = np.array([[0, 0], [0.25, 0], [0.5, 0], [0.25, 0.25], [0.5, 0.5], [0.5, 0.25]])
    >>> swap = np.array([[0, 1], [1, 0]])
    >>> square = np.array([np.eye(2, dtype=int), -np.eye(2, dtype=int), swap, -swap])
    >>> heights = 2 - np.cos(2 * np.pi * points).sum(axis=1)
    >>> surface = fitted_surface(points, heights, square)
    >>> round(surface.summit((0, 0), (1, 1)).energy, 6)
    4.0
    """
    most = int(_MOST_COEFFICIENTS * len(energies))
    if len(energies) < _FEWEST or most < 1:
        message = f"a surface through {len(energies)} points: at least {_FEWEST} are needed"
        raise NotConverged(message)
    scale = np.sqrt(np.ones(len(energies)) if weights is None else np.asarray(weights, float))
    columns: list[np.ndarray] = []
    kept: list[tuple[np.ndarray, int]] = []
    for order in _stars(symmetry, len(energies)):
        phi = _basis(fractions, order[None], symmetry)[:, 0]
        for part, values in enumerate((phi.real, phi.imag)):
            if len(kept) < most and _independent(values * scale, columns):
                columns.append(values * scale)
                kept.append((order, part))
    found, *_ = np.linalg.lstsq(np.array(columns).T, energies * scale, rcond=None)
    orders = np.unique([order for order, _ in kept], axis=0)
    parts = np.zeros((2, len(orders)))
    for (order, part), value in zip(kept, found, strict=True):
        parts[part, int(np.flatnonzero(np.all(orders == order, axis=1))[0])] = value
    off = np.array(columns).T @ found - energies * scale
    residual = float(np.sqrt(np.sum(off**2) / np.sum(scale**2)))
    return FourierSurface(orders, parts[0], parts[1], symmetry, residual)


def line_summit(
    fractions: Sequence[float] | np.ndarray, energies: Sequence[float] | np.ndarray
) -> Summit:
    """Return the highest point of a smooth line through points of a path that begins in a minimum.

    A cubic spline whose slope is zero at the start, which is the perfect crystal.

    Raises
    ------
    NotConverged
        If there are fewer than four points.

    Examples
    --------
    >>> x = np.linspace(0, 1, 9)
    >>> line_summit(x, np.sin(np.pi * x) ** 2).fraction
    0.5
    """
    from scipy.interpolate import CubicSpline

    if len(fractions) < _FEWEST:
        message = f"a line through {len(fractions)} points: at least {_FEWEST} are needed"
        raise NotConverged(message)
    spline = CubicSpline(fractions, energies, bc_type=((1, 0.0), "not-a-knot"))
    samples = np.linspace(fractions[0], fractions[-1], _SAMPLES)
    values = spline(samples)
    best = int(np.argmax(values))
    return Summit(round(float(samples[best]), 6), float(values[best]))


def lowest(gaps_A: Sequence[float], energies: Sequence[float]) -> tuple[float, float]:
    """Return the gap and the energy at the minimum of a parabola through the three lowest points.

    With fewer than three points, or a minimum at an end, the lowest point itself.

    Examples
    --------
    >>> gap, energy = lowest([0.0, 0.1, 0.2, 0.3], [0.09, 0.06, 0.05, 0.06])
    >>> round(gap, 6), round(energy, 6)
    (0.2, 0.05)
    """
    best = int(np.argmin(energies))
    inside = 0 < best < len(energies) - 1
    if len(energies) < _PARABOLA or not inside:
        return float(gaps_A[best]), float(energies[best])
    near = slice(best - 1, best + 2)
    a, b, c = np.polyfit(gaps_A[near], energies[near], 2)
    gap = -b / (2 * a)
    return float(gap), float(c - b * b / (4 * a))


def _basis(fractions: np.ndarray, orders: np.ndarray, symmetry: np.ndarray) -> np.ndarray:
    """Return φ of each order at each point, complex (n, k)."""
    moved = np.einsum("ni,mij->mnj", fractions, symmetry)
    basis: np.ndarray = np.exp(2j * np.pi * (moved @ np.asarray(orders).T)).mean(axis=0)
    return basis


def _stars(symmetry: np.ndarray, number: int) -> list[np.ndarray]:
    """Return one G of each star, shortest first, enough for `number` points.

    Lengths are those in the metric that the symmetry keeps.
    """
    metric = np.mean([one.astype(float) @ one.T for one in symmetry], axis=0)
    inverse = np.linalg.inv(metric)
    reach = int(np.ceil(np.sqrt(number))) + 1
    steps = np.array([[h, k] for h in range(-reach, reach + 1) for k in range(-reach, reach + 1)])
    length = np.einsum("ni,ij,nj->n", steps, inverse, steps).round(6)
    order = np.lexsort((-steps[:, 1], -steps[:, 0], length))
    found: list[np.ndarray] = []
    seen: set[tuple[int, int]] = set()
    for step in steps[order]:
        if tuple(step) in seen:
            continue
        found.append(step)
        for acting in symmetry:
            # G·(t W) = (W G)·t; the star of -G has the same real and opposite imaginary part.
            star = acting @ step
            seen |= {tuple(star.tolist()), tuple((-star).tolist())}
    return found


def _independent(values: np.ndarray, columns: Sequence[np.ndarray]) -> bool:
    """Return whether a column is more than a combination of those already taken."""
    rest = values.copy()
    if columns:
        matrix = np.array(columns).T
        rest = values - matrix @ np.linalg.lstsq(matrix, values, rcond=None)[0]
    return bool(np.linalg.norm(rest) > 1e-3 * np.sqrt(len(values)))
