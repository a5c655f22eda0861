"""The electrostatic potential of pw.x, which pp.x takes out of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.engines import espresso_program as program
from defectflow.engines import programs
from defectflow.engines.espresso_input import OUTPUT_FOLDER, PREFIX
from defectflow.engines.espresso_output import failure
from defectflow.errors import EngineError
from defectflow.units import RYDBERG_EV

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_REMEDY: Final = (
    "install it with Quantum ESPRESSO (Debian, Ubuntu: apt-get install quantum-espresso) or set "
    "DEFECTFLOW_PP_X_COMMAND"
)
#: Of pp.x: what is written, and the format of Gaussian's cube files.
POTENTIAL, CHARGE, ALL_ELECTRON_CHARGE = 11, 0, 21
_CUBE: Final = 6
_HEAD_LINES: Final = 2


def grid_of(folder: Path, quantity: int, name: str) -> Array:
    """Return a quantity on pw.x's grid, shape (n1, n2, n3), in the units of pp.x (Ry, bohr).

    Parameters
    ----------
    folder
        Where pw.x ran, with its output.
    quantity
        Number of `plot_num` of pp.x: bare and Hartree potential (11), charge density (0), with the
        cores (21, of PAW data alone).
    name
        Of the files that are written.

    Raises
    ------
    EngineError
        If pp.x is missing or fails.
    """
    words = programs.command("pp.x", "-in", f"{name}.in", remedy=_REMEDY)
    (folder / f"{name}.in").write_text(input_text(quantity, name), encoding="utf-8")
    text, error, _ = program.run(words, folder, name, timeout_s=None)
    if "JOB DONE" not in text:
        message = f"pp.x in {folder}: {failure(text, error)[1]}; look at {name}.out there"
        raise EngineError(message)
    return read_cube(folder / f"{name}.cube")


def input_text(quantity: int, name: str) -> str:
    """Return the input of pp.x; see `grid_of` for the parameters."""
    return (
        f"&INPUTPP\n  prefix = '{PREFIX}'\n  outdir = './{OUTPUT_FOLDER}'\n"
        f"  filplot = '{name}.dat'\n  plot_num = {quantity}\n/\n"
        f"&PLOT\n  iflag = 3\n  output_format = {_CUBE}\n  fileout = '{name}.cube'\n/\n"
    )


def potential_profile_eV(folder: Path) -> Array:
    """Return the potential energy of an electron, mean over planes along the third vector, eV."""
    profile: Array = grid_of(folder, POTENTIAL, "potential").mean(axis=(0, 1)) * RYDBERG_EV
    return profile


def read_cube(path: Path) -> Array:
    """Return the values of a cube file, shape (n1, n2, n3)."""
    lines = path.read_text(encoding="utf-8").splitlines()
    atoms = abs(int(lines[_HEAD_LINES].split()[0]))
    first = _HEAD_LINES + 1
    shape = [int(lines[first + k].split()[0]) for k in range(3)]
    body = " ".join(lines[first + 3 + atoms :])
    return np.array(body.split(), dtype=float).reshape(shape)
