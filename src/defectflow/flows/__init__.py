"""Flows: each Maker's ``make`` reads like the numbered list in its docstring.

No engine is known here by name; every step comes from the `engine` that a Maker carries.
"""

from __future__ import annotations

from defectflow.flows.adsorption import AdsorptionMaker
from defectflow.flows.cells import CellPlan
from defectflow.flows.charged_defects import ChargePlan
from defectflow.flows.charges import BaderChargeMaker
from defectflow.flows.convergence import ConvergenceMaker
from defectflow.flows.electronic_structure import (
    BandGapMaker,
    DBandCenterMaker,
    WorkFunctionMaker,
)
from defectflow.flows.endpoints import EndpointsBarrierMaker
from defectflow.flows.equation_of_state import EquationOfStateMaker
from defectflow.flows.formation import DefectFormationEnergyMaker
from defectflow.flows.gliding import GlidePlan, UnstableFaultMaker
from defectflow.flows.intercalation import IntercalationEnergyMaker
from defectflow.flows.migration import MigrationBarrierMaker
from defectflow.flows.ordering import OrderingEnergyMaker
from defectflow.flows.overpotential import OverpotentialMaker
from defectflow.flows.planar import PlanarEnergyMaker, PlanarPlan
from defectflow.flows.provenance import Provenance
from defectflow.flows.reservoirs import MeasuredCompound, Reservoirs
from defectflow.flows.slabs import SlabPlan
from defectflow.flows.trends import TrendMaker
from defectflow.flows.voltage import IntercalationVoltageMaker

__all__ = [
    "AdsorptionMaker",
    "BaderChargeMaker",
    "BandGapMaker",
    "CellPlan",
    "ChargePlan",
    "ConvergenceMaker",
    "DBandCenterMaker",
    "DefectFormationEnergyMaker",
    "EndpointsBarrierMaker",
    "EquationOfStateMaker",
    "GlidePlan",
    "IntercalationEnergyMaker",
    "IntercalationVoltageMaker",
    "MeasuredCompound",
    "MigrationBarrierMaker",
    "OrderingEnergyMaker",
    "OverpotentialMaker",
    "PlanarEnergyMaker",
    "PlanarPlan",
    "Provenance",
    "Reservoirs",
    "SlabPlan",
    "TrendMaker",
    "UnstableFaultMaker",
    "WorkFunctionMaker",
]
