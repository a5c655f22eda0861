"""Charges of atoms with VASP: AECCAR0 and AECCAR2 tell the atoms apart, CHGCAR is counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.charges import Density, divided
from defectflow.engines.vasp_calculator import remove_large_files
from defectflow.engines.vasp_files import step_tags
from defectflow.engines.vasp_output import read
from defectflow.engines.vasp_repairs import corrections, in_words, out_of_time
from defectflow.engines.vasp_run import run, to_poscar
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from defectflow.engines.request import Request
    from defectflow.engines.vasp import Vasp
    from defectflow.engines.vasp_run import VaspTask

#: Distance of grid points, Å: charges change by 0.01 e from here to half of it.
GRID_A: Final = 0.06


def charge_tags(task: VaspTask) -> dict[str, Any]:
    """Return the tags that ask for the densities, on a fine grid."""
    lengths = np.array(task.structure.lattice.abc)
    points = [2 * int(np.ceil(length / GRID_A / 2)) for length in lengths]
    return {
        "LAECHG": True,
        "LCHARG": True,
        **dict(zip(("NGXF", "NGYF", "NGZF"), points, strict=True)),
    }


def charges(engine: Vasp, request: Request) -> ChargesDocument:
    """Compute the electrons of `request` and return the charges of its atoms.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    EngineError
        If VASP fails, or leaves no density.
    """
    from atomate2.vasp.jobs.core import StaticMaker

    begun = time.monotonic()
    structure = request.structure
    engine.check({element.symbol for element in structure.elements})
    task = engine.task(request)
    tags = task.tags | step_tags(task, request.settings, "static") | charge_tags(task)
    found = run(task, StaticMaker, to_poscar(task, structure), tags)
    result = read(task, structure, found)
    if result.stopped:
        raise out_of_time(task.folder)
    cores, valence, counted = (_read(task, name) for name in ("AECCAR0", "AECCAR2", "CHGCAR"))
    neutral = [task.potcars[site.specie.symbol].valence for site in structure]
    document = ChargesDocument(
        **divided(
            Density(counted, cores + valence, neutral, cores=True), structure, request.charge
        ),
        structure=structure,
        energy_eV=result.energy_eV,
        charge=request.charge,
        force_calls=1,
        wall_time_s=time.monotonic() - begun,
        inputs=task.inputs | {"incar": tags, "version": result.version},
        repairs=tuple(in_words(corrections(task.folder))),
        engine=engine.stamp(),
    )
    for name in ("AECCAR0", "AECCAR1", "AECCAR2"):
        (task.folder / name).unlink(missing_ok=True)
    remove_large_files(task.folder)
    engine.part(request).finish()
    return document


def _read(task: VaspTask, name: str) -> NDArray[np.float64]:
    """Return a density, electrons per Å³."""
    from pymatgen.io.vasp.outputs import Chgcar

    path: Path = task.folder / name
    if not path.is_file():
        message = f"{path}: VASP left no density; LAECHG = .TRUE. and LCHARG = .TRUE. ask for it"
        raise EngineError(message)
    written: Any = Chgcar.from_file(str(path))
    values: NDArray[np.float64] = written.data["total"] / task.structure.volume
    return values
