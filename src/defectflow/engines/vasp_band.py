"""A nudged elastic band relaxed by VASP itself, where VTST is built in.

As for every engine, each starting path gets a few steps without climbing, and the lowest is
finished with a climbing image. VTST: G. Henkelman, B. P. Uberuaga, H. Jónsson, J. Chem. Phys. 113,
9901 (2000); L-BFGS: D. Sheppard, R. Terrell, G. Henkelman, J. Chem. Phys. 128, 134106 (2008).
"""

from __future__ import annotations

import os
import re
import shutil
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jobflow import job
from numpy.typing import NDArray
from pymatgen.core.structure import Structure

from defectflow.analysis.barriers import arc_lengths_A
from defectflow.analysis.elastic_band import band_forces, largest_force
from defectflow.documents.base import LIMITS, content_key
from defectflow.documents.steps import BandDocument, Candidate, Image
from defectflow.engines import programs
from defectflow.engines.band_maker import CalculatorBandMaker
from defectflow.engines.band_run import KICK_A
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.request import Request
from defectflow.engines.vasp_band_folder import BandPoint, last_path, run_band
from defectflow.engines.vasp_calculator import task_key
from defectflow.engines.vasp_input import band_tags
from defectflow.engines.vasp_repairs import in_words, out_of_time
from defectflow.errors import EngineError, StructureError
from defectflow.structures.bands import check_band, check_ends, interpolate, perturbed, unwrapped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.engines.band_task import BandTask
    from defectflow.engines.vasp import Vasp
    from defectflow.engines.vasp_run import VaspTask

Array = NDArray[np.float64]
_COMMAND: Final = "DEFECTFLOW_VASP_STD_COMMAND"


@dataclass
class NativeState:
    """How far a band has come, in plain JSON types but for the coordinates.

    Attributes
    ----------
    paths
        Coordinates of each starting path, all images.
    raced
        How the starting paths fared that have had their steps, as fields of `Candidate`.
    stage
        Label of the path that VASP is relaxing; empty between two runs.
    """

    paths: dict[str, Array] = field(default_factory=dict)
    raced: dict[str, dict[str, Any]] = field(default_factory=dict)
    stage: str = ""
    calls: int = 0
    steps: int = 0
    repairs: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return the state in plain JSON types."""
        return {**vars(self), "paths": {k: path.tolist() for k, path in self.paths.items()}}

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> NativeState:
        """Rebuild the state."""
        return cls(**{**saved, "paths": {k: np.array(p) for k, p in saved["paths"].items()}})


class NativeBand:
    """A band under way.

    Parameters
    ----------
    task
        The ends, the starting paths and the numbers.
    vasp
        What VASP is given for the first end; its folder is that of the band.
    settings
        The numbers of ``neb.yaml``.
    """

    def __init__(self, task: BandTask, vasp: VaspTask, settings: dict[str, Any]) -> None:
        self.task, self.vasp, self.settings = task, vasp, settings
        self.first = task.initial.structure
        self.last = unwrapped(self.first, task.final.structure)
        check_ends(self.first, self.last)
        self.images = task.inner_images()
        key = content_key("native band", task.key(), task_key(vasp), without=LIMITS)
        self.checkpoint = Checkpoint(vasp.folder.parent / "vasp.band.json", key)
        saved = self.checkpoint.load()
        if saved is None:
            shutil.rmtree(vasp.folder, ignore_errors=True)
        self.state = NativeState.from_dict(saved) if saved else NativeState()
        self.errors: dict[str, str] = {}
        self.begun = time.monotonic()

    def document(self, engine: Vasp) -> BandDocument:
        """Relax all starting paths loosely, finish the lowest, and describe it."""
        self._start_paths()
        for label in self.state.paths:
            if label not in self.state.raced:
                self._race(label)
        ranked = [Candidate(label=label, **fields) for label, fields in self.state.raced.items()]
        chosen = min(ranked, key=lambda one: one.barrier_eV).label
        points = self._relax(chosen, climb=True)
        document = self._document(engine, chosen, points, ranked)
        if document.converged:
            self.checkpoint.clear()
            shutil.rmtree(self.vasp.folder, ignore_errors=True)
        return document

    def _start_paths(self) -> None:
        """Make the starting paths, unless an interrupted run has."""
        starts: dict[str, Structure | None] = {"straight": None, **self.task.waypoints}
        for number, (label, waypoint) in enumerate(starts.items()):
            if label in self.state.paths:
                continue
            frozen = self.task.frozen
            images = interpolate(
                self.first, self.last, self.images, waypoint=waypoint, frozen=frozen
            )
            images = perturbed(images, KICK_A, seed=number)
            try:
                check_band(images, frozen)
            except StructureError as error:
                self.errors[label] = str(error)
                continue
            self.state.paths[label] = np.array([image.cart_coords for image in images])
        if not self.state.paths:
            message = f"no starting path can be computed: {'; '.join(self.errors.values())}"
            raise StructureError(message)

    def _race(self, label: str) -> None:
        points = self._relax(label, climb=False)
        energies = self._energies(points)
        self.state.raced[label] = {
            "barrier_eV": float(energies.max() - energies.min()),
            "fmax_eV_per_A": largest_force(self._forces(label, points, None)),
            "force_calls": self.state.calls,
        }

    def _relax(self, label: str, *, climb: bool) -> list[BandPoint]:
        """Let VASP relax a path; an interrupted run goes on from its last images."""
        place = re.sub(r"\W+", "-", label).strip("-")
        stage = f"{label}, climbing" if climb else label
        vasp = replace(self.vasp, folder=self.vasp.folder / f"{place}{'-climbing' * climb}")
        start = self._structures(self.state.paths[label])
        if self.state.stage == stage:
            start = last_path(vasp, start)
        self.state.paths[label] = np.array([image.cart_coords for image in start])
        self.state.stage = stage
        self.checkpoint.save(self.state.to_dict())
        tags = self.vasp.tags | band_tags(self.settings, self.images, climb=climb)
        found = run_band(vasp, start, tags)
        self.state.repairs += in_words(found.corrections)
        self.state.calls += found.steps * self.images
        self.state.steps += found.steps
        ends = (self.first.cart_coords, self.last.cart_coords)
        middle = [point.structure.cart_coords for point in found.points]
        self.state.paths[label] = np.array([ends[0], *middle, ends[1]])
        self.checkpoint.save(self.state.to_dict())
        if found.stopped:
            raise out_of_time(vasp.folder)
        return found.points

    def _structures(self, path: Array) -> list[Structure]:
        return [
            Structure(self.first.lattice, self.first.species, positions, coords_are_cartesian=True)
            for positions in path
        ]

    def _energies(self, points: Sequence[BandPoint]) -> Array:
        ends = self.task.initial.energy_eV, self.task.final.energy_eV
        return np.array([ends[0], *(point.energy_eV for point in points), ends[1]])

    def _forces(self, label: str, points: Sequence[BandPoint], climbing: int | None) -> Array:
        """Return the forces of a nudged band, from VASP's true ones; frozen atoms have none."""
        true = np.zeros_like(self.state.paths[label])
        true[1:-1] = [point.forces_eV_per_A for point in points]
        true[:, list(self.task.frozen)] = 0.0
        spring = self.task.settings.spring_eV_per_A2
        return band_forces(self.state.paths[label], self._energies(points), true, spring, climbing)

    def _document(
        self,
        engine: Vasp,
        chosen: str,
        points: Sequence[BandPoint],
        ranked: Sequence[Candidate],
    ) -> BandDocument:
        settings = self.task.settings
        climbing = 1 + int(np.argmax([point.energy_eV for point in points]))
        forces = self._forces(chosen, points, climbing)
        top, all_images = largest_force(forces[climbing]), largest_force(forces)
        limit = settings.fmax_eV_per_A
        failed = [
            Candidate(label=k, barrier_eV=np.nan, fmax_eV_per_A=np.nan, force_calls=0, error=v)
            for k, v in self.errors.items()
        ]
        return BandDocument(
            images=self._images(points),
            distances_A=tuple(arc_lengths_A(self.state.paths[chosen]).tolist()),
            climbing_index=climbing,
            climbing_fmax_eV_per_A=top,
            band_fmax_eV_per_A=all_images,
            force_threshold_eV_per_A=limit,
            converged=top < limit and all_images < limit * settings.band_fmax_factor,
            mirrored=False,
            candidates=(*ranked, *failed),
            chosen=chosen,
            steps=self.state.steps,
            force_calls=self.state.calls,
            wall_time_s=time.monotonic() - self.begun,
            inputs=self.vasp.inputs,
            repairs=tuple(self.state.repairs),
            engine=engine.stamp(),
        )

    def _images(self, points: Sequence[BandPoint]) -> tuple[Image, ...]:
        inner = [
            Image(
                structure=point.structure,
                energy_eV=point.energy_eV,
                forces_eV_per_A=tuple(map(tuple, point.forces_eV_per_A.tolist())),
                magnetic_moments=point.moments,
                charge=self.task.initial.charge,
            )
            for point in points
        ]
        last = self.task.final.model_copy(update={"structure": self.last})
        return (self.task.initial, *inner, last)


