"""Every quantity that a recipe may ask for: its model, and what builds its flow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from defectflow.recipes import formation, migration

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow import Flow

    from defectflow.recipes.order import Order
    from defectflow.recipes.parts import QuantityRecipe


@dataclass(frozen=True)
class Family:
    """The recipes of one quantity.

    Attributes
    ----------
    model
        What may be written.
    build
        Makes the flow; every mistake that can be seen without computing surfaces there.
    """

    model: type[QuantityRecipe]
    build: Callable[[Any, Order], Flow]


FAMILIES: Final[dict[str, Family]] = {
    "migration_barrier": Family(migration.MigrationBarrierRecipe, migration.build),
    "defect_formation_energy": Family(formation.DefectFormationEnergyRecipe, formation.build),
}

#: One model per quantity.
MODELS: Final[dict[str, type[QuantityRecipe]]] = {
    quantity: family.model for quantity, family in FAMILIES.items()
}
