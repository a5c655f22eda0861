"""From two end points to a `BandDocument`: starting paths, the race, climbing, resumption."""

from __future__ import annotations

import logging
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from defectflow.analysis.barriers import arc_lengths_A, wide_gaps
from defectflow.documents.steps import BandDocument, Candidate, Image
from defectflow.engines.band import Band
from defectflow.engines.band_task import BandState
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.conversion import to_atoms
from defectflow.engines.deadline import Deadline
from defectflow.engines.steady_band import Astray, Best
from defectflow.engines.unseen import finer_path
from defectflow.errors import StructureError
from defectflow.structures.bands import (
    band_along,
    check_band,
    check_ends,
    interpolate,
    perturbed,
    unwrapped,
)
from defectflow.structures.exchanges import exchange_of, exchanges

if TYPE_CHECKING:
    from collections.abc import Callable

    from pymatgen.core import Structure

    from defectflow.engines.band_task import BandTask
    from defectflow.engines.calculators import CachingCalculator

Array = NDArray[np.float64]
#: Displacement (Å) of the moving atom that takes a symmetric start off its ridge.
KICK_A = 0.05
#: Label of the path from which a task says that its band begins.
GIVEN = "given"
#: Stands for the image that has no place yet.
_BETWEEN = -1

progress = logging.getLogger("defectflow.progress")


