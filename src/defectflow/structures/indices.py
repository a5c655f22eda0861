"""Four indices of planes and directions of hexagonal crystals, and three."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROUNDING: Final = 1e-6


def without_third(miller: Sequence[int]) -> list[int]:
    """Return Miller-Bravais indices (h k i l) without i; others as they are.

    Raises
    ------
    StructureError
        If i is not -(h + k).
    """
    whole = [int(one) for one in miller]
    if len(whole) != 4:  # noqa: PLR2004 - Miller-Bravais
        return whole
    h, k, i, l = whole  # noqa: E741 - Miller-Bravais indices
    if h + k + i:
        message = (
            f"plane {tuple(whole)}: of four indices the third is minus the sum of the first two: "
            f"{-h - k}, not {i}; did you mean {(h, k, -h - k, l)}?"
        )
        raise StructureError(message)
    return [h, k, l]


def direction_of_three(direction: Sequence[float]) -> list[float]:
    """Return a direction of four indices [u v t w] with three; others as they are.

    Raises
    ------
    StructureError
        If t is not -(u + v).

    Examples
    --------
    >>> direction_of_three((1, 1, -2, 0)), direction_of_three((2, -1, -1, 3))
    ([3, 3, 0], [3, 0, 3])
    """
    if len(direction) != 4:  # noqa: PLR2004 - Weber indices
        return list(direction)
    u, v, t, w = direction
    if abs(u + v + t) > _ROUNDING:
        message = (
            f"direction [{u:g} {v:g} {t:g} {w:g}]: of four indices the third is minus the sum of "
            f"the first two: {-u - v:g}, not {t:g}"
        )
        raise StructureError(message)
    return [u - t, v - t, w]
