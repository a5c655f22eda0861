"""What the makers of one calculation on one structure have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from jobflow.core.maker import Maker

from defectflow.engines.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job
    from pymatgen.core.structure import Structure


@dataclass
class StepMaker(Maker, ABC):
    """Fills in the level's numbers and refuses what the engine cannot serve before a job exists.

    Attributes
    ----------
    step
        Name of the numbers in ``templates/input/<engine>/``.
    engine
        Computes; anything with the `settings` and `check_request` of `contract.Engine`.
    settings
        Numbers that differ from those of the engine's level; all of them after construction.
    """

    step: ClassVar[str]

    engine: Any
    settings: dict[str, Any] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        """Fill in the numbers of the engine's level."""
        self.settings = self.engine.settings(self.step, **self.settings)
        self.engine = self.engine.heeding(self.settings)

    def make(
        self,
        structure: Structure,
        frozen: Sequence[int] = (),
        charge: int = 0,
        magnetic_moments: Sequence[float] | None = None,
    ) -> Job:
        """Return the job; see `contract.CalculationMaker` for the parameters."""
        self.check(structure, frozen, charge, magnetic_moments)
        made: Job = self.calculate(structure, frozen, charge, magnetic_moments)
        return made

    @abstractmethod
    def calculate(
        self,
        structure: Structure,
        frozen: Sequence[int],
        charge: int,
        magnetic_moments: Sequence[float] | None,
    ) -> Any:
        """Do what the job does, in the working directory; a subclass makes it a job."""

    def check(
        self, structure: object, frozen: object, charge: object, magnetic_moments: object | None
    ) -> None:
        """Refuse what the engine cannot serve; output references are let through."""
        self.engine.check_request(structure, frozen, charge, magnetic_moments, self.settings)

    def request(
        self,
        structure: Structure,
        charge: int,
        magnetic_moments: Sequence[float] | None,
        *,
        stress: bool = False,
    ) -> Request:
        """Return what the engine is asked, with plain numbers only."""
        moments = None if magnetic_moments is None else tuple(map(float, magnetic_moments))
        return Request(structure, self.settings, charge, moments, stress)
