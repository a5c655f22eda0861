"""Which published values a result may be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.documents import MigrationBarrierDocument
from defectflow.reference.values import published, same_formula
from defectflow.structures import hosts

if TYPE_CHECKING:
    from defectflow.documents import ResultDocument
    from defectflow.reference.values import PublishedValue

#: Structure types that prototypes name differently from the tables: O1 and 1T are both CdI2.
_FAMILY_ALIASES: Final = {"O1": "1T"}


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
        if isinstance(document, MigrationBarrierDocument):
            prototype, formula = document.prototype, document.host_formula
        else:
            prototype = document.host if document.host in hosts.prototypes() else None
            formula = hosts.prototype(prototype).formula if prototype else document.host
        return cls(
            quantity=document.quantity,
            unit=document.unit,
            formula=formula,
            family=structure_type(prototype) if prototype else None,
            ion=document.species,
            limit=getattr(document, "limit", ""),
            cell=_given_cell(document),
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


def structure_type(prototype: str) -> str:
    """Return the structure type of a prototype by its name, as the tables call it.

    Examples
    --------
    >>> structure_type("1T-TiS2"), structure_type("graphene")
    ('1T', 'graphene')
    """
    family = prototype.partition("-")[0]
    return _FAMILY_ALIASES.get(family, family)


def _given_cell(document: ResultDocument) -> str:
    """Return the composition of the cell of a hop whose two ends were given, else nothing."""
    if not isinstance(document, MigrationBarrierDocument):
        return ""
    if document.limit != "given" or not document.hops:
        return ""
    formula: str = document.hops[0].band.images[0].structure.formula
    return formula
