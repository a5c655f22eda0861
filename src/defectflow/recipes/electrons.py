"""What recipes about the electrons of a cell share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from defectflow.recipes.parts import (
    HOST_CELL,
    SUPERCELL,
    EngineChoice,
    HostChoice,
    QuantityRecipe,
    SlabChoice,
    Supercell,
    usual_host_cell,
)
from defectflow.recipes.slabs import host_to_relax, slab_plan
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.flows.cells import CellMaker
    from defectflow.recipes.order import Order


class CellRecipe(QuantityRecipe):
    """A host, or a slab of it, relaxed before its electrons are looked at."""

    host: HostChoice = Field(description="the perfect crystal")
    slab: SlabChoice | None = Field(None, description="a surface of the host; the bulk if left out")
    strain: float = Field(
        0.0, ge=-0.2, le=0.2, description="equal stretch in the plane of the slab: 0.02 is 2 %"
    )
    host_cell: HostCell = Field(default_factory=usual_host_cell, description=HOST_CELL)
    relax_atoms: bool = Field(
        True, description="relax the atoms of the slab or of the cell with the defect"
    )
    geometry: EngineChoice | None = Field(
        None,
        description=(
            "engine that relaxes the atoms, e.g. a potential where only the electrons are worth "
            "the price of a density functional code; the recipe's engine by default"
        ),
    )

    @model_validator(mode="after")
    def _strained_slab(self) -> CellRecipe:
        if self.strain and self.slab is None:
            message = "`strain` is that of a slab; give one, or strain the crystal in its file"
            raise ValueError(message)
        return self

    def cell(self) -> dict[str, Any]:
        """Return which cell is looked at: fields of `defectflow.flows.CellPlan` beside its slab."""
        return {}


class VacancyCellRecipe(CellRecipe):
    """A host, a slab of it, or a supercell with a vacancy."""

    defect: Literal["vacancy"] | None = Field(None, description="kind of defect; none by default")
    species: str | None = Field(None, description="element that is taken out")
    label: str | None = Field(None, description="which of several distinct vacancies, e.g. `V_O_2`")
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the defect from its periodic image, Å"
    )

    @model_validator(mode="after")
    def _whole_vacancy(self) -> VacancyCellRecipe:
        if (self.defect is None) != (self.species is None):
            message = "`defect` and `species` belong together, e.g. `defect: vacancy, species: O`"
            raise ValueError(message)
        return self

    def cell(self) -> dict[str, Any]:
        """Return the vacancy and its supercell."""
        return {
            "vacancy": self.species,
            "label": self.label,
            "matrix": self.supercell,
            "min_image_distance_A": self.min_image_distance_A,
        }


def flow_of(maker: type[CellMaker], recipe: CellRecipe, order: Order, **own: Any) -> Flow:
    """Return the flow of a maker; `own` are the attributes that it alone has."""
    from defectflow.flows import CellPlan

    host = order.host(recipe.host)
    slab = slab_plan(recipe.slab, host, recipe.strain) if recipe.slab else None
    start = host_to_relax(recipe.slab, host, recipe.host_cell) if recipe.slab else host
    made = maker(
        order.engine,
        CellPlan(slab=slab, **recipe.cell()),
        host_cell=recipe.host_cell,
        relax_atoms=recipe.relax_atoms,
        geometry=order.other_engine(recipe.geometry) if recipe.geometry else None,
        **own,
    )
    return made.make(start, order.provenance)
