"""The engines by name. Importing this module loads no engine, and listing them no model.

Other packages add engines of their own by entry points of the group `GROUP`.
"""

from __future__ import annotations

import functools
import importlib
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final, cast

from defectflow.errors import EngineError, RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from defectflow.documents.base import Level
    from defectflow.engines.contract import Capability, Engine, EngineInfo

_CLASSES: Final[dict[str, tuple[str, str]]] = {
    "emt": ("defectflow.engines.emt", "EMT"),
    "eam": ("defectflow.engines.eam", "EAM"),
    "chgnet": ("defectflow.engines.potentials", "CHGNet"),
    "sevennet": ("defectflow.engines.potentials", "SevenNet"),
    "gpaw": ("defectflow.engines.gpaw", "Gpaw"),
    "espresso": ("defectflow.engines.espresso", "Espresso"),
    "vasp": ("defectflow.engines.vasp", "Vasp"),
    "vasp-standin": ("defectflow.engines.vasp", "VaspStandin"),
    "ase": ("defectflow.engines.imported", "ImportedCalculator"),
}
#: Entry points with which an installed package adds engines: ``name = "module:Class"``.
GROUP: Final = "defectflow.engines"


@functools.cache
def _places() -> dict[str, tuple[str, str]]:
    """Return module and class of each engine; nobody takes the name of one of ours."""
    added = {one.name: (one.module, one.attr) for one in entry_points(group=GROUP)}
    return _CLASSES | {name: place for name, place in added.items() if name not in _CLASSES}


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines, whether they are installed or not."""
    return tuple(_places())


def engine_class(name: str) -> type[Engine]:
    """Return the class of the engine called `name`.

    Raises
    ------
    RecipeError
        If there is no such engine; near matches are named.
    EngineError
        If another package declares it, and it cannot be imported or is no engine.
    """
    places = _places()
    if name not in places:
        message = f"engine {name!r} does not exist; {did_you_mean(name, places)}"
        raise RecipeError(message)
    module, attribute = places[name]
    if name in _CLASSES:
        return cast("type[Engine]", getattr(importlib.import_module(module), attribute))
    return _added(name, module, attribute)


def _added(name: str, module: str, attribute: str) -> type[Engine]:
    """Return the class of an engine that another package declares."""
    from defectflow.engines.contract import Engine

    problem = f"is no subclass of {Engine.__module__}.{Engine.__qualname__}"
    try:
        found = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # noqa: BLE001 - whatever another package does when imported
        found, problem = None, f"cannot be imported: {type(error).__name__}: {error}"
    if isinstance(found, type) and issubclass(found, Engine):
        return found
    message = (
        f"engine {name}: {module}:{attribute}, which an installed package declares, {problem}; "
        "repair or remove that package"
    )
    raise EngineError(message)


def engine(
    name: str,
    level: Level = "balanced",
    settings: Mapping[str, object] | None = None,
    **options: object,
) -> Engine:
    """Return the engine called `name` at `level` with `options`.

    Parameters
    ----------
    settings
        Numbers that replace those of the level in every step, e.g. ``{"cutoff_eV": 500}``.

    Raises
    ------
    RecipeError
        If the name, the level, a setting or an option is unknown.

    Examples
    --------
    >>> engine("chgnet", level="fast", dispersion="d3bj").options["dispersion"]
    'd3bj'
    """
    return engine_class(name)(level=level, options=dict(options), overrides=dict(settings or {}))


def engines_with(capability: Capability) -> tuple[str, ...]:
    """Return the names of the engines that declare `capability`."""
    classes = {name: _class_or_problem(name) for name in _places()}
    return tuple(
        name
        for name, found in classes.items()
        if isinstance(found, type) and capability in found.declared
    )


def inventory() -> list[EngineInfo]:
    """Return what is known of every engine and whether it can run here; loads no model."""
    from defectflow.engines.contract import EngineInfo

    lines = []
    for name in _places():
        found = _class_or_problem(name)
        if isinstance(found, EngineError):
            lines.append(EngineInfo(name, available=False, capabilities=(), problem=str(found)))
        else:
            lines.append(found.describe())
    return lines


def _class_or_problem(name: str) -> type[Engine] | EngineError:
    """Return the class of an engine, or why another package's cannot be had."""
    try:
        return engine_class(name)
    except EngineError as error:
        return error
