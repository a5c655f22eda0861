"""Recipes of the energies of interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from defectflow.recipes.kinds.interfaces import Interface
from defectflow.recipes.parts import HOST_CELL, HostChoice, QuantityRecipe
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class _InterfaceRecipe(QuantityRecipe):
    """What the recipes of interfaces share."""

    host: HostChoice = Field(description="the substrate")
    film: HostChoice = Field(description="the crystal on it")
    interface: Interface = Field(
        description="planes, terminations, gap, and what the common cell may be; without `film`"
    )
    match: int = Field(
        1, ge=1, description="which of the common cells, the smallest first; see `generate`"
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)

    @model_validator(mode="before")
    @classmethod
    def _film_once(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("interface", {}), dict):
            return data
        given = dict(data.get("interface", {}))
        if "film" in given and given["film"] != "":
            message = "`film` belongs beside `host`, not into `interface`"
            raise ValueError(message)
        return {**data, "interface": {**given, "film": ""}}

    def subject(self) -> tuple[str, str]:
        """Return substrate and film, for a table of what could not be computed."""
        return str(self.host), f"{self.film} on it"


class WorkOfAdhesionRecipe(_InterfaceRecipe):
    """Work of parting a film from its substrate, J/m²; positive where they hold together.

    W = (E(substrate) + E(film) - E(both)) / A, all three relaxed in the strained common cell.
    """

    quantity: Literal["work_of_adhesion"]


class InterfaceFormationEnergyRecipe(_InterfaceRecipe):
    """Energy of an interface against both crystals at rest, J/m²; positive costs energy.

    γ = (E(superlattice) - Σ N E(crystal) / N₀) / 2A: strain counts. The superlattice has no
    vacuum.
    """

    quantity: Literal["interface_formation_energy"]
    height: Literal["relaxed", "fixed"] = Field(
        "relaxed",
        description=(
            "relaxed: the distances of both crystals find their own; fixed: the cell stays as high "
            "as `gap_A` makes it, and the energy contains that of stretching both"
        ),
    )

    @model_validator(mode="after")
    def _no_vacuum(self) -> InterfaceFormationEnergyRecipe:
        if "vacuum_A" in self.interface.model_fields_set and self.interface.vacuum_A:
            message = "a formation energy is that of a superlattice: leave out `vacuum_A`"
            raise ValueError(message)
        if self.interface.bridge:
            message = "atoms between the crystals belong to neither: ask for `work_of_adhesion`"
            raise ValueError(message)
        return self


def build(recipe: WorkOfAdhesionRecipe | InterfaceFormationEnergyRecipe, order: Order) -> Flow:
    """Return the flow of an interface's energy."""
    from defectflow.flows.interface_energy import InterfaceEnergyMaker, InterfacePlan

    chosen = recipe.interface
    apart = recipe.quantity == "work_of_adhesion"
    plan = InterfacePlan(
        substrate={
            "miller": chosen.miller,
            "slices": chosen.slices,
            "termination": chosen.termination,
        },
        film={
            "miller": chosen.film_miller,
            "slices": chosen.film_slices,
            "termination": chosen.film_termination,
            "flipped": chosen.flipped,
        },
        joint={
            "gap_A": chosen.gap_A,
            "vacuum_A": chosen.vacuum_A if apart else 0.0,
            "max_area_A2": chosen.max_area_A2,
            "max_strain": chosen.max_strain,
            "strained": chosen.strained,
            "shift": chosen.shift,
            "bond": chosen.bond,
            "bridge": chosen.bridge,
        },
        match=recipe.match,
    )
    maker = InterfaceEnergyMaker(
        engine=order.engine,
        plan=plan,
        quantity=recipe.quantity,
        host_cell=recipe.host_cell,
        height="fixed" if isinstance(recipe, WorkOfAdhesionRecipe) else recipe.height,
    )
    return maker.make(order.host(recipe.host), order.host(recipe.film), order.provenance)
