"""Which of several choices, from coarse to fine, is fine enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def deviations(values: Sequence[float | None]) -> list[float | None]:
    """Return the distance of each value from the last, the finest; None where either is missing."""
    finest = values[-1]
    return [None if value is None or finest is None else abs(value - finest) for value in values]


def coarsest_within(values: Sequence[float | None], tolerance: float) -> int | None:
    """Return the index of the first choice from which on all values are within `tolerance`.

    The values go from the coarsest choice to the finest. A coarse choice that agrees with the
    finest by chance, with a worse one between them, does not count; neither does the finest, which
    has nothing to be compared with: None if only it is left.

    Examples
    --------
    >>> coarsest_within([0.9, 0.62, 0.70, 0.61, 0.60], tolerance=0.02)
    3
    >>> coarsest_within([0.9, 0.8, 0.6], tolerance=0.02) is None
    True
    """
    errors = deviations(values)
    chosen = None
    for index in range(len(values) - 2, -1, -1):
        error = errors[index]
        if error is None or error > tolerance:
            break
        chosen = index
    return chosen
