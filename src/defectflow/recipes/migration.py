"""Recipes of migration barriers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from defectflow.recipes.parts import (
    HOST_CELL,
    EndpointChoice,
    HostCell,
    HostChoice,
    QuantityRecipe,
)

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class MigrationBarrierRecipe(QuantityRecipe):
    """Barrier of an ion on its way through a host, in the dilute limit.

    Either a `host` and a `limit`, or two `endpoints`.
    """

    quantity: Literal["migration_barrier"]
    host: HostChoice | None = Field(None, description="the perfect crystal")
    endpoints: EndpointChoice | None = Field(None, description="one hop between two structures")
    species: str | None = Field(None, description="element that moves; needed with `host`")
    limit: Literal["charged", "discharged"] = Field(
        "charged",
        description="charged: one ion in the empty host; discharged: one vacancy in the full host",
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the ion from its periodic image, Å"
    )
    cutoff_A: float | None = Field(
        None,
        gt=0,
        description="longest hop, Å; by default the shortest hops that together cross the crystal",
    )
    images: int = Field(
        0, ge=0, description="moving images of a band; 0: as many as the level asks for"
    )
    explore: bool = Field(
        True, description="send bands through interstitial sites too and keep the lowest"
    )
    temperatures_K: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (300.0,), description="temperatures for the diffusion coefficient, K"
    )
    attempt_frequency_Hz: float = Field(
        1.0e13, gt=0, description="attempt frequency of the diffusion coefficient, Hz"
    )

    @model_validator(mode="after")
    def _complete(self) -> MigrationBarrierRecipe:
        if (self.host is None) == (self.endpoints is None):
            message = "give either `host` or `endpoints`"
            raise ValueError(message)
        if self.host is not None and self.species is None:
            message = "`species` is missing: say which element moves, e.g. `species: Mg`"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and ion, for a table of what could not be computed."""
        return str(self.host or "given end points"), self.species or ""


def build(recipe: MigrationBarrierRecipe, order: Order) -> Flow:
    """Return the flow of a migration barrier."""
    from defectflow.flows import EndpointsBarrierMaker, MigrationBarrierMaker

    shared: dict[str, Any] = {
        "engine": order.engine,
        "images": recipe.images,
        "explore": recipe.explore,
        "temperatures_K": recipe.temperatures_K,
        "attempt_frequency_Hz": recipe.attempt_frequency_Hz,
    }
    if recipe.host is None:
        initial, final = order.crystals(recipe.endpoints)
        return EndpointsBarrierMaker(**shared).make(initial, final, provenance=order.provenance)
    maker = MigrationBarrierMaker(
        **shared,
        limit=recipe.limit,
        host_cell=recipe.host_cell,
        min_image_distance_A=recipe.min_image_distance_A,
        cutoff_A=recipe.cutoff_A,
    )
    host = order.host(recipe.host)
    return maker.make(host, recipe.species or "", provenance=order.provenance)