@dataclass
class VaspBandMaker(CalculatorBandMaker):
    """Relax the minimum energy path between two relaxed ends, with VTST where that fits.

    VASP computes all images at a time, so that the number of processes must be a multiple of
    theirs. Where it is not, the option ``band: auto`` falls back on the band of defectflow.
    """

    @job(output_schema=BandDocument)
    def calculate(
        self,
        initial: Image,
        final: Image,
        waypoints: dict[str, Structure] | None = None,
        frozen: Sequence[int] = (),
    ) -> BandDocument:
        """Relax the straight path and those through `waypoints`; keep the lowest."""
        engine: Any = self.engine
        task = self.task(initial, final, waypoints, frozen)
        problem = too_few_processes(engine, task.inner_images())
        if problem and engine.options["band"] == "vtst":
            raise EngineError(problem)
        if problem:
            original: Any = CalculatorBandMaker.calculate
            driven: BandDocument = original.original(self, initial, final, waypoints, frozen)
            told = f"{problem}: defectflow moved the images"
            return driven.model_copy(update={"repairs": (*driven.repairs, told)})
        request = Request(
            initial.structure, self.settings, initial.charge, initial.magnetic_moments
        )
        vasp = engine.task(request, task.frozen)
        vasp = replace(vasp, folder=Path.cwd() / "vasp-band")
        return NativeBand(task, vasp, self.settings).document(engine)


def too_few_processes(engine: Vasp, images: int, given: int | None = None) -> str | None:
    """Return why VASP cannot compute so many images at a time; None if it can, as far as known.

    Parameters
    ----------
    given
        Processes of one calculation; None for what the environment says.
    """
    count = given or programs.processes()
    if engine.standin or os.environ.get(_COMMAND) or count % images == 0:
        return None
    return (
        f"engine {engine.name}: a band of {images} images on {count} processes: VASP needs a "
        "multiple of the images; set DEFECTFLOW_DFT_PROCESSES, or use band: driven"
    )
