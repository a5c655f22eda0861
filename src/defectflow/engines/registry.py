"""The engines by name. Importing this module loads no engine, and listing them no model."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

from defectflow.errors import RecipeError, did_you_mean

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


def engine_names() -> tuple[str, ...]:
    """Return the names of all engines, whether they are installed or not."""
    return tuple(_CLASSES)


def engine_class(name: str) -> type[Engine]:
    """Return the class of the engine called `name`.

    Raises
    ------
    RecipeError
        If there is no such engine; near matches are named.
    """
    if name not in _CLASSES:
        message = f"engine {name!r} does not exist; {did_you_mean(name, _CLASSES)}"
        raise RecipeError(message)
    module, attribute = _CLASSES[name]
    return cast("type[Engine]", getattr(importlib.import_module(module), attribute))


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
    return tuple(name for name in _CLASSES if capability in engine_class(name).declared)


def inventory() -> list[EngineInfo]:
    """Return what is known of every engine and whether it can run here; loads no model."""
    return [engine_class(name).describe() for name in _CLASSES]
