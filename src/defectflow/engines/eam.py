"""Embedded atom potentials from files of the user: fast, and as good as what they were fitted to.

Files in the formats of LAMMPS' DYNAMO family: ``.eam.alloy``, ``.eam.fs`` and ``.adp``. They are
read by ASE. Energies of pair and embedding terms are those of M. S. Daw and M. I. Baskes, Phys.
Rev. B 29, 6443 (1984); ``.eam.fs`` has densities that depend on both atoms (M. W. Finnis and
J. E. Sinclair, Philos. Mag. A 50, 45 (1984)).
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.eam import EAM as AseEAM  # noqa: N811 - a class of that name is ours
from ase.stress import full_3x3_to_voigt_6_stress
from pydantic import field_validator

from defectflow.engines.calculators import BASIC, CalculatorEngine, CalculatorOptions
from defectflow.engines.contract import Capability, EngineInfo
from defectflow.engines.model import Model
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from ase.calculators.calculator import BaseCalculator

#: End of a file's name: what ASE calls its format.
_FORMS: Final = {".eam.alloy": "alloy", ".eam.fs": "fs", ".adp": "adp"}
#: The elements stand in this line, after three lines of comment.
_ELEMENT_LINE: Final = 3


class EAMOptions(CalculatorOptions):
    """Options of an embedded atom potential.

    Attributes
    ----------
    potential
        File of the potential: ``.eam.alloy``, ``.eam.fs`` or ``.adp``. In a recipe, relative to
        the recipe.
    """

    potential: str

    @field_validator("potential", mode="before")
    @classmethod
    def _known_format(cls, value: object) -> object:
        text = str(value)
        if not text.endswith(tuple(_FORMS)):
            message = f"{text}: the name of the file must end in {', '.join(_FORMS)}"
            raise ValueError(message)
        return str(Path(text).expanduser().absolute())


@dataclass(frozen=True)
class EAM(CalculatorEngine):
    """The engine ``eam``: an embedded atom potential in a file.

    The stamp carries the file's name and its digest, not its folder: the same potential elsewhere
    gives the same results.

    Examples
    --------
    >>> EAM(options={"potential": "missing.eam.alloy"}).check()
    Traceback (most recent call last):
    defectflow.errors.EngineError: engine eam: potential missing.eam.alloy is no file; ...
    """

    name: ClassVar[str] = "eam"
    options_model: ClassVar[type[EAMOptions]] = EAMOptions
    declared: ClassVar[frozenset[Capability]] = BASIC | {Capability.STRESS}
    #: Options that are files, which a recipe names relative to itself.
    file_options: ClassVar[tuple[str, ...]] = ("potential",)

    @property
    def file(self) -> Path:
        """File of the potential."""
        return Path(self.options["potential"])

    def model(self) -> Model:
        """Return the description of the file; reads no more than its first lines.

        Raises
        ------
        EngineError
            If the file is missing or no such potential.
        """
        return Model(
            name=self.file.name,
            functional=None,
            fidelity="potential",
            elements=_elements(self.file),
            packages=("ase",),
            weights=str(self.file),
        )

    def stamp(self) -> Any:
        """Return the stamp, without the folder of the file."""
        stamp = super().stamp()
        kept = {key: value for key, value in stamp.options.items() if key != "potential"}
        return stamp.model_copy(update={"options": kept})

    def calculator(self) -> BaseCalculator:
        """Read the file and return its calculator."""
        return read_potential(self.file)

    @classmethod
    def describe(cls) -> EngineInfo:
        """Return the engine's line of the inventory: it needs ASE, and a file of the user."""
        return EngineInfo(name=cls.name, available=True, capabilities=tuple(sorted(cls.declared)))


def read_potential(file: Path) -> BaseCalculator:
    """Return the calculator of a potential.

    Raises
    ------
    EngineError
        If the file cannot be read as what its name says.
    """
    form = _form(file)
    _elements(file)
    kind: Any = AseEAM if form == "adp" else VectorisedEAM
    try:
        made: BaseCalculator = kind(potential=str(file), form=form)
    except (ValueError, IndexError, TypeError) as error:
        message = f"engine eam: {file}: not readable as {form} potential ({error}); get it again"
        raise EngineError(message) from error
    return made


