"""Recipes of equations of state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from defectflow.recipes.parts import HOST_CELL, HostChoice, QuantityRecipe
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class EquationOfStateRecipe(QuantityRecipe):
    """Equilibrium volume and bulk modulus of a crystal, from its energy at several volumes.

    The value is the volume per atom, Å³.
    """

    quantity: Literal["equation_of_state"]
    host: HostChoice = Field(description="the perfect crystal")
    host_cell: HostCell = Field("keep", description=f"{HOST_CELL}, before the volume is changed")
    volumes: int = Field(7, ge=5, description="number of volumes")
    range: float = Field(
        0.06, gt=0, lt=0.3, description="largest relative change of the volume, to both sides"
    )
    atoms: Literal["fixed", "relaxed"] = Field(
        "fixed",
        description="fixed: in the proportions of the host; relaxed: anew at every volume",
    )


def build(recipe: EquationOfStateRecipe, order: Order) -> Flow:
    """Return the flow of an equation of state."""
    from defectflow.flows import EquationOfStateMaker

    maker = EquationOfStateMaker(
        engine=order.engine,
        host_cell=recipe.host_cell,
        volumes=recipe.volumes,
        range=recipe.range,
        atoms=recipe.atoms,
    )
    return maker.make(order.host(recipe.host), order.provenance)
