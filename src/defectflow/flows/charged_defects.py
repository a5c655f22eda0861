"""What the charge of a defect asks for: the bands of the host, and corrections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from monty.json import MSONable

from defectflow.analysis.charge_correction import (
    dielectric_tensor,
    point_charge_correction_eV,
    site_potential_correction,
)
from defectflow.documents import (
    ChargeCorrectionDocument,
    DosDocument,
    ElectronicHost,
    HostBands,
    RelaxDocument,
)
from defectflow.engines.contract import Capability
from defectflow.engines.spins import unpaired_moments_muB
from defectflow.engines.vacuum import vacuum_axes
from defectflow.errors import MissingData, RecipeError, StructureError
from defectflow.structures.symmetry import primitive_cells

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.flows.defect_cells import DefectPlan

CorrectionMethod = Literal["efnv", "point_charge", "none"]


@dataclass(frozen=True)
class ChargePlan(MSONable):
    """How charged cells become formation energies.

    Attributes
    ----------
    dielectric
        Static dielectric constant of the host, ions included: a number, three, or a tensor.
    correction
        ``efnv``, which needs the engine's potentials at the atoms; ``point_charge``; ``none``.
    fermi_eV
        Fermi level of the value, above the valence band maximum.
    temperature_K
        At which the neutral crystal's Fermi level is sought; None to leave it.
    """

    dielectric: Any = None
    correction: CorrectionMethod = "efnv"
    fermi_eV: float = 0.0
    temperature_K: float | None = None

    def check(self, engine: Engine, host: Structure, *, charged: bool) -> None:
        """Refuse what the engine cannot do, the recipe has not said, or no correction is for.

        Raises
        ------
        EngineError
            If the engine knows no charge, no bands or no potentials at the atoms.
        RecipeError
            If the dielectric constant is missing.
        StructureError
            If the host has a vacuum: with the background that makes up for the charge its energy
            grows with the vacuum, and corrections of crystals do not hold
            (H.-P. Komsa, A. Pasquarello, Phys. Rev. Lett. 110, 095505 (2013)).
        """
        if not charged:
            if self.temperature_K is not None:
                engine.require(Capability.DOS)
            return
        engine.require(Capability.CHARGE, Capability.DOS)
        if self.correction == "none":
            return
        if vacuum_axes(host):
            message = (
                f"{host.composition.reduced_formula}: the corrections of charged defects are those "
                "of crystals, and this host has a vacuum; take the crystal, a neutral defect, or "
                "`charge_correction: none`, whose energies depend on the vacuum"
            )
            raise StructureError(message)
        if self.correction == "efnv":
            engine.require(Capability.SITE_POTENTIALS)
        if self.dielectric is None:
            message = (
                "charged defects: the finite-size correction needs the static dielectric constant "
                "of the host, e.g. `dielectric: 9.8`; without any correction: "
                "`charge_correction: none`"
            )
            raise RecipeError(message)
        dielectric_tensor(self.dielectric)


def unpaired(engine: Engine, structure: Structure, plan: DefectPlan) -> list[float] | None:
    """Return starting moments of a defect with an odd number of electrons in an insulator.

    Without spin its last level would be filled by half an electron of either spin, which shifts
    every transition level from or to it. None where engine or structure say what the spins are.
    """
    if engine.options.get("spin") != "auto" or "magmom" in structure.site_properties:
        return None
    return unpaired_moments_muB(structure, plan.charge)


def electronic_host(dos: DosDocument, plan: ChargePlan) -> ElectronicHost:
    """Return the bands of the host.

    Raises
    ------
    StructureError
        If it is a metal, where a charge does not stay.
    """
    if dos.vbm_eV is None:
        formula = dos.structure.composition.reduced_formula
        message = (
            f"{formula} has no band gap with this engine: a charge would not stay at the defect; "
            "compute it neutral, without `temperature_K`, or take a functional that opens the gap"
        )
        raise StructureError(message)
    tensor = None if plan.dielectric is None else dielectric_tensor(plan.dielectric)
    return ElectronicHost(
        valence_band_eV=dos.fermi_eV + dos.vbm_eV,
        gap_eV=dos.gap_eV,
        dielectric=None if tensor is None else tuple(map(tuple, tensor.tolist())),
        bands=_bands(dos, dos.vbm_eV),
    )


def _bands(dos: DosDocument, valence_band_eV: float) -> HostBands:
    """Return the density of states per primitive cell, whatever cell it was computed in."""
    cells = primitive_cells(dos.structure)
    density = np.sum(dos.total, axis=0) / cells
    return HostBands(
        energies_eV=tuple((np.array(dos.energies_eV) - valence_band_eV).tolist()),
        density=tuple(density.tolist()),
        volume_A3=dos.structure.volume / cells,
    )


def charge_correction(
    plan: ChargePlan, defect: DefectPlan, relaxed: RelaxDocument, pristine: RelaxDocument
) -> ChargeCorrectionDocument | None:
    """Return the correction of a charged cell; None for a neutral one.

    Raises
    ------
    MissingData
        If the engine gave no potentials at the atoms.
    """
    charge = relaxed.charge
    if charge == 0:
        return None
    if plan.correction == "none":
        return ChargeCorrectionDocument(method="none")
    lattice = pristine.structure.lattice.matrix
    if plan.correction == "point_charge":
        energy_eV = point_charge_correction_eV(lattice, plan.dielectric, charge)
        return ChargeCorrectionDocument(method="point_charge", point_charge_eV=energy_eV)
    places_A, shifts_V = potential_shifts(defect, relaxed, pristine)
    found = site_potential_correction(lattice, plan.dielectric, charge, places_A, shifts_V)
    return ChargeCorrectionDocument(
        method="efnv",
        point_charge_eV=found.point_charge_eV,
        alignment_eV=found.alignment_eV,
        far_sites=found.far_sites,
        spread_V=found.spread_V,
    )


def potential_shifts(
    defect: DefectPlan, relaxed: RelaxDocument, pristine: RelaxDocument
) -> tuple[np.ndarray, list[float]]:
    """Return places relative to the defect (Å) and potential shifts (V) of the atoms that stayed.

    The defect is where the mean of its changes is; the atoms are where they relaxed to.
    """
    if relaxed.site_potentials_V is None or pristine.site_potentials_V is None:
        message = (
            f"{defect.name}: the engine gave no potentials at the atoms; ask for "
            "`charge_correction: point_charge`"
        )
        raise MissingData(message)
    gone = {one["index"] for one in defect.changes if one["after"] is None}
    changed = {one["index"] for one in defect.changes if one["before"] is not None}
    staying = [index for index in range(len(pristine.structure)) if index not in gone]
    pairs = [(old, new) for new, old in enumerate(staying) if old not in changed]
    shifts_V = [
        relaxed.site_potentials_V[new] - pristine.site_potentials_V[old] for old, new in pairs
    ]
    first = np.array(defect.changes[0]["frac_coords"])
    offsets = np.array([one["frac_coords"] for one in defect.changes]) - first
    centre = first + (offsets - np.round(offsets)).mean(axis=0)
    places = relaxed.structure.frac_coords[[new for _, new in pairs]] - centre
    return places @ pristine.structure.lattice.matrix, shifts_V
