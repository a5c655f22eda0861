"""Opening an SQLite file as a store: ours or not, new or old, writable or not.

A store of defectflow is marked in the file's header (`application_id`) and carries the version of
its layout (`user_version`), so that any other file is refused before anything is written to it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from defectflow.errors import MissingData, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator

#: "dflw" in the four bytes that SQLite keeps for the application.
APPLICATION_ID: Final = 0x64666C77
LAYOUT_VERSION: Final = 1
_PATIENCE_S: Final = 60.0
#: Wait before a young file is looked at again, seconds.
_AGAIN_S: Final = 0.1
_REMEDIES: Final = {
    "full": "the disk is full; free some space and run again",
    "readonly": "no permission to write; choose another store with --store",
    "read-only": "no permission to write; choose another store with --store",
    "locking protocol": "this file system cannot lock files; put the store on a local disk",
    "locked": "another process holds it; wait for that process or end it",
    "malformed": "the file is damaged; move it away and run again",
    "not a database": "not a store of defectflow; choose another path with --store",
    "unable to open": "cannot be opened; check the folder and its permissions",
    "disk I/O error": "cannot be read or written; check the disk and its free space",
}


@dataclass(frozen=True)
class Handle:
    """An open file, and the process that opened it (a connection must not cross a fork)."""

    connection: sqlite3.Connection
    read_only: bool
    process: int

    def mine(self) -> bool:
        """Tell whether this process opened the connection."""
        return self.process == os.getpid()

    def close(self) -> None:
        """Close the connection, unless it belongs to the parent process."""
        if self.mine():
            self.connection.close()


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn what SQLite reports about the file into one line with a remedy."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        remedy = next((words for part, words in _REMEDIES.items() if part in text), text)
        message = f"{path}: {remedy}"
        raise StoreError(message) from error


def open_file(path: str, *, create: bool = True) -> Handle:
    """Open the store in the file `path`.

    A file that may not be written is opened for reading.

    Raises
    ------
    MissingData
        If there is no file and `create` is False.
    StoreError
        If the file is not a store of defectflow, was made by a newer version or cannot be opened.
    """
    file = Path(path)
    if file.is_dir():
        message = f"{path}: a folder, not a store; give the path of a file"
        raise StoreError(message)
    if not file.exists():
        if not create:
            message = f"{path}: there is no store; run a recipe first or name another with --store"
            raise MissingData(message)
        _make_folder(file)
    elif not _may(file, os.W_OK):
        return _open_to_read(file)
    with explained(path):
        connection = _prepared(file, path)
    return Handle(connection=connection, read_only=False, process=os.getpid())


def _prepared(file: Path, path: str) -> sqlite3.Connection:
    """Return a connection to a store with its tables.

    While another process makes the file, its first page may be seen half written: a young file that
    is no database is looked at again.
    """
    for last in (False, False, False, True):
        connection = _connect(str(file))
        try:
            _prepare(connection, path)
        except sqlite3.DatabaseError as error:
            connection.close()
            young = file.exists() and time.time() - file.stat().st_mtime < _PATIENCE_S
            if last or not young or "not a database" not in str(error):
                raise
            time.sleep(_AGAIN_S)
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise AssertionError


def _may(file: Path, mode: int) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(file, mode, effective_ids=effective)


def _make_folder(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{file}: cannot make its folder: {error.strerror}; choose another path"
        raise StoreError(message) from error


def _connect(name: str, *, uri: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(
        name, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False, uri=uri
    )


def _open_to_read(file: Path) -> Handle:
    if not _may(file, os.R_OK):
        message = f"{file}: no permission to read; ask its owner or choose another with --store"
        raise StoreError(message)
    log = file.with_name(f"{file.name}-wal")
    settled = not log.exists() or log.stat().st_size == 0
    uri = f"{file.resolve().as_uri()}?mode=ro{'&immutable=1' if settled else ''}"
    with explained(str(file)):
        connection = _connect(uri, uri=True)
        try:
            _recognise(connection, str(file), required=True)
        except BaseException:
            connection.close()
            raise
    return Handle(connection=connection, read_only=True, process=os.getpid())


def _prepare(connection: sqlite3.Connection, path: str) -> None:
    if not _recognise(connection, path):
        _write_ahead(connection)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {LAYOUT_VERSION}")
        connection.execute("COMMIT")
    # In WAL mode this keeps the file whole even if the machine loses power.
    connection.execute("PRAGMA synchronous = NORMAL")


@contextmanager
def _snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _recognise(connection: sqlite3.Connection, path: str, *, required: bool = False) -> bool:
    """Tell whether the file is a store; False for an empty database, an error otherwise.

    All is read in one transaction: another process may be making the store just now.
    """
    with _snapshot(connection):
        application = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application == APPLICATION_ID:
        if version > LAYOUT_VERSION:
            message = (
                f"{path}: made by a newer defectflow (layout {version}, this one reads"
                f" {LAYOUT_VERSION}); upgrade defectflow or choose another store"
            )
            raise StoreError(message)
        return True
    if application or version or tables or required:
        message = f"{path}: {_REMEDIES['not a database']}"
        raise StoreError(message)
    return False


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Switch to WAL; two processes that create the file at once take turns."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
