"""The folders of a band of VASP: one run of all images, and what each image came to."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from defectflow.engines.vasp_input import poscar_order
from defectflow.engines.vasp_output import moments_of_atoms, to_own_order
from defectflow.engines.vasp_repairs import (
    check_decisive,
    corrections,
    explained,
    stopped_for_time,
)
from defectflow.engines.vasp_run import (
    check_origin,
    generator,
    inside,
    prepare,
    run_arguments,
    to_poscar,
)
from defectflow.errors import NotConverged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pymatgen.core.structure import Structure

    from defectflow.engines.vasp_run import VaspTask

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BandPoint:
    """The last geometry of one image, atoms in their own order; forces are the true ones."""

    structure: Structure
    energy_eV: float
    forces_eV_per_A: Array
    moments: tuple[float, ...] | None


@dataclass(frozen=True)
class BandResult:
    """The images between the ends, and how the run went."""

    points: list[BandPoint]
    steps: int
    stopped: bool
    corrections: list[dict[str, Any]]


def run_band(task: VaspTask, images: Sequence[Structure], tags: Mapping[str, Any]) -> BandResult:
    """Relax `images`, ends included, which have their atoms in their own order.

    Raises
    ------
    NotConverged
        If the SCF of an image does not converge.
    EngineError
        If VASP fails.
    """
    from atomate2.vasp.jobs.neb import NebFromImagesMaker

    prepare(task.folder)
    for number in range(len(images)):
        shutil.rmtree(task.folder / f"{number:02d}", ignore_errors=True)
    arguments = run_arguments(task, electronic=False)
    arguments["job_type"] = "neb"
    arguments["vasp_job_kwargs"] |= {
        "auto_npar": False,
        "output_file": "vasp.out",
        "stderr_file": "std_err.txt",
    }
    maker: Any = NebFromImagesMaker(
        input_set_generator=generator(task, tags),
        write_input_set_kwargs={
            "potcar_spec": not task.licensed,
            "apply_incar_updates": False,
        },
        run_vasp_kwargs=arguments,
        stop_children_kwargs={"handle_unsuccessful": False},
    )
    with inside(task):
        try:
            type(maker).make.original(maker, [to_poscar(task, image) for image in images])
        except Exception as error:
            raise explained(error, task.folder) from error
    check_origin(task)
    check_decisive(task.folder, tags, task.electrons.kpoints)
    read = [
        _point(task, image, task.folder / f"{number:02d}")
        for number, image in enumerate(images[1:-1], start=1)
    ]
    return BandResult(
        points=[point for point, _, _ in read],
        steps=max(steps for _, steps, _ in read),
        stopped=stopped_for_time(task.folder) or any(stopped for _, _, stopped in read),
        corrections=corrections(task.folder),
    )


def _point(task: VaspTask, start: Structure, folder: Path) -> tuple[BandPoint, int, bool]:
    """Return an image, the number of its steps, and whether STOPCAR ended them."""
    from pymatgen.io.vasp.outputs import Outcar, Vasprun

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written: Any = Vasprun(
            folder / "vasprun.xml", parse_dos=False, parse_eigen=False, parse_potcar_file=False
        )
        outcar = Outcar(folder / "OUTCAR")
    last = written.ionic_steps[-1]
    if len(last["electronic_steps"]) >= task.tags["NELM"]:
        message = (
            f"VASP in {folder}: the SCF of this image did not converge; raise max_scf_steps or "
            "smearing_eV, or give better starting moments"
        )
        raise NotConverged(message)
    order = poscar_order(task.structure)
    forces = np.empty((len(order), 3))
    forces[order] = np.array(last["forces"], dtype=float)
    point = BandPoint(
        structure=to_own_order(task, start, last["structure"]),
        energy_eV=float(written.final_energy),
        forces_eV_per_A=forces,
        moments=moments_of_atoms(task, outcar.magnetization, order),
    )
    return point, len(written.ionic_steps), bool(outcar.is_stopped)


def last_path(task: VaspTask, start: Sequence[Structure]) -> list[Structure]:
    """Return the images that an interrupted run has left; `start` where it has left none."""
    from pymatgen.io.vasp.inputs import Poscar

    found = []
    for number, image in enumerate(start):
        path = task.folder / f"{number:02d}" / "CONTCAR"
        try:
            last = Poscar.from_file(path, check_for_potcar=False).structure
        except Exception:  # noqa: BLE001 - a torn file fails in many ways
            found.append(image)
            continue
        found.append(to_own_order(task, image, last) if len(last) == len(image) else image)
    return found
