"""Everything that a folder asks for, and what of it the stand-in refuses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.engines.vasp_standin.incar import Incar
from defectflow.engines.vasp_standin.kpoints import Kpoints, read_kpoints
from defectflow.engines.vasp_standin.poscar import Poscar
from defectflow.engines.vasp_standin.potcar import Pseudopotential, read_pseudopotentials
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: Logical tags that ask for something that only electrons have.
_ELECTRONIC: Final = {
    "LCALCEPS": "dielectric constants",
    "LCALCPOL": "a polarisation",
    "LCHIMAG": "chemical shieldings",
    "LEFG": "electric field gradients",
    "LELF": "an electron localisation function",
    "LEPSILON": "dielectric constants",
    "LNONCOLLINEAR": "non-collinear moments",
    "LOPTICS": "optical spectra",
    "LPARD": "partial charge densities",
    "LSORBIT": "spin-orbit coupling",
    "ML_LMLFF": "a force field trained on the fly",
}
#: Tags that ask for a density of states whenever they are given.
_DENSITY_OF_STATES: Final = ("NEDOS", "EMIN", "EMAX")
#: Values of ALGO that minimise the energy.
_GROUND_STATE: Final = {
    *("A", "ALL", "C", "CONJUGATE", "D", "DAMPED", "DIAG"),
    *("F", "FAST", "N", "NORMAL", "V", "VERYFAST"),
}
_IBRION: Final = {
    0: "molecular dynamics",
    7: "density functional perturbation theory",
    8: "density functional perturbation theory",
    40: "a reaction coordinate",
    44: "the dimer method",
}
_ISIF: Final = range(9)
_RELAXING: Final = {1, 2, 3}
_VIBRATING: Final = {5, 6}
#: From here on ICHARG keeps the charge density: band structures and densities of states.
_FIXED_DENSITY: Final = 10

#: Tags of the Hamiltonian, which the potential replaces.
_HAMILTONIAN: Final = ("GGA", "METAGGA", "LHFCALC", "LDAU", "IVDW", "LUSE_VDW", "NUPDOWN")
#: Files asked for by logical tags that are not written.
_FILES: Final = {"LVTOT": "LOCPOT"}
_PROJECTING: Final = 10


@dataclass(frozen=True)
class Inputs:
    """The input files of one calculation.

    Attributes
    ----------
    potentials
        One per group of atoms in POSCAR.
    """

    incar: Incar
    poscar: Poscar
    kpoints: Kpoints
    potentials: tuple[Pseudopotential, ...]

    @property
    def electrons(self) -> float:
        """NELECT: as given, or the electrons of the neutral cell."""
        neutral = sum(
            count * potential.valence
            for count, potential in zip(self.poscar.counts, self.potentials, strict=True)
        )
        return self.incar.number("NELECT", neutral)

    @property
    def moments(self) -> tuple[float, ...]:
        """MAGMOM: starting moments in Bohr magnetons, one per atom; empty without spin."""
        if not self.incar.spin_polarised:
            return ()
        return self.incar.numbers("MAGMOM") or (1.0,) * len(self.poscar.symbols)

    @property
    def projects(self) -> bool:
        """Whether VASP would write moments of atoms."""
        return self.incar.integer("LORBIT", 0) >= _PROJECTING

    @property
    def has_levels(self) -> bool:
        """Whether a density of states is asked for: model electrons are then written."""
        return any(tag in self.incar.tags for tag in _DENSITY_OF_STATES)

    @property
    def has_density(self) -> bool:
        """Whether densities are asked for: those of a model are then written."""
        return self.incar.logical("LAECHG")

    @property
    def has_potential(self) -> bool:
        """Whether a potential is asked for: that of a model is then written."""
        return self.incar.logical("LVHAR")

    @property
    def bands(self) -> int:
        """NBANDS: as given, or VASP's default. A parameter only, the model has its own bands."""
        ions = len(self.poscar.symbols)
        extra = 0.6 * self.electrons if self.moments else self.electrons / 2
        return self.incar.integer("NBANDS", math.ceil(extra + max(3.0, ions / 2)))

    @property
    def images(self) -> int:
        """Number of images between the ends of a band; 0 if there is no band."""
        return self.incar.integer("IMAGES", 0)

    @property
    def relaxes(self) -> bool:
        """Whether ions or cell move towards a minimum."""
        return self.incar.nsw > 0 and self.incar.ibrion in _RELAXING

    @property
    def vibrates(self) -> bool:
        """Whether force constants are wanted from finite displacements."""
        return self.incar.nsw > 0 and self.incar.ibrion in _VIBRATING

    def not_given(self) -> list[str]:
        """Return what was asked for and is left out, one sentence each."""
        tags = self.incar.tags
        said = [f"{tag} = {tags[tag]} is ignored" for tag in _HAMILTONIAN if tag in tags]
        said += [
            f"{tag}: {files} not written"
            for tag, files in _FILES.items()
            if self.incar.logical(tag)
        ]
        if self.has_levels:
            said.append("NEDOS: levels and projections are those of a model without any physics")
        elif self.projects:
            said.append("LORBIT: no density of states; moments of atoms are the starting moments")
        if self.has_density:
            said.append("LAECHG: densities are Gaussians at the atoms, no physics")
        if self.has_potential:
            said.append("LVHAR: LOCPOT holds Gaussian wells at the atoms, no physics")
        return said


