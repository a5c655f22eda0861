"""What the executable does in a folder."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from defectflow.engines.vasp_standin.band import Band
from defectflow.engines.vasp_standin.computing import Computer, Evaluation
from defectflow.engines.vasp_standin.incar import Incar
from defectflow.engines.vasp_standin.inputs import Inputs, read_inputs
from defectflow.engines.vasp_standin.marks import NOTICE, PROGRAM, VERSION
from defectflow.engines.vasp_standin.motion import Motion, moves_cell
from defectflow.engines.vasp_standin.steps import BandForces, Ending, IonicStep
from defectflow.engines.vasp_standin.writing import (
    Outputs,
    clear,
    earlier_runs,
    write_record,
)
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from defectflow.engines.vasp_standin.poscar import Poscar

FAILURE: Final = "DEFECTFLOW_STANDIN_FAIL"
#: By so much (eV) the energy swings where no electronic convergence is wanted.
_UNCONVERGED_EV: Final = 0.1


@dataclass(frozen=True)
class Failure:
    """A failure that a test asks for.

    Attributes
    ----------
    unconverged
        The electronic steps of this run do not converge.
    stop_after
        Ionic steps after which the run stops as if STOPCAR had asked for it; 0 if it does not.
    """

    unconverged: bool = False
    stop_after: int = 0

    @classmethod
    def from_environment(cls, runs: int) -> Failure:
        """Return what the environment asks for in a folder with `runs` earlier runs.

        Raises
        ------
        EngineError
            If the variable cannot be read.
        """
        text = os.environ.get(FAILURE, "")
        kind, _, count = text.partition(":")
        if text and (kind not in {"scf", "walltime"} or not (count or "1").isdigit()):
            message = f"{FAILURE} = {text!r}: write scf:N or walltime:N with a whole number N"
            raise EngineError(message)
        if kind == "walltime":
            return cls(stop_after=int(count or 1) if runs == 0 else 0)
        return cls(unconverged=kind == "scf" and runs < int(count or 1))


class Run:
    """A calculation in a folder.

    Parameters
    ----------
    folder
        With the input files.
    say
        Takes lines for the standard output.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder = folder
        self.say = say
        clear(folder)
        self.inputs: Inputs = read_inputs(folder)
        self.computer = Computer.for_elements(self.inputs.poscar.species)
        cell_moves = self.inputs.relaxes and moves_cell(self.inputs.incar.isif)
        if cell_moves and not self.computer.has_stress:
            message = (
                f"INCAR: ISIF = {self.inputs.incar.isif} moves the cell and engine "
                f"{self.computer.label} has no stress; use ISIF = 2 or another engine"
            )
            raise EngineError(message)
        runs = earlier_runs(folder)
        self.failure = Failure.from_environment(runs)
        write_record(folder, runs + 1, self.computer, self.inputs)

    def execute(self) -> Ending:
        """Compute and write everything; return why it ended."""
        self.say(f" {PROGRAM} {VERSION}: {NOTICE}\n computed with {self.computer.label}\n")
        for sentence in self.inputs.not_given():
            self.say(f" {sentence}\n")
        if self.inputs.images:
            ending = self._relax_band()
        elif self.inputs.vibrates:
            from defectflow.engines.vasp_standin.vibrations import vibrate

            ending = vibrate(self)
        else:
            ending = self._relax()
        self.say(f"{ending.value}\n")
        return ending

    def outputs(self, folder: Path, crystal: Poscar) -> Outputs:
        """Return new output files in `folder` for `crystal`."""
        return Outputs(folder, replace(self.inputs, poscar=crystal), self.computer.label)

    def step(
        self,
        number: int,
        crystal: Poscar,
        result: Evaluation,
        begun: float,
        band: BandForces | None = None,
    ) -> IonicStep:
        """Return the ionic step of an evaluation that was `begun` at that monotonic time."""
        energies = [result.energy_eV]
        nelm = self.inputs.incar.nelm
        if self.failure.unconverged:
            swings = [_UNCONVERGED_EV * (-1) ** left for left in reversed(range(nelm))]
            energies = [result.energy_eV + swing for swing in swings]
        return IonicStep(
            number=number,
            crystal=crystal,
            result=result,
            scf_energies_eV=tuple(energies),
            scf_converged=len(energies) < nelm,
            seconds=time.monotonic() - begun,
            band=band,
        )

    def _relax(self) -> Ending:
        """Evaluate the crystal, and relax it if that is asked for."""
        incar, crystal = self.inputs.incar, self.inputs.poscar
        outputs = self.outputs(self.folder, crystal)
        atoms = crystal.to_atoms()
        self.computer.attach(atoms)
        motion = Motion(atoms, incar.isif if self.inputs.relaxes else 2)
        number = 0
        while True:
            number += 1
            begun = time.monotonic()
            result = self.computer.evaluate(atoms)
            self.say(outputs.write(self.step(number, crystal.moved(atoms), result, begun)))
            converged = self.inputs.relaxes and motion.converged(incar.ediffg)
            ending = self.ending(number, converged=converged)
            if ending is not None:
                outputs.close(ending)
                return ending
            motion.step()

    def _relax_band(self) -> Ending:
        """Relax the images between two ends; the ends get no output, as with VASP."""
        incar = self.inputs.incar
        band = Band.from_folder(self.folder, self.inputs, self.computer)
        outputs = [self.outputs(folder, crystal) for folder, crystal in band.inner()]
        number = 0
        while True:
            number += 1
            begun = time.monotonic()
            for files, (crystal, result, forces) in zip(outputs, band.evaluate(), strict=True):
                line = files.write(self.step(number, crystal, result, begun, forces))
                if files is outputs[0]:
                    self.say(line)
            converged = self.inputs.relaxes and band.converged(incar.ediffg)
            ending = self.ending(number, converged=converged)
            if ending is not None:
                for files in outputs:
                    files.close(ending)
                return ending
            band.step()

    def ending(self, number: int, *, converged: bool) -> Ending | None:
        """Return why the run ends after step `number`; None if it goes on."""
        if not self.inputs.relaxes and not self.inputs.vibrates:
            return Ending.EVALUATED
        if converged:
            return Ending.CONVERGED
        stop = self._stopcar()
        if stop is None and self.failure.stop_after == number:
            stop = Ending.SOFT_STOP
        if stop is None and self.inputs.relaxes and number >= self.inputs.incar.nsw:
            stop = Ending.OUT_OF_STEPS
        return stop

    def _stopcar(self) -> Ending | None:
        """Return what STOPCAR asks for; a writable STOPCAR is removed once it is obeyed."""
        path = self.folder / "STOPCAR"
        if not path.is_file():
            return None
        wish = Incar.from_file(path)
        if not (wish.logical("LSTOP") or wish.logical("LABORT")):
            return None
        # custodian protects the file where it wants to know later that the run was stopped
        if path.stat().st_mode & stat.S_IWUSR:
            path.unlink()
        return Ending.HARD_STOP if wish.logical("LABORT") else Ending.SOFT_STOP
