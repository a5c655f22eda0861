"""Vibrations of some atoms of a crystal, by finite displacements."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from defectflow.documents.base import Crystal, Document, EngineStamp


class VibrationsDocument(Document):
    """Hessian and normal modes of the atoms that were displaced; all others stood still.

    Attributes
    ----------
    atoms
        Indices of the displaced atoms.
    hessian_eV_per_A2
        Second derivatives, in the order x, y, z of the first atom, then of the next.
    asymmetry_eV_per_A2
        Largest difference between the Hessian as measured and its transpose: the noise of it.
    energies_eV
        ħω of each mode, lowest first; an imaginary frequency is negative.
    measured_again_eV
        Soft imaginary modes of the Hessian by displacements along the axes. Each was measured along
        itself, which is in `hessian_eV_per_A2` and `energies_eV`.
    fmax_eV_per_A
        Largest force on a displaced atom before it was displaced: modes mean something near 0 only.
    central_differences
        Whether each direction was taken both ways, if by symmetry.
    """

    structure: Crystal
    atoms: tuple[int, ...]
    hessian_eV_per_A2: tuple[tuple[float, ...], ...]
    asymmetry_eV_per_A2: float
    energies_eV: tuple[float, ...]
    measured_again_eV: tuple[float, ...] = ()
    energy_eV: float
    fmax_eV_per_A: float
    displacement_A: float
    central_differences: bool = True
    force_calls: int
    wall_time_s: float
    charge: int = 0
    inputs: dict[str, Any] = Field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    engine: EngineStamp

    @property
    def imaginary(self) -> int:
        """Number of modes with an imaginary frequency."""
        return sum(energy < 0 for energy in self.energies_eV)
