"""Typed results. This room knows no database and no engine."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from defectflow.documents.adsorption import (
    AdsorptionDocument,
    AdsorptionSite,
    FreeEnergyCorrection,
    FreeEnergyDocument,
    GasReference,
    ThermalDocument,
)
from defectflow.documents.base import (
    Document,
    EngineStamp,
    Fidelity,
    Level,
    ResultDocument,
    content_key,
    now,
)
from defectflow.documents.catalysis import (
    Intermediate,
    OverpotentialDocument,
    ReactionState,
    ReactionStep,
)
from defectflow.documents.charged import (
    ChargeCorrectionDocument,
    ElectronicHost,
    EquilibriumDocument,
    HostBands,
    TransitionDocument,
)
from defectflow.documents.charges import BaderChargeDocument
from defectflow.documents.convergence import (
    ConvergenceDocument,
    ConvergencePoint,
    ConvergenceScan,
)
from defectflow.documents.dislocations import DislocationCore, DislocationCoreDocument
from defectflow.documents.electronic import (
    AtomDos,
    ChargesDocument,
    DosDocument,
    VacuumDocument,
)
from defectflow.documents.electronic_structure import (
    BandDescription,
    BandGapDocument,
    DBandCenterDocument,
    WorkFunctionDocument,
)
from defectflow.documents.equation_of_state import EquationOfStateDocument
from defectflow.documents.formation import (
    ChemicalPotential,
    CompetingPhase,
    DefectDocument,
    DefectFormationEnergyDocument,
    PotentialLimit,
    StartDocument,
)
from defectflow.documents.intercalation import (
    IntercalationDocument,
    IntercalationVoltageDocument,
    IonSite,
    VoltagePlateau,
    VoltagePoint,
)
from defectflow.documents.melting import AmorphousSurfaceDocument, MeltDocument
from defectflow.documents.migration import (
    Diffusion,
    HopDocument,
    MigrationBarrierDocument,
    SiteDocument,
)
from defectflow.documents.ordering import OrderingEnergyDocument, RankedCell
from defectflow.documents.planar import (
    GlidePoint,
    PlanarCandidate,
    PlanarEnergyDocument,
    SurfaceFit,
    UnstableFaultDocument,
)
from defectflow.documents.segregation import SegregationEnergyDocument, SegregationSite
from defectflow.documents.steps import BandDocument, Candidate, Image, RelaxDocument
from defectflow.documents.surfaces import (
    InterfaceEnergyDocument,
    SurfaceEnergyDocument,
    SurfaceTermination,
)
from defectflow.documents.trends import TrendDocument, TrendPoint
from defectflow.errors import StoreError, did_you_mean

__all__ = [
    "AdsorptionDocument",
    "AdsorptionSite",
    "AmorphousSurfaceDocument",
    "AtomDos",
    "BaderChargeDocument",
    "BandDescription",
    "BandDocument",
    "BandGapDocument",
    "Candidate",
    "ChargeCorrectionDocument",
    "ChargesDocument",
    "ChemicalPotential",
    "CompetingPhase",
    "ConvergenceDocument",
    "ConvergencePoint",
    "ConvergenceScan",
    "DBandCenterDocument",
    "DefectDocument",
    "DefectFormationEnergyDocument",
    "Diffusion",
    "DislocationCore",
    "DislocationCoreDocument",
    "Document",
    "DosDocument",
    "ElectronicHost",
    "EngineStamp",
    "EquationOfStateDocument",
    "EquilibriumDocument",
    "Fidelity",
    "FreeEnergyCorrection",
    "FreeEnergyDocument",
    "GasReference",
    "GlidePoint",
    "HopDocument",
    "HostBands",
    "Image",
    "IntercalationDocument",
    "IntercalationVoltageDocument",
    "InterfaceEnergyDocument",
    "Intermediate",
    "IonSite",
    "Level",
    "MeltDocument",
    "MigrationBarrierDocument",
    "OrderingEnergyDocument",
    "OverpotentialDocument",
    "PlanarCandidate",
    "PlanarEnergyDocument",
    "PotentialLimit",
    "RankedCell",
    "ReactionState",
    "ReactionStep",
    "RelaxDocument",
    "ResultDocument",
    "SegregationEnergyDocument",
    "SegregationSite",
    "SiteDocument",
    "StartDocument",
    "SurfaceEnergyDocument",
    "SurfaceFit",
    "SurfaceTermination",
    "ThermalDocument",
    "TransitionDocument",
    "TrendDocument",
    "TrendPoint",
    "UnstableFaultDocument",
    "VacuumDocument",
    "VoltagePlateau",
    "VoltagePoint",
    "WorkFunctionDocument",
    "content_key",
    "load_result",
    "now",
]

#: Result documents by the quantity they hold.
RESULTS: dict[str, type[ResultDocument]] = {
    "adsorption_energy": AdsorptionDocument,
    "adsorption_free_energy": AdsorptionDocument,
    "amorphous_surface_energy": AmorphousSurfaceDocument,
    "band_gap": BandGapDocument,
    "binding_energy": IntercalationDocument,
    "convergence": ConvergenceDocument,
    "d_band_center": DBandCenterDocument,
    "defect_formation_energy": DefectFormationEnergyDocument,
    "dislocation_core_energy": DislocationCoreDocument,
    "equation_of_state": EquationOfStateDocument,
    "intercalation_energy": IntercalationDocument,
    "intercalation_voltage": IntercalationVoltageDocument,
    "grain_boundary_energy": PlanarEnergyDocument,
    "migration_barrier": MigrationBarrierDocument,
    "ordering_energy": OrderingEnergyDocument,
    "segregation_energy": SegregationEnergyDocument,
    "stacking_fault_energy": PlanarEnergyDocument,
    "surface_energy": SurfaceEnergyDocument,
    "trend": TrendDocument,
    "work_function": WorkFunctionDocument,
    "bader_charge": BaderChargeDocument,
    "work_of_adhesion": InterfaceEnergyDocument,
    "interface_formation_energy": InterfaceEnergyDocument,
    "twin_energy": PlanarEnergyDocument,
    "unstable_stacking_fault_energy": UnstableFaultDocument,
    "overpotential": OverpotentialDocument,
}


def load_result(data: dict[str, Any]) -> ResultDocument:
    """Rebuild a result from plain data; class names in the data are ignored, nothing is imported.

    Raises
    ------
    StoreError
        If the quantity is unknown or the data do not fit its document.
    """
    plain = _without_class_names(data)
    quantity = str(plain.get("quantity"))
    if quantity not in RESULTS:
        message = f"result of unknown quantity {quantity!r}; {did_you_mean(quantity, RESULTS)}"
        raise StoreError(message)
    try:
        return RESULTS[quantity].model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = f"stored {quantity} does not fit its document: {where}: {first['msg']}"
        raise StoreError(message) from error


def _without_class_names(value: Any) -> Any:
    """Drop the serialiser's keys, except in crystals, which pymatgen reads as data."""
    if isinstance(value, dict):
        if "lattice" in value and "sites" in value:
            return value
        return {k: _without_class_names(v) for k, v in value.items() if not k.startswith("@")}
    if isinstance(value, list):
        return [_without_class_names(item) for item in value]
    return value
