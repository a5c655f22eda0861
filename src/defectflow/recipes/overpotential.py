"""Recipes of overpotentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from defectflow.recipes.adsorption import SurfaceRecipe, adsorption
from defectflow.recipes.slabs import facet_said, host_to_relax

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class OverpotentialRecipe(SurfaceRecipe):
    """Thermodynamic overpotential of a reaction on a surface, V: a loss, positive.

    From the free energies of what adsorbs in between (computational hydrogen electrode; associative
    path of oxygen: OOH*, O*, OH*). The energy of O2 is taken from water and the measured 4.92 eV.
    """

    quantity: Literal["overpotential"]
    reaction: Literal["HER", "ORR", "OER", "CO2RR-CO", "CO2RR-CHO"] = Field(
        description="hydrogen evolution, oxygen reduction or evolution, first steps of CO2"
    )
    correction: Literal["norskov_2005", "vibrations"] = Field(
        "vibrations", description="from energies to free energies; norskov_2005 is for H alone"
    )
    temperature_K: float = Field(
        298.15, gt=0, description="temperature, with `vibrations`; that of ORR and OER is 298 K"
    )
    potential_V: float | None = Field(
        None, description="of the free-energy profile; the equilibrium potential by default"
    )
    solvation_eV: dict[str, float] = Field(
        default_factory=dict,
        description="what the electrolyte adds to an adsorbate, e.g. `{OH: -0.5}`; say the source",
    )

    def subject(self) -> tuple[str, str]:
        """Return host and reaction, for a table of what could not be computed."""
        return str(self.host), f"{self.reaction} on {facet_said(self.slab)}"


def build(recipe: OverpotentialRecipe, order: Order) -> Flow:
    """Return the flow of an overpotential."""
    from defectflow.flows import AdsorptionMaker, OverpotentialMaker
    from defectflow.flows.free_energy import FreeEnergyPlan

    host = order.host(recipe.host)
    inner = AdsorptionMaker(
        **adsorption(recipe, order, host),
        quantity="adsorption_free_energy",
        free=FreeEnergyPlan(
            recipe.correction,
            temperature_K=recipe.temperature_K,
            references=recipe.references,
        ),
    )
    maker = OverpotentialMaker(
        inner,
        recipe.reaction,
        potential_V=recipe.potential_V,
        solvation_eV=recipe.solvation_eV,
    )
    start = host_to_relax(recipe.slab, host, recipe.host_cell)
    return maker.make(start, order.provenance)
