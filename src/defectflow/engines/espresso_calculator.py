"""The ASE calculator that runs pw.x: SCF ladder, interrupted runs, wall time, results."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from defectflow.documents.base import content_key
from defectflow.engines import espresso_program as program
from defectflow.engines import programs
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.deadline import Deadline, time_left_s
from defectflow.engines.espresso_density import Geometry, carry_density
from defectflow.engines.espresso_input import OUTPUT_FOLDER, PREFIX, RunControl, pw_input
from defectflow.engines.espresso_output import (
    Failure,
    PwResult,
    failure,
    moments_of_atoms,
    read_result,
)
from defectflow.errors import DefectflowError, EngineError, NotConverged, OutOfTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

    from defectflow.engines.electrons import ElectronicInput
    from defectflow.engines.espresso_pseudos import Pseudopotential

progress = logging.getLogger("defectflow.progress")

_FOLDER: Final = "espresso"
_FACTOR: Final = "max_scf_steps_factor"
#: pw.x stops so many seconds before the end of the wall time, to write its state and for ours.
_CLOSING_S: Final = 30.0


@dataclass(frozen=True)
class PwTask:
    """What one calculator computes with.

    Attributes
    ----------
    pseudos
        By element.
    numbers
        pw.x's own keys of ``electrons.yaml``.
    folder
        Of the request; pw.x works in a folder below it.
    inputs
        What the document of the result says of the input.
    """

    electrons: ElectronicInput
    pseudos: Mapping[str, Pseudopotential]
    numbers: Mapping[str, Any]
    version: str
    folder: Path
    inputs: dict[str, Any] = field(default_factory=dict)


class PwCalculator(Calculator):
    """Energies, forces and stresses of one series of similar geometries, from runs of pw.x.

    Results: ``energy`` is extrapolated to zero smearing width, ``free_energy`` is the one whose
    derivatives the forces are; both in eV relative to the pseudo-atoms' electrons and cores at
    infinity. ``magmoms`` are those inside pw.x's spheres around the atoms.

    Each geometry starts from the wave functions of the one before, and from its density carried
    along with the atoms. Density and wave functions of an
    interrupted run are taken up if they are of the same calculation.

    Attributes
    ----------
    inputs, repairs
        What pw.x was given, and what was changed in order to converge.
    scf_steps
        Number of SCF steps of each evaluation so far.
    """

    name = "espresso"

    def __init__(self, task: PwTask) -> None:
        Calculator.__init__(self)
        self.implemented_properties = ["energy", "free_energy", "forces", "stress", "magmoms"]
        self.task = task
        self.inputs = dict(task.inputs)
        self.repairs: list[str] = []
        self.scf_steps: list[int] = []
        self.folder = task.folder / _FOLDER
        self._rung = 0
        self._made_folder = not task.folder.exists()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate `atoms` once, climbing the SCF ladder if need be.

        Raises
        ------
        NotConverged
            If the last rung of the ladder does not converge either.
        OutOfTime
            If pw.x had to stop before the end of the wall time; its state is kept.
        EngineError
            If pw.x does not start, or ends with another error.
        """
        Calculator.calculate(self, atoms, properties, system_changes)
        result = self.converge("stress" in properties)
        self.results = {
            "energy": result.energy_eV,
            "free_energy": result.free_energy_eV,
            "forces": result.forces_eV_per_A,
        }
        if "stress" in properties:
            self.results["stress"] = result.stress_eV_per_A3
        if self.task.electrons.spin:
            text = (self.folder / "pw.out").read_text(encoding="utf-8", errors="replace")
            moments = moments_of_atoms(text)
            if moments is not None:
                self.results["magmoms"] = moments
            self.inputs["total_moment"] = result.total_moment
        self.inputs["valence_electrons"] = result.electrons
        self.inputs["kpoints_computed"] = result.kpoints

    def converge(self, stress: bool) -> PwResult:  # noqa: FBT001 - one flag, named at the call
        """Run pw.x on the present geometry until it converges."""
        self.folder.mkdir(parents=True, exist_ok=True)
        run = self._start(RunControl(stress=stress))
        self._state().save(self._geometry().to_dict())
        while True:
            text, error = self.run_pw(run)
            if "JOB DONE" in text and "convergence has been achieved" in text:
                break
            run = self._after(*failure(text, error), run)
        result = read_result(self.folder / OUTPUT_FOLDER / f"{PREFIX}.xml", self._smearing)
        self.scf_steps.append(result.scf_steps)
        return result

    def run_pw(self, run: RunControl) -> tuple[str, str]:
        """Write the input, run pw.x once; return its output and its error stream."""
        left_s = time_left_s()
        if left_s is not None:
            run = replace(run, max_seconds=round(max(1.0, left_s - _CLOSING_S), 1))
        built = pw_input(
            self._atoms,
            self._electrons(),
            self.task.pseudos,
            self._numbers(),
            version=program.version_numbers(self.task.version),
            run=run,
        )
        (self.folder / "pw.in").write_text(built.text(), encoding="utf-8")
        words = programs.command("pw.x", remedy=program.REMEDY)
        words += [*program.pool_words(self.task.electrons.kpoints), "-in", "pw.in"]
        text, error, _ = program.run(words, self.folder, "pw", timeout_s=None)
        return text, error

    @property
    def data_folder(self) -> Path:
        """Where pw.x keeps density and wave functions."""
        return self.folder / OUTPUT_FOLDER / f"{PREFIX}.save"

    def finish(self) -> None:
        """Remove what only an interrupted run would need: the calculation is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._made_folder:
            with contextlib.suppress(OSError):
                self.task.folder.rmdir()

    def close(self) -> None:
        """Keep the files of an unfinished calculation, the large ones only if they can be used."""
        problem = sys.exc_info()[1]
        if isinstance(problem, DefectflowError) and not isinstance(problem, OutOfTime):
            shutil.rmtree(self.folder / OUTPUT_FOLDER, ignore_errors=True)

    @property
    def _atoms(self) -> Atoms:
        return cast("Atoms", self.atoms)

    @property
    def _smearing(self) -> str:
        return self.task.electrons.smearing

    def _geometry(self) -> Geometry:
        return Geometry(np.array(self._atoms.cell), self._atoms.get_scaled_positions(wrap=False))

    def _start(self, run: RunControl) -> RunControl:
        """Return `run` with what it can start from: files of an earlier run, moved to here."""
        saved = self._state().load() if self.data_folder.is_dir() else None
        if saved is None:
            shutil.rmtree(self.folder / OUTPUT_FOLDER, ignore_errors=True)
            return run
        old, new = Geometry.from_dict(saved), self._geometry()
        symbols = self._atoms.get_chemical_symbols()
        fits = old == new or carry_density(self.data_folder, symbols, self.task.pseudos, old, new)
        return replace(run, waves_from_file=True, density_from_file=fits)

    def _state(self) -> Checkpoint:
        """Return the mark that says of which calculation the saved files are."""
        task = self.task
        record = task.electrons.record() | {"energy_eV": None, "max_scf_steps": None}
        files = {element: one.record() for element, one in task.pseudos.items()}
        symbols = self._atoms.get_chemical_symbols()
        key = content_key("espresso", task.version, record, files, symbols)
        return Checkpoint(self.folder / "state.json", key)

    def _numbers(self) -> dict[str, Any]:
        """Return pw.x's own numbers on the present rung of the ladder."""
        numbers = dict(self.task.numbers)
        for rung in self.task.numbers["scf_ladder"][: self._rung]:
            numbers |= rung
        return numbers

    def _electrons(self) -> ElectronicInput:
        electrons = self.task.electrons
        steps = round(electrons.max_scf_steps * self._numbers().get(_FACTOR, 1.0))
        return replace(electrons, max_scf_steps=steps)

    def _after(self, cause: Failure, words: str, run: RunControl) -> RunControl:
        """Return how to run pw.x after a failure.

        Raises
        ------
        DefectflowError
            If there is nothing left to try.
        """
        formula = self._atoms.get_chemical_formula()
        if cause == "time":
            raise Deadline(f"SCF of {formula} with pw.x").stop()
        warm = run.waves_from_file or run.density_from_file
        if warm and cause in {"restart", "diagonalization", "other"}:
            # The k-points of the files differ where the symmetry has changed; a broken file is of
            # a killed run. Neither is a repair: another start gives the same numbers.
            progress.info("pw.x: starts without the wave functions of before (%s)", words)
            if run.waves_from_file:
                return replace(run, waves_from_file=False)
            shutil.rmtree(self.folder / OUTPUT_FOLDER, ignore_errors=True)
            return replace(run, density_from_file=False)
        if cause in {"scf", "diagonalization"}:
            self._climb(cause, words)
            shutil.rmtree(self.folder / OUTPUT_FOLDER, ignore_errors=True)
            return replace(run, waves_from_file=False, density_from_file=False)
        remedy = "look at pw.in and pw.out there"
        if cause == "start":
            remedy = "check DEFECTFLOW_DFT_PROCESSES, DEFECTFLOW_MPI_COMMAND and " + remedy
        message = f"pw.x on {formula} in {self.folder}: {words}; {remedy}"
        raise EngineError(message)

    def _climb(self, cause: Failure, words: str) -> None:
        """Take the next rung of the ladder and write down what changes."""
        ladder = self.task.numbers["scf_ladder"]
        before, steps = self._numbers(), self._electrons().max_scf_steps
        what = f"SCF did not converge in {steps} steps" if cause == "scf" else words
        if self._rung == len(ladder):
            tried = "; ".join(self.repairs) or "nothing"
            message = (
                f"pw.x on {self._atoms.get_chemical_formula()}: {what}, also after: {tried}; see "
                f"{self.folder / 'pw.out'}, give better starting moments or raise smearing_eV"
            )
            raise NotConverged(message)
        self._rung += 1
        after = self._numbers()
        changes = [
            f"{key} {before[key]} -> {value}"
            for key, value in after.items()
            if key != _FACTOR and before[key] != value
        ]
        changes.append(f"max_scf_steps {steps} -> {self._electrons().max_scf_steps}")
        text = f"{what}: {', '.join(changes)}"
        self.repairs.append(text)
        progress.info("pw.x: %s", text)
