"""Complexes whose formal charges add up to zero: Schottky sets, compensated dopants, Frenkel pairs.

Formal charges are those of Kröger and Vink: what is put in, less what was there.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, Final

from defectflow.errors import StructureError
from defectflow.structures.complexes import Member, Neighbourhood, complexes
from defectflow.structures.oxidation import oxidation_states, state_of_dopant
from defectflow.structures.points import require_present

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: Larger sets than this have too many arrangements to be of use.
LARGEST_SET: Final = 12
_FRACTION: Final = 12
_NEAR: Final = Neighbourhood()


def schottky(
    structure: Structure,
    species: Collection[str] | None = None,
    around: Neighbourhood = _NEAR,
    known: Mapping[str, float] | None = None,
) -> Iterator[Cell]:
    """Yield the arrangements of the smallest charge-neutral set of vacancies.

    Parameters
    ----------
    species
        Elements that leave; by default a formula unit does, of which the charge is zero.
    around
        Where the other vacancies are, seen from the one that is alone in its kind.
    known
        Oxidation states that are not to be guessed.

    Raises
    ------
    StructureError
        If vacancies of these elements cannot balance each other.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    >>> [cell.name for cell in schottky(host)]
    ['V_Mg+V_O']
    """
    if species is None:
        formula = structure.composition.reduced_composition
        counts = {element.symbol: int(n) for element, n in formula.items()}
        if len(counts) < 2:  # noqa: PLR2004 - one element has no cation and anion
            message = f"{structure.reduced_formula}: of one element; a Schottky set needs ions"
            raise StructureError(message)
    else:
        for symbol in species:
            require_present(structure, symbol)
        states = oxidation_states(structure, known)
        counts = _balance({symbol: -states[symbol] for symbol in species}, structure)
    members = [Member(symbol, None, count) for symbol, count in counts.items()]
    return complexes(structure, _centred(members), around, kind="schottky")


def compensated(
    structure: Structure,
    replace: Mapping[str, str],
    vacancy: str | None = None,
    around: Neighbourhood = _NEAR,
    known: Mapping[str, float] | None = None,
) -> Iterator[Cell]:
    """Yield the arrangements of dopants with as many vacancies as balance their charge.

    Parameters
    ----------
    replace
        Element of the host: dopant; one pair.
    vacancy
        Element whose vacancies compensate; by default the one of the right charge, if it is the
        only one.
    known
        Oxidation states that are not to be guessed, of dopants too.

    Raises
    ------
    StructureError
        If the dopant needs no compensation, its state is uncertain, or the vacancies have a charge
        of the same sign.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("rutile-TiO2").structure * (2, 2, 3)
    >>> {cell.name.rpartition("_")[0] for cell in compensated(host, {"O": "F"})}
    {'V_Ti+4F_O'}
    """
    if len(replace) != 1:
        message = "a compensated dopant is one element for one, e.g. O=F; make others a complex"
        raise StructureError(message)
    ((host, dopant),) = replace.items()
    require_present(structure, host)
    states = oxidation_states(structure, known)
    dopant_state = state_of_dopant(dopant, states[host], known or {})
    charge = dopant_state - states[host]
    said = f"{dopant}{dopant_state:+g} on {host}{states[host]:+g}"
    if abs(charge) < 1 / _FRACTION:
        message = f"{said}: nothing to compensate; ask for a substitution"
        raise StructureError(message)
    vacancy = vacancy or _compensating(structure, states, charge, said)
    require_present(structure, vacancy)
    if states[vacancy] * charge <= 0:
        able = [symbol for symbol, state in states.items() if state * charge > 0]
        hint = f"vacancies of {' or '.join(able)} do" if able else "no vacancy does"
        message = (
            f"{said} has charge {charge:+g}, V_{vacancy} has {-states[vacancy]:+g}: they do not "
            f"compensate; {hint}"
        )
        raise StructureError(message)
    counts = _balance({"dopant": charge, "vacancy": -states[vacancy]}, structure)
    members = [
        Member(vacancy, None, counts["vacancy"]),
        Member(host, dopant, counts["dopant"]),
    ]
    return complexes(structure, _centred(members), around, kind="compensated")


def frenkel(structure: Structure, species: str, around: Neighbourhood = _NEAR) -> Iterator[Cell]:
    """Yield the arrangements of a vacancy and an interstitial of the same element.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    >>> [cell.name for cell in frenkel(host, "Mg", Neighbourhood(2))]
    ['V_Mg+Mg_i@2']
    """
    require_present(structure, species)
    members = [Member(species, None), Member("i", species)]
    return complexes(structure, members, around, kind="frenkel")


def _centred(members: Sequence[Member]) -> list[Member]:
    """Return the members with the rarest kind first."""
    return sorted(members, key=lambda member: member.count)


def _compensating(
    structure: Structure, states: Mapping[str, float], charge: float, said: str
) -> str:
    able = [symbol for symbol, state in states.items() if state * charge > 0]
    if len(able) == 1:
        return able[0]
    hint = f"choose {' or '.join(able)}" if able else "no vacancy of the host does"
    message = (
        f"{structure.reduced_formula}: {said} has charge {charge:+g}; which vacancies compensate "
        f"it is not certain, {hint}"
    )
    raise StructureError(message)


def _balance(charges: Mapping[str, float], structure: Structure) -> dict[str, int]:
    """Return the smallest whole numbers, all at least 1, with which charges add up to zero."""
    whole = {key: Fraction(one).limit_denominator(_FRACTION) for key, one in charges.items()}
    scale = lcm(*(one.denominator for one in whole.values()))
    values = [int(one * scale) for one in whole.values()]
    if len(values) == 2 and values[0] * values[1] < 0:  # noqa: PLR2004 - a pair
        common = gcd(*values)
        counts = (abs(values[1]) // common, abs(values[0]) // common)
        if sum(counts) <= LARGEST_SET:
            return dict(zip(whole, counts, strict=True))
    for total in range(len(values), LARGEST_SET + 1):
        for cuts in itertools.combinations(range(1, total), len(values) - 1):
            counts_ = [b - a for a, b in itertools.pairwise((0, *cuts, total))]
            if sum(n * value for n, value in zip(counts_, values, strict=True)) == 0:
                return dict(zip(whole, counts_, strict=True))
    shown = ", ".join(f"{key} {value:+g}" for key, value in charges.items())
    message = (
        f"{structure.reduced_formula}: no set of at most {LARGEST_SET} defects of charges {shown} "
        "is neutral; choose elements of both signs"
    )
    raise StructureError(message)
