"""Vibrations by finite displacements, with any engine made of a calculator."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jobflow.core.job import Job, job

from defectflow.analysis.vibrations import modes
from defectflow.documents.base import content_key
from defectflow.documents.vibrations import VibrationsDocument
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.conversion import to_atoms
from defectflow.engines.deadline import Deadline
from defectflow.engines.displacements import Displacements
from defectflow.engines.step_maker import StepMaker
from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    from defectflow.engines.calculators import CachingCalculator, CalculatorEngine
    from defectflow.engines.request import Request

    Array = NDArray[np.float64]


def vibrations(
    request: Request, engine: CalculatorEngine, displaced: Sequence[int]
) -> VibrationsDocument:
    """Return the modes of the atoms `displaced`, by central or forward differences of forces.

    Displacements that the symmetry of the crystal tells from others are not computed.

    An interrupted run goes on from ``vibrations.checkpoint.json`` in the request's folder.

    Raises
    ------
    OutOfTime
        If another displacement may not fit into the job's wall time; the state is on disk.
    """
    begun = time.monotonic()
    key = content_key(
        "vibrations by symmetry",
        engine.stamp(),
        request.structure,
        dict(request.settings),
        [request.charge, request.moments],
        list(displaced),
    )
    checkpoint = Checkpoint(request.folder / "vibrations.checkpoint.json", key, interval_s=0.0)
    calculator = engine.caching_calculator(request)
    plan = Displacements.of(request, displaced)
    try:
        forces = _measured(request, calculator, displaced, plan, checkpoint)
        document = _document(request, engine, calculator, list(displaced), plan, forces)
        calculator.finish()
    finally:
        calculator.close()
    checkpoint.clear()
    return document.model_copy(update={"wall_time_s": time.monotonic() - begun})


def _measured(
    request: Request,
    calculator: CachingCalculator,
    displaced: Sequence[int],
    plan: Displacements,
    checkpoint: Checkpoint,
) -> dict[str, Any]:
    """Return energy and forces at rest, and the forces at each displacement, by a short name."""
    known: dict[str, Any] = checkpoint.load() or {}
    atoms = to_atoms(request.structure)
    atoms.calc = calculator
    rest = atoms.get_positions()
    deadline = Deadline(f"vibrations of {request.structure.composition.formula}")
    step = request.settings["displacement_A"]
    moves = {"rest": None, **{str(one): one for one in plan.needed}}
    for name, move in moves.items():
        if name in known:
            continue
        positions = rest.copy()
        if move is not None:
            positions[displaced[move.atom]] += step * move.direction
        atoms.set_positions(positions)
        known[name] = atoms.get_forces()[list(displaced)].tolist()
        if name == "rest":
            known["energy"] = float(atoms.get_potential_energy())
        checkpoint.save(known)
        if deadline.near() and len(known) <= len(moves):
            raise deadline.stop()
    return known


def _document(
    request: Request,
    engine: CalculatorEngine,
    calculator: CachingCalculator,
    displaced: list[int],
    plan: Displacements,
    known: dict[str, Any],
) -> VibrationsDocument:
    step = request.settings["displacement_A"]
    hessian = plan.hessian_eV_per_A2(known, step)
    masses = np.array([float(request.structure[n].specie.atomic_mass) for n in displaced])
    return VibrationsDocument(
        structure=request.structure,
        atoms=tuple(displaced),
        hessian_eV_per_A2=tuple(map(tuple, ((hessian + hessian.T) / 2).tolist())),
        asymmetry_eV_per_A2=float(np.abs(hessian - hessian.T).max()),
        energies_eV=tuple(modes(hessian, masses).energies_eV.tolist()),
        energy_eV=known["energy"],
        fmax_eV_per_A=float(np.linalg.norm(known["rest"], axis=1).max()),
        displacement_A=step,
        central_differences=plan.central,
        force_calls=1 + len(plan.needed),
        wall_time_s=0.0,
        charge=request.charge,
        inputs=calculator.inputs,
        repairs=calculator.repairs,
        engine=engine.stamp(),
    )


@dataclass
class VibrationsMaker(StepMaker):
    """Makes vibrations of some atoms of a relaxed structure: jobs that return their document.

    Where other makers name the atoms that are frozen, this one names those that are displaced.
    """

    step: ClassVar = "vibrations"

    name: str = "vibrations"

    def make(
        self,
        structure: Structure,
        displaced: Sequence[int] = (),
        charge: int = 0,
        magnetic_moments: Sequence[float] | None = None,
    ) -> Job:
        """Return the job that displaces the atoms `displaced`."""
        return super().make(structure, displaced, charge, magnetic_moments)

    @job(output_schema=VibrationsDocument)
    def calculate(
        self,
        structure: Structure,
        displaced: Sequence[int],
        charge: int,
        magnetic_moments: Sequence[float] | None,
    ) -> VibrationsDocument:
        """Do what the job does, in the working directory."""
        self.check(structure, displaced, charge, magnetic_moments)
        request = self.request(structure, charge, magnetic_moments)
        return vibrations(request, self.engine, [int(n) for n in displaced])

    def check(
        self, structure: object, displaced: object, charge: object, magnetic_moments: object | None
    ) -> None:
        """Refuse what the engine cannot serve, and a vibration of nothing."""
        super().check(structure, displaced, charge, magnetic_moments)
        if isinstance(displaced, (list, tuple)) and not displaced:
            message = "vibrations of no atom: name the indices of the atoms to displace"
            raise RecipeError(message)
