"""Flat records for other programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


def to_json(rows: Iterable[Mapping[str, object]]) -> str:
    """Return one list of objects; what is not a number (NaN, infinity) becomes ``null``.

    Examples
    --------
    >>> print(to_json([{"ion": "Mg", "value": float("nan")}]))
    [
      {
        "ion": "Mg",
        "value": null
      }
    ]
    """
    return "\n".join(json_lines(rows))


def json_lines(rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """Yield the lines of `to_json` as the rows come; none is kept."""
    pending = None
    for row in rows:
        yield "[" if pending is None else f"{pending},"
        plain = {key: _finite(value) for key, value in row.items()}
        pending = textwrap.indent(json.dumps(plain, indent=2, allow_nan=False), "  ")
    if pending is None:
        yield "[]"
    else:
        yield pending
        yield "]"


def to_csv(rows: Iterable[Mapping[str, object]], fields: Sequence[str]) -> str:
    """Return a table with a heading, without a final newline; missing values are empty.

    Parameters
    ----------
    fields
        Columns, in order; also written if there is no row.

    Examples
    --------
    >>> to_csv([{"ion": "Mg", "value": None}], ["ion", "value"]).splitlines()
    ['ion,value', 'Mg,']
    """
    return "\n".join(csv_lines(rows, fields))


def csv_lines(rows: Iterable[Mapping[str, object]], fields: Sequence[str]) -> Iterator[str]:
    """Yield the lines of `to_csv` as the rows come; none is kept."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    yield _taken(text)
    for row in rows:
        writer.writerow({key: _finite(value) for key, value in row.items()})
        yield _taken(text)


def _taken(text: io.StringIO) -> str:
    """Return what was written since the last call, without the final newline."""
    written = text.getvalue().removesuffix("\n")
    text.seek(0)
    text.truncate()
    return written


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
