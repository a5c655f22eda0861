"""Recipes of Bader charges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from defectflow.recipes.adsorption import Species
from defectflow.recipes.parts import (
    HOST_CELL,
    SUPERCELL,
    EngineChoice,
    HostCell,
    HostChoice,
    QuantityRecipe,
    SlabChoice,
    Supercell,
)
from defectflow.recipes.slabs import host_to_relax, slab_plan

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class BaderChargeRecipe(QuantityRecipe):
    """Charge of an atom or an adsorbate after Bader, e; positive where electrons are missing.

    With an adsorbate, the change of the density by the adsorption stands beside it.
    """

    quantity: Literal["bader_charge"]
    host: HostChoice = Field(description="the perfect crystal")
    slab: SlabChoice | None = Field(None, description="a surface of the host; the bulk if left out")
    element: str | None = Field(
        None, description="whose charge; needed if the host holds several elements"
    )
    adsorbate: Species | None = Field(
        None, description="what is adsorbed; the value is then its charge"
    )
    site: str = Field("top", description="with `adsorbate`: the site it is put on, e.g. `fcc`")
    defect: Literal["vacancy"] | None = Field(None, description="kind of defect; none by default")
    species: str | None = Field(None, description="element that is taken out")
    label: str | None = Field(None, description="which of several distinct vacancies, e.g. `V_O_2`")
    strain: float = Field(
        0.0, ge=-0.2, le=0.2, description="equal stretch in the plane of the slab: 0.02 is 2 %"
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the defect from its periodic image, Å"
    )
    relax_atoms: bool = Field(
        True, description="relax the atoms of the slab or of the cell with the defect"
    )
    geometry: EngineChoice | None = Field(
        None,
        description=(
            "engine that relaxes the atoms, e.g. a potential; the recipe's engine by default"
        ),
    )

    @model_validator(mode="after")
    def _complete(self) -> BaderChargeRecipe:
        if (self.defect is None) != (self.species is None):
            message = "`defect` and `species` belong together, e.g. `defect: vacancy, species: O`"
            raise ValueError(message)
        if self.adsorbate is not None and self.slab is None:
            message = "`adsorbate` needs a `slab` to be put on"
            raise ValueError(message)
        if self.adsorbate is not None and self.element is not None:
            message = "give either `element` or `adsorbate`: the value is the charge of one of them"
            raise ValueError(message)
        if self.strain and self.slab is None:
            message = "`strain` is that of a slab; give one, or strain the crystal in its file"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and what carries the charge, for a table of what could not be computed."""
        return str(self.host), self.adsorbate or self.element or ""


def build(recipe: BaderChargeRecipe, order: Order) -> Flow:
    """Return the flow of a Bader charge."""
    from defectflow.flows import BaderChargeMaker, CellPlan

    host = order.host(recipe.host)
    cell = CellPlan(
        slab=slab_plan(recipe.slab, host, recipe.strain) if recipe.slab else None,
        vacancy=recipe.species,
        label=recipe.label,
        matrix=recipe.supercell,
        min_image_distance_A=recipe.min_image_distance_A,
    )
    maker = BaderChargeMaker(
        order.engine,
        cell,
        element=recipe.element or "",
        adsorbate=recipe.adsorbate or "",
        site=recipe.site,
        host_cell=recipe.host_cell,
        relax_atoms=recipe.relax_atoms,
        geometry=order.other_engine(recipe.geometry) if recipe.geometry else None,
    )
    start = host_to_relax(recipe.slab, host, recipe.host_cell) if recipe.slab else host
    return maker.make(start, order.provenance)
