"""KPOINTS, or the mesh that KSPACING asks for. The points are written back and used for nothing."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import spglib
from numpy.typing import NDArray

from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from defectflow.engines.vasp_standin.incar import Incar
    from defectflow.engines.vasp_standin.poscar import Poscar

Array = NDArray[np.float64]

#: VASP's KSPACING if there is neither that tag nor a KPOINTS file, 1/Å with the factor 2π.
_KSPACING: Final = 0.5
_SYMPREC_A: Final = 1e-5


@dataclass(frozen=True)
class Kpoints:
    """Points of the Brillouin zone.

    Attributes
    ----------
    scheme
        ``Gamma`` or ``Monkhorst-Pack``; None for points that were listed one by one.
    divisions, shift
        Mesh along the reciprocal vectors, and its shift in units of the spacing.
    points, weights
        Irreducible points in reciprocal coordinates, shape (points, 3), and weights of sum 1.
    """

    scheme: str | None
    divisions: tuple[int, int, int]
    shift: tuple[float, float, float]
    points: Array
    weights: Array


def read_kpoints(folder: Path, incar: Incar, poscar: Poscar) -> Kpoints:
    """Return the points that KPOINTS lists or generates, or else those of KSPACING.

    Raises
    ------
    EngineError
        If the file asks for a band structure or cannot be read.
    """
    path = folder / "KPOINTS"
    if (folder / "KPOINTS_OPT").is_file():
        raise EngineError(_bands_refused(folder / "KPOINTS_OPT"))
    if not path.is_file():
        spacing = incar.number("KSPACING", _KSPACING)
        divisions = [max(1, math.ceil(2 * math.pi * b / spacing)) for b in _reciprocal(poscar)]
        scheme = "Gamma" if incar.logical("KGAMMA", default=True) else "Monkhorst-Pack"
        return _mesh(scheme, divisions, (0.0, 0.0, 0.0), incar, poscar)
    try:
        return _from_lines(path, incar, poscar)
    except (ValueError, IndexError) as error:
        message = f"{path} cannot be read: {error}; write a mesh or use KSPACING"
        raise EngineError(message) from error


def _from_lines(path: Path, incar: Incar, poscar: Poscar) -> Kpoints:
    lines = path.read_text("utf-8").splitlines()
    count, kind = int(lines[1].split()[0]), lines[2].strip()[:1].upper()
    if kind == "L":
        raise EngineError(_bands_refused(path))
    if count > 0:
        if kind in {"C", "K"}:
            message = "Cartesian points depend on the scale of POSCAR; list reciprocal coordinates"
            raise ValueError(message)
        return _listed(lines[3 : 3 + count], path)
    if kind == "A":
        length = float(lines[3].split()[0])
        divisions = [max(1, int(length * b + 0.5)) for b in _reciprocal(poscar)]
        return _mesh("Gamma", divisions, (0.0, 0.0, 0.0), incar, poscar)
    if kind not in {"G", "M"}:
        message = f"line 3 ({lines[2].strip()!r}) is neither Gamma nor Monkhorst-Pack"
        raise ValueError(message)
    divisions = [int(word) for word in lines[3].split()[:3]]
    words = lines[4].split()[:3] if len(lines) > 4 else []  # noqa: PLR2004
    shift = [float(word) for word in words] or [0.0, 0.0, 0.0]
    scheme = "Gamma" if kind == "G" else "Monkhorst-Pack"
    return _mesh(scheme, divisions, (shift[0], shift[1], shift[2]), incar, poscar)


def _bands_refused(path: Path) -> str:
    return (
        f"{path} asks for a band structure; the stand-in for VASP has no electrons: give a mesh, "
        "or run VASP"
    )


def _reciprocal(poscar: Poscar) -> list[float]:
    """Return the lengths of the reciprocal vectors, 1/Å, without the factor 2π."""
    return [float(x) for x in np.linalg.norm(np.linalg.inv(poscar.cell), axis=0)]


def _listed(lines: Sequence[str], path: Path) -> Kpoints:
    rows = np.array([[float(word) for word in line.split()[:4]] for line in lines])
    if not rows[:, 3].all():
        raise EngineError(_bands_refused(path))
    weights = rows[:, 3] / rows[:, 3].sum()
    return Kpoints(None, (0, 0, 0), (0.0, 0.0, 0.0), rows[:, :3], weights)


def _mesh(
    scheme: str,
    divisions: Sequence[int],
    shift: tuple[float, float, float],
    incar: Incar,
    poscar: Poscar,
) -> Kpoints:
    """Return the irreducible points of a mesh."""
    n = (divisions[0], divisions[1], divisions[2])
    half = [int(scheme != "Gamma" and d % 2 == 0) for d in n]
    symmetric = incar.integer("ISYM", 2) > 0 and not any(shift)
    moments = incar.numbers("MAGMOM") if incar.spin_polarised else ()
    kinds = list(zip(poscar.symbols, moments or [0.0] * len(poscar.symbols), strict=False))
    numbers = [sorted(set(kinds)).index(kind) + 1 for kind in kinds]
    cell: Any = (poscar.cell, poscar.scaled, numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # announcements of spglib
        mapping, grid = spglib.get_ir_reciprocal_mesh(n, cell, is_shift=half, symprec=_SYMPREC_A)
    if not symmetric:
        mapping = np.arange(len(grid))
    kept, counts = np.unique(mapping, return_counts=True)
    points = (grid[kept] + np.array(half) / 2 + np.array(shift)) / np.array(n)
    return Kpoints(scheme, n, shift, points, counts / counts.sum())
