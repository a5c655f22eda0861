"""The energy with which a grain boundary, a fault or a dislocation holds a point defect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from defectflow.recipes.defects import Defect, check_species, spelled_out
from defectflow.recipes.parts import (
    HOST_CELL,
    NEAR_DEFECT,
    SUPERCELL,
    HostChoice,
    QuantityRecipe,
    ReferenceChoice,
    Supercell,
    usual_host_cell,
)
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.formation import DefectFormationEnergyRecipe
    from defectflow.recipes.order import Order


class SegregationEnergyRecipe(QuantityRecipe):
    """Energy of a point defect at a larger defect less that in the perfect crystal, eV.

    E_seg = [E(cell + X) - E(cell)] - [E(crystal + X) - E(crystal)] at each distinct site of the
    cell that `host` generates; negative where X segregates. The value is that of the lowest site.
    """

    quantity: Literal["segregation_energy"]
    host: HostChoice = Field(
        description="the crystal, and in its `cell` the larger defect, e.g. a grain boundary"
    )
    defect: Defect = Field(
        description="the point defect, e.g. `{kind: substitution, replace: {Cu: Ag}}`"
    )
    references: dict[str, ReferenceChoice] = Field(
        default_factory=dict,
        description="reservoirs of elements, by symbol; they do not change the value",
    )
    near_defect_A: float = Field(0.0, ge=0, description=NEAR_DEFECT)
    host_cell: HostCell = Field(default_factory=usual_host_cell, description=HOST_CELL)
    supercell: Supercell | None = Field(None, description=f"of the cell: {SUPERCELL}")
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the point defect from its periodic image, Å"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return spelled_out(data)

    @model_validator(mode="after")
    def _has_two(self) -> SegregationEnergyRecipe:
        if self.host.cell is None:
            message = (
                "`host` is a perfect crystal: nothing segregates there; give it a `cell`, e.g. "
                "`{kind: grain_boundary, sigma: 5}`"
            )
            raise ValueError(message)
        check_species(self.defect)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and defect in words, for a table of what could not be computed."""
        return str(self.host), self.defect.kind


def build(recipe: SegregationEnergyRecipe, order: Order) -> Flow:
    """Return the flow of a segregation energy.

    Raises
    ------
    EngineError
        If the engine gives an element U in one of the two crystals alone: energies of the point
        defect with and without U would be subtracted.
    """
    from defectflow.flows.alike import one_hubbard_set
    from defectflow.flows.defect_cells import near_defect
    from defectflow.flows.segregation import SegregationMaker, places

    crystal = recipe.host.model_copy(update={"cell": None, "name": None})
    cell, perfect = order.host(recipe.host), order.host(crystal)
    one_hubbard_set(order.engine, [cell.structure, perfect.structure])
    found = places(
        cell.structure,
        perfect.structure,
        near_defect(recipe.defect.cells, cell, recipe.near_defect_A),
        recipe.supercell,
        recipe.min_image_distance_A,
    )
    at_defect = _formation(recipe, order, recipe.host, recipe.supercell)
    alone = recipe.model_copy(update={"near_defect_A": 0.0})
    away = _formation(alone, order, crystal, None)
    return SegregationMaker(order.engine).make(at_defect, away, found, order.provenance)


def _formation(
    recipe: SegregationEnergyRecipe, order: Order, host: HostChoice, supercell: Supercell | None
) -> Flow:
    """Return the flow of the formation energy in one of the two crystals, a result of its own."""
    from defectflow.flows.provenance import Provenance
    from defectflow.recipes import formation
    from defectflow.recipes.order import key_of

    content: DefectFormationEnergyRecipe = formation.DefectFormationEnergyRecipe(
        quantity="defect_formation_energy",
        host=host,
        defect=recipe.defect,
        references=recipe.references,
        near_defect_A=recipe.near_defect_A,
        host_cell=recipe.host_cell,
        supercell=supercell,
        min_image_distance_A=recipe.min_image_distance_A,
        engine=recipe.engine,
        level=recipe.level,
    )
    origin = Provenance(
        recipe=f"{order.provenance.recipe} ({host.name or host})",
        key=key_of(content, order.folder),
        recipe_input=content.model_dump(mode="json", exclude_defaults=True),
    )
    return formation.build(content, order.changed(order.engine, origin))
