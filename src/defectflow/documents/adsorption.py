"""The result of an adsorption recipe."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, EngineStamp, ResultDocument
from defectflow.documents.steps import RelaxDocument

#: What became of an adsorbate: where it was put, or where it went instead.
Outcome = Literal["stays", "moved", "desorbed", "below the surface"]


class AdsorptionSite(Document):
    """One symmetry-distinct site, and what the adsorbate did there.

    Attributes
    ----------
    label
        ``top``, ``bridge``, ``fcc``, ``hcp``, ``hollow``.
    multiplicity
        Number of equivalent sites per surface cell of the slab.
    outcome
        ``stays``: relaxed where it was put. Anything else is not a value of this site.
    where
        Label of the site at the end; empty if it is at none.
    energy_eV
        Adsorption energy; None unless it stays and converged.
    screened_eV
        The same from the engine of the pre-screen, relative to its lowest site; None without one.
    relaxed
        None where the pre-screen left the site out.
    """

    label: str
    multiplicity: int
    outcome: Outcome | None
    where: str = ""
    height_A: float | None = None
    energy_eV: float | None
    screened_eV: float | None = None
    relaxed: RelaxDocument | None = None


class GasReference(Document):
    """One molecule of the gas that the adsorbate is counted against.

    Attributes
    ----------
    count
        Molecules per adsorbate, e.g. 0.5 H2.
    """

    molecule: str
    count: float
    relaxed: RelaxDocument


class FreeEnergyCorrection(Document):
    """What was added to an adsorption energy to obtain a free energy, and where it comes from."""

    name: str
    value_eV: float
    source: str


class AdsorptionDocument(ResultDocument):
    """Adsorption (free) energy at the lowest site, or at the site asked for; negative is bound.

    ΔE = E(slab + adsorbate) - E(slab) - Σ n_i E(gas i), and ΔG = ΔE + correction.

    Attributes
    ----------
    facet
        Miller indices, e.g. ``111``.
    coverage_ML
        Adsorbates per atom of the surface's own cell.
    layers, frozen_layers, vacuum_A
        Of the slab.
    adsorption_energy_eV
        ΔE at `site`.
    """

    quantity: Literal["adsorption_energy", "adsorption_free_energy"]
    unit: Literal["eV"] = "eV"
    host_formula: str
    prototype: str | None = None
    host_cell: Literal["keep", "relax", "scale"]
    facet: str
    site: str
    coverage_ML: float
    layers: int
    frozen_layers: int
    vacuum_A: float
    adsorption_energy_eV: float | None
    correction: FreeEnergyCorrection | None = None
    relaxed_host: RelaxDocument
    slab: RelaxDocument
    gas: tuple[GasReference, ...]
    sites: tuple[AdsorptionSite, ...]
    screen: EngineStamp | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
