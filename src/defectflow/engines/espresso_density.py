"""The density that pw.x left for one geometry, made into a start for the next one.

A density that stays where it was while the atoms move is a worse start than none: the SCF takes as
many steps as from free atoms. Here each atom carries its own free-atom density along, and only the
difference between the crystal and its free atoms stays (T. A. Arias, M. C. Payne, J. D.
Joannopoulos, Phys. Rev. B 45, 1538 (1992); pw.x does the same within a relaxation of its own).
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import simpson
from scipy.io import FortranFile

from defectflow.engines.model import file_state
from defectflow.units import BOHR_A

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from defectflow.engines.espresso_pseudos import Pseudopotential

Array = NDArray[np.float64]
Waves = NDArray[np.complex128]

_FILE: Final = "charge-density.dat"
_POINTS: Final = 400
_FIELD: Final = r"<{0}[^>]*>([^<]*)</{0}>"


@dataclass(frozen=True, eq=False)
class Geometry:
    """Cell (rows, Å) and fractional coordinates of the atoms."""

    cell: Array
    places: Array

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Geometry):
            return NotImplemented
        return np.array_equal(self.cell, other.cell) and np.array_equal(self.places, other.places)

    __hash__ = None  # type: ignore[assignment]

    def to_dict(self) -> dict[str, list[list[float]]]:
        """Return plain JSON types."""
        return {"cell": self.cell.tolist(), "places": self.places.tolist()}

    @classmethod
    def from_dict(cls, data: Mapping[str, list[list[float]]]) -> Geometry:
        """Rebuild it."""
        return cls(np.array(data["cell"]), np.array(data["places"]))

    @property
    def volume_bohr3(self) -> float:
        """Volume of the cell."""
        return abs(float(np.linalg.det(self.cell))) / BOHR_A**3


def carry_density(
    folder: Path,
    symbols: Sequence[str],
    pseudos: Mapping[str, Pseudopotential],
    old: Geometry,
    new: Geometry,
) -> bool:
    """Rewrite the density in `folder` for the geometry `new`; return whether that was possible.

    Possible with norm-conserving potentials (others keep part of the density elsewhere) and a pw.x
    that writes its own binary format, not HDF5. The magnetisation stays as it is.
    """
    path = folder / _FILE
    if not path.is_file() or any(one.kind != "NC" for one in pseudos.values()):
        return False
    try:
        header, axes, indices, parts = _read(path)
        change = _free_atoms(indices, symbols, pseudos, new)
        before = _free_atoms(indices, symbols, pseudos, old)
    except (OSError, TypeError, ValueError):
        return False
    parts[0] = (parts[0] - before) * (old.volume_bohr3 / new.volume_bohr3) + change
    _write(path, header, axes, indices, parts)
    return True


def _read(path: Path) -> tuple[NDArray[np.int32], Array, NDArray[np.int32], list[Waves]]:
    """Return the records of a density: three integers, axes, Miller indices, parts by spin."""
    with FortranFile(path) as file:
        header = file.read_ints()
        axes = file.read_reals()
        indices = file.read_ints().reshape(-1, 3)
        if len(header) != 3 or len(indices) != header[1]:  # noqa: PLR2004 - gamma, waves, spins
            message = f"{path}: unknown format"
            raise ValueError(message)
        parts = [file.read_record(np.complex128) for _ in range(header[2])]
    return header, axes, indices, parts


def _write(
    path: Path,
    header: NDArray[np.int32],
    axes: Array,
    indices: NDArray[np.int32],
    parts: Sequence[Waves],
) -> None:
    with FortranFile(path, "w") as file:
        for record in (header, axes, indices.ravel(), *parts):
            file.write_record(record)


def _free_atoms(
    indices: NDArray[np.int32],
    symbols: Sequence[str],
    pseudos: Mapping[str, Pseudopotential],
    geometry: Geometry,
) -> Waves:
    """Return the plane-wave coefficients of the sum of the free atoms' densities."""
    lengths = np.linalg.norm(indices @ _reciprocal(geometry.cell), axis=1) * BOHR_A
    total: Waves = np.zeros(len(indices), dtype=np.complex128)
    for element in dict.fromkeys(symbols):
        own = [place for place, symbol in enumerate(symbols) if symbol == element]
        phases = np.exp(-2j * np.pi * indices @ geometry.places[own].T).sum(axis=1)
        total += phases * _form_factor(pseudos[element].path, lengths)
    total /= geometry.volume_bohr3
    return total


def _reciprocal(cell: Array) -> Array:
    reciprocal: Array = 2 * np.pi * np.linalg.inv(cell.astype(float)).T
    return reciprocal


def _form_factor(path: Path, lengths: Array) -> Array:
    """Return the Fourier transform of an atom's density at wave vectors of `lengths` (1/bohr)."""
    radii, density = _atom(path, file_state(path))
    grid = np.linspace(0.0, lengths.max() + 1e-9, _POINTS)
    waves = np.sinc(np.outer(grid, radii) / np.pi)
    factor: Array = np.interp(lengths, grid, simpson(density * waves, x=radii, axis=1))
    return factor


@functools.lru_cache(maxsize=64)
def _atom(path: Path, _state: tuple[int, int]) -> tuple[Array, Array]:
    """Return radii (bohr) and 4 π r² times the density (electrons per bohr) of a free atom."""
    text = path.read_text(encoding="latin-1")
    columns = []
    for name in ("PP_R", "PP_RHOATOM"):
        found = re.search(_FIELD.format(name), text)
        if found is None:
            message = f"{path}: has no {name}"
            raise ValueError(message)
        columns.append(np.array(found[1].replace("D", "E").split(), dtype=float))
    count = min(map(len, columns))
    return columns[0][:count], columns[1][:count]
