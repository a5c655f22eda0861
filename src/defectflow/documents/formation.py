"""The result of a defect formation energy recipe."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, ResultDocument
from defectflow.documents.steps import RelaxDocument


class ChemicalPotential(Document):
    """Energy per atom of the reservoir that an element goes to or comes from.

    Attributes
    ----------
    source
        What was computed: ``host`` (the pristine supercell itself, for elements), the name of a
        prototype, a file or a molecule.
    relaxed
        The calculation; None where it is that of the pristine supercell.
    """

    element: str
    energy_eV: float
    source: str
    relaxed: RelaxDocument | None = None


class DefectDocument(Document):
    """One symmetry-distinct defect after relaxation.

    Attributes
    ----------
    name
        In the field's notation: ``V_O``, ``V_O_2``.
    multiplicity
        Number of equivalent places per primitive cell of the host.
    formation_energy_eV
        Positive costs energy; None where the relaxation did not converge.
    added
        Atoms added to the pristine supercell, by element; negative where taken out.
    """

    name: str
    multiplicity: int
    formation_energy_eV: float | None
    added: dict[str, int]
    relaxed: RelaxDocument


class DefectFormationEnergyDocument(ResultDocument):
    """Formation energy of a neutral defect, and everything it was made from.

    E_f = E(defect) - E(pristine) - Σ Δn_i μ_i, in one supercell and with one engine; `value` is
    that of the lowest of the symmetry-distinct defects of the kind asked for.

    Attributes
    ----------
    host_cell, host_lattice, supercell_matrix, nearest_image_A
        As in `MigrationBarrierDocument`.
    force_calls
        Energy-and-force evaluations of the whole recipe.
    """

    quantity: Literal["defect_formation_energy"] = "defect_formation_energy"
    unit: Literal["eV"] = "eV"
    host_formula: str
    prototype: str | None = None
    charge: int = 0
    host_cell: Literal["keep", "relax", "scale"]
    host_lattice: tuple[tuple[float, float, float], ...]
    supercell_matrix: tuple[tuple[int, int, int], ...]
    nearest_image_A: float
    relaxed_host: RelaxDocument
    pristine: RelaxDocument
    defects: tuple[DefectDocument, ...]
    chemical_potentials: tuple[ChemicalPotential, ...]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
