"""Which elements can have a Hubbard U: those whose open shell is a d shell, in every code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from ase.data import atomic_numbers, chemical_symbols

from defectflow.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

#: First and last atomic number of the rows of d metals, with the shell.
_D_SHELLS: Final = ((21, 30, 3), (39, 48, 4), (72, 80, 5))


def d_shell(symbol: str) -> int | None:
    """Return the principal quantum number of the open d shell of an element; None without one.

    Examples
    --------
    >>> d_shell("Ni"), d_shell("W"), d_shell("Ce"), d_shell("O")
    (3, 5, None, None)
    """
    number = atomic_numbers[symbol]
    for first, last, shell in _D_SHELLS:
        if first <= number <= last:
            return shell
    return None


def check_by_element(hubbard_U_eV: Mapping[str, float]) -> None:
    """Refuse U for what is no element or has no d shell, and what is no energy.

    Raises
    ------
    ValueError
        Naming the element and the remedy.
    """
    elements = chemical_symbols[1:]
    metals = [symbol for symbol in elements if d_shell(symbol)]
    for symbol, value in hubbard_U_eV.items():
        if symbol not in elements:
            guess = symbol.capitalize()
            hint = did_you_mean(guess, elements if guess in elements else metals)
            message = f"{symbol!r} is no element; {hint}"
            raise ValueError(message)
        if d_shell(symbol) is None:
            message = (
                f"{symbol} has no open d shell and U is put on d shells only; take {symbol} out "
                "(U on f and p shells is not offered)"
            )
            raise ValueError(message)
        if not 0 <= value < math.inf:
            message = f"{symbol} = {value:g}: give a U of 0 or more"
            raise ValueError(message)
