"""The job that computes charges of atoms, with any engine that has electrons.

A code has a module with ``charges(engine, request) -> ChargesDocument``. What its density means is
decided here, once: how it is divided among the atoms, and what is compared with what.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np
from jobflow.core.job import job

from defectflow.analysis.bader import bader_basins
from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.step_maker import StepMaker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    Array = NDArray[np.float64]

#: Where each family of engines has its densities.
_CODES: Final = {
    "gpaw": "defectflow.engines.gpaw_charges",
    "espresso": "defectflow.engines.espresso_charges",
    "vasp": "defectflow.engines.vasp_charges",
}
#: Electrons per atom by which density and electrons may differ before a note is due.
_LOST: Final = 0.01


@dataclass(frozen=True, eq=False)
class Density:
    """A density on a grid, as a code wrote it.

    Attributes
    ----------
    counted
        Electrons per Å³ on a grid along the vectors of the cell.
    reference
        Density with the cores, which decides where an atom ends.
    neutral
        Electrons in `counted` that each atom has alone.
    cores
        Whether `reference` has the cores.
    """

    counted: Array
    reference: Array
    neutral: Sequence[float]
    cores: bool


def divided(density: Density, structure: Structure, charge: int) -> dict[str, Any]:
    """Return the fields of a `ChargesDocument` that follow from a density.

    The few electrons that a grid loses near the nuclei are given back in equal parts, so that the
    charges add up to that of the cell.
    """
    found = bader_basins(
        density.reference, density.counted, structure.lattice.matrix, structure.frac_coords
    )
    electrons = np.array(found.electrons)
    lost = float(sum(density.neutral)) - charge - float(electrons.sum())
    notes = []
    if abs(lost) > _LOST * len(structure):
        notes.append(
            f"{lost:+.2f} electrons were lost on the grid and shared out; use a finer one for "
            "charges better than that"
        )
    if not density.cores:
        notes.append(
            "the density has no cores: where an atom has few valence electrons its surface is "
            "uncertain; PAW data give better charges"
        )
    if abs(found.elsewhere) > _LOST * len(structure):
        notes.append(
            f"{found.elsewhere:.2f} electrons lie around maxima that are no atoms; they are "
            "counted to the nearest ones"
        )
    charges = np.array(density.neutral) - electrons - lost / len(structure)
    return {
        "charges_e": tuple(float(one) for one in charges),
        "profile_per_A": _profile(density.counted, structure),
        "grid": tuple(int(one) for one in density.counted.shape),
        "lost_electrons": lost,
        "elsewhere_electrons": found.elsewhere,
        "notes": tuple(notes),
    }


def _profile(counted: Array, structure: Structure) -> tuple[float, ...]:
    """Return electrons per Å along the normal of the first two vectors."""
    return tuple((counted.mean(axis=(0, 1)) * base_area_A2(structure)).tolist())


def base_area_A2(structure: Structure) -> float:
    """Return the area that the first two vectors span."""
    lattice = structure.lattice.matrix
    return float(np.linalg.norm(np.cross(lattice[0], lattice[1])))


@dataclass
class ChargesMaker(StepMaker):
    """Makes charges of atoms after Bader, with the numbers of ``static``.

    The output of its jobs is a `ChargesDocument`; `frozen` atoms change nothing here.
    """

    step: ClassVar = "static"

    name: str = "charges"

    @job(output_schema=ChargesDocument)
    def calculate(
        self,
        structure: Structure,
        frozen: Sequence[int],
        charge: int,
        magnetic_moments: Sequence[float] | None,
    ) -> ChargesDocument:
        """Do what the job does: compute the density and divide it in the working directory."""
        self.check(structure, frozen, charge, magnetic_moments)
        module = importlib.import_module(_CODES[self.engine.family])
        asked = self.request(structure, charge, magnetic_moments)
        found: ChargesDocument = module.charges(self.engine, asked)
        return found
