"""Relaxation by VASP itself: segments, interrupted runs, and the basis of a cell that changes."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jobflow.core.job import job

from defectflow.documents.base import LIMITS, content_key
from defectflow.documents.steps import RelaxDocument
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.relax import RelaxMaker, progress, relax, stress_fields
from defectflow.engines.vasp_calculator import remove_large_files, task_key
from defectflow.engines.vasp_files import driven
from defectflow.engines.vasp_input import relax_tags
from defectflow.engines.vasp_output import VaspResult, evaluations, read, to_own_order
from defectflow.engines.vasp_repairs import corrections, in_words, learned_tags, out_of_time
from defectflow.engines.vasp_run import run, to_poscar
from defectflow.errors import DefectflowError, NotConverged, OutOfTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.engines.contract import FreeCell
    from defectflow.engines.request import Request
    from defectflow.engines.vasp import Vasp
    from defectflow.engines.vasp_run import VaspTask


@dataclass
class Progress:
    """How far a relaxation has come.

    Attributes
    ----------
    structure
        Start of the present segment.
    segment
        Number of the segment, from 0; a new one starts with fresh plane waves.
    calls
        Geometries evaluated in earlier segments and interrupted runs.
    """

    structure: Structure
    segment: int = 0
    calls: int = 0
    wall_time_s: float = 0.0

    def to_dict(self, repairs: Sequence[str], learned: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state in plain JSON types, with the time at which it was true."""
        return {
            "structure": self.structure.as_dict(),
            "segment": self.segment,
            "calls": self.calls,
            "wall_time_s": self.wall_time_s,
            "repairs": list(repairs),
            "learned": dict(learned),
            "at": time.time(),
        }


class VaspRelaxation:
    """A relaxation under way.

    Parameters
    ----------
    task
        What VASP is given, with the atoms that keep their place.
    settings
        The numbers of ``relax.yaml``.
    cell
        As in the maker.
    """

    def __init__(self, task: VaspTask, settings: Mapping[str, Any], cell: FreeCell) -> None:
        self.task, self.settings, self.cell = task, settings, cell
        self.progress = Progress(task.structure)
        self.repairs: list[str] = []
        self.learned: dict[str, Any] = {}
        key = content_key(
            "relax",
            task_key(task),
            [task.structure, dict(settings), cell, list(task.frozen)],
            without=LIMITS,
        )
        self.checkpoint = Checkpoint(task.folder.parent / "vasp.relax.json", key)

    def run(self) -> VaspResult:
        """Relax, segment after segment, and return the last geometry.

        Raises
        ------
        OutOfTime
            If VASP was stopped before the end of the wall time; the same call goes on.
        NotConverged
            If the SCF does not converge.
        """
        self._resume()
        try:
            return self._segments()
        except OutOfTime:
            raise
        except DefectflowError as error:
            remove_large_files(self.task.folder)
            if isinstance(error, NotConverged):  # forces of such electrons lead anywhere
                (self.task.folder / "CONTCAR").unlink(missing_ok=True)
            raise

    def _segments(self) -> VaspResult:
        while True:
            result = self._segment()
            if result.stopped:
                raise out_of_time(self.task.folder)
            done = self.progress.calls >= self.settings["max_steps"]
            if done or not self._basis_is_old(result.structure):
                return result
            self.progress.structure = result.structure
            self.progress.segment += 1

    def _segment(self) -> VaspResult:
        from atomate2.vasp.jobs.core import RelaxMaker as VaspMaker

        task, state = self.task, self.progress
        begun = time.monotonic()
        self._save()
        tags = task.tags | relax_tags(self.settings, self.cell, task.structure) | self.learned
        tags["NSW"] = max(1, self.settings["max_steps"] - state.calls)
        found = run(task, VaspMaker, to_poscar(task, state.structure), tags)
        result = read(task, state.structure, found)
        fixed = corrections(task.folder)
        self._note(in_words(fixed))
        self.learned |= learned_tags(fixed)
        if result.stopped:
            return result
        state.calls += evaluations(task.folder)
        state.wall_time_s += time.monotonic() - begun
        return result

    def _note(self, repairs: Sequence[str]) -> None:
        """Keep what was repaired for the document, each once."""
        self.repairs = list(dict.fromkeys([*self.repairs, *repairs]))

    def _basis_is_old(self, end: Structure) -> bool:
        """Tell whether the cell has left the one for which the plane waves were chosen too far."""
        if self.cell == "fixed" or self.progress.segment >= self.settings["basis_restarts"]:
            return False
        start = self.progress.structure.lattice.matrix
        strain = np.linalg.solve(start, end.lattice.matrix) - np.eye(3)
        return bool(np.abs((strain + strain.T) / 2).max() > self.settings["basis_strain"])

    def _save(self) -> None:
        self.checkpoint.save(self.progress.to_dict(self.repairs, self.learned))

    def _resume(self) -> None:
        """Go on from the last geometry of an interrupted run of the same relaxation."""
        saved = self.checkpoint.load()
        folder = self.task.folder
        if saved is None:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
            return
        from pymatgen.core.structure import Structure

        calls = evaluations(folder)
        start = Structure.from_dict(saved["structure"])
        last = folder / "OSZICAR"
        lost_s = last.stat().st_mtime - saved["at"] if last.is_file() else 0.0
        self.progress = Progress(
            structure=self._last_geometry(start) or start,
            segment=saved["segment"],
            calls=saved["calls"] + calls,
            wall_time_s=saved["wall_time_s"] + max(0.0, lost_s),
        )
        self._note([*saved["repairs"], *in_words(corrections(folder))])
        self.learned = saved["learned"] | learned_tags(corrections(folder))
        progress.info("VASP goes on from step %d", self.progress.calls)

    def _last_geometry(self, start: Structure) -> Structure | None:
        """Return what CONTCAR holds; None if the run was killed before or while it was written."""
        from pymatgen.io.vasp.inputs import Poscar

        path = self.task.folder / "CONTCAR"
        try:
            found = Poscar.from_file(path, check_for_potcar=False).structure
        except Exception:  # noqa: BLE001 - a torn file fails in many ways
            return None
        if len(found) != len(start):
            return None
        return to_own_order(self.task, start, found)

    def finish(self, *, converged: bool) -> None:
        """Remove what no run needs any more; with more steps the last geometry goes on."""
        if not converged:
            remove_large_files(self.task.folder)
            return
        self.checkpoint.clear()
        shutil.rmtree(self.task.folder, ignore_errors=True)


