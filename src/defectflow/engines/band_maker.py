"""The job that relaxes a band with any engine made of an ASE calculator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobflow import Maker, job

from defectflow.documents.steps import BandDocument, Image
from defectflow.engines.band import BandSettings
from defectflow.engines.band_run import BandTask, relax_band
from defectflow.engines.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.engines.calculators import CalculatorEngine


@dataclass
class CalculatorBandMaker(Maker):
    """Relax the minimum energy path between two relaxed ends.

    Attributes
    ----------
    settings
        Fields of `defectflow.engines.band.BandSettings`.
    """

    engine: CalculatorEngine
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = "band"

    @job(output_schema=BandDocument)
    def make(
        self,
        initial: Image,
        final: Image,
        waypoints: dict[str, Structure] | None = None,
        frozen: Sequence[int] = (),
    ) -> BandDocument:
        """Relax the straight path and those through `waypoints`; keep the lowest."""
        task = BandTask(
            initial=initial,
            final=final,
            settings=BandSettings.of(self.settings),
            stamp=self.engine.stamp(),
            waypoints=dict(waypoints or {}),
            frozen=tuple(int(index) for index in frozen),
        )
        request = Request(
            task.initial.structure, self.settings, initial.charge, initial.magnetic_moments
        )
        return relax_band(
            task, lambda folder: self.engine.caching_calculator(replace(request, folder=folder))
        )
