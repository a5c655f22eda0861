"""Force constants from finite displacements (IBRION = 5 or 6)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from defectflow.engines.vasp_standin import vasprun
from defectflow.engines.vasp_standin.steps import Ending

if TYPE_CHECKING:
    from defectflow.engines.vasp_standin.running import Run

Array = NDArray[np.float64]

#: VASP's POTIM for IBRION = 5 and 6, Å.
_DISPLACEMENT_A: Final = 0.015


def vibrate(run: Run) -> Ending:
    """Displace every free coordinate to both sides and write the dynamical matrix.

    Symmetry is not used, and NFREE is always 2. Atoms that selective dynamics hold in any direction
    are left out.
    """
    crystal = run.inputs.poscar
    outputs = run.outputs(run.folder, crystal)
    atoms = crystal.to_atoms()
    atoms.set_constraint()
    run.computer.attach(atoms)
    start = atoms.positions.copy()
    size_A = run.inputs.incar.number("POTIM", _DISPLACEMENT_A)
    free = np.ones(len(atoms), bool) if crystal.free is None else crystal.free.all(axis=1)
    coordinates = [(int(atom), axis) for atom in np.flatnonzero(free) for axis in range(3)]
    number, rows = 0, []
    for atom, axis in [(0, 0), *coordinates]:
        forces: list[Array] = []
        # the first geometry is the one that was given
        for sign in (0,) if number == 0 else (1, -1):
            begun = time.monotonic()
            atoms.positions = start
            atoms.positions[atom, axis] += sign * size_A
            result = run.computer.evaluate(atoms)
            number += 1
            run.say(outputs.write(run.step(number, crystal.moved(atoms), result, begun)))
            forces.append(result.forces[free].ravel())
            ending = run.ending(number, converged=False)
            if ending is not None:
                outputs.close(ending)
                return ending
        if len(forces) > 1:
            rows.append((forces[0] - forces[1]) / (2 * size_A))
    roots = np.sqrt(np.repeat(atoms.get_masses()[free], 3))
    outputs.close(Ending.EVALUATED, _dynamical_matrix(np.array(rows), roots))
    return Ending.EVALUATED


def _dynamical_matrix(slopes: Array, roots: Array) -> str:
    """Return the element of vasprun.xml.

    Parameters
    ----------
    slopes
        Change of the forces with the displacements, eV/Å²: minus the force constants.
    roots
        Square root of the mass of each coordinate, u^(1/2).
    """
    hessian = (slopes + slopes.T) / 2 / np.outer(roots, roots)
    eigenvalues, modes = np.linalg.eigh(hessian)
    return vasprun.dynamical_matrix(hessian, eigenvalues, modes.T)
