"""Flows: each Maker's ``make`` reads like the numbered list in its docstring.

No engine is known here by name; every step comes from the `engine` that a Maker carries.
"""

from __future__ import annotations

from defectflow.flows.endpoints import EndpointsBarrierMaker
from defectflow.flows.formation import DefectFormationEnergyMaker
from defectflow.flows.migration import MigrationBarrierMaker
from defectflow.flows.provenance import Provenance

__all__ = [
    "DefectFormationEnergyMaker",
    "EndpointsBarrierMaker",
    "MigrationBarrierMaker",
    "Provenance",
]
