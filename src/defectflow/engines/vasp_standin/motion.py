"""How ions and cell move in a relaxation: what ISIF frees, and when EDIFFG is reached."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from ase.filters import FrechetCellFilter
from numpy.typing import NDArray

from defectflow.engines.quasi_newton import QuasiNewton

if TYPE_CHECKING:
    from ase import Atoms

Array = NDArray[np.float64]

CURVATURE_EV_PER_A2: Final = 40.0
MAX_STEP_A: Final = 0.1
_MAX_STRAIN: Final = 0.03
#: Stiffness of an ordinary crystal (96 GPa), which makes lengths of strains.
_STIFFNESS_EV_PER_A3: Final = 0.6

#: Values of ISIF by what moves (https://www.vasp.at/wiki/index.php/ISIF).
_IONS: Final = {0, 1, 2, 3, 4, 8}
_CELL: Final = {3, 4, 5, 6, 7, 8}
_CONSTANT_VOLUME: Final = {4, 5}
_VOLUME_ONLY: Final = {7, 8}


def moves_cell(isif: int) -> bool:
    """Tell whether ISIF frees the shape or the volume of the cell."""
    return isif in _CELL


class Motion:
    """Degrees of freedom of a relaxation and the minimiser that moves them.

    Parameters
    ----------
    atoms
        With calculator and constraints; moved in place.
    isif
        VASP's tag.
    """

    def __init__(self, atoms: Atoms, isif: int) -> None:
        self.atoms = atoms
        self.moves_ions = isif in _IONS
        self.target: Any = atoms
        self.isif = isif
        volume_A3 = atoms.get_volume()
        self.length_per_strain = math.sqrt(_STIFFNESS_EV_PER_A3 * volume_A3 / CURVATURE_EV_PER_A2)
        if moves_cell(isif):
            self.target = FrechetCellFilter(
                atoms,
                hydrostatic_strain=isif in _VOLUME_ONLY,
                constant_volume=isif in _CONSTANT_VOLUME,
                exp_cell_factor=self.length_per_strain,
            )
        self.minimiser = QuasiNewton(CURVATURE_EV_PER_A2, MAX_STEP_A)
        self._last_energy_eV: float | None = None

    def forces(self) -> Array:
        """Return the forces on what is free: ions (eV/Å), then three rows for the cell."""
        forces = np.array(self.target.get_forces())
        if not self.moves_ions:
            forces[: len(self.atoms)] = 0.0
        return forces

    def converged(self, ediffg: float) -> bool:
        """Tell whether the threshold is reached; asked once after each evaluation.

        Parameters
        ----------
        ediffg
            Positive: change of the energy since the last step, eV. Negative: largest force on an
            ion and largest row of the stress times volume per atom, eV/Å. Zero: never reached.
        """
        energy_eV = float(self.atoms.get_potential_energy())
        last, self._last_energy_eV = self._last_energy_eV, energy_eV
        if ediffg > 0:
            return last is not None and abs(energy_eV - last) < ediffg
        forces = self.forces()
        # from the filter's length of strain to forces per atom, which do not depend on it
        forces[len(self.atoms) :] *= self.length_per_strain / len(self.atoms)
        return float(np.linalg.norm(forces, axis=1).max()) < -ediffg

    def step(self) -> None:
        """Move once."""
        positions = np.array(self.target.get_positions())
        moves = self.minimiser.step(positions, self.forces())
        if moves_cell(self.isif):
            strain = float(np.abs(moves[-3:]).max()) / self.length_per_strain
            moves = moves * min(1.0, _MAX_STRAIN / strain) if strain > 0 else moves
        self.target.set_positions(positions + moves)
