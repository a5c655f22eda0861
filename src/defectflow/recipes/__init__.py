"""Recipes: one YAML file says what to compute, as data."""

from __future__ import annotations

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
