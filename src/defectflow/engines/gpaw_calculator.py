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
from defectflow.engines.gpaw_ladder import ScfLadder
from defectflow.engines.gpaw_state import SavedState
from defectflow.errors import EngineError, NotConverged, StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

progress = logging.getLogger("defectflow.progress")

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

    def periodic(self, pbc: list[bool]) -> list[bool]:
        """Return the periodic directions; GPAW has the step of a dipole correction in the other."""
        return [True, True, False] if "poissonsolver" in self.keywords else pbc


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
    inputs
        What GPAW was given.
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
        self.scf_steps: list[int] = []
        self._ladder = ScfLadder(task.keywords, task.ladder)
        self._program: gpaw_process.GpawProcess | None = None
        self._id = uuid.uuid4().hex
        self._state: SavedState | None = None
        self._symmetry_broken = 0

    @property
    def repairs(self) -> list[str]:
        """What was changed in order to converge."""
        return self._ladder.repairs

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
            answer = self._climb(wanted, diverged=answer["diverged"])
        self.scf_steps.append(answer["steps"])
        self._note_symmetry(answer["symmetry_broken"])
        self._check_electrons(answer["electrons"])
        self.results = {
            name: np.array(answer[name]) if isinstance(answer[name], list) else answer[name]
            for name in ("energy", "free_energy", "magmoms", *wanted)
        }
        if self.task.moments is None:
            del self.results["magmoms"]
        assert self._state is not None  # noqa: S101 - made with the first question
        self._state.computed(time.monotonic() - begun)

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

    def site_potentials_V(self) -> tuple[float, ...]:
        """Return the electrostatic potential at each atom, V, in the geometry evaluated last."""
        return tuple(self._ask("site_potentials")["potentials"])

    def potential_profile_eV(self) -> list[float]:
        """Return the electrostatic potential energy of an electron, averaged over planes."""
        profile: list[float] = self._ask("potential_profile")["profile"]
        return profile

    def all_electron_density_per_A3(self, refinement: int) -> np.ndarray:
        """Return the density of all electrons on a grid that many times as fine as the own one."""
        path = self.task.folder / "density.npy"
        self._ask("all_electron_density", path=str(path), refinement=refinement)
        density: np.ndarray = np.load(path, allow_pickle=False)
        path.unlink()
        return density

    def finish(self) -> None:
        """Remove what only an interrupted run would need."""
        if self._state is not None:
            self._state.remove()

    def close(self) -> None:
        """End this calculation; keep its state if it is not finished."""
        program = self._program
        if program is None:
            return
        try:
            if program.alive:
                if self._state is not None:
                    self._state.write()
                program.ask("close", self._id)
        finally:
            self._program = None
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
        """Return what GPAW starts with: the input and, if there is one, the state kept."""
        assert self.atoms is not None  # noqa: S101 - set by the base class
        task, numbers = self.task, self.atoms.numbers.tolist()
        task.folder.mkdir(parents=True, exist_ok=True)
        key = content_key("gpaw", task.keywords, list(task.moments or ()), numbers)
        self._state = SavedState(task.folder, key, lambda path: self._ask("save", path=str(path)))
        earlier = self._state.open()
        return {
            "folder": str(task.folder),
            "keywords": task.keywords,
            "numbers": numbers,
            "pbc": task.periodic(self.atoms.pbc.tolist()),
            "moments": task.moments,
            "restart": str(earlier) if earlier else None,
            **self._geometry(),
        }

    def _climb(self, wanted: list[str], *, diverged: bool) -> dict[str, Any]:
        """Take the next rung of the ladder and go on from the density that there is."""
        stages = self._ladder.climb(diverged=diverged)
        if not stages:
            assert self.atoms is not None  # noqa: S101 - set by the base class
            tried = "; ".join(self.repairs) or "there is no other"
            message = (
                f"GPAW: the SCF of {self.atoms.get_chemical_formula()} did not converge in "
                f"{self.task.keywords['maxiter']} steps, nor after what was tried: {tried}; see "
                f"{self.task.folder / 'gpaw.txt'}, give better starting moments or raise "
                "smearing_eV"
            )
            raise NotConverged(message)
        answer: dict[str, Any] = {}
        for changes, steps in stages:
            self._ask("change", keywords=changes, max_steps=steps)
            answer = self._evaluate(wanted)
        return answer

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
