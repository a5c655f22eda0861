"""Every quantity that a recipe may ask for: its model, and what builds its flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from defectflow.recipes import (
    adsorption,
    amorphous_surfaces,
    charges,
    convergence,
    dislocations,
    electronic_structure,
    equation_of_state,
    formation,
    intercalation,
    interfaces,
    migration,
    ordering,
    overpotential,
    planar,
    segregation,
    surfaces,
    trends,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow import Flow

    from defectflow.recipes.order import Order
    from defectflow.recipes.parts import QuantityRecipe


@dataclass(frozen=True)
class Family:
    """The recipes of one quantity.

    Attributes
    ----------
    model
        What may be written.
    build
        Makes the flow; every mistake that can be seen without computing surfaces there.
    """

    model: type[QuantityRecipe]
    build: Callable[[Any, Order], Flow]


FAMILIES: Final[dict[str, Family]] = {
    "migration_barrier": Family(migration.MigrationBarrierRecipe, migration.build),
    "defect_formation_energy": Family(formation.DefectFormationEnergyRecipe, formation.build),
    "intercalation_voltage": Family(
        intercalation.IntercalationVoltageRecipe, intercalation.build_voltage
    ),
    "intercalation_energy": Family(
        intercalation.IntercalationEnergyRecipe, intercalation.build_energy
    ),
    "binding_energy": Family(intercalation.BindingEnergyRecipe, intercalation.build_binding),
    "adsorption_energy": Family(adsorption.AdsorptionEnergyRecipe, adsorption.build),
    "adsorption_free_energy": Family(adsorption.AdsorptionFreeEnergyRecipe, adsorption.build),
    "band_gap": Family(electronic_structure.BandGapRecipe, electronic_structure.build_band_gap),
    "convergence": Family(convergence.ConvergenceRecipe, convergence.build),
    "d_band_center": Family(
        electronic_structure.DBandCenterRecipe, electronic_structure.build_d_band_center
    ),
    "work_function": Family(
        electronic_structure.WorkFunctionRecipe, electronic_structure.build_work_function
    ),
    "bader_charge": Family(charges.BaderChargeRecipe, charges.build),
    "surface_energy": Family(surfaces.SurfaceEnergyRecipe, surfaces.build),
    "amorphous_surface_energy": Family(
        amorphous_surfaces.AmorphousSurfaceEnergyRecipe, amorphous_surfaces.build
    ),
    "dislocation_core_energy": Family(dislocations.DislocationCoreEnergyRecipe, dislocations.build),
    "work_of_adhesion": Family(interfaces.WorkOfAdhesionRecipe, interfaces.build),
    "interface_formation_energy": Family(
        interfaces.InterfaceFormationEnergyRecipe, interfaces.build
    ),
    "stacking_fault_energy": Family(planar.StackingFaultEnergyRecipe, planar.build),
    "grain_boundary_energy": Family(planar.GrainBoundaryEnergyRecipe, planar.build),
    "segregation_energy": Family(segregation.SegregationEnergyRecipe, segregation.build),
    "twin_energy": Family(planar.TwinEnergyRecipe, planar.build),
    "unstable_stacking_fault_energy": Family(
        planar.UnstableFaultEnergyRecipe, planar.build_unstable
    ),
    "ordering_energy": Family(ordering.OrderingEnergyRecipe, ordering.build),
    "overpotential": Family(overpotential.OverpotentialRecipe, overpotential.build),
    "trend": Family(trends.TrendRecipe, trends.build),
    "equation_of_state": Family(equation_of_state.EquationOfStateRecipe, equation_of_state.build),
}

#: One model per quantity.
MODELS: Final[dict[str, type[QuantityRecipe]]] = {
    quantity: family.model for quantity, family in FAMILIES.items()
}