def relax_with_vasp(
    request: Request, engine: Vasp, cell: FreeCell, frozen: Sequence[int] = ()
) -> RelaxDocument:
    """Relax the structure of `request`; atoms in `frozen` keep their position.

    What VASP cannot do by itself (`vasp_files.driven`) defectflow's own minimiser does with VASP's
    forces and stress. Running out of steps is not an error: the document says ``converged=False``,
    and the same call with more of them goes on.
    """
    task = engine.task(request, frozen)
    if driven(task, cell):
        return relax(request, engine, cell, frozen)
    settings = request.settings
    relaxation = VaspRelaxation(task, settings, cell)
    result = relaxation.run()
    free = np.ones(len(task.structure), dtype=bool)
    free[list(frozen)] = False
    fmax = float(np.linalg.norm(result.forces_eV_per_A * free[:, None], axis=1).max())
    left, limit = _stress_left_eV_per_A3(result, cell), settings["stress_max_eV_per_A3"]
    resting = cell == "fixed" or (left is not None and left < limit)
    state = relaxation.progress
    document = RelaxDocument(
        structure=_with_moments(result),
        energy_eV=result.energy_eV,
        forces_eV_per_A=tuple(map(tuple, result.forces_eV_per_A.tolist())),
        stress_eV_per_A3=_rows(result),
        fmax_eV_per_A=fmax,
        force_threshold_eV_per_A=settings["fmax_eV_per_A"],
        **stress_fields(left, limit),
        converged=fmax < settings["fmax_eV_per_A"] and resting,
        steps=max(0, state.calls - 1),
        force_calls=state.calls,
        wall_time_s=state.wall_time_s,
        cell=cell,
        frozen=tuple(frozen),
        magnetic_moments=result.moments,
        site_potentials_V=result.site_potentials_V,
        charge=request.charge,
        inputs=task.inputs | {"version": result.version},
        repairs=tuple(relaxation.repairs),
        engine=engine.stamp(),
    )
    relaxation.finish(converged=document.converged)
    return document


def _with_moments(result: VaspResult) -> Structure:
    if result.moments is not None:
        result.structure.add_site_property("magmom", list(result.moments))
    return result.structure


def _stress_left_eV_per_A3(result: VaspResult, cell: FreeCell) -> float | None:
    stress = result.stress_eV_per_A3
    if cell == "fixed" or stress is None:
        return None
    return float(abs(np.trace(stress)) / 3 if cell == "scale" else np.abs(stress).max())


def _rows(result: VaspResult) -> Any:
    stress = result.stress_eV_per_A3
    return None if stress is None else tuple(map(tuple, stress.tolist()))


@dataclass
class VaspRelaxMaker(RelaxMaker):
    """Makes relaxations by VASP; fields and `make` are those of `RelaxMaker`."""

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
        request = self.request(structure, charge, magnetic_moments)
        return relax_with_vasp(request, self.engine, self.cell, frozen)
