"""Charge states of defects: a guess with its reason, and refusal of what no species can have.

The charge of a defect is that of its cell, in units of the elementary charge: +1 means one
electron removed. A name carries the charge where it is not zero: ``V_O^+2``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from defectflow.errors import RecipeError, StructureError
from defectflow.structures.oxidation import (
    oxidation_states,
    possible_states,
    screens,
    usual_states,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from defectflow.structures.cells import Cell, Change

Charges = tuple[int, ...] | Literal["guess"]
NEUTRAL: Final = (0,)


@dataclass(frozen=True)
class ChargeGuess:
    """A charge state and why it is likely."""

    charge: int
    reason: str


def charge_guesses(cell: Cell, known: Mapping[str, float] | None = None) -> list[ChargeGuess]:
    """Return the likely charge states of a defect, neutral first.

    Each change gives its formal charge: minus the oxidation state of what is taken out plus that of
    what is put in, for each of its usual states. Every charge between zero and their sum is likely:
    electrons or holes may stay at the defect. In a metal only zero is, since carriers screen; in an
    elemental semiconductor the electrons that the new atom has more or less are counted, and a
    missing atom leaves bonds that take or give one.

    Parameters
    ----------
    known
        Oxidation states that are not to be guessed, of the host's elements and others.

    Examples
    --------
    >>> from defectflow.structures import hosts, vacancies
    >>> cell = next(vacancies(hosts.load("rutile-TiO2").structure, "O"))
    >>> [guess.charge for guess in charge_guesses(cell)]
    [0, 1, 2]
    """
    host = cell.pristine
    if screens(host, known):
        return [ChargeGuess(0, f"{host.reduced_formula} is a metal, carriers screen any charge")]
    states = oxidation_states(host, known)
    options = [_formal(change, states, known or {}) for change in cell.changed]
    sums = {sum(charge for charge, _ in chosen): chosen for chosen in itertools.product(*options)}
    low, high = min([0, *sums]), max([0, *sums])
    guesses = []
    for charge in sorted(range(round(low), round(high) + 1), key=lambda one: (abs(one), one)):
        chosen = sums.get(charge)
        said = "; ".join(text for _, text in chosen) if chosen else ""
        formal = round(high if charge > 0 else low)
        between = f"between 0 and the formal {formal:+d}" if charge else "neutral"
        guesses.append(ChargeGuess(charge, said or between))
    return guesses


def charge_limits(cell: Cell, known: Mapping[str, float] | None = None) -> tuple[int, int]:
    """Return the least and the greatest charge that known oxidation states allow.

    Of what is taken out and put in, any state that is known of the element counts; the charges of
    `charge_guesses` are always allowed.
    """
    if screens(cell.pristine, known):
        return 0, 0
    states = oxidation_states(cell.pristine, known)
    least = greatest = 0.0
    for change in cell.changed:
        if change.before is not None:
            low, high = possible_states(change.before)
            own = states[change.before]
            if change.after is not None:  # the site stays filled: only the host's own state counts
                low, high = min(0, int(own)), max(0, int(-(-own // 1)))
            least, greatest = least - high, greatest - low
        if change.after is not None:
            low, high = possible_states(change.after)
            least, greatest = least + low, greatest + high
    guessed = [guess.charge for guess in charge_guesses(cell, known)]
    return min(int(least), *guessed), max(int(greatest), *guessed)


def charged(
    cells: Iterable[Cell], charges: Charges, known: Mapping[str, float] | None = None
) -> Iterator[Cell]:
    """Yield each cell in each of its charge states.

    Parameters
    ----------
    charges
        The states, or ``guess`` for those of `charge_guesses`, whose reason is added to the note of
        the cell.

    Raises
    ------
    StructureError
        If no species of a defect can have that charge.
    """
    for cell in cells:
        if charges == "guess":
            for guess in charge_guesses(cell, known):
                said = f"{cell.note}; {guess.reason}" if cell.note else guess.reason
                yield replace(_with(cell, guess.charge), note=said)
            continue
        for charge in charges:
            if charge != 0:
                _check(cell, int(charge), known)
            yield _with(cell, int(charge))


def refuse_charge(name: str, charge: int, what: str) -> None:
    """Refuse a charged defect where its charge would be lost.

    Parameters
    ----------
    what
        What is computed of neutral cells only, e.g. ``binding_energy``.

    Raises
    ------
    RecipeError
        Unless the charge is zero.

    Examples
    --------
    >>> refuse_charge("V_O", 0, "binding_energy")
    """
    if charge == 0:
        return
    message = (
        f"{name.removesuffix(f'^{charge:+d}')}: charge {charge:+d} has no place in {what}, "
        "which is computed neutral; leave `charges` out. The charges of `defect` count in "
        "`quantity: defect_formation_energy` alone"
    )
    raise RecipeError(message)


def _with(cell: Cell, charge: int) -> Cell:
    name = f"{cell.name}^{charge:+d}" if charge else cell.name
    return replace(cell, name=name, charge=charge)


def _check(cell: Cell, charge: int, known: Mapping[str, float] | None) -> None:
    low, high = charge_limits(cell, known)
    if not low <= charge <= high:
        if screens(cell.pristine, known):
            message = (
                f"{cell.name} in {cell.pristine.reduced_formula}: charge {charge:+d} in a metal, "
                "whose carriers screen any; leave it neutral, or give the `oxidation_states` of a "
                "semiconductor made of metals"
            )
            raise StructureError(message)
        likely = ", ".join(f"{guess.charge:+d}" for guess in charge_guesses(cell, known))
        message = (
            f"{cell.name} in {cell.pristine.reduced_formula}: no species of it gives charge "
            f"{charge:+d}, they allow {low:+d} to {high:+d}; likely: {likely}"
        )
        raise StructureError(message)


def _formal(
    change: Change, states: Mapping[str, float], known: Mapping[str, float]
) -> list[tuple[int, str]]:
    """Return the formal charges of one change, each with its reason."""
    if not any(states.values()):
        return _covalent(change, known)
    before = 0.0 if change.before is None else states[change.before]
    said = "" if change.before is None else f"{change.before}{before:+g} missing"
    if change.after is None:
        return [(round(-before), said)]
    usual: tuple[float, ...] = usual_states(change.after)
    if change.after in states:
        usual = (states[change.after],)
    if change.after in known:
        usual = (known[change.after],)
    same_sign = [one for one in usual if one * before >= 0]
    joint = " and " if said else ""
    return [
        (round(one - before), f"{said}{joint}{change.after}{one:+g} in its place")
        if said
        else (round(one), f"{change.after}{one:+g} added")
        for one in same_sign or usual
    ]


def _covalent(change: Change, known: Mapping[str, float]) -> list[tuple[int, str]]:
    """Return what a change in an elemental crystal may do: valence electrons more or less."""
    from pymatgen.core.periodic_table import Element

    if change.after is None:
        said = f"bonds left open by {change.before}"
        return [(0, said), (-1, f"{said} take an electron"), (1, f"{said} give one")]
    if change.after in known:
        return [(round(known[change.after]), f"{change.after}{known[change.after]:+g}")]
    new = Element(change.after)
    if change.before is None or new.is_metal:
        return [(one, f"{change.after}{one:+d}") for one in usual_states(change.after)]
    more = new.group - Element(change.before).group
    return [(more, f"{change.after} has {more:+d} valence electrons against {change.before}")]
