"""Recipes of migration barriers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from defectflow.errors import RecipeError
from defectflow.recipes.parts import (
    DEFAULT_ENGINE,
    HOST_CELL,
    NEAR_DEFECT,
    SUPERCELL,
    EndpointChoice,
    EngineChoice,
    HostChoice,
    QuantityRecipe,
    Supercell,
    usual_host_cell,
)
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.engines.contract import Engine
    from defectflow.recipes.order import Order

#: What a recipe writes to have no guide.
NO_GUIDE = "none"
#: Keys that two given ends leave nothing to decide for.
_OF_A_HOST: Final = (
    *("species", "limit", "host_cell", "supercell", "min_image_distance_A"),
    *("cutoff_A", "sites", "near_defect_A"),
)


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
    host_cell: HostCell = Field(default_factory=usual_host_cell, description=HOST_CELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the ion from its periodic image, Å"
    )
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    cutoff_A: float | None = Field(
        None,
        gt=0,
        description="longest hop, Å; by default the shortest hops that together cross the crystal",
    )
    images: int = Field(
        0, ge=0, description="moving images of a band; 0: as many as the level asks for"
    )
    sites: Literal["lowest", "all"] = Field(
        "lowest",
        description=(
            "lowest: hops between sites like the most stable one; all: between all, for hosts "
            "where the way leads over unlike sites, e.g. along a grain boundary"
        ),
    )
    near_defect_A: float = Field(0.0, ge=0, description=NEAR_DEFECT)
    explore: bool = Field(
        True, description="send bands through interstitial sites too and keep the lowest"
    )
    temperatures_K: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (300.0,), description="temperatures for the diffusion coefficient, K"
    )
    attempt_frequency_Hz: float = Field(
        1.0e13, gt=0, description="attempt frequency of the diffusion coefficient, Hz"
    )
    path: Literal["potential", "refined", "dft"] | None = Field(
        None,
        description=(
            "potential: the engine is a potential and sees all; refined: a guide relaxes the "
            "band, the engine sees ends, saddle and lower minima; dft: the engine sees every image "
            "of the band that the guide has started; by default refined for engines with "
            "electrons, potential for others"
        ),
    )
    guide: EngineChoice | None = Field(
        None,
        description=(
            "engine that guides another one, written as `engine` is; `none` for no guide; by "
            f"default {DEFAULT_ENGINE}"
        ),
    )

    @model_validator(mode="after")
    def _complete(self) -> MigrationBarrierRecipe:
        if (self.host is None) == (self.endpoints is None):
            message = "give either `host` or `endpoints`"
            raise ValueError(message)
        idle = [name for name in _OF_A_HOST if name in self.model_fields_set]
        if self.endpoints is not None and idle:
            message = (
                f"`{idle[0]}` says something of a `host`, and `endpoints` are computed as they "
                "are; leave it out"
            )
            raise ValueError(message)
        if self.host is not None and self.species is None:
            message = "`species` is missing: say which element moves, e.g. `species: Mg`"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and ion, for a table of what could not be computed."""
        return str(self.host or "given end points"), self.species or ""


def guided(recipe: MigrationBarrierRecipe, order: Order) -> Engine:
    """Return the engine of a recipe, with its guide if it is to have one.

    Raises
    ------
    RecipeError
        If path, guide and engine do not fit each other.
    """
    from defectflow.engines.guided import GuidedEngine

    electrons = order.engine.stamp().fidelity == "dft"
    path = recipe.path or ("refined" if electrons or recipe.guide else "potential")
    unguided = recipe.guide is not None and recipe.guide.name == NO_GUIDE
    if path == "potential":
        if electrons or (recipe.guide is not None and not unguided):
            message = (
                f"path: potential with engine {order.engine.name} and a guide: a potential needs "
                "none, and a code with electrons is more; name a potential as engine, or write "
                "path: refined"
            )
            raise RecipeError(message)
        return order.engine
    if unguided:
        if path == "refined":
            message = "path: refined needs a guide; leave `guide: none` out or write path: dft"
            raise RecipeError(message)
        return order.engine
    choice = recipe.guide or EngineChoice(name=DEFAULT_ENGINE)
    return GuidedEngine.of(order.engine, order.other_engine(choice), path)


def build(recipe: MigrationBarrierRecipe, order: Order) -> Flow:
    """Return the flow of a migration barrier."""
    from defectflow.flows import EndpointsBarrierMaker, MigrationBarrierMaker

    shared: dict[str, Any] = {
        "engine": guided(recipe, order),
        "images": recipe.images,
        "explore": recipe.explore,
    }
    if recipe.host is None:
        initial, final = order.crystals(recipe.endpoints)
        return EndpointsBarrierMaker(**shared).make(initial, final, provenance=order.provenance)
    maker = MigrationBarrierMaker(
        **shared,
        limit=recipe.limit,
        host_cell=recipe.host_cell,
        min_image_distance_A=recipe.min_image_distance_A,
        supercell=recipe.supercell,
        cutoff_A=recipe.cutoff_A,
        sites=recipe.sites,
        near_defect_A=recipe.near_defect_A,
        temperatures_K=recipe.temperatures_K,
        attempt_frequency_Hz=recipe.attempt_frequency_Hz,
    )
    host = order.host(recipe.host)
    return maker.make(host, recipe.species or "", provenance=order.provenance)
