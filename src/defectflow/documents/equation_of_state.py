"""The result of an equation of state recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from defectflow.documents.base import ResultDocument
from defectflow.documents.steps import RelaxDocument


class EquationOfStateDocument(ResultDocument):
    """Energy against volume, and the third-order Birch-Murnaghan curve through it.

    `value` is the equilibrium volume per atom, Å³.

    Attributes
    ----------
    atoms
        ``fixed``: in the proportions of the host at every volume; ``relaxed``: at every volume.
    volumes_A3, energies_eV
        Per cell of the host.
    bulk_modulus_GPa, pressure_derivative
        At the minimum; None where the curve has none.
    residual_meV_per_atom
        Root mean square distance of the energies from the curve.
    """

    quantity: Literal["equation_of_state"] = "equation_of_state"
    unit: Literal["A3/atom"] = "A3/atom"
    host_formula: str
    prototype: str | None = None
    host_cell: Literal["keep", "relax", "scale"]
    atoms: Literal["fixed", "relaxed"]
    volumes_A3: tuple[float, ...]
    energies_eV: tuple[float, ...]
    bulk_modulus_GPa: float | None
    pressure_derivative: float | None
    energy_eV: float | None = Field(description="energy per cell at the minimum")
    residual_meV_per_atom: float | None
    relaxed_host: RelaxDocument | None = None
    points: tuple[RelaxDocument, ...]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
