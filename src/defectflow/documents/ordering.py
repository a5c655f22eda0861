"""The result of ranking arrangements of one composition."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, ResultDocument
from defectflow.documents.steps import RelaxDocument


class RankedCell(Document):
    """One arrangement among those of its composition.

    Attributes
    ----------
    multiplicity
        Number of equivalent arrangements of its cell.
    above_lowest_eV_per_atom
        0 for the lowest; None if it did not converge.
    """

    name: str
    multiplicity: int
    energy_eV_per_atom: float | None
    above_lowest_eV_per_atom: float | None
    relaxed: RelaxDocument


class OrderingEnergyDocument(ResultDocument):
    """Arrangements of one composition, lowest energy first.

    `value` is the energy of the lowest arrangement against the mean over all of them with all their
    equivalents, eV per atom: never positive, and the more negative the more there is to gain by
    order. `defect` is the lowest one.

    Attributes
    ----------
    mean_eV_per_atom
        That mean: the energy of a random arrangement of the same cell.
    """

    quantity: Literal["ordering_energy"] = "ordering_energy"
    unit: Literal["eV/atom"] = "eV/atom"
    host_formula: str
    prototype: str | None = None
    formula: str
    host_cell: Literal["keep", "relax", "scale"]
    mean_eV_per_atom: float | None
    cells: tuple[RankedCell, ...]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
