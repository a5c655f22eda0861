"""Recipes of dislocations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from defectflow.recipes.kinds.lines import Dislocation
from defectflow.recipes.parts import HOST_CELL, HostChoice, QuantityRecipe
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class DislocationCoreEnergyRecipe(QuantityRecipe):
    """Energy of the next core of a dislocation above its lowest one, eV per Å of line.

    ΔE = (E(one) - E(lowest)) / 2L between cells with the same array of lines, whose elastic
    energies cancel. Cores begin in each distinct gap between atomic planes and, with `places`, at
    several places across one period.
    """

    quantity: Literal["dislocation_core_energy"]
    host: HostChoice = Field(description="the perfect crystal")
    dislocation: Dislocation = Field(
        description=(
            "Burgers vector, line and cell, e.g. "
            "`{burgers: [1/2, -1/2, 0], line: [1, 1, -2], places: 2}`"
        )
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)

    def subject(self) -> tuple[str, str]:
        """Return host and Burgers vector, for a table of what could not be computed."""
        return str(self.host), f"dislocation {list(self.dislocation.burgers)}"


def build(recipe: DislocationCoreEnergyRecipe, order: Order) -> Flow:
    """Return the flow of differences between cores."""
    from defectflow.flows.dislocation_cores import CorePlan, DislocationCoreMaker

    chosen = recipe.dislocation
    plan = CorePlan(
        system={"burgers": chosen.burgers, "line": chosen.line, "plane": chosen.plane},
        options={
            "size": (chosen.separation_A, chosen.length_A),
            "arrangement": chosen.arrangement,
            "elastic": dict(chosen.elastic) or None,
            "places": chosen.places,
        },
    )
    maker = DislocationCoreMaker(engine=order.engine, plan=plan, host_cell=recipe.host_cell)
    return maker.make(order.host(recipe.host), order.provenance)
