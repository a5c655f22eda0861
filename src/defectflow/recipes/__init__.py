"""Recipes: one YAML file says what to compute, as data.

The names below are resolved on first use: the command line needs the models of
``defectflow.recipes.kinds`` without all that computing needs.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from defectflow.recipes.building import build, engine_of, result_key
    from defectflow.recipes.loading import Recipe, load
    from defectflow.recipes.parts import QuantityRecipe
    from defectflow.recipes.quantities import MODELS

__all__ = [
    "MODELS",
    "QuantityRecipe",
    "Recipe",
    "build",
    "engine_of",
    "load",
    "result_key",
]

#: Public name: module that holds it.
_LAZY: Final = {
    "MODELS": "defectflow.recipes.quantities",
    "QuantityRecipe": "defectflow.recipes.parts",
    "Recipe": "defectflow.recipes.loading",
    "build": "defectflow.recipes.building",
    "engine_of": "defectflow.recipes.building",
    "load": "defectflow.recipes.loading",
    "result_key": "defectflow.recipes.building",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        message = f"module 'defectflow.recipes' has no attribute {name!r}"
        raise AttributeError(message)
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
