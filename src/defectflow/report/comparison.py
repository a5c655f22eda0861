"""Our numbers beside the published ones, as a table with its sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from defectflow.documents import ConvergenceDocument, TrendDocument
from defectflow.report.scans import scan_table, trend_table
from defectflow.report.tables import Column, duration, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from defectflow.documents import ResultDocument
    from defectflow.reference import Comparison

#: What a quantity is called in the heading of a table.
_HEADINGS: Final = {"migration_barrier": "barrier"}
_FIRST_AUTHOR: Final = re.compile(
    r"^(?:[A-Z][\w.-]*\.[ -]?)*(?P<surname>[^,.;()]+?)(?: et al)?[.,]"
)
_INITIAL: Final = re.compile(r"^[A-Z]\.")
_YEAR: Final = re.compile(r"\((\d{4})\)")


def comparison_table(
    comparisons: Iterable[Comparison], failed: Iterable[Mapping[str, object]] = ()
) -> str:
    """Return the table of results beside published values, and below it the sources in full.

    Parameters
    ----------
    failed
        Rows (see `failed_row`) of what was asked for and has no result.
    """
    compared = list(comparisons)
    rows: list[Mapping[str, object]] = [*map(_row, compared), *failed]
    kinds = {str(row["quantity"]) for row in rows}
    text = table(rows, _columns(next(iter(kinds)) if len(kinds) == 1 else None, rows))
    scans = [
        scan_table(one.document)
        for one in compared
        if isinstance(one.document, ConvergenceDocument)
    ]
    trends = [
        trend_table(one.document) for one in compared if isinstance(one.document, TrendDocument)
    ]
    return "\n".join([text, *scans, *trends, *_remarks(compared), *_sources(compared)])


def failed_row(quantity: str, host: str, what: str, engine: str) -> dict[str, object]:
    """Return the row of a result that does not exist because something failed."""
    return {
        "quantity": quantity,
        "host": host,
        "ion": what,
        "defect": what,
        "engine": engine,
        "ours": "failed",
    }


def short_citation(text: str) -> str:
    """Return first author and year, or the whole text where these cannot be told.

    Examples
    --------
    >>> short_citation("B. Lee et al., J. Mater. Chem. A 7, 25619-25627 (2019)")
    'Lee 2019'
    >>> short_citation("T. Chen, G. Sai Gautam, W. Huang, G. Ceder, Chem. Mater. 30, 153 (2018)")
    'Chen 2018'
    >>> short_citation("reference 105 of a review")
    'reference 105 of a review'
    """
    author, year = _FIRST_AUTHOR.match(text), _YEAR.search(text)
    if author is not None and year is None and _INITIAL.match(text):
        return f"{author['surname'].strip()} et al."
    if author is None or year is None:
        return text
    return f"{author['surname'].strip()} {year[1]}"


def _columns(quantity: str | None, rows: Sequence[Mapping[str, object]]) -> list[Column]:
    unit = next((row["unit"] for row in rows if row.get("unit")), "eV")
    name = _HEADINGS.get(quantity or "", "value")
    of_unit = f" ({unit})" if quantity else ""
    barrier = quantity == "migration_barrier"
    columns = [
        Column("host", wrap=True),
        Column("ion") if barrier else Column("defect", wrap=True),
        Column("engine", wrap=True),
        Column("ours", f"{name}{of_unit}", ".3f", "right"),
        Column("published", f"published{of_unit}", ".3f", "right"),
        Column("error", f"difference{of_unit}", "+.3f", "right"),
        Column("citation", wrap=True),
        Column("force_calls", "force calls", "", "right"),
        Column("time", align="right"),
    ]
    if quantity is None:
        columns[3:3] = [Column("quantity", wrap=True), Column("unit")]
    return columns


def _row(comparison: Comparison) -> dict[str, object]:
    document, published = comparison.document, comparison.published
    stamp = document.engine
    details: dict[str, Any] = {
        name: getattr(document, name, None) for name in ("force_calls", "wall_time_s")
    }
    return {
        "quantity": document.quantity,
        "unit": document.unit,
        "host": document.host,
        "ion": document.species,
        "defect": document.defect_said or "none",
        "engine": f"{stamp.name} ({stamp.model})" if stamp.model else stamp.name,
        "ours": document.value if document.converged else "not converged",
        "published": None if published is None else published.value,
        "error": comparison.error,
        "citation": None if published is None else short_citation(published.citation.text),
        "force_calls": details["force_calls"],
        "time": duration(details["wall_time_s"]),
    }


def _remarks(comparisons: Sequence[Comparison]) -> list[str]:
    """Return what has to be known of each result, and how the published one differs from it."""
    lines = [
        f"note  {_subject(one.document)}: {note}"
        for one in comparisons
        for note in (one.note, *getattr(one.document, "notes", ()))
        if note
    ]
    return list(dict.fromkeys(lines))


def _subject(document: ResultDocument) -> str:
    """Return what a result is of, as a remark begins."""
    barrier = document.quantity == "migration_barrier"
    what = document.species if barrier else document.defect_said
    return f"{what} in {document.host}" if what else document.host


def _sources(comparisons: Sequence[Comparison]) -> list[str]:
    """Return every citation once, in full, with its doi."""
    sources = dict.fromkeys(
        f"source  {one.published.citation.text}"
        + (f", doi:{one.published.citation.doi}" if one.published.citation.doi else "")
        for one in comparisons
        if one.published is not None
    )
    return list(sources)
