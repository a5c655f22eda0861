"""Which published values a result may be compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defectflow.reference.conditions import Conditions, conditions_of
from defectflow.reference.values import published, quantities, same_formula, same_functional

if TYPE_CHECKING:
    from defectflow.documents import ResultDocument
    from defectflow.reference.values import PublishedValue


def match(what: ResultDocument | Conditions) -> tuple[PublishedValue, ...]:
    """Return the published values for the same quantity, host, ion and limit, best first.

    A value is a match if its host has the same composition, it is for the same ion (and facet and
    adsorbate, or kind of atom), its structure type is the same or either of the two is not known,
    and its limit is the same or was not stated. The best ones agree in all of these; next come
    those whose limit was not stated, then those whose structure type is not known, and last those
    that state another functional. Among equals the lowest value comes first: where a source lists
    several hops, the easiest one is what a barrier across the crystal compares with. For a hop
    between two given structures the composition of the whole cell takes the place of host and
    limit.
    """
    wanted = what if isinstance(what, Conditions) else conditions_of(what)
    if wanted.quantity not in quantities():
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


def _rank(value: PublishedValue, wanted: Conditions) -> tuple[bool, bool, bool, bool, float, str]:
    return (
        not wanted.same_family(value),
        value.host != wanted.formula and wanted.family is None,
        value.limit == "unstated",
        bool(wanted.functional and value.functional)
        and not same_functional(wanted.functional, value.functional),
        value.value,
        value.id,
    )


def _subject(value: PublishedValue) -> str:
    """Return what a value is of, without a remark in brackets: ``O* (site a)`` is ``O*``."""
    return value.species.partition(" (")[0]
