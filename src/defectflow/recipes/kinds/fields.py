"""Fields that several kinds of defects have, each with its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from defectflow.structures.cells import Cell
    from defectflow.structures.complexes import Neighbourhood

#: What the command line calls the value of an option that takes an element.
SYMBOL: Final[dict[str, Any]] = {"metavar": "S"}
NEUTRAL: Final = (0,)


def _several(value: object) -> object:
    """Return one charge, or charges in a text such as ``0,+1``, as a sequence."""
    if isinstance(value, str) and value != "guess":
        value = tuple(one.strip() for one in value.split(","))
    several = value if isinstance(value, (list, tuple)) else (value,)
    try:
        return value if value == "guess" else tuple(_whole(one) for one in several)
    except (TypeError, ValueError, OverflowError):
        message = "give whole numbers of elementary charges, e.g. 0,+1,-2, or guess"
        raise ValueError(message) from None


def _whole(value: Any) -> int:
    number = float(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


Charges = Annotated[
    tuple[int, ...] | Literal["guess"],
    BeforeValidator(_several),
    Field(
        description="charge states in elementary charges, e.g. `[0, 1, 2]`, or `guess`",
        json_schema_extra={"metavar": "Q,Q,...|guess"},
    ),
]
OxidationStates = Annotated[
    dict[str, float] | None,
    Field(
        description="oxidation states that are not to be guessed, e.g. Cr: 3",
        json_schema_extra={"metavar": "S=Q"},
    ),
]
Shell = Annotated[
    int,
    Field(description="neighbour shell of the first member that the others are in, from 1"),
]
Within = Annotated[bool, Field(description="take the nearer shells too")]
ShellWidth = Annotated[
    float,
    Field(gt=0, description="distances that follow each other within this are one shell, Å"),
]


def around(shell: int, within: bool, width_A: float) -> Neighbourhood:  # noqa: FBT001 - two fields
    """Return where members are, from the fields of a kind."""
    from defectflow.structures.complexes import Neighbourhood

    return Neighbourhood(shell, within, width_A)


def in_charges(
    cells: Iterator[Cell],
    charges: tuple[int, ...] | Literal["guess"],
    known: Mapping[str, float] | None,
) -> Iterator[Cell]:
    """Yield each cell in the charge states asked for; neutral ones pass as they are."""
    from defectflow.structures.charges import charged

    return cells if charges == NEUTRAL else charged(cells, charges, known)
