"""Results beside the published numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from defectflow.reference.conditions import Conditions, conditions_of
from defectflow.reference.matching import coverage_rank, match
from defectflow.reference.values import quantities, same_functional

if TYPE_CHECKING:
    from collections.abc import Iterable

    from defectflow.documents import ResultDocument
    from defectflow.reference.values import PublishedValue


_NONE_FOR_DEFECT: Final = "no published value for this host and defect"
_NONE: Final = {"migration_barrier": "no published value for this host, ion and limit"}


@dataclass(frozen=True)
class Comparison:
    """One result beside the best published value for it.

    Attributes
    ----------
    document
        The result; its value is None where it did not converge.
    published
        The best match; None if nothing was published for these conditions.
    others
        The other matches, best first.
    error
        Ours minus published, in the unit of both; None if either is missing.
    note
        How the conditions of the two differ; empty if they are not known to.
    """

    document: ResultDocument
    published: PublishedValue | None
    others: tuple[PublishedValue, ...]
    error: float | None
    note: str

    @classmethod
    def from_document(cls, document: ResultDocument) -> Comparison:
        """Look up what was published for the conditions of `document`."""
        matches = match(document)
        best = matches[0] if matches else None
        error = None
        if best is not None and document.value is not None:
            error = document.value - best.value
        return cls(
            document=document,
            published=best,
            others=matches[1:],
            error=error,
            note="; ".join(_remarks(document, matches)),
        )

    def row(self) -> dict[str, Any]:
        """Return the flat record of the command-line contract."""
        best = self.published
        return {
            **self.document.row(),
            "published": None if best is None else best.value,
            "error": self.error,
            "citation": None if best is None else best.citation.text,
            "doi": None if best is None else best.citation.doi,
            "published_id": None if best is None else best.id,
            "note": self.note,
        }


def compare(documents: Iterable[ResultDocument]) -> tuple[Comparison, ...]:
    """Return one comparison per result, in the same order; also where nothing was published."""
    return tuple(Comparison.from_document(document) for document in documents)


def _remarks(document: ResultDocument, matches: tuple[PublishedValue, ...]) -> list[str]:
    wanted = conditions_of(document)
    if not matches:
        return _why_none(wanted, document.quantity) if _is_published(wanted) else []
    best = matches[0]
    remarks = [] if document.converged else ["not converged"]
    if wanted.cell:
        remarks.append("matched by the composition of the whole cell")
        if len({value.family for value in matches}) > 1:
            remarks.append("several structure types of this composition were published")
    else:
        if best.limit == "unstated":
            remarks.append("the source does not state the limit")
        if not wanted.same_family(best):
            ours, theirs = (name or "not known" for name in (wanted.family, best.family))
            remarks.append(f"structure type: ours {ours}, published {theirs}")
        remarks += _circumstances(document, best)
    if coverage_rank(best, wanted)[1]:
        remarks.append(
            f"coverage: ours {wanted.coverage_ML:.2g} ML, published {best.coverage_ML:.2g} ML"
        )
    ours = document.engine.functional or "none"
    if best.functional and not same_functional(ours, best.functional):
        remarks.append(f"functional: ours {ours}, published {best.functional}")
    return remarks


def _why_none(wanted: Conditions, quantity: str) -> list[str]:
    """Return why nothing stands beside a result."""
    if wanted.apart and match(replace(wanted, apart="")):
        return [f"not set beside published values: {wanted.apart}"]
    return [_NONE.get(quantity, _NONE_FOR_DEFECT)]


def _is_published(wanted: Conditions) -> bool:
    """Return whether the tables hold the quantity at all."""
    return wanted.quantity in quantities()


def _circumstances(document: ResultDocument, best: PublishedValue) -> list[str]:
    """Return what the source says that no other remark covers; barriers have theirs in a limit."""
    if document.quantity == "migration_barrier":
        return []
    said = [] if best.family else [f"{best.material}, {best.structure}".strip(", ")]
    if document.quantity == "binding_energy":
        said.append(f"{best.material}, {best.defect}")
    if best.condition not in ("", best.functional):
        said.append(best.condition)
    return [f"published for: {'; '.join(said)}"] if said else []
