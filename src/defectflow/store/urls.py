"""From a store URL to an open store."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from defectflow.errors import StoreError, did_you_mean

if TYPE_CHECKING:
    from defectflow.store.opened import Store

#: Used when no URL is given, below the working directory.
DEFAULT_PATH: Final = ".defectflow/store.sqlite"
#: Used on a server when the URL names none.
DEFAULT_DATABASE: Final = "defectflow"
_SCHEMES: Final = ("memory", "mongodb", "mongodb+srv", "sqlite")


def open_store(url: str | Path | None = None, *, create: bool = True) -> Store:
    """Open a store.

    Parameters
    ----------
    url
        A path such as ``runs/a.sqlite``; ``mongodb://host/database``; ``memory://``, which forgets
        everything on closing; None for ``.defectflow/store.sqlite`` below the working directory.
    create
        Whether a file that does not exist is created.

    Raises
    ------
    StoreError
        If the store is not ours, was made by a newer version or cannot be opened.
    MissingData
        If there is no such file and `create` is False.

    Examples
    --------
    >>> with open_store("memory://") as store:
    ...     store.find(species="Mg")
    []
    """
    text = str(url) if url is not None else DEFAULT_PATH
    scheme, separator, rest = text.partition("://")
    if not separator:
        return _open_file(Path(text), create=create)
    if scheme == "sqlite":
        return _open_file(Path(rest), create=create)
    if scheme == "memory":
        return _open_memory()
    if scheme in {"mongodb", "mongodb+srv"}:
        return _open_server(text)
    message = f"store {text}: unknown kind {scheme!r}; {did_you_mean(scheme, _SCHEMES)}"
    raise StoreError(message)


def without_password(url: str) -> str:
    """Return `url` fit to be shown.

    Examples
    --------
    >>> without_password("mongodb://ada:secret@host/db")
    'mongodb://ada:***@host/db'
    """
    return re.sub(r"(://[^:/@]+):[^@]*@", r"\1:***@", url)


def _open_file(path: Path, *, create: bool) -> Store:
    from defectflow.store.guard import GuardedJobStore
    from defectflow.store.opened import SEARCHED, Store
    from defectflow.store.sqlite import SQLiteStore

    # Jobs change the working directory, so the path must not depend on it.
    file = path.expanduser().absolute()
    outputs = SQLiteStore(file, "outputs", indexed=SEARCHED, create=create, key="uuid")
    records = SQLiteStore(file, "runs", unique=(), create=create, key="run_id")
    outputs.connect()
    records.connect()
    return Store(str(path), GuardedJobStore(outputs), records, path=file)


def _open_memory() -> Store:
    from maggma.stores import MemoryStore

    from defectflow.store.guard import GuardedJobStore
    from defectflow.store.opened import Store

    jobs = GuardedJobStore(MemoryStore("outputs"))
    records = MemoryStore("runs", key="run_id")
    jobs.connect()
    records.connect()
    return Store("memory://", jobs, records)


def _open_server(url: str) -> Store:
    from pymongo.errors import PyMongoError

    from defectflow.store.blobs import blobs_of
    from defectflow.store.guard import GuardedJobStore
    from defectflow.store.opened import SEARCHED, Store
    from defectflow.store.server import ServerStore

    shown = without_password(url)
    try:
        outputs, records = ServerStore(url, "outputs"), ServerStore(url, "runs", key="run_id")
        jobs = GuardedJobStore(outputs)
        jobs.connect()
        records.connect()
        jobs.blobs = blobs_of(outputs.server_database)
        outputs.index("uuid", *SEARCHED)
        records.index("run_id")
    except PyMongoError as error:
        reason = str(error).split(",")[0][:200]
        message = f"{shown}: the server cannot be used ({reason}); check the URL and the server"
        raise StoreError(message) from error
    return Store(shown, jobs, records)
