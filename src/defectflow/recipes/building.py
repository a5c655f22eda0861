"""From a recipe to a flow. Every mistake that can be seen without computing surfaces here."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from defectflow.documents.base import content_key
from defectflow.errors import StructureError

if TYPE_CHECKING:
    from pathlib import Path

    from jobflow import Flow
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.recipes.loading import Recipe

#: Fields that name a result but do not change it.
_NAMES = {"name", "description"}


def engine_of(recipe: Recipe) -> Engine:
    """Return the engine that the recipe names, at its level."""
    from defectflow.engines.registry import engine

    choice = recipe.content.engine
    return engine(choice.name, level=recipe.content.level, **choice.options)


def result_key(recipe: Recipe) -> str:
    """Return the content key of the result: the recipe, its crystals, engine and code version.

    Raises
    ------
    DefectflowError
        If a crystal or the engine's model cannot be read.
    """
    stamp = engine_of(recipe).stamp().model_dump(mode="json", exclude={"code_versions"})
    asked = recipe.content.model_dump(mode="json", exclude=_NAMES | {"host", "endpoints"})
    crystals = [structure.as_dict() for structure in _crystals(recipe)]
    return content_key(asked, crystals, stamp, version("defectflow"))


def build(recipe: Recipe) -> Flow:
    """Return the flow of a recipe, ready for any manager that runs jobflow.

    Raises
    ------
    DefectflowError
        For everything that is wrong with the recipe, its crystals or its engine.
    """
    from defectflow.flows import EndpointsBarrierMaker, MigrationBarrierMaker, Provenance

    content = recipe.content
    origin = Provenance(
        recipe=recipe.name,
        key=result_key(recipe),
        recipe_input=content.model_dump(mode="json", exclude_defaults=True),
    )
    shared: dict[str, Any] = {
        "engine": engine_of(recipe),
        "images": content.images,
        "explore": content.explore,
        "temperatures_K": content.temperatures_K,
        "attempt_frequency_Hz": content.attempt_frequency_Hz,
    }
    if content.endpoints is not None:
        initial, final = _crystals(recipe)
        return EndpointsBarrierMaker(**shared).make(initial, final, provenance=origin)
    maker = MigrationBarrierMaker(
        **shared,
        limit=content.limit,
        host_cell=content.host_cell,
        min_image_distance_A=content.min_image_distance_A,
        cutoff_A=content.cutoff_A,
    )
    return maker.make(_host(recipe), content.species or "", provenance=origin)


def _host(recipe: Recipe) -> Any:
    from defectflow.structures import hosts

    choice = recipe.content.host
    if choice is None:
        message = f"recipe {recipe.name} has no host"
        raise StructureError(message)
    if choice.prototype is not None:
        return hosts.prototype(choice.prototype)
    return hosts.load(recipe.file(choice.file))  # type: ignore[arg-type]


def _crystals(recipe: Recipe) -> list[Structure]:
    from defectflow.structures import hosts

    ends = recipe.content.endpoints
    if ends is None:
        return [_host(recipe).structure]
    files: list[Path] = [recipe.file(ends.initial), recipe.file(ends.final)]
    return [hosts.load(file).structure for file in files]
