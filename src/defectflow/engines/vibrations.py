"""Vibrations by finite displacements, with any engine made of a calculator."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from jobflow.core.job import Job, job

from defectflow.analysis.thermochemistry import imaginary_modes_eV
from defectflow.analysis.vibrations import SOFTEST_EV, modes
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

#: Along a mode atoms move so many times as far as along an axis.
_FARTHER: Final = 5.0
#: Imaginary modes softer than this (eV) may come from noise; harder ones do not.
_DOUBTFUL_EV: Final = SOFTEST_EV


def vibrations(
    request: Request, engine: CalculatorEngine, displaced: Sequence[int]
) -> VibrationsDocument:
    """Return the modes of the atoms `displaced`, by central or forward differences of forces.

    Displacements that the symmetry of the crystal tells from others are not computed. A soft
    mode that comes out imaginary is measured again by central differences along itself, farther
    out: it may be so by noise of the forces, or by what forward differences take from stiff
    directions.

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
        measured = _Measured(request, calculator, list(displaced), checkpoint)
        document = _document(request, engine, plan, measured)
        calculator.finish()
    finally:
        calculator.close()
    checkpoint.clear()
    return document.model_copy(update={"wall_time_s": time.monotonic() - begun})


class _Measured:
    """Energy and forces at rest, and the forces at each displacement, by a short name."""

    def __init__(
        self,
        request: Request,
        calculator: CachingCalculator,
        displaced: list[int],
        checkpoint: Checkpoint,
    ) -> None:
        self.displaced, self.calculator, self.checkpoint = displaced, calculator, checkpoint
        self.known: dict[str, Any] = checkpoint.load() or {}
        self.atoms = to_atoms(request.structure)
        self.atoms.calc = calculator
        self.rest = self.atoms.get_positions()
        self.deadline = Deadline(f"vibrations of {request.structure.composition.formula}")
        if "rest" not in self.known:
            forces = self.atoms.get_forces()[displaced].tolist()
            energy = float(self.atoms.get_potential_energy())
            self.known |= {"rest": forces, "energy": energy}
            checkpoint.save(self.known)

    @property
    def calls(self) -> int:
        """Evaluations so far; the energy is no other one."""
        return len(self.known) - 1

    def at(self, name: str, places: int | slice, moves_A: Array) -> Array:
        """Return the forces (eV/Å) where some of the displaced atoms have moved."""
        if name not in self.known:
            if self.deadline.near():
                raise self.deadline.stop()
            positions = self.rest.copy()
            positions[self.displaced[places]] += moves_A
            self.atoms.set_positions(positions)
            self.known[name] = self.atoms.get_forces()[self.displaced].tolist()
            self.checkpoint.save(self.known)
        return np.array(self.known[name])


def _along_doubtful_modes(
    measured: _Measured, hessian: Array, masses: Array, step_A: float
) -> tuple[Array, tuple[float, ...]]:
    """Return the Hessian after its doubtful modes were measured along themselves, and these.

    The change is the smallest one that gives what was measured (M. J. D. Powell's symmetric form
    of Broyden's update: J. Nocedal and S. J. Wright, Numerical Optimization, 2006, exercise 6.7).
    """
    hessian = (hessian + hessian.T) / 2
    found = modes(hessian, masses)
    wrong = {
        number: energy
        for number, energy in enumerate(imaginary_modes_eV(found.energies_eV))
        if energy > -_DOUBTFUL_EV
    }
    for number in wrong:
        along = _FARTHER * step_A * found.moves[number]
        there, back = (
            measured.at(f"mode {number} {sign}", slice(None), move)
            for sign, move in (("+", along), ("-", -along))
        )
        way, change = along.ravel(), (back - there).ravel() / 2
        left = change - hessian @ way
        square = float(way @ way)
        hessian = hessian + (np.outer(left, way) + np.outer(way, left)) / square
        hessian -= np.outer(way, way) * float(left @ way) / square**2
    return hessian, tuple(wrong.values())


def _document(
    request: Request, engine: CalculatorEngine, plan: Displacements, measured: _Measured
) -> VibrationsDocument:
    step, atoms = request.settings["displacement_A"], measured.displaced
    for one in plan.needed:
        measured.at(str(one), one.atom, step * one.direction)
    hessian = plan.hessian_eV_per_A2(measured.known, step)
    masses = np.array([float(request.structure[n].specie.atomic_mass) for n in atoms])
    mended, wrong = _along_doubtful_modes(measured, hessian, masses, step)
    return VibrationsDocument(
        structure=request.structure,
        atoms=tuple(atoms),
        hessian_eV_per_A2=tuple(map(tuple, mended.tolist())),
        asymmetry_eV_per_A2=float(np.abs(hessian - hessian.T).max()),
        energies_eV=tuple(modes(mended, masses).energies_eV.tolist()),
        measured_again_eV=wrong,
        energy_eV=measured.known["energy"],
        fmax_eV_per_A=float(np.linalg.norm(measured.known["rest"], axis=1).max()),
        displacement_A=step,
        central_differences=plan.central,
        force_calls=measured.calls,
        wall_time_s=0.0,
        charge=request.charge,
        inputs=measured.calculator.inputs,
        repairs=measured.calculator.repairs,
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
