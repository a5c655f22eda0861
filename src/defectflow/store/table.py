"""One table of an SQLite file as a collection of documents.

Documents are JSON text, so NaN and Infinity survive. Fields that are searched by have a real
column with an index beside the text. A search narrows by columns first and then checks each
remaining document in full, so a column can make a search fast but never wrong.
"""
# ruff: noqa: S608 - names of tables and columns are checked before they enter a statement

from __future__ import annotations

import logging
import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import StoreError
from defectflow.store import database
from defectflow.store.matching import Document, matches, values_at
from defectflow.store.rows import column_value, decode, narrow

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Mapping, Sequence

logger = logging.getLogger(__name__)

_BATCH: Final = 200
_OWN_COLUMNS: Final = frozenset({"_row", "_text"})


class Table:
    """Documents in one table; opened on first use and again after a fork.

    Parameters
    ----------
    path
        The file.
    name
        Name of the table.
    unique
        Fields that together identify a document.
    indexed
        Further fields that searches must be fast on; dotted names are allowed.
    create
        Whether a missing file is created.
    """

    def __init__(
        self,
        path: str,
        name: str,
        unique: Sequence[str] = (),
        indexed: Sequence[str] = (),
        *,
        create: bool = True,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
            message = f"collection name {name!r}: use letters, digits and underscores"
            raise StoreError(message)
        self.path = path
        self.name = name
        self.unique = tuple(unique)
        self.indexed = tuple(indexed)
        self.create = create
        self._handle: database.Handle | None = None
        self._columns: tuple[str, ...] = ()
        self._schema_version = -1
        self._lock = threading.RLock()

    @property
    def connection(self) -> sqlite3.Connection:
        """The open connection of this process."""
        if self._handle is None or not self._handle.mine():
            self._handle = database.open_file(self.path, create=self.create)
            self._schema_version = -1
            if not self._handle.read_only:
                self._prepare()
        return self._handle.connection

    def open(self) -> None:
        """Open the file, creating the table and its columns where they are missing."""
        with self._guarded() as connection:
            connection.execute("SELECT 1")

    def close(self) -> None:
        """Close the file; a later operation opens it again."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = None

    def size(self) -> int:
        """Return the number of documents."""
        with self._guarded() as connection:
            if not self._current_columns():
                return 0
            row = connection.execute(f'SELECT count(*) FROM "{self.name}"').fetchone()
        return int(row[0])

    def rows(self, criteria: Mapping[str, Any]) -> Iterator[tuple[int, Document]]:
        """Yield row numbers and documents that satisfy `criteria`, in order of insertion."""
        with self._guarded() as connection:
            columns = self._current_columns()
            if not columns:  # opened for reading before this collection was ever written
                return
            where, values = narrow(criteria, columns)
            statement = f'SELECT _row FROM "{self.name}"{where} ORDER BY _row'
            numbers = [row[0] for row in connection.execute(statement, values)]
        for start in range(0, len(numbers), _BATCH):
            for number, text in self._texts(numbers[start : start + _BATCH]):
                document = self._decoded(number, text)
                if document is not None and matches(document, criteria):
                    yield number, document

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock of the file; undo everything if the block raises.

        Raises
        ------
        StoreError
            If the file cannot be written.
        """
        with self._guarded() as connection:
            if connection.in_transaction:
                yield connection
                return
            if self._handle is not None and self._handle.read_only:
                message = f"{self.path}: the store is read-only; choose another with --store"
                raise StoreError(message)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                self._schema_version = -1
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def put(self, document: Document, text: str, key: Sequence[str]) -> None:
        """Replace the document that agrees with `document` in the fields `key`, or insert it."""
        missing = [field for field in key if not values_at(document, field)]
        if missing:
            message = f"{self.path}: a document of {self.name} lacks its key field {missing[0]!r}"
            raise StoreError(message)
        criteria = {field: {"$eq": values_at(document, field)[0]} for field in key}
        number = next((number for number, _ in self.rows(criteria)), None)
        with self.transaction() as connection:
            columns = self._current_columns()
            values = [number, text, *(column_value(document, column) for column in columns)]
            names = ", ".join(f'"{name}"' for name in ("_row", "_text", *columns))
            marks = ", ".join("?" * len(values))
            connection.execute(f'REPLACE INTO "{self.name}" ({names}) VALUES ({marks})', values)

    def delete(self, criteria: Mapping[str, Any]) -> None:
        """Delete the documents that satisfy `criteria`."""
        with self.transaction() as connection:
            numbers = [(number,) for number, _ in self.rows(criteria)]
            connection.executemany(f'DELETE FROM "{self.name}" WHERE _row = ?', numbers)

    def add_column(self, field: str, *, unique: bool = False) -> None:
        """Give `field` an indexed column, filled from the documents that are there."""
        if '"' in field:
            message = f"{self.path}: field name {field!r} holds a quotation mark: cannot index it"
            raise StoreError(message)
        with self.transaction() as connection:
            if field not in self._current_columns():
                connection.execute(f'ALTER TABLE "{self.name}" ADD COLUMN "{field}"')
                for number, document in self.rows({}):
                    connection.execute(
                        f'UPDATE "{self.name}" SET "{field}" = ? WHERE _row = ?',
                        (column_value(document, field), number),
                    )
                self._index([field])
            if unique:
                self._index([field], unique=True)

    def _prepare(self) -> None:
        wanted = dict.fromkeys([*self.unique, *self.indexed])
        if set(wanted) <= set(self._current_columns()) and self._columns:
            return
        with self.transaction() as connection:
            connection.execute(
                f'CREATE TABLE IF NOT EXISTS "{self.name}"'
                " (_row INTEGER PRIMARY KEY, _text TEXT NOT NULL)"
            )
            for field in wanted:
                self.add_column(field)
            if self.unique:
                self._index(self.unique, unique=True)

    def _index(self, fields: Sequence[str], *, unique: bool = False) -> None:
        kind = "unique" if unique else "by"
        columns = ", ".join(f'"{field}"' for field in fields)
        self.connection.execute(
            f"CREATE {'UNIQUE ' if unique else ''}INDEX IF NOT EXISTS"
            f' "{self.name}_{kind}_{"_".join(fields)}" ON "{self.name}" ({columns})'
        )

    def _current_columns(self) -> tuple[str, ...]:
        """Return the columns; another process may have added some since the last call."""
        connection = self.connection
        version = connection.execute("PRAGMA schema_version").fetchone()[0]
        if version != self._schema_version:
            rows = connection.execute(f'PRAGMA table_info("{self.name}")').fetchall()
            self._columns = tuple(row[1] for row in rows if row[1] not in _OWN_COLUMNS)
            self._schema_version = version
        return self._columns

    def _decoded(self, number: int, text: str) -> Document | None:
        """Return a document; None, with a warning, for a text that is damaged."""
        try:
            return {"_id": number, **decode(text)}
        except (ValueError, TypeError):
            where = f"{self.path}: row {number} of {self.name}"
            logger.warning("%s cannot be read and is left out; run again to replace it", where)
            return None

    def _texts(self, numbers: list[int]) -> list[tuple[int, str]]:
        marks = ", ".join("?" * len(numbers))
        with self._guarded() as connection:
            return connection.execute(
                f'SELECT _row, _text FROM "{self.name}" WHERE _row IN ({marks}) ORDER BY _row',
                numbers,
            ).fetchall()

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        with self._lock, database.explained(self.path):
            yield self.connection
