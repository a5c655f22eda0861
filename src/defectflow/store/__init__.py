"""Where documents and job outputs live: an SQLite file, a MongoDB server or memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from defectflow.store.urls import open_store

if TYPE_CHECKING:
    from defectflow.store.opened import Store
    from defectflow.store.results import Results
    from defectflow.store.runs import RunLabel, RunRecord

__all__ = ["Results", "RunLabel", "RunRecord", "Store", "open_store"]

_ROOMS = {"Results": "results", "RunLabel": "runs", "RunRecord": "runs", "Store": "opened"}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_ROOMS[name]}"), name)
