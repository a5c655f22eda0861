"""Results of inserting ions: voltages, intercalation energies, binding at defects."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, ResultDocument, Row
from defectflow.documents.formation import ChemicalPotential
from defectflow.documents.steps import RelaxDocument


class VoltagePoint(Document):
    """One composition of an electrode.

    Attributes
    ----------
    ions
        Per formula unit of the host.
    energy_eV, mixing_eV, above_hull_eV
        Per formula unit of the host; `mixing_eV` counts from the line between the emptiest and the
        fullest composition, negative is stable; `above_hull_eV` from the convex hull.
    volume_A3
        Per formula unit of the host.
    relaxed
        At the settings at which all compositions are compared.
    """

    name: str
    ions: float
    energy_eV: float
    mixing_eV: float
    above_hull_eV: float
    volume_A3: float
    relaxed: RelaxDocument


class VoltagePlateau(Document):
    """Equilibrium voltage between two compositions (ions per formula unit of the host)."""

    start: float
    end: float
    voltage_V: float


class IntercalationVoltageDocument(ResultDocument):
    """Voltage of an insertion electrode against the metal of the ion, at 0 K.

    `value` is the average between the emptiest and the fullest composition; positive: discharge,
    which inserts the ion, gains energy.

    Attributes
    ----------
    host_unit
        Formula of the host without ions that compositions are counted by.
    ion_charge
        In units of e.
    compositions
        Emptiest and fullest, ions per formula unit of the host.
    steps
        Plateaus between neighbours on the convex hull, from empty to full.
    volume_change
        Of the fullest against the emptiest composition, as a fraction.
    capacity_mAh_per_g
        Of the whole range, by the mass of the fullest composition.
    metal
        What the ion is counted against.
    """

    quantity: Literal["intercalation_voltage"] = "intercalation_voltage"
    unit: Literal["V"] = "V"
    host_formula: str
    prototype: str | None = None
    host_unit: str
    ion_charge: int
    compositions: tuple[float, float]
    points: tuple[VoltagePoint, ...]
    steps: tuple[VoltagePlateau, ...]
    volume_change: float
    capacity_mAh_per_g: float
    metal: ChemicalPotential
    host_cell: Literal["keep", "relax", "scale"]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()


class IonSite(Document):
    """One place of an ion after relaxation.

    Attributes
    ----------
    label
        Of the site: ``4b octahedral``, ``V_Ti``.
    near
        Defect that it is at; empty in the pristine host.
    energy_eV
        Against the reservoir of the ion; negative is bound. None where it did not converge.
    from_defect_A
        Distance from the nearest changed site before relaxation; None in the pristine host.
    moved_A
        How far the ion relaxed, against the mean of the other atoms.
    """

    label: str
    near: str = ""
    energy_eV: float | None
    from_defect_A: float | None = None
    moved_A: float
    relaxed: RelaxDocument


class IntercalationDocument(ResultDocument):
    """Energy of one ion in a host, or at a defect in it, against the reservoir of the ion.

    E = E(host + ion) - E(host) - μ, both in one supercell; negative is bound. `value` is that of
    the lowest site: in the pristine host for ``intercalation_energy``, at the defect for
    ``binding_energy``.

    Attributes
    ----------
    pristine_eV
        Of the lowest site of the pristine host; None if it was not asked for.
    trapping_eV
        `value` minus `pristine_eV`, for a defect: negative if it holds the ion.
    bare
        The host, and each defect, without the ion.
    """

    quantity: Literal["intercalation_energy", "binding_energy"]
    unit: Literal["eV"] = "eV"
    host_formula: str
    prototype: str | None = None
    pristine_eV: float | None = None
    trapping_eV: float | None = None
    sites: tuple[IonSite, ...]
    reservoir: ChemicalPotential
    host_cell: Literal["keep", "relax", "scale"]
    host_lattice: tuple[Row, ...]
    supercell_matrix: tuple[tuple[int, int, int], ...]
    nearest_image_A: float
    relaxed_host: RelaxDocument
    bare: dict[str, RelaxDocument]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
