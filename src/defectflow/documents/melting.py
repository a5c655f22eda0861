"""Results about crystals that were melted and quenched."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Crystal, Document, EngineStamp, ResultDocument
from defectflow.documents.steps import RelaxDocument

HostCell = Literal["keep", "relax", "scale"]


class MeltDocument(Document):
    """The end of molecular dynamics, not relaxed."""

    structure: Crystal
    energy_eV: float
    steps: int
    force_calls: int
    wall_time_s: float
    frozen: tuple[int, ...] = ()
    engine: EngineStamp


class AmorphousSurfaceDocument(ResultDocument):
    """Energy of making a surface layer amorphous, J/m²; positive where it costs energy.

    γ = (E(slab with the quenched layer) - E(crystalline slab)) / A, both relaxed with the same
    atoms kept as in the crystal.

    Attributes
    ----------
    layer_A
        Thickness that was melted, as asked for.
    disordered_A
        Thickness measured at the end: from the surface down to the lowest atom that is farther
        than a quarter of the shortest bond from every place of its element in the crystal.
    displaced_fraction
        Share of the layer's atoms that are so far away.
    crystalline, amorphous
        Both slabs at the end.
    """

    quantity: Literal["amorphous_surface_energy"] = "amorphous_surface_energy"
    unit: Literal["J/m2"] = "J/m2"
    host_formula: str
    prototype: str | None = None
    host_cell: HostCell
    miller: tuple[int, int, int]
    said: str
    area_A2: float
    layer_A: float
    disordered_A: float
    displaced_fraction: float
    melt_K: float
    relaxed_host: RelaxDocument
    crystalline: RelaxDocument
    amorphous: RelaxDocument
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
