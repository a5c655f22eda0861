"""What a database holds of a launchpad, and the one way to empty it: by name, ours alone."""

from __future__ import annotations

from typing import Final

from defectflow.errors import StoreError
from defectflow.launch.launchpads import COLLECTION, open_launchpad
from defectflow.store.urls import without_password

#: FireWorks' own collections, and that of our claims. Results lie in others.
_PARTS: Final = (
    "fireworks",
    "workflows",
    "launches",
    "fw_id_assigner",
    "offline_runs",
    "fw_gridfs.files",
    "fw_gridfs.chunks",
    COLLECTION,
)
_RUNNING: Final = ("RUNNING", "RESERVED")


def foreign(url: str) -> list[str]:
    """Return the collections of a launchpad that others made in the database of a store."""
    from pymongo import MongoClient
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    from defectflow.store.passwords import with_password
    from defectflow.store.server import SERVER_PATIENCE_MS
    from defectflow.store.urls import DEFAULT_DATABASE

    full = with_password(url)
    try:
        with MongoClient(full, serverSelectionTimeoutMS=SERVER_PATIENCE_MS) as client:  # type: ignore[var-annotated]
            database = client[parse_uri(full)["database"] or DEFAULT_DATABASE]
            if database[COLLECTION].find_one({"_id": "launchpad"}) is not None:
                return []
            return [one for one in _PARTS[:4] if database[one].count_documents({}, limit=1)]
    except PyMongoError as error:
        reason = str(error).split(",")[0][:200]
        message = f"{without_password(url)}: {reason}; check the URL, the server and the password"
        raise StoreError(message) from error


def emptied(url: str, name: str) -> str:
    """Delete all workflows of our launchpad; results of finished jobs stay in the store.

    Parameters
    ----------
    name
        Of the database, so that nobody empties the wrong one.

    Returns
    -------
    str
        What was deleted, in words.

    Raises
    ------
    StoreError
        If the name is another's, the launchpad is not ours, or jobs are running.
    """
    pad = open_launchpad(url, create=False)
    shown = without_password(url)
    if pad is None:
        message = f"{shown}: holds no launchpad of defectflow; nothing is deleted"
        raise StoreError(message)
    if pad.name != name:
        message = (
            f"--yes-delete {name}: the store is in the database {pad.name}; nothing is deleted: "
            "name that one"
        )
        raise StoreError(message)
    running = pad.fireworks.count_documents({"state": {"$in": list(_RUNNING)}})
    if running:
        message = (
            f"{shown}: {running} jobs are running; nothing is deleted: defectflow cancel first"
        )
        raise StoreError(message)
    flows, jobs = (pad.db[one].count_documents({}) for one in ("workflows", "fireworks"))
    for part in _PARTS:
        pad.db[part].delete_many({})
    return f"{flows} workflows, {jobs} jobs"
