"""Recipes of Bader charges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from defectflow.recipes.adsorption import Species
from defectflow.recipes.electrons import VacancyCellRecipe, flow_of

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class BaderChargeRecipe(VacancyCellRecipe):
    """Charge of an atom or an adsorbate after Bader, e; positive where electrons are missing.

    With an adsorbate, the change of the density by the adsorption stands beside it.
    """

    quantity: Literal["bader_charge"]
    element: str | None = Field(
        None, description="whose charge; needed if the host holds several elements"
    )
    adsorbate: Species | None = Field(
        None, description="what is adsorbed; the value is then its charge"
    )
    site: str = Field("top", description="with `adsorbate`: the site it is put on, e.g. `fcc`")

    @model_validator(mode="after")
    def _complete(self) -> BaderChargeRecipe:
        if self.adsorbate is not None and self.slab is None:
            message = "`adsorbate` needs a `slab` to be put on"
            raise ValueError(message)
        if self.adsorbate is not None and self.element is not None:
            message = "give either `element` or `adsorbate`: the value is the charge of one of them"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and what carries the charge, for a table of what could not be computed."""
        return str(self.host), self.adsorbate or self.element or ""


def build(recipe: BaderChargeRecipe, order: Order) -> Flow:
    """Return the flow of a Bader charge."""
    from defectflow.flows import BaderChargeMaker

    return flow_of(
        BaderChargeMaker,
        recipe,
        order,
        element=recipe.element or "",
        adsorbate=recipe.adsorbate or "",
        site=recipe.site,
    )
