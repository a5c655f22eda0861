"""Single evaluation with the forces of an ASE calculator, as a jobflow maker."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from jobflow.core.job import job

from defectflow.documents.steps import RelaxDocument
from defectflow.engines.contract import Capability
from defectflow.engines.conversion import to_atoms
from defectflow.engines.relax import results_of
from defectflow.engines.step_maker import StepMaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.engines.calculators import CalculatorEngine
    from defectflow.engines.request import Request


def evaluate(
    request: Request, engine: CalculatorEngine, frozen: Sequence[int] = ()
) -> RelaxDocument:
    """Return energy and forces of the structure as it is, from one evaluation."""
    begun = time.monotonic()
    atoms = to_atoms(request.structure, frozen)
    atoms.calc = calculator = engine.caching_calculator(request)
    try:
        document = RelaxDocument(
            fmax_eV_per_A=float(np.linalg.norm(atoms.get_forces(), axis=1).max()),
            **results_of(atoms, request, engine),
            force_threshold_eV_per_A=math.inf,
            converged=True,
            steps=0,
            force_calls=calculator.evaluations,
            wall_time_s=time.monotonic() - begun,
            cell="fixed",
            frozen=tuple(frozen),
        )
        calculator.finish()
    finally:
        calculator.close()
    return document


@dataclass
class StaticMaker(StepMaker):
    """Makes single evaluations with a calculator engine: jobs that return a `RelaxDocument`."""

    step: ClassVar = "static"

    name: str = "static"

    def __post_init__(self) -> None:
        """Fill in the numbers of the engine's level."""
        super().__post_init__()
        if self.settings["stress"]:
            self.engine.require(Capability.STRESS)

    @job(output_schema=RelaxDocument)
    def calculate(
        self,
        structure: Structure,
        frozen: Sequence[int],
        charge: int,
        magnetic_moments: Sequence[float] | None,
    ) -> RelaxDocument:
        """Do what the job does: evaluate `structure` once."""
        self.check(structure, frozen, charge, magnetic_moments)
        stress = self.settings["stress"]
        request = self.request(structure, charge, magnetic_moments, stress=stress)
        return evaluate(request, self.engine, frozen)