class VectorisedEAM(AseEAM):
    """ASE's embedded atom calculator with all pairs in one array operation, for alloy and fs.

    Functions and their derivatives are the splines that ASE makes of the file.
    """

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Compute energy (eV), forces (eV/Å) and stress (eV/Å³) of `atoms`."""
        Calculator.calculate(self, atoms, properties, system_changes)
        geometry = cast("Atoms", self.atoms)
        kinds = np.array([self.elements.index(one) for one in geometry.get_chemical_symbols()])
        i, j, r, vectors = _pairs(geometry, self.cutoff)
        pairs = [(a, b, (kinds[i] == a) & (kinds[j] == b)) for a in set(kinds) for b in set(kinds)]
        density, pair_eV = np.zeros(len(geometry)), 0.0
        for a, b, chosen in pairs:
            pair_eV += self.phi[a, b](r[chosen]).sum() / 2
            np.add.at(density, i[chosen], self._density(b, a)(r[chosen]))
        embedding_eV, slope = np.zeros(len(geometry)), np.zeros(len(geometry))
        for a in set(kinds):
            of_kind = kinds == a
            embedding_eV[of_kind] = self.embedded_energy[a](density[of_kind])
            slope[of_kind] = self.d_embedded_energy[a](density[of_kind])
        pull = np.zeros(len(r))  # dE/dr of each pair, both directions of it together
        for a, b, chosen in pairs:
            at, first, second = r[chosen], slope[i[chosen]], slope[j[chosen]]
            pull[chosen] = self.d_phi[a, b](at) + first * self._density(b, a, slope=True)(at)
            pull[chosen] += second * self._density(a, b, slope=True)(at)
        along = pull[:, None] * vectors / r[:, None]
        forces = np.zeros((len(geometry), 3))
        np.add.at(forces, i, along)
        energy = float(pair_eV + embedding_eV.sum())
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        if geometry.cell.rank == 3:  # noqa: PLR2004 - a volume to divide by
            stress = along.T @ vectors / (2 * geometry.get_volume())
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)

    def _density(self, giver: int, taker: int, *, slope: bool = False) -> Any:
        """Return the density that one kind of atom gives to another, or its derivative."""
        table = self.d_electron_density if slope else self.electron_density
        return table[giver, taker] if self.form == "fs" else table[giver]


def _pairs(atoms: Atoms, reach_A: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return both atoms of every pair within reach, distance and vector; each pair both ways."""
    from pymatgen.optimization.neighbors import find_points_in_spheres

    places, cell = np.array(atoms.positions), np.array(atoms.cell.complete().array)
    periodic = np.array(atoms.pbc, dtype=int)
    i, j, images, r = find_points_in_spheres(places, places, reach_A, periodic, cell, tol=1e-8)
    apart = (i != j) | np.any(images != 0, axis=1)
    i, j, images, r = i[apart], j[apart], images[apart], r[apart]
    return i, j, r, places[j] + images @ cell - places[i]


def _form(file: Path) -> str:
    return next(form for end, form in _FORMS.items() if file.name.endswith(end))


def _elements(file: Path) -> frozenset[str]:
    if not file.is_file():
        message = f"engine eam: potential {_shown(file)} is no file; give the path of one"
        raise EngineError(message)
    return _elements_in(file, file.stat().st_mtime_ns)


@functools.lru_cache(maxsize=16)
def _elements_in(file: Path, _modified_ns: int) -> frozenset[str]:
    from ase.data import atomic_numbers

    with file.open(encoding="utf-8", errors="replace") as lines:
        head = [line for line, _ in zip(lines, range(_ELEMENT_LINE + 1), strict=False)]
    words = head[-1].split() if len(head) > _ELEMENT_LINE else []
    symbols = words[1:]
    counted = words and words[0].isdigit() and int(words[0]) == len(symbols) > 0
    if not counted or not set(symbols) <= set(atomic_numbers):
        message = (
            f"engine eam: {_shown(file)}: line 4 must hold the number of elements and their "
            "symbols; the file is no potential of the kind that its name says"
        )
        raise EngineError(message)
    return frozenset(symbols)


def _shown(file: Path) -> str:
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)
