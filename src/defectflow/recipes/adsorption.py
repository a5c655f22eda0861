"""Recipes of adsorption energies and free energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from defectflow.recipes.parts import (
    HOST_CELL,
    EngineChoice,
    HostCell,
    HostChoice,
    QuantityRecipe,
    SlabChoice,
)

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.flows.adsorption import SlabPlan
    from defectflow.recipes.order import Order


class AdsorptionEnergyRecipe(QuantityRecipe):
    """Energy of an atom on a surface against its gas; negative is bound.

    The gas of H is 1/2 H2, computed with the same engine.
    """

    quantity: Literal["adsorption_energy"]
    host: HostChoice = Field(description="the bulk crystal")
    slab: SlabChoice = Field(description="the surface, and the slab that stands for it")
    adsorbate: Literal["H"] = Field(description="what is adsorbed, once per slab")
    site: str = Field(
        "lowest", description="`lowest` of all distinct sites, or one of them, e.g. `fcc`"
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    screen: EngineChoice | None = Field(
        None, description="cheap engine that relaxes all sites first; only the lowest go on"
    )
    keep: int = Field(2, ge=1, description="how many sites go on after the screen")

    def subject(self) -> tuple[str, str]:
        """Return host and adsorbate, for a table of what could not be computed."""
        return str(self.host), f"{self.adsorbate} on {plan(self.slab).facet}"


class AdsorptionFreeEnergyRecipe(AdsorptionEnergyRecipe):
    """Free energy of an atom on a surface against its gas at zero potential; negative is bound.

    The adsorption energy plus a correction, which has to be named.
    """

    quantity: Literal["adsorption_free_energy"]  # type: ignore[assignment]
    correction: Literal["norskov_2005"] = Field(
        description="norskov_2005: +0.24 eV for H, J. Electrochem. Soc. 152, J23 (2005)"
    )


def plan(choice: SlabChoice) -> SlabPlan:
    """Return a slab as flows know it."""
    from defectflow.flows.adsorption import SlabPlan

    return SlabPlan(
        miller=choice.miller,
        layers=choice.layers,
        vacuum_A=choice.vacuum_A,
        repeat=choice.repeat,
        frozen_layers=choice.frozen_layers,
    )


def build(recipe: AdsorptionEnergyRecipe, order: Order) -> Flow:
    """Return the flow of an adsorption energy, or free energy."""
    from defectflow.flows import AdsorptionMaker

    maker = AdsorptionMaker(
        engine=order.engine,
        slab=plan(recipe.slab),
        quantity=recipe.quantity,
        host_cell=recipe.host_cell,
        site=recipe.site,
        correction=getattr(recipe, "correction", None),
        screen=order.other_engine(recipe.screen) if recipe.screen else None,
        keep=recipe.keep,
    )
    return maker.make(order.host(recipe.host), recipe.adsorbate, order.provenance)
