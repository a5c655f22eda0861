"""Which published values a result may be compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from defectflow.reference.conditions import Conditions, conditions_of
from defectflow.reference.values import (
    LOW_COVERAGE_ML,
    published,
    quantities,
    same_formula,
    same_functional,
)

if TYPE_CHECKING:
    from defectflow.documents import ResultDocument
    from defectflow.reference.values import PublishedValue

#: Coverages that differ by less (monolayers) count as the same.
_SAME_ML: Final = 0.1


def match(what: ResultDocument | Conditions) -> tuple[PublishedValue, ...]:
    """Return the published values for the same quantity, host, ion and limit, best first.

    A value is a match if its host has the same composition, it is for the same ion (and facet and
    adsorbate, or kind of atom), its structure type is the same or either of the two is not known,
    and its limit is the same or was not stated. A result at conditions that no table has
    (`Conditions.apart`) meets none. The best ones agree in all of these; behind them come those
    whose structure type is not known, then those whose limit was not stated, then those of another
    coverage, and last those that state another functional. Among equals the lowest value comes
    first: where a source lists several hops, the easiest one is what a barrier across the crystal
    compares with. For a hop between two given structures the composition of the whole cell takes
    the place of host and limit.
    """
    wanted = what if isinstance(what, Conditions) else conditions_of(what)
    if wanted.quantity not in quantities() or wanted.apart:
        return ()
    values = [value for value in published(wanted.quantity) if _matches(value, wanted)]
    return tuple(sorted(values, key=lambda value: _rank(value, wanted)))


def _matches(value: PublishedValue, wanted: Conditions) -> bool:
    if value.unit != wanted.unit or not value.host or value.ion != wanted.ion:
        return False
    if wanted.cell:
        return same_formula(value.cell, wanted.cell)
    return (
        same_formula(value.host, wanted.formula)
        and value.limit in (wanted.limit, "unstated", "")
        and (not value.family or wanted.family is None or wanted.same_family(value))
        and (not value.facet or value.facet == wanted.facet)
        and (not wanted.subject or _subject(value) == wanted.subject)
        and value.defect.startswith(wanted.defect)
    )


def _rank(value: PublishedValue, wanted: Conditions) -> tuple[float | str, ...]:
    return (
        not wanted.same_family(value),
        value.host != wanted.formula and wanted.family is None,
        value.limit == "unstated",
        *coverage_rank(value, wanted),
        bool(wanted.functional and value.functional)
        and not same_functional(wanted.functional, value.functional),
        value.value,
        value.id,
    )


def coverage_rank(value: PublishedValue, wanted: Conditions) -> tuple[int, float]:
    """Return 0 for the same coverage, 1 where it was not stated, 2 for another; and how far off."""
    if wanted.coverage_ML is None:
        return 0, 0.0
    stated = value.coverage_ML
    if stated is None:
        return 1, 0.0
    away = abs(max(wanted.coverage_ML, LOW_COVERAGE_ML) - stated)
    return (2, away) if away > _SAME_ML else (0, 0.0)


def _subject(value: PublishedValue) -> str:
    """Return what a value is of, without a remark in brackets: ``O* (site a)`` is ``O*``."""
    return value.species.partition(" (")[0]
