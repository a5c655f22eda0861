"""Recipes of defect formation energies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from defectflow.recipes.parts import (
    HOST_CELL,
    SUPERCELL,
    HostCell,
    HostChoice,
    Part,
    QuantityRecipe,
    Supercell,
)

if TYPE_CHECKING:
    from jobflow import Flow
    from pymatgen.core import Structure

    from defectflow.recipes.order import Order
    from defectflow.structures.hosts import Host


class ReferenceChoice(Part):
    """What holds the atoms that a defect takes out: one of a prototype, a file and a molecule."""

    prototype: str | None = Field(None, description="name of a prototype, e.g. `hcp-Mg`")
    file: Path | None = Field(None, description="crystal of the element, relative to the recipe")
    molecule: Literal["H2", "N2", "O2", "F2", "Cl2"] | None = Field(
        None, description="gas molecule, computed in a box"
    )

    @model_validator(mode="after")
    def _one(self) -> ReferenceChoice:
        if sum(choice is not None for choice in (self.prototype, self.file, self.molecule)) != 1:
            message = "give one of `prototype`, `file` and `molecule`"
            raise ValueError(message)
        return self


class DefectFormationEnergyRecipe(QuantityRecipe):
    """Formation energy of a neutral vacancy, in the dilute limit; positive costs energy.

    The missing atom goes to a reservoir that the same engine computes.
    """

    quantity: Literal["defect_formation_energy"]
    host: HostChoice = Field(description="the perfect crystal")
    defect: Literal["vacancy"] = Field("vacancy", description="kind of defect")
    species: str = Field(description="element that is taken out")
    reference: ReferenceChoice | None = Field(
        None,
        description=(
            "reservoir of that element; by default the host itself if it holds nothing else, or "
            "the element's standard state"
        ),
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the defect from its periodic image, Å"
    )


def build(recipe: DefectFormationEnergyRecipe, order: Order) -> Flow:
    """Return the flow of a formation energy."""
    from defectflow.flows import DefectFormationEnergyMaker

    maker = DefectFormationEnergyMaker(
        engine=order.engine,
        host_cell=recipe.host_cell,
        min_image_distance_A=recipe.min_image_distance_A,
        supercell=recipe.supercell,
    )
    return maker.make(
        order.host(recipe.host), recipe.species, _reference(recipe, order), order.provenance
    )


def _reference(recipe: DefectFormationEnergyRecipe, order: Order) -> Host | Structure | str | None:
    choice = recipe.reference
    if choice is None:
        return None
    if choice.molecule is not None:
        return choice.molecule
    return order.host(HostChoice(prototype=choice.prototype, file=choice.file))
