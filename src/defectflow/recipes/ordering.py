"""Recipes that rank arrangements of one composition."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from defectflow.errors import StructureError
from defectflow.recipes.kinds.disorder import Concentration, Order, Superlattice
from defectflow.recipes.parts import HostChoice, QuantityRecipe
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order as RecipeOrder
    from defectflow.structures.cells import Cell
    from defectflow.structures.hosts import Host

Arrangements = Annotated[Order | Concentration | Superlattice, Field(discriminator="kind")]


class OrderingEnergyRecipe(QuantityRecipe):
    """Arrangements of one composition, ranked by energy.

    The value is the energy of the lowest against the mean over all, equivalents counted, eV/atom.
    """

    quantity: Literal["ordering_energy"]
    host: HostChoice = Field(description="the perfect crystal")
    defect: Arrangements = Field(
        description="which arrangements, e.g. `{kind: order, replace: {Mn: Ni4}}`"
    )
    host_cell: HostCell = Field(
        "relax",
        description="cell of each arrangement: as built, relaxed by the engine, or relaxed in "
        "volume only",
    )
    screen: int | None = Field(
        None,
        ge=2,
        description="compute so many only: those of lowest electrostatic energy of formal charges",
    )
    most: int = Field(100, ge=2, description="more arrangements than this are refused")


def build(recipe: OrderingEnergyRecipe, order: RecipeOrder) -> Flow:
    """Return the flow of a ranking."""
    from defectflow.flows.ordering import OrderingEnergyMaker

    host = order.host(recipe.host)
    cells, notes = _chosen(recipe, host)
    maker = OrderingEnergyMaker(engine=order.engine, host_cell=recipe.host_cell)
    return maker.make(host, cells, order.provenance, notes)


def _chosen(recipe: OrderingEnergyRecipe, host: Host) -> tuple[list[Cell], list[str]]:
    """Return the arrangements to compute, and what is to be said of the choice."""
    from defectflow.structures.concentrations import coulomb_energy_eV, lowest

    stream = recipe.defect.cells(host.structure)
    notes = []
    if getattr(recipe.defect, "at_most", None) is not None:
        notes.append("the mean is that of the first arrangements only (at_most)")
    if recipe.screen is not None:
        notes.append(
            f"the mean is that of the {recipe.screen} arrangements of lowest electrostatic energy"
        )
        return [one.cell for one in lowest(stream, coulomb_energy_eV, recipe.screen)], notes
    cells = list(itertools.islice(stream, recipe.most + 1))
    if len(cells) > recipe.most:
        message = (
            f"{host.name}: more than {recipe.most} arrangements; raise `most`, or give `screen`: "
            "how many, those of lowest electrostatic energy, are computed"
        )
        raise StructureError(message)
    return cells, notes
