"""The ASE calculator that asks GPAW: SCF ladder, state for a restart, results."""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from ase.calculators.calculator import Calculator, all_changes

from defectflow.documents.base import content_key
from defectflow.engines import gpaw_process
from defectflow.engines.checkpoint import Checkpoint
from defectflow.errors import EngineError, NotConverged, StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

progress = logging.getLogger("defectflow.progress")

#: Writing the state takes at most this part of the time.
_SAVING_SHARE: Final = 0.05
#: A first evaluation that is cheaper than this is cheaper to repeat than to keep.
_WORTH_KEEPING_S: Final = 10.0
#: Occupations add up to the number of electrons within this.
_ELECTRONS: Final = 1e-3


@dataclass(frozen=True)
class GpawTask:
    """What one calculator computes with.

    Attributes
    ----------
    keywords
        Of GPAW, beside the atoms.
    ladder
        What is changed, one after the other, when the SCF does not converge; each rung as in
        ``electrons.yaml``.
    moments
        Starting moments by atom; None without spin.
    folder
        For the text and the state of an unfinished calculation.
    inputs
        What the document of the result says of the input.
    """

    keywords: dict[str, Any]
    ladder: tuple[Mapping[str, Any], ...]
    moments: tuple[float, ...] | None
    folder: Path
    inputs: dict[str, Any] = field(default_factory=dict)


