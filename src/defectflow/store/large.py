"""Documents that are too large for a server: their large parts lie elsewhere.

A field of the output that is moved is replaced by ``{"@blob": NAME}``, and the document lists the
fields that were: small fields, which searches look at, stay where they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from defectflow.store.blobs import get_value, put_value
from defectflow.store.rows import encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from defectflow.store.blobs import Blobs

#: A document larger than this (JSON, bytes) has its largest fields moved; MongoDB's end is 16 MB.
MOST_B: Final = 1_000_000
#: Field of a document that lists the fields of its output that were moved; "" for all of it.
MOVED: Final = "moved"
_MARK: Final = "@blob"


def parted(document: Mapping[str, Any], blobs: Blobs) -> dict[str, Any]:
    """Return a document that a server takes, once its large fields are written elsewhere.

    They are written first: whoever finds the document finds its parts too.
    """
    whole = dict(document)
    output = whole.get("output")
    size = len(encode(whole)) if output is not None else 0
    if size <= MOST_B:
        return whole
    if not isinstance(output, dict):
        whole["output"] = {_MARK: put_value(blobs, output)}
        return {**whole, MOVED: [""]}
    sizes = {name: len(encode({"": value})) for name, value in output.items()}
    kept, moved = dict(output), list(whole.get(MOVED, []))
    for name in sorted(sizes, key=lambda name: -sizes[name]):
        if size <= MOST_B:
            break
        kept[name] = {_MARK: put_value(blobs, output[name])}
        moved.append(name)
        size -= sizes[name]
    return {**whole, "output": kept, MOVED: moved}


def whole(document: dict[str, Any], blobs: Blobs | None) -> dict[str, Any]:
    """Return a document with its moved parts in their places.

    Raises
    ------
    StoreError
        If a part is missing.
    """
    moved = document.get(MOVED)
    if not moved or blobs is None or "output" not in document:
        return document
    output = document["output"]
    if moved == [""]:
        return {**document, "output": get_value(blobs, output[_MARK])}
    back = {
        name: get_value(blobs, output[name][_MARK])
        for name in moved
        if isinstance(output.get(name), dict) and _MARK in output[name]
    }
    return {**document, "output": {**output, **back}}
