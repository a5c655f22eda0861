"""The part of MongoDB's query language that stores need, evaluated on plain documents.

A query is a dictionary: ``{"output.key": "a1", "index": {"$gte": 2}}``. Field names may be dotted
and walk through lists as MongoDB does: a condition on a list holds if it holds for the list or for
one of its elements. An operator that is not known is refused, never ignored.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import StoreError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Document = dict[str, Any]


def values_at(document: Any, path: str) -> list[Any]:
    """Return every value that the dotted `path` reaches; empty if there is none.

    Examples
    --------
    >>> values_at({"a": [{"b": 1}, {"b": 2}]}, "a.b")
    [1, 2]
    """
    found = [document]
    for name in path.split("."):
        found = [value for parent in found for value in _children(parent, name)]
    return found


def matches(document: Document, criteria: Mapping[str, Any]) -> bool:
    """Tell whether `document` satisfies `criteria`.

    Raises
    ------
    StoreError
        For an operator that is not supported.

    Examples
    --------
    >>> matches({"a": 3, "b": ["x", "y"]}, {"a": {"$gt": 2}, "b": "x"})
    True
    """
    return all(_clause(document, name, wanted) for name, wanted in criteria.items())


def project(document: Document, properties: Mapping[str, Any] | Iterable[str]) -> Document:
    """Return `document` with only the fields in `properties`, or without those marked 0.

    As in MongoDB, the row number ``_id`` stays unless it is marked 0 itself.

    Examples
    --------
    >>> project({"a": {"b": 1, "c": 2}, "d": 3}, ["a.b"])
    {'a': {'b': 1}}
    """
    marks = properties if isinstance(properties, Mapping) else dict.fromkeys(properties, 1)
    wanted = {"_id": 1, **marks}
    kept = [name for name, keep in wanted.items() if keep]
    if set(kept) - {"_id"} or not marks:
        return _keep(document, kept)
    for name in set(wanted) - set(kept):
        _drop(document, name.split("."))
    return document


def order_key(document: Document, path: str) -> tuple[int, Any]:
    """Return a key that sorts documents by the first value at `path`; missing values first."""
    return _rank(next(iter(values_at(document, path)), None))


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return (0, 0)
    if isinstance(value, (int, float)):
        return (1, -math.inf if isinstance(value, float) and math.isnan(value) else value)
    if isinstance(value, str):
        return (2, value)
    if isinstance(value, datetime):
        return (4, value.isoformat())
    return (3, str(value))


def _children(parent: Any, name: str) -> list[Any]:
    if isinstance(parent, dict):
        return [parent[name]] if name in parent else []
    if isinstance(parent, list):
        if name.isdigit():
            return [parent[int(name)]] if int(name) < len(parent) else []
        return [child[name] for child in parent if isinstance(child, dict) and name in child]
    return []


def _clause(document: Document, name: str, wanted: Any) -> bool:
    if name == "$and":
        return all(matches(document, part) for part in wanted)
    if name == "$or":
        return any(matches(document, part) for part in wanted)
    if name == "$nor":
        return not any(matches(document, part) for part in wanted)
    if name.startswith("$"):
        raise _unknown(name)
    return _satisfies(values_at(document, name), wanted)


def _satisfies(found: list[Any], wanted: Any) -> bool:
    if isinstance(wanted, dict) and wanted and all(str(key).startswith("$") for key in wanted):
        return all(_operate(found, name, operand, wanted) for name, operand in wanted.items())
    return _contains(found, wanted)


def _operate(found: list[Any], name: str, operand: Any, siblings: Mapping[str, Any]) -> bool:
    if name in _COMPARISONS:
        compare = _COMPARISONS[name]
        return any(
            _comparable(value, operand) and compare(value, operand) for value in _flat(found)
        )
    if name == "$regex":
        flags = re.IGNORECASE if "i" in siblings.get("$options", "") else 0
        return any(isinstance(v, str) and re.search(operand, v, flags) for v in _flat(found))
    if name not in _OPERATORS:
        raise _unknown(name)
    return _OPERATORS[name](found, operand)


def _flat(found: list[Any]) -> list[Any]:
    """Return the values together with the elements of those that are lists."""
    elements = [element for value in found if isinstance(value, list) for element in value]
    return found + elements


def _contains(found: list[Any], wanted: Any) -> bool:
    if wanted is None:
        return not found or None in _flat(found)
    if isinstance(wanted, re.Pattern):
        return any(isinstance(value, str) and wanted.search(value) for value in _flat(found))
    return any(_same(value, wanted) for value in _flat(found))


def _same(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) is not isinstance(wanted, bool):
        return False
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(value, float) and math.isnan(value)
    return bool(value == wanted)


def _comparable(value: Any, operand: Any) -> bool:
    return _rank(value)[0] == _rank(operand)[0] and value is not None


def _element_matches(element: Any, wanted: Mapping[str, Any]) -> bool:
    if isinstance(element, dict) and not all(name.startswith("$") for name in wanted):
        return matches(element, wanted)
    return _satisfies([element], dict(wanted))


def _unknown(name: str) -> StoreError:
    known = [*_COMPARISONS, *_OPERATORS, "$regex", "$and", "$or", "$nor"]
    return StoreError(f"query operator {name} is not supported; {did_you_mean(name, known)}")


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OPERATORS: Final[dict[str, Callable[[list[Any], Any], bool]]] = {
    "$eq": _contains,
    "$ne": lambda found, wanted: not _contains(found, wanted),
    "$in": lambda found, wanted: any(_contains(found, one) for one in wanted),
    "$nin": lambda found, wanted: not any(_contains(found, one) for one in wanted),
    "$all": lambda found, wanted: all(_contains(found, one) for one in wanted),
    "$exists": lambda found, wanted: bool(found) is bool(wanted),
    "$size": lambda found, wanted: any(isinstance(v, list) and len(v) == wanted for v in found),
    "$not": lambda found, wanted: not _satisfies(found, wanted),
    "$options": lambda found, wanted: True,  # noqa: ARG005 - read together with $regex
    "$elemMatch": lambda found, wanted: any(
        _element_matches(element, wanted)
        for value in found
        if isinstance(value, list)
        for element in value
    ),
}


def _keep(document: Document, paths: list[str]) -> Document:
    heads: dict[str, list[str]] = {}
    for path in paths:
        head, _, rest = path.partition(".")
        heads.setdefault(head, []).append(rest)
    kept: Document = {}
    for head, rests in heads.items():
        if head in document:
            value = document[head]
            kept[head] = value if "" in rests else _keep_inside(value, rests)
    return kept


def _keep_inside(value: Any, paths: list[str]) -> Any:
    if isinstance(value, dict):
        return _keep(value, paths)
    if isinstance(value, list):
        return [_keep_inside(element, paths) for element in value if isinstance(element, dict)]
    return {}


def _drop(value: Any, path: list[str]) -> None:
    if isinstance(value, list):
        for element in value:
            _drop(element, path)
    elif isinstance(value, dict) and path[0] in value:
        if len(path) == 1:
            del value[path[0]]
        else:
            _drop(value[path[0]], path[1:])