def read_inputs(folder: Path) -> Inputs:
    """Read the input files in `folder` and refuse what the stand-in cannot do.

    Raises
    ------
    EngineError
        If a file is missing or wrong, or asks for what needs electrons.
    """
    incar = Incar.from_file(folder / "INCAR")
    _refuse(incar)
    images = incar.integer("IMAGES", 0)
    poscar = Poscar.from_file(folder / ("00/POSCAR" if images else "POSCAR"))
    potentials = read_pseudopotentials(folder)
    elements = tuple(potential.element for potential in potentials)
    if elements != poscar.species:
        message = (
            f"{folder}: POSCAR has the elements {' '.join(poscar.species)}, POTCAR has "
            f"{' '.join(elements)}; they must agree one by one"
        )
        raise EngineError(message)
    moments = incar.numbers("MAGMOM")
    if moments and incar.spin_polarised and len(moments) != len(poscar.symbols):
        message = (
            f"INCAR: MAGMOM has {len(moments)} values for {len(poscar.symbols)} atoms; give one "
            "per atom"
        )
        raise EngineError(message)
    return Inputs(incar, poscar, read_kpoints(folder, incar, poscar), potentials)


def _refuse(incar: Incar) -> None:
    """Raise `EngineError` for the first request that cannot be served."""
    for tag, what in [*_of_electrons(incar), *_of_ions(incar)]:
        value = incar.tags.get(tag, "by default")
        message = (
            f"INCAR: {tag} = {value} asks for {what}, which the stand-in for VASP cannot give: it "
            "has no electrons, it evaluates and relaxes; remove the tag or run VASP"
        )
        raise EngineError(message)


def _of_electrons(incar: Incar) -> Iterable[tuple[str, str]]:
    """Yield tags that ask for what needs electrons, and what that is."""
    yield from ((tag, what) for tag, what in _ELECTRONIC.items() if incar.logical(tag))
    if incar.integer("ICHARG", 0) >= _FIXED_DENSITY:
        yield "ICHARG", "a band structure or a density of states"
    if incar.text("ALGO", "Normal").upper() not in _GROUND_STATE:
        yield "ALGO", "excitations, or no minimisation of the energy"


def _of_ions(incar: Incar) -> Iterable[tuple[str, str]]:
    """Yield tags that ask for other motions than relaxation and vibration."""
    if incar.nsw > 0 and incar.ibrion not in {-1, *_RELAXING, *_VIBRATING}:
        yield "IBRION", _IBRION.get(incar.ibrion, "an unknown motion of the ions")
    if incar.number("PSTRESS", 0) != 0:
        yield "PSTRESS", "an external pressure"
    if incar.integer("ICHAIN", 0) != 0:
        yield "ICHAIN", "another method than nudged elastic bands"
    if incar.isif not in _ISIF:
        yield "ISIF", "unknown degrees of freedom"
