"""The ASE calculator that runs VASP once per geometry, in one folder, from its last orbitals."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from defectflow.documents.base import content_key
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.conversion import to_structure
from defectflow.engines.vasp_input import static_tags
from defectflow.engines.vasp_output import read
from defectflow.engines.vasp_repairs import corrections, in_words, learned_tags, out_of_time
from defectflow.engines.vasp_run import run, to_poscar
from defectflow.errors import DefectflowError, OutOfTime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from defectflow.engines.vasp_run import VaspTask


def task_key(task: VaspTask) -> str:
    """Return the content key of what a folder's orbitals belong to."""
    potentials = {element: one.symbol for element, one in task.potcars.items()}
    numbers = [site.specie.Z for site in task.structure]
    mesh = list(task.electrons.kpoints)
    return content_key("vasp", task.tags, mesh, task.potcar_set, potentials, numbers, task.standin)


def remove_large_files(folder: Path) -> None:
    """Remove orbitals and densities that no later run can use."""
    for name in ("WAVECAR", "CHGCAR", "CHG"):
        (folder / name).unlink(missing_ok=True)


class VaspCalculator(Calculator):
    """Energies, forces and stresses of one series of similar geometries, one VASP run for each.

    Results: ``energy`` is extrapolated to zero smearing width, ``free_energy`` is the one whose
    derivatives the forces are. ``magmoms`` are those inside VASP's spheres. What custodian changed
    to converge one geometry is kept for the next.

    Attributes
    ----------
    inputs, repairs
        What VASP was given, and what custodian changed.
    """

    name: ClassVar[str] = "vasp"

    def __init__(self, task: VaspTask) -> None:
        Calculator.__init__(self)
        self.implemented_properties = ["energy", "free_energy", "forces", "stress", "magmoms"]
        self.task = task
        self.inputs = dict(task.inputs)
        self.repairs: list[str] = []
        self._learned: dict[str, Any] = {}
        self._site_potentials_V: tuple[float, ...] | None = None

    @property
    def folder(self) -> Path:
        """Where VASP runs."""
        return self.task.folder

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate `atoms` once.

        Raises
        ------
        NotConverged
            If the SCF does not converge, whatever custodian tried.
        OutOfTime
            If VASP had to stop before the end of the wall time.
        EngineError
            If VASP fails.
        """
        from atomate2.vasp.jobs.core import StaticMaker

        Calculator.calculate(self, atoms, properties, system_changes)
        task = self.task
        structure = to_structure(cast("Atoms", self.atoms), task.structure)
        self._take_over()
        tags = task.tags | static_tags() | self._learned
        found = run(task, StaticMaker, to_poscar(task, structure), tags)
        fixed = corrections(task.folder)
        self.repairs += [one for one in in_words(fixed) if one not in self.repairs]
        self._learned |= learned_tags(fixed)
        result = read(task, structure, found)
        if result.stopped:
            raise out_of_time(task.folder)
        self.inputs["version"] = result.version
        self._site_potentials_V = result.site_potentials_V
        self.results = {
            "energy": result.energy_eV,
            "free_energy": result.free_energy_eV,
            "forces": result.forces_eV_per_A,
        }
        if result.stress_eV_per_A3 is not None:
            self.results["stress"] = full_3x3_to_voigt_6_stress(result.stress_eV_per_A3)
        if result.moments is not None:
            self.results["magmoms"] = result.moments

    def site_potentials_V(self) -> tuple[float, ...] | None:
        """Return the electrostatic potential at each atom, V, in the geometry evaluated last."""
        return self._site_potentials_V

    def _take_over(self) -> None:
        """Keep the files of an interrupted run of this calculation; remove those of another."""
        checkpoint = self._checkpoint()
        saved = checkpoint.load()
        if saved is None:
            shutil.rmtree(self.folder, ignore_errors=True)
        elif not self._learned:
            self._learned = dict(saved["learned"])
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint.save({"learned": self._learned})

    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(self.folder.parent / "vasp.restart.json", task_key(self.task))

    def finish(self) -> None:
        """Remove what only an interrupted run would need: the calculation is done."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._checkpoint().clear()
        place = self.folder.parent
        if place != Path.cwd() and place.is_dir() and not any(place.iterdir()):
            place.rmdir()

    def close(self) -> None:
        """Keep the files of an unfinished calculation, the large ones only if they can be used."""
        problem = sys.exc_info()[1]
        if isinstance(problem, DefectflowError) and not isinstance(problem, OutOfTime):
            remove_large_files(self.folder)
