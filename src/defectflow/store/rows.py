"""A document as a row of an SQLite table: its text, and the values of its indexed columns."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from defectflow.store.matching import Document, values_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Stands in a column for a value that SQL must not compare (a list, NaN, null).
_OPAQUE: Final = b""
_INT64: Final = 2**63
#: A longer list of choices is left to the full check of each document.
_MOST_CHOICES: Final = 200


def encode(document: Mapping[str, Any]) -> str:
    """Return the JSON text of `document`; NaN, Infinity and times survive.

    Examples
    --------
    >>> decode(encode({"barrier_eV": float("inf")}))
    {'barrier_eV': inf}
    """
    return json.dumps(document, separators=(",", ":"), default=_to_json)


def decode(text: str) -> Document:
    """Return the document whose JSON text is `text`."""
    hook = _from_json if '"$date"' in text or '"$oid"' in text else None
    decoded: Document = json.loads(text, object_hook=hook)
    return decoded


def column_value(document: Document, field: str) -> Any:
    """Return what the column of `field` holds: the scalar, the opaque mark, or None if missing."""
    found = values_at(document, field)
    if not found:
        return None
    return _plain(found[0]) if len(found) == 1 and found[0] is not None else _OPAQUE


def narrow(criteria: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, list[Any]]:
    """Return a WHERE clause that no document satisfying `criteria` fails, and its values."""
    clauses: list[str] = []
    values: list[Any] = []
    for field, wanted in criteria.items():
        if field not in columns:
            continue
        if isinstance(wanted, dict) and wanted.get("$exists"):
            clauses.append(f'"{field}" IS NOT NULL')
        choices = [_plain(choice) for choice in _choices(wanted)]
        comparable = not any(choice is None or choice == _OPAQUE for choice in choices)
        if choices and comparable and len(choices) <= _MOST_CHOICES:
            clauses.append(f'"{field}" IN ({", ".join("?" * (len(choices) + 1))})')
            values.extend([*choices, _OPAQUE])
    return (f" WHERE {' AND '.join(clauses)}" if clauses else ""), values


def _choices(wanted: Any) -> list[Any]:
    """Return the values of which a field must have one; empty if that is not what is asked."""
    if not isinstance(wanted, dict):
        return [wanted]
    if "$in" in wanted:
        return list(wanted["$in"])
    return [wanted["$eq"]] if "$eq" in wanted else []


def _plain(value: Any) -> Any:
    """Return `value` as SQLite compares it, or the opaque mark (None for None)."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return int(value)
    if isinstance(value, float) and value == value:  # noqa: PLR0124 - NaN is NULL to SQLite
        return float(value)
    return _OPAQUE


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$date": value.isoformat()}
    from bson import ObjectId
    from monty.json import jsanitize

    if isinstance(value, ObjectId):
        return {"$oid": str(value)}
    return jsanitize(value, strict=True)


def _from_json(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        if isinstance(value.get("$date"), str):
            return datetime.fromisoformat(value["$date"])
        if isinstance(value.get("$oid"), str):
            from bson import ObjectId

            return ObjectId(value["$oid"])
    return value
