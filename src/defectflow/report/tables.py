"""Aligned plain-text tables that fit a terminal."""

from __future__ import annotations

import itertools
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

#: Columns of text that a table takes at most, where its wrapped columns allow it.
WIDTH: Final = 120
#: Rows that decide the widths of a table that is written while its rows are still being made.
MEASURED_ROWS: Final = 200
_GAP: Final = "  "
_MISSING: Final = "-"
#: A wrapped column is not made narrower than this.
_NARROWEST: Final = 12
_MINUTE_S: Final = 60.0
_HOUR_MIN: Final = 60


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    key
        Which entry of a row is shown.
    title
        Heading; the key by default.
    form
        Format specification for numbers, e.g. ``.3f``.
    align
        Which side the text keeps to.
    wrap
        Whether long texts may be broken into several lines to make the table fit.
    """

    key: str
    title: str = ""
    form: str = ""
    align: Literal["left", "right"] = "left"
    wrap: bool = False

    @property
    def heading(self) -> str:
        """What stands above the column."""
        return self.title or self.key

    def text(self, row: Mapping[str, object]) -> str:
        """Return what is shown of `row`: one line, ``-`` where there is nothing."""
        value = row.get(self.key)
        if value is None or value == "":
            return _MISSING
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, (int, float)):
            return format(value, self.form) if value == value else _MISSING  # noqa: PLR0124 - NaN
        return _one_line(str(value))


def table(
    rows: Iterable[Mapping[str, object]], columns: Sequence[Column | str], width: int = WIDTH
) -> str:
    """Return an aligned table with a heading and a rule, without a final newline.

    Columns that may be wrapped are narrowed, the widest first, until the table fits `width`.

    Examples
    --------
    >>> rows = [{"ion": "Mg", "barrier": 0.8162}, {"ion": "Li", "barrier": None}]
    >>> print(table(rows, ["ion", Column("barrier", "barrier (eV)", ".2f", "right")]))
    ion  barrier (eV)
    ---  ------------
    Mg           0.82
    Li              -
    """
    return "\n".join(table_lines(rows, columns, width, measured=None))


def table_lines(
    rows: Iterable[Mapping[str, object]],
    columns: Sequence[Column | str],
    width: int = WIDTH,
    measured: int | None = MEASURED_ROWS,
) -> Iterator[str]:
    """Yield the lines of a table as its rows come; only the first `measured` rows are held.

    They decide the widths; what is wider further down is broken into several lines. None holds
    and measures all rows.
    """
    shown = [column if isinstance(column, Column) else Column(column) for column in columns]
    texts = ([column.text(row) for column in shown] for row in rows)
    head = list(itertools.islice(texts, measured))
    headings = [column.heading for column in shown]
    widths = [
        max(display_width(line[place]) for line in [headings, *head]) for place in range(len(shown))
    ]
    _narrow(widths, shown, width)
    rule = ["-" * size for size in widths]
    for text in itertools.chain([headings, rule], head, texts):
        yield from _laid_out(text, shown, widths)


def display_width(text: str) -> int:
    """Return how many columns of a terminal a text takes.

    Examples
    --------
    >>> display_width("Å"), display_width("A\N{COMBINING RING ABOVE}"), display_width("漢")
    (1, 1, 2)
    """
    return sum(_columns(character) for character in text)


def duration(seconds: float | None) -> str:
    """Return a time as a person says it.

    Examples
    --------
    >>> duration(0.42), duration(75), duration(7260), duration(None)
    ('0.4 s', '1 min 15 s', '2 h 1 min', '-')
    """
    if seconds is None:
        return _MISSING
    if round(seconds, 1) < _MINUTE_S:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < _HOUR_MIN:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) == "Cf":
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _one_line(text: str) -> str:
    """Return a text without line breaks and without what a terminal would obey."""
    plain = "".join(" " if unicodedata.category(c) == "Cc" else c for c in text)
    return " ".join(plain.split())


def _narrow(widths: list[int], columns: Sequence[Column], width: int) -> None:
    """Narrow the columns that may be wrapped until the table fits, or none can give more."""
    while sum(widths) + len(_GAP) * (len(widths) - 1) > width:
        able = [
            place
            for place, column in enumerate(columns)
            if column.wrap and widths[place] > max(_NARROWEST, display_width(column.heading))
        ]
        if not able:
            return
        widths[max(able, key=lambda place: widths[place])] -= 1


def _laid_out(texts: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> list[str]:
    """Return the lines of one row."""
    cells = [_wrapped(text, size) for text, size in zip(texts, widths, strict=True)]
    lines = []
    for number in range(max(len(cell) for cell in cells)):
        parts = [
            _padded(cell[number] if number < len(cell) else "", size, column.align)
            for cell, size, column in zip(cells, widths, columns, strict=True)
        ]
        lines.append(_GAP.join(parts).rstrip())
    return lines


def _padded(text: str, size: int, align: str) -> str:
    blank = " " * (size - display_width(text))
    return blank + text if align == "right" else text + blank


def _wrapped(text: str, size: int) -> list[str]:
    """Break a text into lines of at most `size` columns, at blanks if there are any."""
    lines, line = [], ""
    for word in text.split(" "):
        rest = word
        while display_width(f"{line} {rest}" if line else rest) > size:
            if line:
                lines.append(line)
                line = ""
                continue
            head = _fitting(rest, size)
            lines.append(rest[:head])
            rest = rest[head:]
        line = f"{line} {rest}" if line else rest
    return [*lines, line]


def _fitting(text: str, size: int) -> int:
    """Return how many characters of a text to put into `size` columns; one at least.

    Where there is one, the cut comes behind a hyphen, an underscore or a slash.
    """
    used, fits = 0, len(text)
    for count, character in enumerate(text):
        used += _columns(character)
        if used > size:
            fits = max(1, count)
            break
    joint = max(text.rfind(mark, 0, fits) for mark in "-_/") + 1
    return joint or fits
