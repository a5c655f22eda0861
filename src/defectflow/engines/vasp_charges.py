"""Charges of atoms with VASP: AECCAR0 and AECCAR2 tell the atoms apart, CHGCAR is counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.charges import Density, divided
from defectflow.engines.once import once_with_vasp
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from defectflow.engines.request import Request
    from defectflow.engines.vasp import Vasp
    from defectflow.engines.vasp_output import VaspResult
    from defectflow.engines.vasp_run import VaspTask


def charges(engine: Vasp, request: Request) -> ChargesDocument:
    """Compute the electrons of `request` and return the charges of its atoms.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    EngineError
        If VASP fails, or leaves no density.
    """
    structure = request.structure

    def look(task: VaspTask, _: VaspResult) -> dict[str, Any]:
        cores, valence, counted = (_read(task, name) for name in ("AECCAR0", "AECCAR2", "CHGCAR"))
        neutral = [task.potcars[site.specie.symbol].valence for site in structure]
        density = Density(counted, cores + valence, neutral, cores=True)
        return divided(density, structure, request.charge)

    return ChargesDocument(**once_with_vasp(engine, request, "charges", look))


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
