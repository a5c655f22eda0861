"""The result of placing a point defect at each site of a cell with a larger defect."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, ResultDocument


class SegregationSite(Document):
    """One symmetry-distinct place of the point defect.

    Attributes
    ----------
    name
        Of the point defect there, e.g. ``Ag_Cu_3``.
    multiplicity
        Number of equivalent places per primitive cell of the host's cell.
    distance_A
        From the nearest atom that is not surrounded as in the perfect crystal, before relaxation:
        0 for these themselves; None where there are none.
    energy_eV
        Against the crystal; negative: the point defect goes there. None if it did not converge.
    """

    name: str
    multiplicity: int
    distance_A: float | None
    energy_eV: float | None


class SegregationEnergyDocument(ResultDocument):
    """Energy of a point defect at a larger defect less that in the perfect crystal, eV.

    E_seg = [E(cell + X) - E(cell)] - [E(crystal + X) - E(crystal)]; negative where X segregates.
    No chemical potential enters. `value` is that of the lowest site, `defect` its name.

    Attributes
    ----------
    sites
        The profile: every distinct site, nearest to the larger defect first.
    cell_key, crystal_key
        Content keys of the two results it is the difference of.
    """

    quantity: Literal["segregation_energy"] = "segregation_energy"
    unit: Literal["eV"] = "eV"
    host_formula: str
    prototype: str | None = None
    sites: tuple[SegregationSite, ...]
    cell_key: str
    crystal_key: str
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
