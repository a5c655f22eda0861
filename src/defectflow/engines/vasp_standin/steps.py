"""One ionic step, as every output file tells of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from defectflow.units import GPA_PER_EV_A3

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from defectflow.engines.vasp_standin.computing import Evaluation
    from defectflow.engines.vasp_standin.poscar import Poscar

    Array = NDArray[np.float64]

_KBAR_PER_GPA: Final = 10.0


class Ending(Enum):
    """Why a calculation ended; the value is the line in OUTCAR."""

    EVALUATED = ""
    CONVERGED = " reached required accuracy - stopping structural energy minimisation"
    OUT_OF_STEPS = " largest number of ionic steps (NSW) reached"
    SOFT_STOP = " soft stop encountered!  aborting job ..."
    HARD_STOP = " hard stop encountered!  aborting job ..."


@dataclass(frozen=True)
class BandForces:
    """Forces on an image of a band along its path.

    Attributes
    ----------
    spring_eV_per_A, along_eV_per_A
        Spring force and true force along the tangent; positive towards the last image.
    projected
        Force that moves the image, eV/Å, shape (atoms, 3).
    """

    spring_eV_per_A: float
    along_eV_per_A: float
    projected: Array


@dataclass(frozen=True)
class IonicStep:
    """A geometry with its results.

    Attributes
    ----------
    number
        From 1.
    scf_energies_eV
        Energy after each electronic step. There are no such steps: it is one, or NELM of them
        where a failure to converge is asked for.
    seconds
        Wall time of the step.
    """

    number: int
    crystal: Poscar
    result: Evaluation
    scf_energies_eV: tuple[float, ...]
    scf_converged: bool
    seconds: float
    band: BandForces | None = None

    @property
    def energy_eV(self) -> float:
        """Energy after the last electronic step."""
        return self.scf_energies_eV[-1]

    @property
    def stress_kbar(self) -> Array | None:
        """Stress with VASP's unit and sign: kbar, positive where the cell is compressed."""
        if self.result.stress is None:
            return None
        kbar: Array = -self.result.stress * GPA_PER_EV_A3 * _KBAR_PER_GPA
        return kbar
