"""The result of an adsorption recipe."""

from __future__ import annotations

from typing import Final, Literal

from defectflow.analysis.thermochemistry import at_room_temperature
from defectflow.documents.base import Document, EngineStamp, ResultDocument
from defectflow.documents.steps import RelaxDocument
from defectflow.documents.vibrations import VibrationsDocument

#: What became of an adsorbate: where it was put, where it went instead, or that it is no longer
#: what it was.
Outcome = Literal[
    "stays",
    "moved",
    "desorbed",
    "below the surface",
    "dissociated",
    "rearranged",
    "atoms overlap",
]
#: Free energies (eV) that differ by less count as the same.
_SAME_EV: Final = 1e-3


class AdsorptionSite(Document):
    """One symmetry-distinct placement on a site, and what the adsorbate did there.

    Attributes
    ----------
    label
        ``top``, ``bridge``, ``fcc``, ``hcp``, ``hollow``; of a molecule with its pose and turn, as
        in ``fcc tilted 70``.
    multiplicity
        Number of equivalent sites per surface cell of the slab.
    outcome
        ``stays``: relaxed where it was put. Anything else is not a value of this site.
    where
        Label of the site at the end; empty if it is at none.
    energy_eV
        Adsorption energy; None unless it stays and converged.
    moved_eV
        Adsorption energy at `where`, if it moved there and converged.
    screened_eV
        The same from the engine of the pre-screen, relative to its lowest site; None without one.
    weighed_eV
        Energy of the end of the pre-screen by one evaluation of the engine, relative to the lowest
        of them; None where it was not asked for.
    relaxed
        None where the pre-screen left the site out.
    """

    label: str
    multiplicity: int
    outcome: Outcome | None
    where: str = ""
    height_A: float | None = None
    energy_eV: float | None
    moved_eV: float | None = None
    screened_eV: float | None = None
    weighed_eV: float | None = None
    relaxed: RelaxDocument | None = None


class ThermalDocument(Document):
    """What a finite temperature adds to the electronic energy of an adsorbate or a gas molecule.

    Attributes
    ----------
    modes_eV
        ħω of the modes that were counted; an imaginary one is negative.
    heat_eV
        Internal energy of an adsorbate, enthalpy of a gas, above that at 0 K.
    pressure_Pa
        Of a gas; None for an adsorbate.
    free_energy_eV
        Zero-point energy + heat - T S.
    """

    modes_eV: tuple[float, ...]
    zero_point_eV: float
    heat_eV: float
    entropy_eV_per_K: float
    free_energy_eV: float
    pressure_Pa: float | None = None


class GasReference(Document):
    """One molecule, or crystal, that the adsorbate is counted against.

    Attributes
    ----------
    count
        Molecules (or cells) per adsorbate, e.g. 0.5 H2; negative ones are given off.
    thermal
        None where the free energy does not come from vibrations.
    """

    molecule: str
    count: float
    relaxed: RelaxDocument
    thermal: ThermalDocument | None = None


class FreeEnergyCorrection(Document):
    """What was added to an adsorption energy to obtain a free energy, and where it comes from."""

    name: str
    value_eV: float
    source: str


class FreeEnergyDocument(Document):
    """The terms of a free energy of adsorption beside the adsorption energy.

    ΔG = ΔE + correction + potential + solvation + oxygen, with the correction of the document:
    ΔZPE + Δheat - T ΔS where it comes from vibrations.

    Attributes
    ----------
    temperature_K
        None for a fixed correction.
    adsorbate
        Thermal contributions of the adsorbate; None for a fixed correction.
    pairs
        (H⁺ + e⁻) that adsorption takes up; negative where they are given off.
    potential_V
        Against the reversible hydrogen electrode; against the standard one if `pH` is given.
    potential_eV
        ``pairs`` (e U + k T ln 10 pH).
    solvation_eV
        As the recipe says; never a default.
    oxygen_eV
        Change of the reference of O from H2O - H2 to 1/2 O2 by the measured 2.46 eV; else 0.
    """

    temperature_K: float | None = None
    adsorbate: ThermalDocument | None = None
    delta_zero_point_eV: float | None = None
    delta_heat_eV: float | None = None
    minus_T_delta_entropy_eV: float | None = None
    pairs: float = 0.0
    potential_V: float = 0.0
    pH: float | None = None
    potential_eV: float = 0.0
    solvation_eV: float = 0.0
    oxygen_eV: float = 0.0

    def other_conditions(self) -> str:
        """Return what differs from 298 K, 0 V, no solvation and O from H2O; empty if nothing does.

        Examples
        --------
        >>> FreeEnergyDocument(potential_V=-1.0, potential_eV=-0.5).other_conditions()
        'at -1 V'
        """
        said = []
        if self.temperature_K is not None and not at_room_temperature(self.temperature_K):
            said.append(f"at {self.temperature_K:g} K")
        if abs(self.potential_eV) > _SAME_EV:
            acid = "" if self.pH is None else f" and pH {self.pH:g}"
            said.append(f"at {self.potential_V:g} V{acid}")
        if abs(self.solvation_eV) > _SAME_EV:
            said.append(f"solvation of {self.solvation_eV:g} eV counted")
        if self.oxygen_eV:
            said.append("O counted against O2")
        return ", ".join(said)


class AdsorptionDocument(ResultDocument):
    """Adsorption (free) energy at the lowest site, or at the site asked for; negative is bound.

    ΔE = E(slab + adsorbate) - E(slab) - Σ n_i E(gas i), and ΔG = ΔE + correction + what
    `free_energy` lists. An adsorbate that left the surface, or fell apart, has neither.

    Attributes
    ----------
    surface
        The facet and its defects, e.g. ``(001) with V_S``; empty in results of older versions.
    reaction
        What `value` is of, e.g. ``H2O + * -> OH* + 0.5 H2``; with O2 where that is counted.
    strain
        In the plane of the surface, a fraction; the slab was cut and then stretched.
    vibrations
        Of the adsorbate's atoms at `site`; None for a fixed correction.
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
    surface: str = ""
    site: str
    coverage_ML: float
    layers: int
    frozen_layers: int
    vacuum_A: float
    adsorption_energy_eV: float | None
    reaction: str = ""
    strain: float = 0.0
    correction: FreeEnergyCorrection | None = None
    free_energy: FreeEnergyDocument | None = None
    vibrations: VibrationsDocument | None = None
    relaxed_host: RelaxDocument
    slab: RelaxDocument
    gas: tuple[GasReference, ...]
    sites: tuple[AdsorptionSite, ...]
    screen: EngineStamp | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
