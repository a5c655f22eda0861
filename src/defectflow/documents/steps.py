"""Documents of single steps: a static calculation, a relaxation, a band."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from defectflow.documents.base import Crystal, Document, EngineStamp

Vector = tuple[float, float, float]


class Image(Document):
    """One structure with the energy (eV) and the forces (eV/Å, one row per atom) on it.

    Forces are the bare ones, before any projection and with constraints not applied. Moments are in
    Bohr magnetons, one per atom; None without spin. `charge` is that of the cell in units of e.
    """

    structure: Crystal
    energy_eV: float
    forces_eV_per_A: tuple[Vector, ...]
    magnetic_moments: tuple[float | None, ...] | None = None
    charge: int = 0


class Guidance(Document):
    """How a cheap engine helped a dear one: what was asked of which, and how far they differ.

    Attributes
    ----------
    path
        ``refined``: the dear engine has seen the ends, the saddle and minima between; ``dft``: it
        has seen every image of a converged band.
    engine
        The guide: its numbers are in no energy of the document.
    guide_calls
        Evaluations of the guide; those of the dear engine are the document's force calls.
    shift_range_eV
        Largest change of the difference between the two engines over the measured points.
    error_eV
        Estimate of what is left: what the remaining forces are worth, and by how much another
        image of the path may be higher than the saddle or lower than the lowest minimum, as wrong
        as predictions have proved to be on this path. Errors of the dear engine are not in it.
    """

    path: Literal["refined", "dft"]
    engine: EngineStamp
    guide_calls: int
    shift_range_eV: float
    error_eV: float


class RelaxDocument(Document):
    """The end of a relaxation (or a static calculation, with ``steps=0``).

    Attributes
    ----------
    fmax_eV_per_A
        Largest force on an unconstrained atom at the end.
    stress_eV_per_A3
        3x3 Cauchy stress (positive: the crystal wants to shrink) where the engine gives it.
    stress_left_eV_per_A3, stress_threshold_eV_per_A3
        Largest component of the stress that what was free of the cell still feels, per volume of
        the crystal without vacuum, and what it had to fall below; None of a fixed cell.
    cell
        What was free: ``fixed`` (atoms only), ``relax`` (all of the cell), ``scale`` (volume only),
        ``height`` (across the plane of the first two vectors only); of a cell with vacuum only the
        directions without.
    magnetic_moments
        Of each atom at the end, Bohr magnetons; None without spin.
    site_potentials_V
        Electrostatic potential at each atom at the end, V, positive near positive charges; for
        differences between cells only. None where the engine does not give it.
    inputs
        What a code with electrons was given: cutoff, k-points, Hubbard U, ...; empty for others.
    repairs
        What was changed to make the code converge, in the order in which it was tried.
    """

    structure: Crystal
    energy_eV: float
    forces_eV_per_A: tuple[Vector, ...]
    stress_eV_per_A3: tuple[Vector, Vector, Vector] | None = None
    stress_left_eV_per_A3: float | None = None
    stress_threshold_eV_per_A3: float | None = None
    fmax_eV_per_A: float
    force_threshold_eV_per_A: float
    converged: bool
    steps: int
    force_calls: int
    wall_time_s: float
    cell: Literal["fixed", "relax", "scale", "height"]
    frozen: tuple[int, ...] = ()
    magnetic_moments: tuple[float, ...] | None = None
    site_potentials_V: tuple[float, ...] | None = None
    charge: int = 0
    inputs: dict[str, Any] = Field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    guidance: Guidance | None = None
    engine: EngineStamp

    def image(self) -> Image:
        """Return the end point as an image of a band."""
        return Image(
            structure=self.structure,
            energy_eV=self.energy_eV,
            forces_eV_per_A=self.forces_eV_per_A,
            magnetic_moments=self.magnetic_moments,
            charge=self.charge,
        )


class Candidate(Document):
    """One of the starting paths of a hop and how it fared in the loose stage.

    `barrier_eV` is the highest minus the lowest energy on the loosely relaxed band.
    """

    label: str
    barrier_eV: float
    fmax_eV_per_A: float
    force_calls: int
    error: str | None = None


class BandDocument(Document):
    """A relaxed nudged elastic band: every image, and how well it converged.

    Attributes
    ----------
    images
        End points included, in order along the path.
    distances_A
        Arc length (Å, all atoms, minimum image) of each image from the first.
    climbing_index
        Index of the climbing image; None where climbing was not asked for.
    climbing_fmax_eV_per_A
        Largest true NEB force on an atom of the climbing image: the measure of convergence.
    mirrored
        True where a symmetry operation maps the path onto itself reversed and only one half was
        computed.
    force_calls
        Energy-and-force evaluations of this band, all candidates included, ends excluded.
    """

    images: tuple[Image, ...]
    distances_A: tuple[float, ...]
    climbing_index: int | None
    climbing_fmax_eV_per_A: float
    band_fmax_eV_per_A: float
    force_threshold_eV_per_A: float
    converged: bool
    mirrored: bool
    candidates: tuple[Candidate, ...] = ()
    chosen: str
    steps: int
    force_calls: int
    wall_time_s: float
    inputs: dict[str, Any] = Field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    guidance: Guidance | None = None
    engine: EngineStamp

    @property
    def energies_eV(self) -> tuple[float, ...]:
        """Energies relative to the first image, eV."""
        first = self.images[0].energy_eV
        return tuple(image.energy_eV - first for image in self.images)

    def positions(self) -> np.ndarray:
        """Return Cartesian coordinates, shape (images, atoms, 3), Å."""
        return np.array([image.structure.cart_coords for image in self.images])