class BandRun:
    """One task on its way to a document.

    Parameters
    ----------
    unseen
        Gives a band that has converged an image more where two of its images hide something higher,
        or None where they do not; by default a potential is asked, a dear engine is not.
    """

    def __init__(
        self,
        task: BandTask,
        new_calculator: Callable[[Path], CachingCalculator],
        folder: Path,
        unseen: Callable[[Band], Array | None] | None = None,
    ) -> None:
        final = unwrapped(task.initial.structure, task.final.structure)
        check_ends(task.initial.structure, final)
        self.task = task
        self.new_calculator, self.unseen = new_calculator, unseen
        self.first, self.last = task.initial.structure, final
        self.frozen = np.zeros(len(final), dtype=bool)
        self.frozen[list(task.frozen)] = True
        self.folder = folder
        self.calculators: dict[str, dict[int, CachingCalculator]] = {}
        self.checkpoint = Checkpoint(folder / "band.checkpoint.json", task.key())
        saved = self.checkpoint.load()
        self.state = BandState.from_dict(saved) if saved else BandState()
        if saved:
            progress.info("band goes on from step %d", self.state.steps)
        self.errors: dict[str, str] = {}
        self.started = time.perf_counter()

    def close(self) -> None:
        """End the programs that compute the images."""
        for images in self.calculators.values():
            for calculator in images.values():
                calculator.close()

    def document(self) -> BandDocument:
        """Relax all starting paths loosely, finish the lowest, and describe it."""
        bands = self._bands()
        ranked = [self._race(label, band) for label, band in bands.items()]
        chosen = self.state.climbing or min(ranked, key=lambda item: item.barrier_eV).label
        self.state.climbing = chosen
        band = self._finished(chosen, bands[chosen])
        converged = band.done()
        if converged:
            self.checkpoint.clear()
        for images in self.calculators.values():
            for calculator in images.values():
                calculator.finish()
        failed = [
            Candidate(label=k, barrier_eV=np.nan, fmax_eV_per_A=np.nan, force_calls=0, error=v)
            for k, v in self.errors.items()
        ]
        return BandDocument(
            images=self._images(chosen, band),
            distances_A=tuple(arc_lengths_A(band.path).tolist()),
            climbing_index=band.climbing,
            climbing_fmax_eV_per_A=band.climbing_fmax(),
            band_fmax_eV_per_A=band.fmax(),
            force_threshold_eV_per_A=self.task.settings.fmax_eV_per_A,
            converged=converged,
            mirrored=band.exchange is not None,
            candidates=(*ranked, *failed),
            chosen=chosen,
            steps=self.state.steps,
            force_calls=sum(self.state.calls.values()),
            wall_time_s=time.perf_counter() - self.started,
            inputs=next((one.inputs for one in self.calculators[chosen].values()), {}),
            repairs=tuple(
                f"image {index}: {repair}"
                for index, one in sorted(self.calculators[chosen].items())
                for repair in one.repairs
            ),
            engine=self.task.stamp,
        )

    def _bands(self) -> dict[str, Band]:
        """Return the starting paths that can be computed, by label."""
        count = self.task.inner_images()
        swaps = exchanges(self.first, self.last, self.task.moments_muB, frozen=self.task.frozen)
        if self.task.start is not None:
            start = np.where(self.frozen[:, None], self.first.cart_coords, self.task.start)
            exchange = exchange_of(band_along(self.first, start), swaps)
            return {GIVEN: self._band(GIVEN, self.state.paths.get(GIVEN, start), exchange)}
        starts: dict[str, Structure | None] = {"straight": None, **self.task.waypoints}
        bands: dict[str, Band] = {}
        for number, (label, waypoint) in enumerate(starts.items()):
            images = interpolate(
                self.first, self.last, count, waypoint=waypoint, frozen=self.task.frozen
            )
            exchange = exchange_of(images, swaps)
            images = perturbed(images, KICK_A, seed=number)
            try:
                check_band(images, self.task.frozen)
            except StructureError as error:
                self.errors[label] = str(error)
                continue
            path = np.array([image.cart_coords for image in images])
            path[:, self.frozen] = path[0, self.frozen]
            bands[label] = self._band(label, self.state.paths.get(label, path), exchange)
        if not bands:
            message = f"no starting path can be computed: {'; '.join(self.errors.values())}"
            raise StructureError(message)
        return bands

    def _band(self, label: str, path: Array, exchange: Any) -> Band:
        ends = (self.task.initial, self.task.final)
        energies = np.zeros(len(path))
        forces = np.zeros_like(path)
        for index, image in zip((0, -1), ends, strict=True):
            energies[index] = image.energy_eV
            forces[index] = np.where(self.frozen[:, None], 0.0, image.forces_eV_per_A)
        return Band(
            path=path,
            energies=energies,
            forces=forces,
            evaluate=self._evaluator(label),
            frozen=self.frozen,
            settings=self.task.settings,
            exchange=exchange,
        )

    def _evaluator(self, label: str) -> Callable[[int, Array], tuple[float, Array]]:
        """Return an evaluation with one calculator per image, made when first needed."""
        template = to_atoms(self.first)
        images: dict[int, Any] = {}
        calculators = self.calculators.setdefault(label, {})
        place = re.sub(r"\W+", "-", label).strip("-")

        def evaluate(index: int, positions: Array) -> tuple[float, Array]:
            if index not in images:
                images[index] = template.copy()
                if index not in calculators:
                    calculators[index] = self.new_calculator(
                        self.folder / f"{place}-image-{index:02d}"
                    )
                images[index].calc = calculators[index]
            images[index].set_positions(positions)
            return float(images[index].get_potential_energy()), images[index].get_forces()

        return evaluate

    def _race(self, label: str, band: Band) -> Candidate:
        """Relax one starting path loosely; an earlier run may have done it."""
        if label not in self.state.raced:
            before = self.state.calls.get(label, 0)
            self._optimize(label, band, "bfgs", self.task.settings.race_steps)
            self.state.raced[label] = {
                "barrier_eV": band.barrier_eV(),
                "fmax_eV_per_A": band.fmax(),
                "force_calls": before + band.force_calls,
            }
        return Candidate(label=label, **self.state.raced[label])

    def _finished(self, label: str, band: Band) -> Band:
        """Let a band climb, again with an image more where a wide gap hid something higher."""
        while True:
            self._climb(label, band)
            path = self._finer(label, band)
            if path is None:
                return band
            self.state.paths[label], self.state.climbed = path, 0
            band = self._band(label, path, band.exchange)

    def _finer(self, label: str, band: Band) -> Array | None:
        """Ask a potential between images that lie far apart; it costs a dear engine too much."""

        def surface(positions: Array) -> tuple[float, Array]:
            self.state.calls[label] += 1
            return band.evaluate(_BETWEEN, positions)

        if not band.done():
            return None
        if self.unseen is not None:
            return self.unseen(band)
        if self.task.stamp.fidelity == "dft":
            return None
        return finer_path(band, surface, wide_gaps(arc_lengths_A(band.path)))

    def _climb(self, label: str, band: Band) -> None:
        settings, state = self.task.settings, self.state
        if not state.climbed and not band.done():
            self._optimize(label, band, "bfgs", settings.max_steps)
        band.start_climbing()
        quick = min(settings.patience, settings.max_steps)
        if state.climbed < quick:
            self._optimize(label, band, "bfgs", quick - state.climbed)
        if not band.done() and state.climbed < settings.max_steps:
            self._optimize(label, band, "fire", settings.max_steps - state.climbed)

    def _optimize(
        self, label: str, band: Band, method: Literal["bfgs", "fire"], steps: int
    ) -> None:
        earlier = self.state.calls.get(label, 0) - band.force_calls

        deadline = Deadline(f"band {label}")
        best = Best(band, np.inf)
        first = True  # ASE calls once before the first step

        def keep() -> None:
            self.state.paths[label] = band.path
            self.state.calls[label] = earlier + band.force_calls

        def observe() -> None:
            nonlocal first
            self.state.climbed += band.climb and not first
            first = False
            keep()
            self.state.steps += 1
            self.checkpoint.save(self.state.to_dict())
            progress.info(
                "band %s, %s: barrier %.3f eV, force %.3f eV/Å, %d force calls",
                label,
                "climbing" if band.climb else "first stage",
                band.barrier_eV(),
                band.climbing_fmax(),
                sum(self.state.calls.values()),
            )
            if deadline.near():
                raise deadline.stop()
            if method == "bfgs":
                best.see()

        try:
            band.minimise(method, steps, observe)
        except Astray:
            band.restore(best.path)
            band.refresh()
            keep()

    def _images(self, label: str, band: Band) -> tuple[Image, ...]:
        return tuple(
            Image(
                structure=structure,
                energy_eV=float(energy),
                forces_eV_per_A=tuple(map(tuple, forces.tolist())),
                magnetic_moments=self._moments(label, index, band),
                charge=self.task.initial.charge,
            )
            for index, (structure, energy, forces) in enumerate(
                zip(band_along(self.first, band.path), band.energies, band.forces, strict=True)
            )
        )

    def _moments(self, label: str, index: int, band: Band) -> tuple[float | None, ...] | None:
        """Return the moments on an image; those of a mirrored one come from its twin."""
        ends = {0: self.task.initial, len(band.path) - 1: self.task.final}
        if index in ends:
            return ends[index].magnetic_moments
        computed = self.calculators[label]
        twin = index if index in computed else len(band.path) - 1 - index
        moments = computed[twin].results.get("magmoms") if twin in computed else None
        if moments is None:
            return None
        if twin != index and band.exchange is not None:
            moments = band.exchange.scalars(moments)
        return tuple(float(moment) for moment in moments)


def relax_band(
    task: BandTask,
    new_calculator: Callable[[Path], CachingCalculator],
    folder: Path | None = None,
    unseen: Callable[[Band], Array | None] | None = None,
) -> BandDocument:
    """Relax the band of `task`; go on where an interrupted run of it in `folder` stopped.

    Parameters
    ----------
    new_calculator
        Makes the calculator of one image, given the folder for its files.
    folder
        Where the checkpoint lies; the working directory if None.
    unseen
        See `BandRun`.

    Raises
    ------
    StructureError
        If the ends do not match, or every starting path has overlapping atoms.
    OutOfTime
        If another step may not fit into the job's wall time; the state is on disk.
    """
    run = BandRun(task, new_calculator, folder or Path.cwd(), unseen)
    try:
        return run.document()
    finally:
        run.close()
