"""The result of a convergence recipe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from defectflow.documents.base import Document, ResultDocument


class ConvergencePoint(Document):
    """The quantity at one choice of settings.

    Attributes
    ----------
    level, settings
        What was chosen; `settings` replace those of the level.
    value
        None where the calculation did not converge.
    error
        Distance from the finest choice of the same scan; None if either has no value.
    wall_time_s, force_calls
        What it cost.
    key
        Content key of the result, which stands in the store as well.
    """

    level: str
    settings: dict[str, Any] = Field(default_factory=dict)
    value: float | None
    error: float | None
    force_calls: int
    wall_time_s: float
    key: str


class ConvergenceScan(Document):
    """One setting (or the level) varied from coarse to fine, everything else kept.

    Attributes
    ----------
    setting
        Name of the setting, or ``level``.
    recommended
        Coarsest choice from which on all values lie within the tolerance of the finest; None if
        only the finest does, which then has nothing to prove it.
    """

    setting: str
    points: tuple[ConvergencePoint, ...]
    recommended: float | str | None


class ConvergenceDocument(ResultDocument):
    """How a quantity depends on the numbers of the engine, and what to choose.

    `value` and `unit` are those of the quantity at the finest choice of the first scan.

    Attributes
    ----------
    of_quantity
        What was scanned.
    tolerance
        In the unit of that quantity.
    """

    quantity: Literal["convergence"] = "convergence"
    of_quantity: str
    tolerance: float
    scans: tuple[ConvergenceScan, ...]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
