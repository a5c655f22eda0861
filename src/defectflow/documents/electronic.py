"""The electronic structure of a crystal, the same from every code that has electrons."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from defectflow.documents.base import Crystal, Document, EngineStamp

Orbital = Literal["s", "p", "d", "f"]
#: Densities (1/eV) on the energy grid.
Curve = tuple[float, ...]


class AtomDos(Document):
    """Density of states projected on one atom, by orbital; one curve per spin."""

    symbol: str
    orbitals: dict[Orbital, tuple[Curve, ...]]


class VacuumDocument(Document):
    """Where an electron is outside a slab, relative to the Fermi level: the work functions.

    Attributes
    ----------
    top_eV, bottom_eV
        Of the two sides; a slab with a dipole, such as one with its lower layers frozen, has two.
    field_eV_per_A
        Tilt of the periodic potential, taken out of both; 0 with a dipole correction.
    ripple_eV
        How far the potential in the vacuum is from a straight line, or from level with a dipole
        correction.
    """

    top_eV: float
    bottom_eV: float
    field_eV_per_A: float
    ripple_eV: float


class DosDocument(Document):
    """Total and projected density of states, and the band edges.

    Attributes
    ----------
    energies_eV
        Grid, relative to the Fermi level.
    total
        States per eV and cell; one curve per spin. Without spin the one curve counts both.
    atoms
        One per atom, normalised like `total`. Projections on atoms do not add up to the total: how
        much of a state belongs to an atom depends on the code.
    fermi_eV
        Fermi level on the code's own scale.
    width_eV
        Width of the broadening of each level.
    gap_eV
        Smallest gap between occupied and empty levels at the k-points computed; 0 for metals.
    direct
        Whether both band edges lie at one k-point; None for metals.
    vbm_eV, cbm_eV
        Band edges relative to the Fermi level; None for metals.
    vacuum
        None without a vacuum along the third axis, and from engines that give no potential.
    magnetic_moments, charge, inputs, repairs
        As in `RelaxDocument`.
    """

    structure: Crystal
    energy_eV: float
    energies_eV: Curve
    total: tuple[Curve, ...]
    atoms: tuple[AtomDos, ...]
    fermi_eV: float
    width_eV: float
    gap_eV: float
    direct: bool | None
    vbm_eV: float | None
    cbm_eV: float | None
    magnetic_moments: tuple[float, ...] | None = None
    charge: int = 0
    force_calls: int
    wall_time_s: float
    inputs: dict[str, Any] = Field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    vacuum: VacuumDocument | None = None
    engine: EngineStamp

    @model_validator(mode="after")
    def _one_grid(self) -> DosDocument:
        curves = [
            *self.total,
            *(c for atom in self.atoms for o in atom.orbitals.values() for c in o),
        ]
        if any(len(curve) != len(self.energies_eV) for curve in curves):
            message = "a density of states and its energies differ in length"
            raise ValueError(message)
        if len(self.atoms) != len(self.structure):
            message = "one projected density of states per atom is needed"
            raise ValueError(message)
        return self


class ChargesDocument(Document):
    """Charges of atoms after Bader, with the same meaning from every code.

    Attributes
    ----------
    charges_e
        Of each atom, elementary charges; positive where electrons are missing. They add up to
        `charge`.
    grid
        Points of the density along the vectors of the cell.
    lost_electrons
        What the grid lost near the nuclei; shared out in equal parts.
    elsewhere_electrons
        What lies around maxima of the density that are no atoms; counted to the nearest ones.
    profile_per_A
        Electrons per Å of height, means over planes parallel to the first two vectors.
    charge, inputs, repairs
        As in `RelaxDocument`.
    """

    structure: Crystal
    charges_e: tuple[float, ...]
    grid: tuple[int, int, int]
    lost_electrons: float
    elsewhere_electrons: float
    profile_per_A: Curve
    energy_eV: float
    charge: int = 0
    force_calls: int
    wall_time_s: float
    inputs: dict[str, Any] = Field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    engine: EngineStamp
