"""Where a result comes from: the name and the content of what was asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from monty.json import MSONable

from defectflow.documents.base import content_key


@dataclass(frozen=True)
class Provenance(MSONable):
    """Name of the recipe, its content key, and its text as data."""

    recipe: str
    key: str
    recipe_input: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, *parts: object) -> Provenance:
        """Make the provenance of a flow that was written in Python, from all that decides it."""
        return cls(recipe=name, key=content_key(name, parts))
