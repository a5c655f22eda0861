"""Single evaluation with the forces of an ASE calculator, as a jobflow maker."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jobflow.core.job import Job, job
from jobflow.core.maker import Maker

from defectflow.documents.steps import RelaxDocument
from defectflow.engines.contract import Capability
from defectflow.engines.conversion import to_atoms
from defectflow.engines.relax import plain_moments, results_of
from defectflow.engines.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.engines.calculators import CalculatorEngine


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
class StaticMaker(Maker):
    """Makes single evaluations with a calculator engine.

    Attributes
    ----------
    settings
        Numbers that differ from those of the engine's level; all of them after construction.
    """

    engine: CalculatorEngine
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "static"

    def __post_init__(self) -> None:
        """Fill in the numbers of the engine's level."""
        self.settings = self.engine.settings("static", **self.settings)
        if self.settings["stress"]:
            self.engine.require(Capability.STRESS)

    def make(
        self,
        structure: Structure,
        frozen: Sequence[int] = (),
        charge: int = 0,
        magnetic_moments: Sequence[float] | None = None,
    ) -> Job:
        """Return the job that evaluates `structure`; its output is a `RelaxDocument`."""
        self.engine.check_request(structure, frozen, charge, magnetic_moments, self.settings)
        return self.calculate(structure, frozen, charge, magnetic_moments)

    @job(output_schema=RelaxDocument)
    def calculate(
        self,
        structure: Structure,
        frozen: Sequence[int],
        charge: int,
        magnetic_moments: Sequence[float] | None,
    ) -> RelaxDocument:
        """Do what the job does: evaluate `structure` once."""
        self.engine.check_request(structure, frozen, charge, magnetic_moments, self.settings)
        stress = self.settings["stress"]
        request = Request(structure, self.settings, charge, plain_moments(magnetic_moments), stress)
        return evaluate(request, self.engine, frozen)
