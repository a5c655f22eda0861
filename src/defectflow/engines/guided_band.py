"""The barrier of a hop with few evaluations of a dear engine.

1. The guide relaxes the band between the dear engine's ends, from all starting paths.
2. The dear engine is asked at the saddle of the surface that both together suggest (and at a
   minimum on the way, if it lies below the ends), until its own forces there vanish: `refined`.
3. For `dft` it is asked at every image too, until the band of its own energies and forces has
   converged; images that are good enough stay where they are.
4. Where the surface has something higher between two images, the band gets an image there.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from defectflow.analysis.barriers import arc_lengths_A
from defectflow.analysis.elastic_band import largest_force
from defectflow.documents.base import LIMITS, content_key
from defectflow.documents.steps import BandDocument, Guidance, Image
from defectflow.engines.band import Band, BandSettings
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.deadline import Deadline
from defectflow.engines.guided_points import NEAR_A, KnownPoints, measured_of, moved_A
from defectflow.engines.guided_relax import TIGHTER, downhill_eV, placed
from defectflow.engines.guided_surface import GuidedSurface, Measured
from defectflow.engines.nearest_band import Nearest, unrest_eV_per_A
from defectflow.engines.steady_band import settle
from defectflow.engines.unseen import beyond_eV, finer_path
from defectflow.structures.exchanges import exchange_of, exchanges

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from defectflow.engines.band_task import BandTask

Array = NDArray[np.float64]
progress = logging.getLogger("defectflow.progress")

#: Steps of a whole band between dear points; half as many each time it comes to no rest.
_SURFACE_STEPS: Final = 150
_LEAST_STEPS: Final = 20
#: Steps in which the decisive images alone have to come to rest.
_FOLLOW_STEPS: Final = 45
#: Steps along the forces where nothing on the surface is better than what has been measured.
_WALK_STEPS: Final = 10
#: The surface is relaxed to this share of the forces that the dear engine has just found: where it
#: was that wrong, more is not worth its steps.
_OF_WHAT_IS_LEFT: Final = 0.1
#: An image that may be so much (eV) above the saddle or below the lowest minimum is worth asking.
_DOUBT_EV: Final = 0.02


@dataclass
class GuidedBand:
    """One hop on its way to a document.

    Attributes
    ----------
    task
        Ends, settings and stamp of the dear engine.
    guided
        The band as the guide relaxed it between the same ends.
    surface
        Knows both engines.
    path
        How much the dear engine has to see.
    folder
        Where the checkpoint lies.
    """

    task: BandTask
    guided: BandDocument
    surface: GuidedSurface
    path: Literal["refined", "dft"]
    folder: Path
    settings: BandSettings = field(init=False)
    points: KnownPoints = field(init=False)
    band: Band = field(init=False)
    rounds: int = 0
    surface_steps: int = _SURFACE_STEPS

    def __post_init__(self) -> None:
        self.begun = time.perf_counter()
        self.settings = self.task.settings
        images = [image.structure for image in self.guided.images]
        moments_muB, frozen = self.task.moments_muB, self.task.frozen
        self.exchange = exchange_of(
            images, exchanges(images[0], images[-1], moments_muB, frozen=frozen)
        )
        self.surface.exchange = self.exchange
        ends = [measured_of(end) for end in (self.task.initial, self.task.final)]
        ends[1].positions = images[-1].cart_coords
        key = content_key(self.task.key(), self.guided.engine, self.path, without=LIMITS)
        checkpoint = Checkpoint(self.folder / "guided.checkpoint.json", key)
        self.points = KnownPoints(self.surface, (ends[0], ends[1]), checkpoint)
        self.band = self.new_band(np.array([one.cart_coords for one in images]))

    def document(self) -> BandDocument | None:
        """Refine the decisive points, then for `dft` the whole band, and describe it.

        None if the surface cannot bring the band to rest; the points then say where it was left.
        """
        converged = self.points.left_at is None and self._refine()
        if self.path == "dft":
            converged = self._whole()
            if self.points.left_at is not None:
                return None
            images, climbing = self._band_images(), self.band.climbing
            forces = self.band.climbing_fmax(), self.band.fmax()
        else:
            images, climbing = self._refined_images()
            largest = max((largest_force(one.forces) for one in self._decisive()), default=0.0)
            forces = largest, largest
        document = BandDocument(
            images=images,
            distances_A=tuple(
                arc_lengths_A(np.array([one.structure.cart_coords for one in images])).tolist()
            ),
            climbing_index=climbing,
            climbing_fmax_eV_per_A=forces[0],
            band_fmax_eV_per_A=forces[1],
            force_threshold_eV_per_A=self.settings.fmax_eV_per_A,
            converged=converged,
            mirrored=self.exchange is not None,
            candidates=self.guided.candidates,
            chosen=self.guided.chosen,
            steps=self.rounds,
            force_calls=len(self.surface.measured),
            wall_time_s=self.wall_time_s,
            inputs=self.surface.dear.calculator.inputs,
            repairs=self.surface.dear.calculator.repairs,
            guidance=self.guidance(),
            engine=self.task.stamp,
        )
        if converged:
            self.points.checkpoint.clear()
        return document

    @property
    def wall_time_s(self) -> float:
        """Seconds so far, the guide's own band included."""
        return time.perf_counter() - self.begun + self.guided.wall_time_s

    # Refined: saddle and minima ---------------------------------------------------------------

    def _refine(self) -> bool:
        """Step until the dear forces vanish at the decisive points; return whether they do.

        Between dear points only the images at the decisive places follow the surface; where these
        have come to rest all images do, which shows whether the highest one is still another.
        """
        deadline = Deadline("refining a saddle")
        self.band, whole = self._relaxed(self.band), True
        nearest = Nearest(self.band.path)
        while self.rounds < self.settings.max_steps:
            places = self._decisive_places()
            fmax = self.settings.fmax_eV_per_A
            wanted = [place for place in places if not self.points.at_rest(place, fmax)]
            if whole and not wanted:
                path = self._with_more_to_see()
                if path is None:
                    return True
                self.rounds += 1
                nearest = Nearest(path)
                self.band = self._relaxed(self.new_band(path))
                continue
            if deadline.near():
                raise deadline.stop()
            if nearest.is_last and self.path == "dft":
                self.band = self.new_band(nearest.path)
                return False
            if all(self.points.known_at(place) for place in wanted):
                if whole and nearest.is_last:
                    return False
                if whole:
                    nearest.see(np.inf, self.band.path)
                self.band, whole = self._relaxed(self.band, walking=whole), True
                continue
            forces = [largest_force(self.points.measure(place).forces) for place in wanted]
            nearest.see(max(forces), self.band.path)
            left = min(forces)
            self.rounds += 1
            if self.band.deepest is not None:
                # a minimum farther away than the surface is trusted is reached in several rounds
                self.band.path[self.band.deepest] = places[-1]
            enough = max(TIGHTER, _OF_WHAT_IS_LEFT * left / self.settings.fmax_eV_per_A)
            self.band, whole = self._followed(self.band, enough)
        return False

    def _with_more_to_see(self) -> Array | None:
        """Return the path to go on with if it may have something higher or lower than was seen.

        The image that may most be another saddle or minimum is measured first; not for `dft`, where
        every image will be. Then the path gets an image where the surface is higher between two.
        """
        energies = [one.energy for one in (*self._decisive(), *self.points.ends)]
        beyond = beyond_eV(self.band, self.surface.deviation_eV, energies)
        unknown = [i for i in self.band.free if self.points.nearest(self.band.path[i]) is None]
        doubtful = max(unknown, key=lambda index: beyond[index], default=None)
        if self.path == "dft" or doubtful is None or beyond[doubtful] < _DOUBT_EV:
            return finer_path(self.band, self.surface)
        self.points.measure(self.band.path[doubtful])
        return self.band.path

    def _followed(self, start: Band, tightness: float) -> tuple[Band, bool]:
        """Return the band after the decisive images have moved, or all, if these found no rest."""
        moving = start.decisive()
        band = self._relaxed(start, tightness, set(start.free) - moving, _FOLLOW_STEPS)
        if band.done() and band.decisive() <= moving:
            return band, False
        return self._relaxed(start, tightness), True

    def _decisive_places(self) -> list[Array]:
        """Return where the surface has the saddle and, if there is one, the lower minimum."""
        energies, free = self.band.energies, self.band.free
        top = self.band.climbing if self.band.climbing is not None else int(energies.argmax())
        places = [self.band.path[top]]
        lowest = min(free, key=lambda index: energies[index])
        if energies[lowest] < min(energies[0], energies[-1]):
            threshold = self.settings.fmax_eV_per_A * TIGHTER
            places.append(self.surface.minimum(self.band.path[lowest], threshold))
        return places

    def _decisive(self) -> list[Measured]:
        """Return the measured points at the decisive places, in the order along the path."""
        found = [self.points.nearest(place) for place in self._decisive_places()]
        points = [one for one in found if one is not None and not self.points.is_end(one)]
        return sorted(points, key=lambda one: moved_A(one.positions, self.points.ends[0].positions))

    def _refined_images(self) -> tuple[tuple[Image, ...], int | None]:
        """Return ends and decisive points as images, and which of them is the saddle."""
        start, end = self.points.ends
        points = self._decisive()
        if self.exchange is not None:
            mirrored = [
                self.points.mirrored(one)
                for one in reversed(points)
                if moved_A(self.exchange.positions(one.positions), one.positions) > NEAR_A
            ]
            points += mirrored
        whole = [start, *points, end]
        top = max(range(len(whole)), key=lambda index: whole[index].energy)
        return tuple(map(self._image, whole)), top if 0 < top < len(whole) - 1 else None

    # The whole band ---------------------------------------------------------------------------

    def _whole(self) -> bool:
        """Measure all images until the dear band has converged; return whether it has."""
        deadline = Deadline("relaxing a band")
        nearest = Nearest(self.band.path)
        while self.points.left_at is None:
            known = len(self.surface.measured)
            self._measure_band()
            self.rounds += 1
            path = finer_path(self.band, self.surface) if self.band.done() else None
            converged = self.band.done() and path is None
            if converged or self.rounds >= self.settings.max_steps:
                return converged
            if deadline.near():
                raise deadline.stop()
            if path is not None:
                self.band, nearest = self.new_band(path), Nearest(path)
                continue
            nearest.see(unrest_eV_per_A(self.band), self.band.path)
            if nearest.is_last:
                self.points.leave(nearest.path)
                break
            if len(self.surface.measured) == known:
                # Nothing on the surface is better than this band: learn where its forces lead.
                self.band = self._relaxed(self.band, resting=self.band.resting(), walking=True)
                continue
            band = self._relaxed(self.band, resting=self.band.resting())
            self.band = self._relaxed(self.band) if band.is_held() else band
        return False

    def _measure_band(self) -> None:
        """Replace what the surface predicts for the free images by what the dear engine says."""
        measured: dict[int, Measured] = {}
        for index in self.band.free:
            place = self.band.path[index]
            measured[index] = self.points.known_at(place) or self.points.measure(place)
        band = self.new_band(self.band.path.copy())
        band.evaluate = lambda index, _: (measured[index].energy, measured[index].forces)
        band.start_climbing()
        band.refresh()
        band.force_calls = 0
        self.band = band

    def _band_images(self) -> tuple[Image, ...]:
        images = []
        for index, place in enumerate(self.band.path):
            known = self.points.nearest(place)
            moments = known.moments if known is not None else None
            point = Measured(
                place, float(self.band.energies[index]), self.band.forces[index], moments
            )
            images.append(self._image(point))
        return tuple(images)

    # Bands of the surface ---------------------------------------------------------------------

    def new_band(self, path: Array) -> Band:
        """Return a band of the surface between the dear engine's ends."""
        energies, forces = np.zeros(len(path)), np.zeros_like(path)
        for index, end in zip((0, -1), self.points.ends, strict=True):
            energies[index], forces[index] = end.energy, end.forces
        return Band(
            path=path,
            energies=energies,
            forces=forces,
            evaluate=lambda _, positions: self.surface(positions),
            frozen=self.surface.guide.frozen,
            settings=self.settings,
            exchange=self.exchange,
            falls=True,
        )

    def _relaxed(
        self,
        start: Band,
        tightness: float = TIGHTER,
        resting: Collection[int] = (),
        steps: int = 0,
        *,
        walking: bool = False,
    ) -> Band:
        """Return the band of the surface as it is known now, relaxed with a climbing image.

        Parameters
        ----------
        resting
            Images that stay where they are.
        steps
            At most; by default as many as the surface has proved to be worth.
        walking
            Some steps on along its forces, wherever they lead, instead of relaxed.
        """
        band = self.new_band(start.path.copy())
        band.pinned = set(resting)
        band.tightness, band.rests = tightness, False
        band.start_climbing()
        if walking:
            band.minimise("fire", _WALK_STEPS)
        else:
            settle(band, steps or self.surface_steps)
        band.refresh()
        if not (steps or walking):
            at_rest, less = (
                band.done() or band.is_held(),
                max(_LEAST_STEPS, self.surface_steps // 2),
            )
            self.surface_steps = _SURFACE_STEPS if at_rest else less
        return band

    # Describing -------------------------------------------------------------------------------

    def _image(self, point: Measured) -> Image:
        return Image(
            structure=placed(self.task.initial.structure, point),
            energy_eV=point.energy,
            forces_eV_per_A=tuple(map(tuple, point.forces.tolist())),
            magnetic_moments=point.moments,
            charge=self.task.initial.charge,
        )

    def guidance(self) -> Guidance:
        """Return what the guide did, and what is left."""
        return Guidance(
            path=self.path,
            engine=self.guided.engine,
            guide_calls=self.surface.guide.calls + self.guided.force_calls,
            shift_range_eV=self.surface.shift_range_eV,
            error_eV=self._error_eV(),
        )

    def _error_eV(self) -> float:
        """Estimate what remaining forces and unmeasured places may change of the barrier."""
        predicted = self._relaxed(self.band) if self.points.left_at is None else self.band
        tops = [*self._decisive(), *self.points.ends]
        lowest = min(tops, key=lambda one: one.energy)
        known = [one.energy for one in tops]
        beyond = float(beyond_eV(predicted, self.surface.deviation_eV, known).max())
        above = max(known) - float(predicted.energies.max())
        left = downhill_eV(self.surface, lowest, self.settings.fmax_eV_per_A)
        return max(0.0, beyond, above) + left
