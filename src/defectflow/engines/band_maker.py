"""The job that relaxes a band with any engine made of an ASE calculator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobflow import Job, Maker, job

from defectflow.documents.steps import BandDocument, Image
from defectflow.engines.band import BandSettings
from defectflow.engines.band_run import relax_band
from defectflow.engines.band_task import BandTask
from defectflow.engines.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow import OutputReference
    from pymatgen.core import Structure

    from defectflow.engines.calculators import CalculatorEngine
    from defectflow.engines.contract import Engine


def check_ends_of(
    engine: Engine,
    ends: Sequence[Image | OutputReference],
    frozen: Sequence[int],
    settings: dict[str, Any],
) -> None:
    """Refuse ends with a charge or with moments that the engine cannot compute."""
    for end in ends:
        if not isinstance(end, Image):
            continue
        engine.check_request(
            end.structure, list(frozen), end.charge, end.magnetic_moments, settings
        )


@dataclass
class CalculatorBandMaker(Maker):
    """Relax the minimum energy path between two relaxed ends.

    Attributes
    ----------
    settings
        Fields of `defectflow.engines.band.BandSettings`, and the numbers of the electrons.
    """

    engine: Any
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "band"

    def __post_init__(self) -> None:
        """Leave what the step does not heed."""
        self.engine = self.engine.heeding(self.settings)

    def make(
        self,
        initial: Image | OutputReference,
        final: Image | OutputReference,
        waypoints: dict[str, Structure] | None = None,
        frozen: Sequence[int] = (),
    ) -> Job:
        """Return the job; ends that are known already and cannot be served raise here."""
        check_ends_of(self.engine, (initial, final), frozen, self.settings)
        return self.calculate(initial, final, waypoints, frozen)

    def task(
        self,
        initial: Image,
        final: Image,
        waypoints: dict[str, Structure] | None,
        frozen: Sequence[int],
    ) -> BandTask:
        """Return what the job is about, once its ends are known and can be served."""
        check_ends_of(self.engine, (initial, final), frozen, self.settings)
        return BandTask(
            initial=initial,
            final=final,
            settings=BandSettings.of(self.settings),
            stamp=self.engine.stamp(),
            waypoints=dict(waypoints or {}),
            frozen=tuple(int(index) for index in frozen),
        )

    @job(output_schema=BandDocument)
    def calculate(
        self,
        initial: Image,
        final: Image,
        waypoints: dict[str, Structure] | None = None,
        frozen: Sequence[int] = (),
    ) -> BandDocument:
        """Relax the straight path and those through `waypoints`; keep the lowest."""
        engine: CalculatorEngine = self.engine
        request = Request(
            initial.structure, self.settings, initial.charge, initial.magnetic_moments
        )
        return relax_band(
            self.task(initial, final, waypoints, frozen),
            lambda folder: engine.caching_calculator(replace(request, folder=folder)),
        )
