"""The result of recipes of Bader charges and of differences of charge densities."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import ResultDocument
from defectflow.documents.electronic import ChargesDocument
from defectflow.documents.steps import RelaxDocument


class BaderChargeDocument(ResultDocument):
    """Charge of an atom, or of an adsorbate, from its electrons within surfaces of zero flux.

    `value` is positive where electrons are missing: the mean over the atoms of `element`, or with
    an adsorbate the sum over its atoms.

    Attributes
    ----------
    cell
        Which cell it is of: the host itself, a slab of it, or a supercell with a defect.
    element
        Whose charge it is; empty with an adsorbate.
    site
        Where the adsorbate was put.
    charges
        The whole cell.
    parts
        With an adsorbate: the slab and the adsorbate alone, each where it is in the whole.
    difference_per_A
        With an adsorbate: electrons per Å of height that the whole has more than its parts have,
        on equal steps along the third vector.
    moved_electrons
        Half the integral of the absolute difference: electrons that changed height.
    """

    quantity: Literal["bader_charge"] = "bader_charge"
    unit: Literal["e"] = "e"
    host_formula: str
    prototype: str | None = None
    host_cell: Literal["keep", "relax", "scale"]
    cell: Literal["bulk", "slab", "defect"]
    facet: str = ""
    surface: str = ""
    strain: float = 0.0
    element: str
    site: str = ""
    supercell_matrix: tuple[tuple[int, int, int], ...] | None = None
    relaxed_host: RelaxDocument
    geometry: RelaxDocument | None = None
    charges: ChargesDocument
    parts: tuple[ChargesDocument, ...] = ()
    difference_per_A: tuple[float, ...] = ()
    moved_electrons: float | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
