"""How a quantity depends on the numbers of the engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Maker, job
from monty.json import MSONable

from defectflow.analysis.convergence import coarsest_within, deviations
from defectflow.documents import ConvergenceDocument, ConvergencePoint, ConvergenceScan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from defectflow.documents import ResultDocument
    from defectflow.engines.contract import Engine
    from defectflow.flows.provenance import Provenance
from defectflow.flows.results import heading


@dataclass(frozen=True)
class Choice(MSONable):
    """One choice of level and settings, and the content key of the result it gives."""

    level: str
    settings: dict[str, Any]
    key: str

    def label(self, setting: str) -> float | str:
        """Return what was chosen for a setting."""
        chosen: float | str = self.level if setting == "level" else self.settings[setting]
        return chosen


@dataclass
class ConvergenceMaker(Maker):
    """Computes a quantity at several choices of settings and says which is fine enough.

    1. Run the flow of every choice.
    2. For each setting, recommend the coarsest choice from which on all values lie within
       `tolerance` of the finest.

    Attributes
    ----------
    engine
        As the recipe names it, without the settings that are scanned.
    of_quantity
        What is scanned.
    tolerance
        In the unit of that quantity.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> ConvergenceMaker(engine("emt"), "equation_of_state", tolerance=0.05).tolerance
    0.05
    """

    engine: Engine
    of_quantity: str
    tolerance: float
    name: str = "convergence"
    notes: tuple[str, ...] = field(default_factory=tuple)

    def make(
        self,
        scans: Mapping[str, Sequence[Choice]],
        flows: Mapping[str, Flow],
        provenance: Provenance,
    ) -> Flow:
        """Return the flow; its output is a `ConvergenceDocument`.

        Parameters
        ----------
        scans
            Choices by the setting that is varied, from coarse to fine.
        flows
            The flow of each choice by its key; its output is the result.
        """
        outputs = {key: flow.output for key, flow in flows.items()}
        last = self.conclude({name: list(s) for name, s in scans.items()}, outputs, provenance)
        last.name = "convergence"
        return Flow([*flows.values(), last], output=last.output, name=provenance.recipe)

    @job(output_schema=ConvergenceDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        scans: dict[str, list[Choice]],
        results: dict[str, ResultDocument],
        provenance: Provenance,
    ) -> ConvergenceDocument:
        """Compare the results: step 2."""
        first = next(iter(scans.values()))
        finest = results[first[-1].key]
        documents = [self._scan(setting, scan, results) for setting, scan in scans.items()]
        return ConvergenceDocument(
            **heading(self.engine, provenance),
            value=finest.value,
            unit=finest.unit,
            host=finest.host,
            defect=finest.defect_said,
            species=finest.species,
            converged=all(result.converged for result in results.values()),
            of_quantity=self.of_quantity,
            tolerance=self.tolerance,
            scans=tuple(documents),
            force_calls=sum(_cost(result)[0] for result in results.values()),
            wall_time_s=sum(_cost(result)[1] for result in results.values()),
            notes=(*self.notes, *(_recommendation(scan) for scan in documents)),
        )

    def _scan(
        self, setting: str, scan: Sequence[Choice], results: Mapping[str, ResultDocument]
    ) -> ConvergenceScan:
        values = [results[choice.key].value for choice in scan]
        chosen = coarsest_within(values, self.tolerance)
        points = [
            ConvergencePoint(
                level=choice.level,
                settings=choice.settings,
                value=value,
                error=error,
                force_calls=_cost(results[choice.key])[0],
                wall_time_s=_cost(results[choice.key])[1],
                key=choice.key,
            )
            for choice, value, error in zip(scan, values, deviations(values), strict=True)
        ]
        return ConvergenceScan(
            setting=setting,
            points=tuple(points),
            recommended=None if chosen is None else scan[chosen].label(setting),
        )


def _cost(result: ResultDocument) -> tuple[int, float]:
    """Return force calls and wall time (s) of a result."""
    return getattr(result, "force_calls", 0), getattr(result, "wall_time_s", 0.0)


def _recommendation(scan: ConvergenceScan) -> str:
    if scan.recommended is None:
        return f"{scan.setting}: not converged before the finest choice; scan finer ones"
    return f"{scan.setting}: {scan.recommended} is enough"
