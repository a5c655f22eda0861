"""Which published values a result may be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.documents import MigrationBarrierDocument
from defectflow.reference.values import published, same_formula

if TYPE_CHECKING:
    from defectflow.documents import ResultDocument
    from defectflow.reference.values import PublishedValue

#: Prefixes of prototype names that name a structure type differently from the tables.
_FAMILY_ALIASES: Final = {"thiospinel": "spinel", "α": "alpha", "δ": "delta"}


@dataclass(frozen=True)
class Conditions:
    """What a result is matched by.

    Attributes
    ----------
    formula
        Of the host: the empty one in the charged limit, the full one in the discharged limit.
    family
        Structure type (``spinel``, ``1T``, ...); None if it is not known.
    ion
        Element that moves, enters or leaves.
    limit
        ``charged``, ``discharged``; empty where it has no meaning or was not said.
    cell
        Composition of the whole cell; used instead of `formula` where the two ends of a hop were
        given, as the host is then not known. Empty otherwise.

    Examples
    --------
    >>> spinel = Conditions("migration_barrier", "eV", "LiMn2O4", "spinel", "Li", "discharged")
    >>> [value.id for value in match(spinel)]
    ['MIG-001']
    """

    quantity: str
    unit: str
    formula: str
    family: str | None
    ion: str
    limit: str
    cell: str = ""

    @classmethod
    def from_document(cls, document: ResultDocument) -> Conditions:
        """Read the conditions off a result."""
        family, _, formula = document.host.rpartition("-")
        limit, cell = "", ""
        if isinstance(document, MigrationBarrierDocument):
            limit, formula = document.limit, document.host_formula
            family = (document.prototype or "").rpartition("-")[0]
            if limit == "given" and document.hops:
                cell = document.hops[0].band.images[0].structure.formula
        return cls(
            quantity=document.quantity,
            unit=document.unit,
            formula=formula,
            family=_family(family),
            ion=document.species,
            limit=limit,
            cell=cell,
        )

    def same_family(self, value: PublishedValue) -> bool:
        """Return whether the structure types are known to be the same."""
        return self.family is not None and value.family.casefold() == self.family.casefold()


def match(what: ResultDocument | Conditions) -> tuple[PublishedValue, ...]:
    """Return the published values for the same quantity, host, ion and limit, best first.

    A value is a match if its host has the same composition, it is for the same ion, its structure
    type is the same or either of the two is not known, and its limit is the same or was not
    stated. The best ones agree in all of these; next come those whose limit was not stated, then
    those whose structure type is not known. Among equals the lowest value comes first: where a
    source lists several hops, the easiest one is what a barrier across the crystal compares with.
    For a hop between two given structures the composition of the whole cell takes the place of
    host and limit.
    """
    wanted = what if isinstance(what, Conditions) else Conditions.from_document(what)
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
    )


def _rank(value: PublishedValue, wanted: Conditions) -> tuple[bool, bool, bool, float, str]:
    return (
        not wanted.same_family(value),
        value.host != wanted.formula and wanted.family is None,
        value.limit == "unstated",
        value.value,
        value.id,
    )


def _family(prefix: str) -> str | None:
    """Return the tables' name of a structure type, or None if there is none."""
    return _FAMILY_ALIASES.get(prefix.casefold(), prefix) or None
