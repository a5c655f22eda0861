"""From a recipe to a flow. Every mistake that can be seen without computing surfaces here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defectflow.engines.levels import DIPOLE
from defectflow.errors import RecipeError
from defectflow.recipes.order import Order, key_of, make_engine
from defectflow.recipes.quantities import FAMILIES

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.engines.contract import Engine
    from defectflow.recipes.loading import Recipe
    from defectflow.recipes.parts import QuantityRecipe


def engine_of(recipe: Recipe) -> Engine:
    """Return the engine that the recipe names, at its level."""
    return make_engine(recipe.content.engine, recipe.content.level, recipe.folder)


def result_key(recipe: Recipe) -> str:
    """Return the content key of the result: the recipe, its crystals, engine and code version.

    Raises
    ------
    DefectflowError
        If a crystal or the engine's model cannot be read.
    """
    return key_of(recipe.content, recipe.folder)


def build(recipe: Recipe) -> Flow:
    """Return the flow of a recipe, ready for any manager that runs jobflow.

    Raises
    ------
    DefectflowError
        For everything that is wrong with the recipe, its crystals or its engine.
    """
    from defectflow.flows.provenance import Provenance

    content = recipe.content
    origin = Provenance(
        recipe=recipe.name,
        key=result_key(recipe),
        recipe_input=content.model_dump(mode="json", exclude_defaults=True),
    )
    order = Order(engine_of(recipe), origin, recipe.folder)
    _check_dipole(content, order.engine)
    return FAMILIES[content.quantity].build(content, order)


def _check_dipole(content: QuantityRecipe, engine: Engine) -> None:
    """Refuse a dipole correction where the recipe, or the one within it, has no `slab`.

    Raises
    ------
    RecipeError
        Naming the quantity.
    """
    within = getattr(content, "of", None)
    slabs = [getattr(one, "slab", None) for one in (content, within)]
    if engine.settings("static").get(DIPOLE, False) and not any(slabs):
        message = (
            f"{DIPOLE}: quantity {content.quantity} has no `slab` here, and crystals have no field "
            "to be corrected; leave the setting out"
        )
        raise RecipeError(message)
