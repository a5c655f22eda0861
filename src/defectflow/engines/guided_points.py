"""The points of one hop at which the dear engine was asked, on disk as soon as they are known."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.analysis.elastic_band import largest_force
from defectflow.engines.guided_surface import GuidedSurface, Measured

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from defectflow.documents.steps import Image
    from defectflow.engines.checkpoint import Checkpoint

    Array = NDArray[np.float64]

progress = logging.getLogger("defectflow.progress")

#: A place counts as measured if a measured point is this near (Å, of any atom).
NEAR_A: Final = 0.1
#: An image that has moved less (Å) keeps what was measured.
_UNMOVED_A: Final = 1e-4


@dataclass
class KnownPoints:
    """Ends and measured points of a hop.

    Attributes
    ----------
    surface
        Learns from every point.
    ends
        Both ends; the second one in the periodic images in which the path arrives there.
    checkpoint
        Holds all of it.
    left_at
        Path at which the surface was given up, shape (images, atoms, 3), Å.
    """

    surface: GuidedSurface
    ends: tuple[Measured, Measured]
    checkpoint: Checkpoint
    left_at: Array | None = None

    def __post_init__(self) -> None:
        self._learn_ends()
        known = self.checkpoint.load() or {}
        for saved in known.get("measured", []):
            self._take(Measured.from_dict(saved))
        if known.get("left_at") is not None:
            self.left_at = np.array(known["left_at"])

    def _learn_ends(self) -> None:
        mirrored = self.surface.exchange is not None
        for end in self.ends[:1] if mirrored else self.ends:
            self.surface.learn(end)

    def _take(self, point: Measured) -> None:
        self.surface.learn(point)
        self.surface.measured.append(point)

    def nearest(self, positions: Array) -> Measured | None:
        """Return the known point at these positions, if there is one."""
        known = [*self.surface.measured, *self.ends]
        nearest = min(known, key=lambda one: moved_A(one.positions, positions))
        return nearest if moved_A(nearest.positions, positions) < NEAR_A else None

    def known_at(self, positions: Array) -> Measured | None:
        """Return what is known of just these positions."""
        point = self.nearest(positions)
        there = point is not None and moved_A(point.positions, positions) <= _UNMOVED_A
        return point if there else None

    def at_rest(self, positions: Array, fmax_eV_per_A: float) -> bool:
        """Return whether there is a known point here on which no atom feels more than `fmax`."""
        point = self.nearest(positions)
        return point is not None and largest_force(point.forces) < fmax_eV_per_A

    def is_end(self, point: Measured) -> bool:
        """Return whether the point is one of the two ends."""
        return any(point is end for end in self.ends)

    def measure(self, positions: Array) -> Measured:
        """Ask the dear engine at these positions, and keep what it says."""
        point = self.surface.measure(positions)
        self._save()
        progress.info(
            "dear point %d: %.3f eV above the start, largest force %.3f eV/Å",
            len(self.surface.measured),
            point.energy - self.ends[0].energy,
            largest_force(point.forces),
        )
        return point

    def leave(self, path: Array) -> None:
        """Give the surface up at this path, for good."""
        self.left_at = path.copy()
        self._save()

    def _save(self) -> None:
        measured = [one.to_dict() for one in self.surface.measured]
        left_at = None if self.left_at is None else self.left_at.tolist()
        self.checkpoint.save({"measured": measured, "left_at": left_at})

    def begin_again(self, points: Iterable[Measured]) -> None:
        """Let the surface know the ends and these points, and nothing else."""
        self.surface.forget()
        self._learn_ends()
        for point in points:
            self._take(point)

    def mirrored(self, point: Measured) -> Measured:
        """Return the point on the other half of the path; itself if no operation swaps them."""
        swap = self.surface.exchange
        if swap is None:
            return point
        moments = None
        if point.moments is not None:
            known = np.array([0.0 if one is None else one for one in point.moments])
            moments = tuple(swap.scalars(known).tolist())
        return Measured(
            swap.positions(point.positions), point.energy, swap.vectors(point.forces), moments
        )


def measured_of(image: Image) -> Measured:
    """Return an image, which the dear engine has computed, as a measured point."""
    return Measured(
        image.structure.cart_coords,
        image.energy_eV,
        np.array(image.forces_eV_per_A),
        image.magnetic_moments,
    )


def moved_A(first: Array, second: Array) -> float:
    """Return the largest displacement of an atom, Å."""
    return float(np.linalg.norm(first - second, axis=1).max())
