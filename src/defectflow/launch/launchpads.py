"""FireWorks launchpads: opened, made where there is none, and never emptied.

Fireworks, claims and outputs lie in one MongoDB database, named by the URL of the store.
"""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, overload

from defectflow.errors import StoreError
from defectflow.launch.patient_launchpad import PatientLaunchPad
from defectflow.store.passwords import check_writable, with_password
from defectflow.store.server import SAFELY, SERVER_PATIENCE_MS
from defectflow.store.urls import DEFAULT_DATABASE, without_password

if TYPE_CHECKING:
    from fireworks import LaunchPad, Workflow

#: Marks a launchpad as ours, and holds what was claimed.
COLLECTION: Final = "defectflow"
_OWNER: Final = "launchpad"
_QUIET: Final = "CRITICAL"
#: A claim without a workflow is someone's who died between the two; it is free after this time.
STALE_S: Final = 60.0


@overload
def open_launchpad(url: str) -> PatientLaunchPad: ...


@overload
def open_launchpad(url: str, *, create: bool) -> PatientLaunchPad | None: ...


def open_launchpad(url: str, *, create: bool = True) -> PatientLaunchPad | None:
    """Open the launchpad in the database of a store.

    Parameters
    ----------
    url
        ``mongodb://host/database``, without a password.
    create
        Whether a database without a launchpad gets one; else None is returned for it.

    Raises
    ------
    StoreError
        If the URL is no server's, the server does not answer, or the launchpad is not ours.
    """
    from pymongo.errors import PyMongoError
    from pymongo.uri_parser import parse_uri

    if not url.startswith(("mongodb://", "mongodb+srv://")):
        message = (
            f"store {url}: queue jobs on other machines need a server; give --store "
            "mongodb://HOST/DATABASE"
        )
        raise StoreError(message)
    check_writable(url)
    full = with_password(url)
    try:
        database = parse_uri(full)["database"] or DEFAULT_DATABASE
        patience = {"serverSelectionTimeoutMS": SERVER_PATIENCE_MS, **SAFELY}
        pad = PatientLaunchPad(
            full, name=database, uri_mode=True, strm_lvl=_QUIET, mongoclient_kwargs=patience
        )
        return pad if _is_ours(pad, url, create=create) else None
    except PyMongoError as error:
        reason = str(error).split(",")[0][:200]
        message = f"{without_password(url)}: {reason}; check the URL, the server and the password"
        raise StoreError(message) from error


def _is_ours(pad: LaunchPad, url: str, *, create: bool) -> bool:
    """Tell whether the launchpad is ours; make one in a database that has none.

    Several processes may make it at once: the mark comes first, and nothing that is there changes.
    """
    if not _marked(pad):
        found = _used(pad)
        # What was found may be another process's that has just made its mark.
        if found and not _marked(pad):
            if not create:
                return False
            message = (
                f"{without_password(url)}: holds a launchpad that defectflow did not make "
                f"({', '.join(found)}); it is left alone: name another database in the URL"
            )
            raise StoreError(message)
        if not create:
            return False
        made = datetime.now(UTC).isoformat()
        _insert_once(pad, COLLECTION, {"_id": _OWNER, "made": made})
    if create and not _used(pad):  # also where the process that made the mark has died
        _insert_once(
            pad, "fw_id_assigner", {"_id": COLLECTION, "next_fw_id": 1, "next_launch_id": 1}
        )
        pad.tuneup(bkground=True)
    return True


def _marked(pad: LaunchPad) -> bool:
    return pad.db[COLLECTION].find_one({"_id": _OWNER}) is not None


def _used(pad: LaunchPad) -> list[str]:
    """Return which of the collections of a launchpad hold something."""
    names = ("fireworks", "workflows", "launches", "fw_id_assigner")
    return [name for name in names if pad.db[name].count_documents({}, limit=1)]


def _insert_once(pad: LaunchPad, collection: str, document: dict[str, Any]) -> None:
    from pymongo.errors import DuplicateKeyError

    with contextlib.suppress(DuplicateKeyError):
        pad.db[collection].insert_one(document)


def claimed(pad: LaunchPad, key: str, make: Any) -> tuple[dict[str, Any], bool]:
    """Return the workflow of a result key, and whether it was added now.

    Of two processes that submit the same recipe at once, one adds its workflow and the other finds
    it. A claim whose process died before it added anything is taken over after a minute.

    Parameters
    ----------
    make
        Returns the workflow to add.
    """
    while True:
        found = find_workflow(pad, key)
        if found is not None:
            return found, False
        if _claim(pad, key):
            added: Workflow = make()
            pad.add_wf(added)
            return {"nodes": list(added.id_fw), "metadata": added.metadata}, True
        time.sleep(0.2)


def find_workflow(pad: LaunchPad, key: str) -> dict[str, Any] | None:
    """Return the newest workflow of a result key that was not given up."""
    criteria = {"metadata.key": key, "state": {"$nin": ["DEFUSED", "ARCHIVED"]}}
    found: dict[str, Any] | None = pad.workflows.find_one(criteria, sort=[("_id", -1)])
    return found


def release(pad: LaunchPad, key: str) -> None:
    """Give up a claim, so that the recipe can be submitted anew."""
    pad.db[COLLECTION].delete_one({"_id": f"claim {key}"})


def _claim(pad: LaunchPad, key: str) -> bool:
    from pymongo.errors import DuplicateKeyError

    claims, name, now = pad.db[COLLECTION], f"claim {key}", time.time()
    try:
        claims.insert_one({"_id": name, "at": now})
    except DuplicateKeyError:
        # Clocks of two machines may differ; a claim from the future is as old as one of the past.
        held = claims.find_one({"_id": name})
        if held is None or abs(now - held["at"]) < STALE_S:
            return False
        mine = claims.update_one({"_id": name, "at": held["at"]}, {"$set": {"at": now}})
        return bool(mine.modified_count)
    return True
