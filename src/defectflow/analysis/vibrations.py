"""Harmonic vibrations: from a Hessian to frequencies, zero-point energy and free energy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from defectflow.units import BOLTZMANN_EV_PER_K

Array = NDArray[np.float64]
#: ħ √(eV / (Å² u)) in eV: ħω of a mass of 1 u on a spring of 1 eV/Å² (CODATA 2018).
_HBAR_ROOT_EV: Final = 0.06465415
#: Softer real modes (eV) are counted with this energy, as their harmonic entropy diverges.
SOFTEST_EV: Final = 0.0124


@dataclass(frozen=True)
class Modes:
    """Normal modes of some atoms.

    Attributes
    ----------
    energies_eV
        ħω, lowest first; an imaginary frequency is negative.
    moves
        Cartesian displacements, one mode per row, in which the atom that goes farthest goes 1;
        shape (modes, atoms, 3).
    """

    energies_eV: Array
    moves: Array


def modes(hessian_eV_per_A2: Array, masses_u: Array) -> Modes:
    """Return the modes of a Hessian.

    Parameters
    ----------
    hessian_eV_per_A2
        Second derivatives of the energy, shape (3 atoms, 3 atoms); its antisymmetric part, which is
        noise, is dropped.
    masses_u
        One per atom, atomic mass units.

    Examples
    --------
    >>> springs = np.diag([1.0, 4.0, -1.0])
    >>> modes(springs, np.array([1.0])).energies_eV.round(4)
    array([-0.0647,  0.0647,  0.1293])
    """
    symmetric = (hessian_eV_per_A2 + hessian_eV_per_A2.T) / 2
    roots = np.sqrt(np.repeat(masses_u, 3))
    squares, vectors = np.linalg.eigh(symmetric / np.outer(roots, roots))
    energies = _HBAR_ROOT_EV * np.sign(squares) * np.sqrt(np.abs(squares))
    moves = (vectors.T / roots).reshape(len(squares), -1, 3)
    moves /= np.linalg.norm(moves, axis=2).max(axis=1)[:, None, None]
    return Modes(energies, moves)


def zero_point_eV(energies_eV: Array) -> float:
    """Return half the sum of ħω over the real modes."""
    return float(energies_eV[energies_eV > 0].sum() / 2)


def harmonic_free_energy_eV(energies_eV: Array, temperature_K: float) -> float:
    """Return zero-point energy plus thermal free energy of the real modes.

    Modes below `SOFTEST_EV` count with that energy. Source: C. J. Cramer, Essentials of
    Computational Chemistry (2004), section 10.3.

    Examples
    --------
    >>> round(harmonic_free_energy_eV(np.array([0.1]), 300.0), 4)
    0.0495
    """
    real = np.maximum(energies_eV[energies_eV > 0], SOFTEST_EV)
    thermal = BOLTZMANN_EV_PER_K * temperature_K
    if thermal == 0:
        return zero_point_eV(energies_eV)
    return zero_point_eV(energies_eV) + float(thermal * np.log1p(-np.exp(-real / thermal)).sum())
