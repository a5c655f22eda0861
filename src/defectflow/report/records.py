"""Flat records for other programs: JSON and CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def to_json(rows: Sequence[Mapping[str, object]]) -> str:
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
    plain = [{key: _finite(value) for key, value in row.items()} for row in rows]
    return json.dumps(plain, indent=2, allow_nan=False)


def to_csv(rows: Sequence[Mapping[str, object]], fields: Sequence[str]) -> str:
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
    text = io.StringIO()
    writer = csv.DictWriter(text, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _finite(value) for key, value in row.items()})
    return text.getvalue().removesuffix("\n")


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
