"""What a band is about, and how far it has come: all that decides its outcome, as data."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from defectflow.documents.base import LIMITS, EngineStamp, content_key
from defectflow.structures.bands import moving_atom, unwrapped

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.documents.steps import Image
    from defectflow.engines.band import BandSettings
    from defectflow.structures.moments import Moments

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BandTask:
    """Everything that decides the outcome of a band.

    Attributes
    ----------
    initial, final
        Relaxed ends with energies and forces.
    waypoints
        Structures through which the path may lead instead of straight, by label.
    frozen
        Atoms that do not move.
    start
        Coordinates of all images, shape (images, atoms, 3), Å, from which the band begins instead
        of from the straight path and those through waypoints.
    """

    initial: Image
    final: Image
    settings: BandSettings
    stamp: EngineStamp
    waypoints: dict[str, Structure] = field(default_factory=dict)
    frozen: tuple[int, ...] = ()
    start: Array | None = None

    @property
    def moments_muB(self) -> tuple[Moments | None, Moments | None]:
        """Magnetic moments of both ends; None without spin."""
        return self.initial.magnetic_moments, self.final.magnetic_moments

    def inner_images(self) -> int:
        """Return the number of moving images of the band."""
        first = self.initial.structure
        last = unwrapped(first, self.final.structure)
        atom = moving_atom(first, last)
        return self.settings.inner_images(
            float(np.linalg.norm(last[atom].coords - first[atom].coords))
        )

    def key(self) -> str:
        """Return the key that a checkpoint must match: a band that may go further goes on."""
        ends = [image.model_dump(mode="json") for image in (self.initial, self.final)]
        settings = asdict(self.settings)
        begun = self.waypoints if self.start is None else self.start
        return content_key(ends, settings, self.stamp, begun, self.frozen, without=LIMITS)


@dataclass
class BandState:
    """How far an unfinished task has come.

    Attributes
    ----------
    paths, calls
        Present coordinates and force calls of each starting path.
    raced
        How the starting paths fared that have had their steps, as fields of `Candidate`.
    climbing
        The winner, once it is known.
    climbed
        Steps that it has climbed.
    """

    paths: dict[str, Array] = field(default_factory=dict)
    calls: dict[str, int] = field(default_factory=dict)
    raced: dict[str, dict[str, Any]] = field(default_factory=dict)
    steps: int = 0
    climbing: str | None = None
    climbed: int = 0

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> BandState:
        """Rebuild the state from plain JSON types."""
        paths = {label: np.array(path) for label, path in saved["paths"].items()}
        return cls(**{**saved, "paths": paths})

    def to_dict(self) -> dict[str, Any]:
        """Return the state in plain JSON types."""
        paths = {label: path.tolist() for label, path in self.paths.items()}
        return {**vars(self), "paths": paths}
