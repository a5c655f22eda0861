"""Image-dependent pair potential: a starting path that keeps atoms apart.

S. Smidstrup, A. Pedersen, K. Stokbro and H. Jónsson, J. Chem. Phys. 140, 214106 (2014). Each image
is moved so that its interatomic distances come near to those interpolated between the end points;
the weight 1/d⁴ makes short distances count most. Here only pairs that come within a cut-off at
either end are kept, with their periodic image fixed, so the cost grows linearly with the atoms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]

PAIR_CUTOFF_A = 6.0


def idpp_positions(path: Array, lattice: Array, frozen: NDArray[np.bool_]) -> Array:
    """Return the path with its inner images moved to the minimum of the pair potential.

    Parameters
    ----------
    path
        Starting path, shape (images, atoms, 3), Å, continuous; its ends are kept.
    lattice
        Rows are lattice vectors, shape (3, 3), Å.
    frozen
        Atoms that may not move, shape (atoms,).
    """
    first, second, offset = _pairs(path, lattice)
    ends = [_distances(path[end], first, second, offset)[1] for end in (0, -1)]
    result = path.copy()
    for index in range(1, len(path) - 1):
        mix = index / (len(path) - 1)
        target = (1 - mix) * ends[0] + mix * ends[1]
        result[index] = _relax(path[index], (first, second, offset), target, frozen)
    return result


def _pairs(path: Array, lattice: Array) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Return atoms (i, j) and the Cartesian offset of j's image, for pairs near at any image."""
    found: set[tuple[int, int, int, int, int]] = set()
    reach = np.ceil(PAIR_CUTOFF_A / _heights(lattice)).astype(int) + 1
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), axis=-1)
    cells = grid.reshape(-1, 3)
    for positions in path[[0, len(path) // 2, -1]]:
        separation = positions[None, :, :] - positions[:, None, :]
        for cell in cells:
            near = np.linalg.norm(separation + cell @ lattice, axis=-1) < PAIR_CUTOFF_A
            # each pair once; an atom and its own image keep their distance whatever happens
            found.update((i, j, *cell) for i, j in np.argwhere(np.triu(near, k=1)))
    table = np.array(sorted(found), dtype=np.intp).reshape(-1, 5)
    return table[:, 0], table[:, 1], table[:, 2:] @ lattice


def _heights(lattice: Array) -> Array:
    """Return the distances between opposite faces of the cell, Å."""
    heights: Array = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    return heights


def _distances(
    positions: Array, first: NDArray[np.intp], second: NDArray[np.intp], offset: Array
) -> tuple[Array, Array]:
    vectors = positions[second] + offset - positions[first]
    return vectors, np.linalg.norm(vectors, axis=1)


def _relax(
    start: Array,
    pairs: tuple[NDArray[np.intp], NDArray[np.intp], Array],
    target: Array,
    frozen: NDArray[np.bool_],
) -> Array:
    first, second, _ = pairs

    def objective(flat: Array) -> tuple[float, Array]:
        positions = flat.reshape(-1, 3)
        vectors, lengths = _distances(positions, *pairs)
        lengths = np.maximum(lengths, 0.05)
        miss = lengths - target
        weight = lengths**-4
        value = float((weight * miss**2).sum())
        radial = (2 * weight * miss - 4 * weight / lengths * miss**2) / lengths
        pull = radial[:, None] * vectors
        gradient = np.zeros_like(positions)
        np.add.at(gradient, second, pull)
        np.add.at(gradient, first, -pull)
        gradient[frozen] = 0.0
        # shifting all free atoms together is no way to make room for the others
        gradient[~frozen] -= gradient[~frozen].mean(axis=0)
        return value, gradient.ravel()

    solution = minimize(
        objective, start.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200}
    )
    relaxed: Array = solution.x.reshape(-1, 3)
    return relaxed
