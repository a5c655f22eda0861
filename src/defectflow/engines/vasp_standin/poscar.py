"""POSCAR and CONTCAR: the crystal, with the directions in which atoms may move."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixScaled
from numpy.typing import NDArray

from defectflow.engines.vasp_standin.marks import PROGRAM
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Poscar:
    """A crystal in the order of its POSCAR.

    Attributes
    ----------
    comment
        First line, without the stand-in's mark.
    cell
        Lattice vectors in rows, Å.
    species, counts
        Element and number of atoms of each group; an element may appear twice.
    scaled
        Fractional coordinates, shape (atoms, 3), not wrapped into the cell.
    free
        Whether an atom may move along each lattice vector; None without selective dynamics.
    """

    comment: str
    cell: Array
    species: tuple[str, ...]
    counts: tuple[int, ...]
    scaled: Array
    free: NDArray[np.bool_] | None = None

    @classmethod
    def from_file(cls, path: Path) -> Poscar:
        """Read a POSCAR of VASP 5 or later.

        Raises
        ------
        EngineError
            If it is missing, cannot be read, or does not name its elements.
        """
        if not path.is_file():
            message = f"{path} is missing; the stand-in for VASP needs it as VASP does"
            raise EngineError(message)
        try:
            return cls.from_text(path.read_text("utf-8"))
        except (ValueError, IndexError) as error:
            message = f"{path} cannot be read: {error}; write it as VASP 5 does"
            raise EngineError(message) from error

    @classmethod
    def from_text(cls, text: str) -> Poscar:
        """Read the text of a POSCAR; a wrong one raises `ValueError` or `IndexError`."""
        lines = text.splitlines()
        words = lines[5].split()
        if not all(word[0].isalpha() for word in words):
            message = f"line 6 ({lines[5].strip()!r}) must name the elements"
            raise ValueError(message)
        species = tuple(re.split(r"[_/]", word)[0] for word in words)
        counts = tuple(int(word) for word in lines[6].split()[: len(species)])
        selective = lines[7].strip()[:1] in {"S", "s"}
        first = 8 + selective
        rows = [line.split() for line in lines[first : first + sum(counts)]]
        if len(rows) < sum(counts):
            message = f"{len(rows)} coordinates for {sum(counts)} atoms"
            raise ValueError(message)
        vectors = np.array([[float(x) for x in line.split()[:3]] for line in lines[2:5]])
        scale = _scale(lines[1], vectors)
        coords = np.array([[float(x) for x in row[:3]] for row in rows])
        if lines[first - 1].strip()[:1] in {"C", "c", "K", "k"}:
            coords = (coords * scale) @ np.linalg.inv(vectors * scale)
        free = np.array([[flag[0] in "Tt" for flag in row[3:6]] for row in rows])
        return cls(
            comment=lines[0].removeprefix(f"{PROGRAM}:").strip(),
            cell=vectors * scale,
            species=species,
            counts=counts,
            scaled=coords,
            free=free if selective else None,
        )

    @property
    def symbols(self) -> list[str]:
        """Element of each atom."""
        return [s for s, count in zip(self.species, self.counts, strict=True) for _ in range(count)]

    def to_atoms(self) -> Atoms:
        """Return ASE atoms with the selective dynamics as constraints."""
        atoms = Atoms(self.symbols, scaled_positions=self.scaled, cell=self.cell, pbc=True)
        atoms.positions = self.scaled @ self.cell
        if self.free is not None:
            held = np.flatnonzero(~self.free.any(axis=1))
            partly = np.flatnonzero(self.free.any(axis=1) & ~self.free.all(axis=1))
            constraints = [FixScaled(int(i), mask=list(~self.free[i])) for i in partly]
            atoms.set_constraint([FixAtoms(indices=held), *constraints])
        return atoms

    def moved(self, atoms: Atoms) -> Poscar:
        """Return the same crystal with cell and positions of `atoms`."""
        cell = np.array(atoms.cell)
        return replace(self, cell=cell, scaled=atoms.positions @ np.linalg.inv(cell))

    def head(self) -> str:
        """Return the first seven lines: mark, cell and elements."""
        vectors = [" ".join(f"{x:21.16f}" for x in vector) for vector in self.cell]
        names = " ".join(f"{name:>5}" for name in self.species)
        counts = " ".join(f"{count:5d}" for count in self.counts)
        return "\n".join([f"{PROGRAM}: {self.comment}", "1.0", *vectors, names, counts]) + "\n"

    def coordinates(self) -> list[str]:
        """Return one line of fractional coordinates for each atom."""
        return [" ".join(f"{x:19.16f}" for x in position) for position in self.scaled]

    def text(self) -> str:
        """Return the text of a CONTCAR."""
        lines = self.coordinates()
        if self.free is not None:
            flags = [" ".join("T" if flag else "F" for flag in row) for row in self.free]
            lines = [f"{line}  {flag}" for line, flag in zip(lines, flags, strict=True)]
        kind = "Direct\n" if self.free is None else "Selective dynamics\nDirect\n"
        return self.head() + kind + "\n".join(lines) + "\n"


def _scale(line: str, vectors: Array) -> float | Array:
    """Return the factor of the second line; a negative one gives the volume of the cell."""
    factors = [float(word) for word in line.split()]
    if len(factors) >= 3:  # noqa: PLR2004
        return np.array(factors[:3])
    if factors[0] < 0:
        return float((-factors[0] / abs(np.linalg.det(vectors))) ** (1 / 3))
    return factors[0]
