"""Indices of planes and directions in recipes: fractions, and four of a hexagonal cell."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BeforeValidator

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_FOUR = 4


def _number(value: object) -> object:
    """Return ``1/6`` as a number; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return float(Fraction(value.replace(" ", "")))
    except (ValueError, ZeroDivisionError) as error:
        message = f"{value!r} is no number; write e.g. 0.25 or 1/6"
        raise ValueError(message) from error


def _plane(value: object) -> object:
    from defectflow.structures.indices import without_third

    return _of_three(value, without_third, int)


def _direction(value: object) -> object:
    from defectflow.structures.indices import direction_of_three

    return _of_three(value, direction_of_three, int, float)


def _of_three(value: object, shorten: Callable[[Any], Sequence[float]], *kinds: type) -> object:
    """Return four indices of a hexagonal crystal as three; anything else as it is."""
    if not isinstance(value, (list, tuple)) or len(value) != _FOUR:
        return value
    numbers = [_number(one) for one in value]
    if any(type(one) not in kinds for one in numbers):
        return value
    try:
        return shorten(cast("list[float]", numbers))
    except StructureError as error:
        raise ValueError(str(error)) from error


#: A number, or a fraction such as ``1/2``.
Share = Annotated[float, BeforeValidator(_number)]
#: Miller indices, four of a hexagonal crystal.
Plane = Annotated[tuple[int, int, int], BeforeValidator(_plane)]
#: A direction, in four indices of a hexagonal crystal.
Direction = Annotated[tuple[int, int, int], BeforeValidator(_direction)]
#: A vector of the lattice, or a fraction of one, in four indices of a hexagonal crystal.
LatticeVector = Annotated[tuple[Share, Share, Share], BeforeValidator(_direction)]