class GpawCalculator(Calculator):
    """Energies, forces and stresses of one series of similar geometries.

    Results: ``energy`` is extrapolated to zero smearing width, ``free_energy`` is the one whose
    derivatives the forces are; both in eV relative to GPAW's reference atoms. Moments are those
    inside the PAW spheres.

    Parameters
    ----------
    task
        What to compute with.

    Attributes
    ----------
    inputs, repairs
        What GPAW was given, and what was changed in order to converge.
    scf_steps
        Number of SCF steps of each evaluation so far.

    Raises
    ------
    EngineError
        If GPAW cannot be started or ends unexpectedly.
    """

    name: ClassVar[str] = "gpaw"
    implemented_properties = [  # noqa: RUF012 - as the base class has it
        "energy",
        "free_energy",
        "forces",
        "stress",
        "magmoms",
    ]

    def __init__(self, task: GpawTask) -> None:
        Calculator.__init__(self)
        self.task = task
        self.inputs = dict(task.inputs)
        self.repairs: list[str] = []
        self.scf_steps: list[int] = []
        self.finished = False
        self._program: gpaw_process.GpawProcess | None = None
        self._id = uuid.uuid4().hex
        self._symmetry_broken = 0
        self._unsaved = False
        self._saved_at = time.monotonic()
        self._saving_s = 0.0
        self.state_file = task.folder / "gpaw.restart.gpw"
        self._rung = -1

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
        StructureError
            If atoms overlap.
        """
        Calculator.calculate(self, atoms, properties, system_changes)
        begun = time.monotonic()
        wanted = [name for name in ("forces", "stress") if name in properties]
        answer = self._evaluate(wanted)
        while not answer["converged"]:
            answer = self._climb(wanted)
        self.scf_steps.append(answer["steps"])
        self._note_symmetry(answer["symmetry_broken"])
        self._check_electrons(answer["electrons"])
        self.results = {
            name: np.array(answer[name]) if isinstance(answer[name], list) else answer[name]
            for name in ("energy", "free_energy", "magmoms", *wanted)
        }
        if self.task.moments is None:
            del self.results["magmoms"]
        self._unsaved = True
        self._save_if_due(time.monotonic() - begun)

    def density_of_states(
        self, energies_eV: Sequence[float], width_eV: float, bands: int
    ) -> dict[str, Any]:
        """Return the server's answer for the geometry of the last evaluation.

        Raises
        ------
        NotConverged
            If the empty bands do not converge.
        """
        answer = self._ask(
            "density_of_states", energies=list(energies_eV), width=width_eV, bands=bands
        )
        if not answer["converged"]:
            message = (
                f"GPAW: the lowest {bands} bands did not converge; see "
                f"{self.task.folder / 'gpaw.txt'}, or lower bands_factor"
            )
            raise NotConverged(message)
        return answer

    def finish(self) -> None:
        """Remove what only an interrupted run would need."""
        self.finished = True
        self.state_file.unlink(missing_ok=True)
        self._checkpoint().clear()

    def close(self) -> None:
        """End this calculation; keep its state if it is not finished."""
        program, self._program = self._program, None
        if program is None:
            return
        try:
            if program.alive:
                if self._unsaved and not self.finished:
                    self._save(program)
                program.ask("close", self._id)
        finally:
            gpaw_process.release(program)

    def _evaluate(self, wanted: list[str]) -> dict[str, Any]:
        answer = self._ask("evaluate", **self._geometry(), wanted=wanted)
        if "refused" in answer:
            assert self.atoms is not None  # noqa: S101 - set by the base class
            message = f"GPAW refuses {self.atoms.get_chemical_formula()}: {answer['refused']}"
            raise StructureError(message)
        return answer

    def _geometry(self) -> dict[str, Any]:
        assert self.atoms is not None  # noqa: S101 - set by the base class
        return {"positions": self.atoms.positions.tolist(), "cell": self.atoms.cell.tolist()}

    def _ask(self, verb: str, **content: object) -> dict[str, Any]:
        if self._program is None:
            self._program = gpaw_process.start()
            self._program.ask("setup", self._id, **self._setup())
        return self._program.ask(verb, self._id, **content)

    def _setup(self) -> dict[str, Any]:
        assert self.atoms is not None  # noqa: S101 - set by the base class
        folder = self.task.folder
        folder.mkdir(parents=True, exist_ok=True)
        known = self._checkpoint().load() is not None and self.state_file.is_file()
        if not known:
            self.state_file.unlink(missing_ok=True)
        self._checkpoint().save({"file": self.state_file.name})
        return {
            "folder": str(folder),
            "keywords": self.task.keywords,
            "numbers": self.atoms.numbers.tolist(),
            "pbc": self.atoms.pbc.tolist(),
            "moments": self.task.moments,
            "restart": str(self.state_file) if known else None,
            **self._geometry(),
        }

    def _checkpoint(self) -> Checkpoint:
        """Return the mark that says of which calculation the saved wave functions are."""
        numbers = self.atoms.numbers.tolist() if self.atoms is not None else []
        key = content_key("gpaw", self.task.keywords, list(self.task.moments or ()), numbers)
        return Checkpoint(self.task.folder / "gpaw.restart.json", key)

    def _save_if_due(self, evaluation_s: float) -> None:
        """Save the state if that takes little of the time it would save."""
        if self._program is None:
            return
        passed_s = time.monotonic() - self._saved_at
        first = self._saving_s == 0.0 and evaluation_s > _WORTH_KEEPING_S
        if first or 0.0 < self._saving_s < _SAVING_SHARE * passed_s:
            self._save(self._program)

    def _save(self, program: gpaw_process.GpawProcess) -> None:
        begun = time.monotonic()
        program.ask("save", self._id, path=str(self.state_file))
        self._saved_at = time.monotonic()
        self._saving_s = self._saved_at - begun
        self._unsaved = False

    def _climb(self, wanted: list[str]) -> dict[str, Any]:
        """Take the next rung of the ladder and go on from the density that there is."""
        self._rung += 1
        if self._rung >= len(self.task.ladder):
            assert self.atoms is not None  # noqa: S101 - set by the base class
            tried = "; ".join(self.repairs) or "there is no other"
            message = (
                f"GPAW: the SCF of {self.atoms.get_chemical_formula()} did not converge in "
                f"{self.task.keywords['maxiter']} steps, nor after what was tried: {tried}; see "
                f"{self.task.folder / 'gpaw.txt'}, give better starting moments or raise "
                "smearing_eV"
            )
            raise NotConverged(message)
        rung = self.task.ladder[self._rung]
        steps = round(self.task.keywords["maxiter"] * rung.get("steps_factor", 1.0))
        changes = {key: rung[key] for key in ("mixer", "eigensolver") if key in rung}
        factor = rung.get("smearing_factor", 1.0)
        if factor != 1.0:
            wide = self._occupations(factor)
            self._ask("change", keywords=changes | {"occupations": wide}, max_steps=steps)
            loose = self._evaluate([])
            self._note(rung, f"smearing times {factor:g} first, then as asked for")
            changes = {"occupations": self._occupations(1.0)}
            if not loose["converged"]:
                progress.info("GPAW: no convergence with the wide smearing either")
        else:
            self._note(rung, "")
        self._ask("change", keywords=changes, max_steps=steps)
        return self._evaluate(wanted)

    def _occupations(self, factor: float) -> dict[str, Any]:
        asked: dict[str, Any] = self.task.keywords["occupations"]
        return asked | {"width": factor * asked["width"]}

    def _note(self, rung: Mapping[str, Any], smearing: str) -> None:
        parts = [smearing] if smearing else []
        for key in ("mixer", "eigensolver"):
            if key in rung:
                before = self._words(self._current(key))
                parts.append(f"{key} {before} -> {self._words(rung[key])}")
        if rung.get("steps_factor", 1.0) != 1.0:
            parts.append(f"steps times {rung['steps_factor']:g}")
        text = f"SCF did not converge in {self.task.keywords['maxiter']} steps: {', '.join(parts)}"
        self.repairs.append(text)
        progress.info("GPAW: %s", text)

    def _current(self, key: str) -> Mapping[str, Any]:
        earlier = [rung[key] for rung in self.task.ladder[: self._rung] if key in rung]
        current: Mapping[str, Any] = earlier[-1] if earlier else self.task.keywords[key]
        return current

    @staticmethod
    def _words(values: Mapping[str, Any]) -> str:
        name = str(values.get("name", "default"))
        rest = " ".join(f"{key} {value:g}" for key, value in values.items() if key != "name")
        return f"{name} {rest}".strip()

    def _check_electrons(self, occupied: float) -> None:
        asked = self.inputs.setdefault("valence_electrons", occupied)
        if abs(asked - occupied) > _ELECTRONS:
            message = (
                f"GPAW occupied {occupied:.4f} states where {asked:g} valence electrons were asked "
                f"for; see {self.task.folder / 'gpaw.txt'}"
            )
            raise EngineError(message)

    def _note_symmetry(self, broken: int) -> None:
        if broken > self._symmetry_broken:
            self._symmetry_broken = broken
            progress.info("GPAW: the atoms left their symmetry, which was determined anew")
