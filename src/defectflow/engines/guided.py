"""An engine that is dear, guided by one that is cheap: the same makers, far fewer evaluations.

What a guided engine returns rests on the dear engine's energies and forces alone; the guide decides
only where it is asked. See `guided_surface`, `guided_relax` and `guided_band`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self, cast

import numpy as np
from jobflow.core.job import job

from defectflow.documents.steps import BandDocument, Image, RelaxDocument
from defectflow.engines.band import BandSettings
from defectflow.engines.band_maker import CalculatorBandMaker
from defectflow.engines.band_run import relax_band
from defectflow.engines.contract import (
    CalculationMaker,
    Capability,
    Engine,
    EngineInfo,
    FreeCell,
    Step,
)
from defectflow.engines.guided_alone import finished_alone
from defectflow.engines.guided_band import GuidedBand
from defectflow.engines.guided_relax import GuidedRelaxation
from defectflow.engines.guided_surface import Evaluator, GuidedSurface
from defectflow.engines.request import Request
from defectflow.engines.static import evaluate
from defectflow.engines.step_maker import StepMaker
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.documents.base import EngineStamp
    from defectflow.engines.band_task import BandTask
    from defectflow.engines.calculators import CachingCalculator, CalculatorEngine

#: Of each stage of the guide's own band, which rugged guides use up without coming to rest.
_GUIDE_STEPS: Final = 60

GuidedPath = Literal["refined", "dft"]


@dataclass(frozen=True)
class GuidedEngine(Engine):
    """Relaxations and bands of `dear`, with `guide` to say where to look.

    Attributes
    ----------
    dear, guide
        Both made of calculators; all numbers are the dear one's.
    path
        How much of a band the dear engine sees: ends, saddle and lower minima (``refined``) or
        every image (``dft``).
    from_start
        Whether a relaxation asks the dear engine at its start first, not at the guide's minimum
        near it: for a start that stands on what the dear engine has relaxed already.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> guided = GuidedEngine.of(engine("chgnet"), engine("emt"))
    >>> guided.name, guided.stamp().options["guide"], guided.path
    ('chgnet', 'emt', 'refined')
    """

    dear: CalculatorEngine | None = None
    guide: CalculatorEngine | None = None
    path: GuidedPath = "refined"
    from_start: bool = False

    name: ClassVar[str] = "guided"
    family: ClassVar[str] = ""
    declared: ClassVar[frozenset[Capability]] = frozenset()

    @classmethod
    def of(cls, dear: Engine, guide: Engine, path: GuidedPath = "refined") -> GuidedEngine:
        """Return `dear` guided by `guide`.

        Raises
        ------
        EngineError
            If one of them is not made of a calculator, or both are the same.
        """
        from defectflow.engines.calculators import CalculatorEngine

        for one in (dear, guide):
            if not isinstance(one, CalculatorEngine):
                message = f"engine {one.name} cannot take part in a guided calculation"
                raise EngineError(message)
        if dear == guide:
            message = f"engine {dear.name} cannot guide itself: name another as guide"
            raise EngineError(message)
        both = {"dear": dear, "guide": guide}
        return cls(level=dear.level, options={}, path=path, **cast("dict[str, Any]", both))

    @classmethod
    def where_possible(cls, dear: Engine, guide: Engine | None) -> Engine:
        """Return `dear` guided by `guide` from the start of a relaxation on.

        Without a guide, or where one of them cannot take part, that is `dear` itself.
        """
        if guide is None:
            return dear
        try:
            return replace(cls.of(dear, guide), from_start=True)
        except EngineError:
            return dear

    def __post_init__(self) -> None:
        """Take name, options and overrides of the dear engine."""
        for name in ("name", "options", "overrides"):
            object.__setattr__(self, name, getattr(self._dear, name))

    @property
    def _dear(self) -> CalculatorEngine:
        return cast("CalculatorEngine", self.dear)

    @property
    def _guide(self) -> CalculatorEngine:
        return cast("CalculatorEngine", self.guide)

    def heeding(self, settings: Mapping[str, Any]) -> Self:
        """Return the engine whose dear one has none but these overrides."""
        return replace(self, dear=self._dear.heeding(settings))

    def capabilities(self) -> frozenset[Capability]:
        """Return what the dear engine can do."""
        return self._dear.capabilities()

    def stamp(self) -> EngineStamp:
        """Return the dear engine's stamp, with the name of the guide and the path."""
        stamp, guide = self._dear.stamp(), self._guide.stamp()
        label = f"{guide.name} ({guide.model})" if guide.model else guide.name
        added = {"path": self.path, "guide": label}
        if guide.model_sha256:
            added["guide_sha256"] = guide.model_sha256
        return stamp.model_copy(update={"options": stamp.options | added})

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if either engine cannot run here, or not with `elements`."""
        self._dear.check(elements)
        self._guide.check(elements)

    @classmethod
    def describe(cls) -> EngineInfo:
        """Return a line of the inventory; a guided engine is none of its own."""
        return EngineInfo(name=cls.name, available=True, capabilities=())

    def settings(self, step: str, **overrides: object) -> dict[str, Any]:
        """Return the dear engine's numbers."""
        return self._dear.settings(step, **overrides)

    def _relax_maker(self, cell: FreeCell, settings: dict[str, Any]) -> CalculationMaker:
        if cell != "fixed":
            return self._dear.relax_maker(cell, **settings)
        return GuidedRelaxMaker(engine=self, settings=settings)

    def _maker(self, step: Step, settings: dict[str, Any]) -> Any:
        if step == "neb":
            return GuidedBandMaker(engine=self, settings=settings)
        return self._dear._maker(step, settings)  # noqa: SLF001 - one engine speaks for another

    def relax(self, request: Request, frozen: Sequence[int] = ()) -> RelaxDocument:
        """Relax the atoms of a request in their cell."""
        relaxation = GuidedRelaxation(
            request, self._dear, self._guide, frozen, from_start=self.from_start
        )
        try:
            return relaxation.run()
        finally:
            relaxation.close()

    def relax_band(
        self, task: BandTask, settings: dict[str, Any], folder: Path | None = None
    ) -> BandDocument:
        """Relax the band between two ends that the dear engine has relaxed.

        Parameters
        ----------
        task
            With the settings of the dear engine.
        settings
            All numbers of the step, those of the electrons included.
        """
        place = folder or Path.cwd()
        guided = self._guide_band(task, place)
        fixed = np.zeros(len(task.initial.structure), dtype=bool)
        fixed[list(task.frozen)] = True
        start = guided.images[0].structure
        first = task.initial
        asked = Request(
            first.structure, settings, first.charge, first.magnetic_moments, folder=place / "points"
        )
        surface = GuidedSurface(
            Evaluator(first.structure, self._dear.caching_calculator(asked), fixed),
            Evaluator(start, self._guide.caching_calculator(Request(start)), fixed),
        )

        def of_an_image(files: Path) -> CachingCalculator:
            return self._dear.caching_calculator(replace(asked, folder=files))

        try:
            hop = GuidedBand(task, guided, surface, self.path, place)
            document = hop.document() or finished_alone(hop, of_an_image)
            surface.finish()
        finally:
            surface.close()
        return document

    def _guide_band(self, task: BandTask, folder: Path) -> BandDocument:
        """Return the band of the guide alone between the same ends.

        It is where the search begins and no result, so that one which comes to no rest is left.
        """
        overrides: dict[str, Any] = {"max_steps": _GUIDE_STEPS}
        if task.settings.images or self.path == "dft":
            overrides["images"] = task.inner_images()
        task = replace(
            task,
            initial=self._guided_image(task.initial),
            final=self._guided_image(task.final),
            settings=BandSettings.of(self._guide.settings("neb", **overrides)),
            stamp=self._guide.stamp(),
        )
        return relax_band(
            task,
            lambda place: self._guide.caching_calculator(
                Request(task.initial.structure, folder=place)
            ),
            folder,
        )

    def _guided_image(self, image: Image) -> Image:
        return evaluate(Request(image.structure), self._guide).image()


@dataclass
class GuidedRelaxMaker(StepMaker):
    """Makes relaxations of a guided engine in a fixed cell."""

    step: ClassVar = "relax"

    name: str = "relax"

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
        engine: GuidedEngine = self.engine
        return engine.relax(self.request(structure, charge, magnetic_moments), frozen)


@dataclass
class GuidedBandMaker(CalculatorBandMaker):
    """Makes bands of a guided engine: ends are the dear one's, waypoints the guide's to judge."""

    @job(output_schema=BandDocument)
    def calculate(
        self,
        initial: Image,
        final: Image,
        waypoints: dict[str, Structure] | None = None,
        frozen: Sequence[int] = (),
    ) -> BandDocument:
        """Relax the straight path and those through `waypoints`; keep the guide's lowest."""
        engine: GuidedEngine = self.engine
        return engine.relax_band(self.task(initial, final, waypoints, frozen), self.settings)
