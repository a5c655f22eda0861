"""Relaxation and single evaluation with the forces of an ASE calculator, as jobflow makers."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from ase.constraints import FixSymmetry
from ase.stress import voigt_6_to_full_3x3_stress
from jobflow.core.job import job

from defectflow.documents.base import LIMITS, content_key
from defectflow.documents.steps import RelaxDocument
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.conversion import to_atoms, to_structure
from defectflow.engines.deadline import Deadline
from defectflow.engines.held_vacuum import (
    FreeCellFilter,
    filled_fraction,
    free_directions,
    free_stress,
)
from defectflow.engines.quasi_newton import QuasiNewton
from defectflow.engines.step_maker import StepMaker
from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms
    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    from defectflow.engines.calculators import CalculatorEngine
    from defectflow.engines.contract import FreeCell
    from defectflow.engines.request import Request

    Array = NDArray[np.float64]

progress = logging.getLogger("defectflow.progress")

#: Seconds between two lines of progress.
_SILENCE_S: Final = 2.0
#: Stiffness of an ordinary crystal (96 GPa). It scales strains to lengths, so that the curvature
#: along a strain is near the first guess of the curvature along a displacement. With it a cell
#: relaxes in 4-15 evaluations where ASE's scale, the number of atoms, takes 6-31.
_STIFFNESS_EV_PER_A3: Final = 0.6
#: No component of the strain changes more than this in one step.
_MAX_STRAIN: Final = 0.05


@dataclass(frozen=True)
class RelaxSettings:
    """The numbers of ``relax.yaml``.

    Attributes
    ----------
    fmax_eV_per_A
        Largest force on a free atom at the end.
    stress_max_eV_per_A3
        Largest component of the stress at the end, where the cell is free; for a cell that is
        scaled, largest pressure. In a cell with vacuum that of what it holds.
    keep_symmetry
        Project forces and stress onto the space group that the structure starts with.
    """

    fmax_eV_per_A: float
    stress_max_eV_per_A3: float
    max_steps: int
    max_step_A: float
    curvature_eV_per_A2: float
    keep_symmetry: bool

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> RelaxSettings:
        """Pick the numbers of the minimiser from those of a step."""
        return cls(**{one.name: settings[one.name] for one in fields(cls)})


class Relaxation:
    """A relaxation under way: atoms, minimiser and the history that rebuilds both.

    Parameters
    ----------
    request
        Where it starts, charge, moments, the numbers of the step, and the folder.
    engine
        Gives the forces.
    cell, frozen
        As in the maker. Across a vacuum (7 Å or more without atoms) a free cell keeps its height:
        what is between has no stress of its own, and would close.
    """

    def __init__(
        self,
        request: Request,
        engine: CalculatorEngine,
        cell: FreeCell = "fixed",
        frozen: Sequence[int] = (),
    ) -> None:
        settings = self.settings = RelaxSettings.of(request.settings)
        self.cell = cell
        self.frozen = tuple(frozen)
        self.start = request.structure
        self.atoms = to_atoms(self.start, self.frozen)
        if settings.keep_symmetry:
            constraints = [*self.atoms.constraints, _symmetry(self.atoms, self.frozen)]
            self.atoms.set_constraint(constraints)
        self.calculator = engine.caching_calculator(replace(request, stress=cell != "fixed"))
        self.atoms.calc = self.calculator
        self.target: Any = self.atoms
        self.free = free_directions(self.start, cell)
        self.filled = filled_fraction(self.start)
        volume_A3 = self.atoms.get_volume() * self.filled
        self.length_per_strain = math.sqrt(
            _STIFFNESS_EV_PER_A3 * volume_A3 / settings.curvature_eV_per_A2
        )
        if cell != "fixed":
            self.target = FreeCellFilter(
                self.atoms, self.free, self.length_per_strain, isotropic=cell == "scale"
            )
        self.minimiser = QuasiNewton(settings.curvature_eV_per_A2, settings.max_step_A)
        self.history: list[tuple[Array, Array]] = []
        self.earlier_calls = 0
        self.earlier_time_s = 0.0
        self.begun = time.monotonic()

    @property
    def force_calls(self) -> int:
        """Evaluations so far, those of interrupted runs included."""
        return self.earlier_calls + self.calculator.evaluations

    @property
    def wall_time_s(self) -> float:
        """Seconds so far, those of interrupted runs included."""
        return self.earlier_time_s + time.monotonic() - self.begun

    def fmax(self) -> float:
        """Return the largest force on a free atom, eV/Å."""
        return float(np.linalg.norm(self.atoms.get_forces(), axis=1).max())

    def converged(self) -> bool:
        """Tell whether forces and, where the cell is free, the stress are below threshold."""
        if self.fmax() >= self.settings.fmax_eV_per_A:
            return False
        left, limit = self.stress()
        return left is None or left < limit

    def stress(self) -> tuple[float | None, float]:
        """Return the largest stress on what is free of the cell, if any, and its limit, eV/Å³."""
        limit = self.settings.stress_max_eV_per_A3
        if self.cell == "fixed":
            return None, limit
        stress = self.atoms.get_stress(voigt=False)
        on_free = free_stress(stress, self.free, isotropic=self.cell == "scale")
        return float(np.abs(on_free).max() / self.filled), limit

    def step(self) -> None:
        """Move once along the minimiser's next step."""
        positions, forces = self.target.get_positions(), self.target.get_forces()
        self.history.append((positions.copy(), forces.copy()))
        moves = self.minimiser.step(positions, forces)
        if self.cell != "fixed":
            strain = float(np.abs(moves[-3:]).max()) / self.length_per_strain
            moves = moves * min(1.0, _MAX_STRAIN / strain) if strain > 0 else moves
        self.target.set_positions(positions + moves)

    def state(self) -> dict[str, Any]:
        """Return what `resume` needs, in plain JSON types."""
        return {
            "positions": self.target.get_positions().tolist(),
            "history": [[x.tolist(), f.tolist()] for x, f in self.history],
            "force_calls": self.force_calls,
            "wall_time_s": self.wall_time_s,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go to where an earlier run of the same relaxation was."""
        self.history = [(np.array(x), np.array(f)) for x, f in state["history"]]
        for positions, forces in self.history:
            self.minimiser.learn(positions, forces)
        self.target.set_positions(np.array(state["positions"]))
        self.earlier_calls = int(state["force_calls"])
        self.earlier_time_s = float(state["wall_time_s"])

    def run(self, checkpoint: Checkpoint) -> bool:
        """Step until converged or out of steps; return whether it converged.

        Raises
        ------
        OutOfTime
            If another step may not fit into the job's wall time; the state is on disk.
        """
        earlier = checkpoint.load()
        if earlier is not None:
            self.resume(earlier)
            progress.info("%s goes on at step %d", self._label(), len(self.history))
        spoken = time.monotonic()
        deadline = Deadline(self._label())
        while not self.converged():
            if len(self.history) >= self.settings.max_steps:
                return False
            late = deadline.near()
            self.step()
            if late or checkpoint.due():
                checkpoint.save(self.state())
            if late:
                raise deadline.stop()
            if time.monotonic() - spoken > _SILENCE_S:
                spoken = time.monotonic()
                progress.info(
                    "%s: step %d, largest force %.3f eV/Å (threshold %.3f)",
                    self._label(),
                    len(self.history),
                    self.fmax(),
                    self.settings.fmax_eV_per_A,
                )
        return True

    def _label(self) -> str:
        return f"relaxing {self.start.composition.formula.replace(' ', '')}"


def _symmetry(atoms: Atoms, frozen: Sequence[int]) -> FixSymmetry:
    """Return the constraint to the symmetry of `atoms`, which are made exactly symmetric.

    With frozen atoms to the operations alone that lay frozen atoms onto frozen ones: others would
    move them. All atoms then begin where they are.
    """
    if not frozen:
        return FixSymmetry(atoms)
    bare = atoms.copy()
    bare.set_constraint()
    symmetry = FixSymmetry(bare)
    fixed = np.zeros(len(atoms), dtype=bool)
    fixed[list(frozen)] = True
    kept = [k for k, places in enumerate(symmetry.symm_map) if (fixed[places] == fixed).all()]
    for name in ("rotations", "translations", "symm_map"):
        setattr(symmetry, name, [getattr(symmetry, name)[k] for k in kept])
    return symmetry


def relax(
    request: Request,
    engine: CalculatorEngine,
    cell: FreeCell = "fixed",
    frozen: Sequence[int] = (),
) -> RelaxDocument:
    """Relax the structure of `request`; atoms in `frozen` keep their position.

    An interrupted run goes on from ``relax.checkpoint.json`` in the request's folder, if that file
    is of the same calculation. Running out of steps is not an error: the document says
    ``converged=False``, and the same call with more of them goes on.
    """
    relaxation = Relaxation(request, engine, cell, frozen)
    key = content_key(
        "relax",
        engine.stamp(),
        request.structure,
        dict(request.settings),
        [request.charge, request.moments],
        cell,
        list(frozen),
        without=LIMITS,
    )
    checkpoint = Checkpoint(request.folder / "relax.checkpoint.json", key)
    try:
        converged = relaxation.run(checkpoint)
        document = RelaxDocument(
            **results_of(relaxation.atoms, request, engine),
            **stress_fields(*relaxation.stress()),
            fmax_eV_per_A=relaxation.fmax(),
            force_threshold_eV_per_A=relaxation.settings.fmax_eV_per_A,
            converged=converged,
            steps=len(relaxation.history),
            force_calls=relaxation.force_calls,
            wall_time_s=relaxation.wall_time_s,
            cell=cell,
            frozen=tuple(frozen),
        )
        relaxation.calculator.finish()
    finally:
        relaxation.calculator.close()
    if converged:
        checkpoint.clear()
    else:
        checkpoint.save(relaxation.state())
    return document


def stress_fields(left: float | None, limit: float) -> dict[str, float]:
    """Return the fields of a document that say how far a free cell is from rest, eV/Å³."""
    if left is None:
        return {}
    return {"stress_left_eV_per_A3": left, "stress_threshold_eV_per_A3": limit}


def results_of(atoms: Atoms, request: Request, engine: CalculatorEngine) -> dict[str, Any]:
    """Return the fields of a document that come from the calculator, in eV and Å."""
    forces = atoms.get_forces(apply_constraint=False)
    stress = atoms.calc.results.get("stress")
    moments = atoms.calc.results.get("magmoms")
    structure = to_structure(atoms, request.structure)
    if moments is not None:
        structure.add_site_property("magmom", np.asarray(moments).tolist())
    return {
        "structure": structure,
        "energy_eV": atoms.calc.results["energy"],
        "forces_eV_per_A": forces.tolist(),
        "stress_eV_per_A3": None if stress is None else voigt_6_to_full_3x3_stress(stress).tolist(),
        "magnetic_moments": None if moments is None else tuple(np.asarray(moments).tolist()),
        "site_potentials_V": atoms.calc.site_potentials_V(),
        "charge": request.charge,
        "inputs": atoms.calc.inputs,
        "repairs": atoms.calc.repairs,
        "engine": engine.stamp(),
    }


@dataclass
class RelaxMaker(StepMaker):
    """Makes relaxations with a calculator engine.

    Attributes
    ----------
    cell
        What is free beside the atoms: nothing (``fixed``), the whole cell (``relax``), its volume
        (``scale``) or its height across the plane of its first two vectors (``height``).

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> maker = engine("emt").relax_maker(cell="scale", fmax_eV_per_A=0.02)
    >>> maker.name, maker.cell, maker.settings["fmax_eV_per_A"]
    ('relax', 'scale', 0.02)
    """

    step: ClassVar = "relax"

    name: str = "relax"
    cell: FreeCell = "fixed"

    @job(output_schema=RelaxDocument)
    def calculate(
        self,
        structure: Structure,
        frozen: Sequence[int],
        charge: int,
        magnetic_moments: Sequence[float] | None,
    ) -> RelaxDocument:
        """Do what the job does: relax `structure` in the working directory."""
        self.check(structure, frozen, charge, magnetic_moments)
        request = self.request(structure, charge, magnetic_moments)
        return relax(request, self.engine, self.cell, frozen)

    def check(
        self, structure: object, frozen: object, charge: object, magnetic_moments: object | None
    ) -> None:
        """Refuse what the engine cannot serve, and atoms frozen in a cell that moves."""
        super().check(structure, frozen, charge, magnetic_moments)
        if self.cell != "fixed" and isinstance(frozen, (list, tuple)) and frozen:
            message = (
                f"relaxation with cell: {self.cell} and {len(frozen)} frozen atoms: a position "
                "cannot be kept while the cell moves; use cell: fixed or freeze nothing"
            )
            raise RecipeError(message)
