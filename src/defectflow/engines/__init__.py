"""Engines: what computes energies and forces. The only room that imports ASE calculators.

`engine` makes one by name, `engine_names` lists the names, `inventory` tells what is installed.
"""

from __future__ import annotations

from defectflow.engines.registry import engine, engine_class, engine_names, engines_with, inventory

__all__ = ["engine", "engine_class", "engine_names", "engines_with", "inventory"]
