"""Results about crystals that were melted and quenched."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Crystal, Document, EngineStamp, ResultDocument
from defectflow.documents.steps import RelaxDocument
from defectflow.words import HostCell


class MeltDocument(Document):
    """The end of molecular dynamics, not relaxed."""

    structure: Crystal
    energy_eV: float
    steps: int
    force_calls: int
    wall_time_s: float
    frozen: tuple[int, ...] = ()
    engine: EngineStamp


class OrderDocument(Document):
    """How the neighbours of some atoms lie, in the crystalline slab and in the quenched one.

    Attributes
    ----------
    distance_A, crystalline, amorphous
        Radial distribution functions.
    coordination
        Mean number of neighbours nearer than 1.2 shortest bonds, of both slabs.
    spread
        Standard deviation of that number.
    order
        Root mean square of g(r) about its mean beyond the first shell: large for the sharp shells
        of a crystal, small for a glass.
    """

    distance_A: tuple[float, ...]
    crystalline: tuple[float, ...]
    amorphous: tuple[float, ...]
    coordination: tuple[float, float]
    spread: tuple[float, float]
    order: tuple[float, float]


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
    quench_K_per_ps
        Rate of the cooling; 1 K/ps is 10^12 K/s.
    layer_order, rest_order
        Of the atoms of the layer, and of those below it.
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
    quench_K_per_ps: float
    layer_order: OrderDocument
    rest_order: OrderDocument
    relaxed_host: RelaxDocument
    crystalline: RelaxDocument
    amorphous: RelaxDocument
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
