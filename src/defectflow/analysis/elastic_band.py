"""Forces on a nudged elastic band with the improved tangent and a climbing image.

G. Henkelman and H. Jónsson, J. Chem. Phys. 113, 9978 (2000), for the tangent and the springs;
G. Henkelman, B. P. Uberuaga and H. Jónsson, J. Chem. Phys. 113, 9901 (2000), for climbing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def tangent(positions: Array, energies_eV: Array, index: int) -> Array:
    """Return the normalised improved tangent at an inner image, shape (atoms, 3).

    Up- or downhill it points to the higher neighbour; at an extremum it mixes both segments,
    weighted so that it turns smoothly.
    """
    ahead = positions[index + 1] - positions[index]
    behind = positions[index] - positions[index - 1]
    low, here, high = energies_eV[index - 1 : index + 2]
    if high > here > low:
        direction = ahead
    elif high < here < low:
        direction = behind
    else:
        large = max(abs(high - here), abs(low - here))
        small = min(abs(high - here), abs(low - here))
        weights = (large, small) if high > low else (small, large)
        direction = ahead * weights[0] + behind * weights[1]
    norm = float(np.linalg.norm(direction))
    if norm == 0.0:
        # a perfectly flat band: every direction along the path is as good
        direction, norm = ahead + behind, float(np.linalg.norm(ahead + behind))
    unit: Array = direction / norm
    return unit


def band_forces(
    positions: Array,
    energies_eV: Array,
    forces: Array,
    spring_eV_per_A2: float,
    climbing: int | None,
) -> Array:
    """Return the projected forces on all images, zero at the two ends.

    Parameters
    ----------
    positions, forces
        Coordinates (Å) and true forces (eV/Å), shape (images, atoms, 3).
    energies_eV
        Shape (images,).
    spring_eV_per_A2
        Spring constant, eV/Å²; it acts along the path only.
    climbing
        Index of the image that climbs: no springs, force along the path inverted.
    """
    projected = np.zeros_like(forces)
    for index in range(1, len(positions) - 1):
        unit = tangent(positions, energies_eV, index)
        along = float(np.vdot(forces[index], unit))
        if index == climbing:
            projected[index] = forces[index] - 2 * along * unit
            continue
        ahead = np.linalg.norm(positions[index + 1] - positions[index])
        behind = np.linalg.norm(positions[index] - positions[index - 1])
        spring = spring_eV_per_A2 * float(ahead - behind)
        projected[index] = forces[index] + (spring - along) * unit
    return projected


def largest_force(forces: Array) -> float:
    """Return the largest norm of a force on one atom, eV/Å."""
    return float(np.linalg.norm(forces.reshape(-1, 3), axis=1).max())
