"""Recipes that scan the numbers of an engine for another quantity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from defectflow.documents.base import Level
from defectflow.recipes.adsorption import AdsorptionEnergyRecipe, AdsorptionFreeEnergyRecipe
from defectflow.recipes.electronic_structure import BandGapRecipe, DBandCenterRecipe
from defectflow.recipes.equation_of_state import EquationOfStateRecipe
from defectflow.recipes.formation import DefectFormationEnergyRecipe
from defectflow.recipes.migration import MigrationBarrierRecipe
from defectflow.recipes.parts import QuantityRecipe, without_engine

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.flows.convergence import Choice
    from defectflow.recipes.order import Order

Scanned = Annotated[
    AdsorptionEnergyRecipe
    | AdsorptionFreeEnergyRecipe
    | BandGapRecipe
    | DBandCenterRecipe
    | DefectFormationEnergyRecipe
    | EquationOfStateRecipe
    | MigrationBarrierRecipe,
    Field(discriminator="quantity"),
]

#: Settings that are finer the smaller they are; a scan of them is put into this order.
_DESCENDING: Final = {"kpoint_spacing_per_A", "smearing_eV", "fmax_eV_per_A"}
_FEWEST: Final = 2


class ConvergenceRecipe(QuantityRecipe):
    """How another quantity depends on cutoff, k-points or any other number of the engine.

    Each setting is varied alone, the others stay as the level has them. Recommended is the coarsest
    choice from which on all values lie within the tolerance of the finest. Without `scan` the
    levels are compared.
    """

    quantity: Literal["convergence"]
    of: Scanned = Field(description="recipe of another quantity, without engine and level")
    scan: dict[str, tuple[int | float, ...]] = Field(
        default_factory=dict,
        description="values by setting, e.g. `{cutoff_eV: [300, 400, 500]}`; by default the levels",
    )
    levels: tuple[Level, ...] = Field(
        ("fast", "balanced", "stringent"), description="compared if nothing is scanned"
    )
    tolerance: float = Field(gt=0, description="in the unit of the quantity, e.g. 0.02")

    _without_engine = field_validator("of")(without_engine)

    @model_validator(mode="after")
    def _complete(self) -> ConvergenceRecipe:
        short = [name for name, values in self.scan.items() if len(set(values)) < _FEWEST]
        if short or (not self.scan and len(set(self.levels)) < _FEWEST):
            message = f"`{short[0] if short else 'levels'}` needs at least two different values"
            raise ValueError(message)
        return self

    def choices(self) -> dict[str, list[tuple[Level, dict[str, Any]]]]:
        """Return level and settings of every point, by the setting that is varied, finest last."""
        if not self.scan:
            order: tuple[Level, ...] = ("fast", "balanced", "stringent")
            return {"level": [(level, {}) for level in order if level in self.levels]}
        return {
            name: [
                (self.level, {name: value})
                for value in sorted(set(values), reverse=name in _DESCENDING)
            ]
            for name, values in self.scan.items()
        }

    def subject(self) -> tuple[str, str]:
        """Return host and defect of what is scanned."""
        return self.of.subject()


def build(recipe: ConvergenceRecipe, order: Order) -> Flow:
    """Return the flow of a convergence scan."""
    from defectflow.flows import ConvergenceMaker

    flows: dict[str, Flow] = {}
    scans: dict[str, list[Choice]] = {}
    for setting, choices in recipe.choices().items():
        scans[setting] = [_planned(recipe, order, choice, flows) for choice in choices]
    maker = ConvergenceMaker(order.engine, recipe.of.quantity, recipe.tolerance)
    return maker.make(scans, flows, order.provenance)


def _planned(
    recipe: ConvergenceRecipe,
    order: Order,
    choice: tuple[Level, dict[str, Any]],
    flows: dict[str, Flow],
) -> Choice:
    """Return one point of a scan, with its flow added to `flows` unless it is there already."""
    from defectflow.flows.convergence import Choice
    from defectflow.flows.provenance import Provenance
    from defectflow.recipes.order import key_of, make_engine
    from defectflow.recipes.quantities import FAMILIES

    level, settings = choice
    named = recipe.engine.model_copy(update={"settings": {**recipe.engine.settings, **settings}})
    content = recipe.of.model_copy(update={"engine": named, "level": level})
    key = key_of(content, order.folder)
    if key not in flows:
        said = ", ".join(f"{name} {value}" for name, value in settings.items()) or level
        origin = Provenance(
            recipe=f"{order.provenance.recipe} ({said})",
            key=key,
            recipe_input=content.model_dump(mode="json", exclude_defaults=True),
        )
        nested = order.changed(make_engine(named, level, order.folder), origin)
        flows[key] = FAMILIES[content.quantity].build(content, nested)
    return Choice(level=level, settings=settings, key=key)
