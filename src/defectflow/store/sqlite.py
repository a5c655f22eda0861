"""A maggma store in one SQLite file: indexed, shared by processes, safe against ``kill -9``.

Documents are JSON text, so NaN and Infinity survive. Fields that are searched by have a real
column with an index beside the text; the column holds the value of the field where it is a scalar,
an empty blob where it is anything else (a list, NaN, null) and NULL where the field is missing.
A search narrows by columns first and then checks each remaining document in full, so a column can
make a search fast but never wrong.

The file is in WAL mode: readers never wait for the writer, a process that dies leaves the last
finished transaction, and each update is one transaction.
"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from contextlib import contextmanager
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from maggma.core import Sort, Store

from defectflow.errors import StoreError
from defectflow.store import database
from defectflow.store.matching import Document, matches, order_key, project, values_at

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Stands in a column for a value that SQL must not compare.
_OPAQUE: Final = b""
_BATCH: Final = 200
_INT64: Final = 2**63


class SQLiteStore(Store):
    """One collection of documents in one table of an SQLite file.

    Parameters
    ----------
    path
        The file; created with its folder on `connect` unless `create` is False.
    collection_name
        Name of the table.
    unique
        Fields that together identify a document (for jobflow: uuid and index).
    indexed
        Further fields (dotted names allowed) that searches must be fast on.
    create
        Whether a missing file is created.
    **kwargs
        `key`, `last_updated_field`, `last_updated_type` and `validator` of a maggma store.

    Examples
    --------
    >>> import tempfile
    >>> with SQLiteStore(tempfile.mkdtemp() + "/a.sqlite", key="name") as store:
    ...     store.update({"name": "Mg", "barrier_eV": float("nan")})
    ...     store.query_one({"name": "Mg"})["barrier_eV"]
    nan
    """

    def __init__(
        self,
        path: str | Path,
        collection_name: str = "documents",
        unique: Sequence[str] = ("uuid", "index"),
        indexed: Sequence[str] = (),
        create: bool = True,  # noqa: FBT001, FBT002 - maggma rebuilds stores from their attributes
        **kwargs: Any,
    ) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", collection_name):
            message = f"collection name {collection_name!r}: use letters, digits and underscores"
            raise StoreError(message)
        self.path = str(path)
        self.collection_name = collection_name
        self.unique = tuple(unique)
        self.indexed = tuple(indexed)
        self.create = create
        self.kwargs = kwargs
        self._handle: database.Handle | None = None
        self._columns: tuple[str, ...] = ()
        self._schema_version = -1
        self._lock = threading.RLock()
        super().__init__(**kwargs)

    @property
    def name(self) -> str:
        """Name of this source of data."""
        return f"sqlite://{self.path}/{self.collection_name}"

    @property
    def _collection(self) -> sqlite3.Connection:
        return self._connection()

    def connect(self, force_reset: bool = False) -> None:  # noqa: FBT001, FBT002 - maggma's
        """Open the file, creating the table and its columns where they are missing."""
        with self._lock:
            if force_reset:
                self.close()
            self._connection()

    def close(self) -> None:
        """Close the file; a later operation opens it again."""
        with self._lock:
            if self._handle is not None:
                self._handle.close()
            self._handle = None

    def count(self, criteria: Mapping[str, Any] | None = None) -> int:
        """Count the documents that satisfy `criteria`."""
        if not criteria:
            with self._guarded():
                if not self._current_columns(self._connection()):
                    return 0
                row = self._connection().execute(f"SELECT count(*) FROM {self._table}").fetchone()
            return int(row[0])
        return sum(1 for _ in self._scan(criteria))

    def query(
        self,
        criteria: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | Sequence[str] | None = None,
        sort: Mapping[str, Sort | int] | None = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Iterator[Document]:
        """Yield the documents that satisfy `criteria`, in order of insertion unless sorted."""
        found: Iterator[Document] = self._scan(criteria or {})
        if sort:
            found = iter(_sorted(list(found), sort))
        for position, document in enumerate(found):
            if position < skip:
                continue
            if limit and position >= skip + limit:
                return
            yield project(document, properties) if properties else document

    def update(
        self, docs: Sequence[Document] | Document, key: Sequence[str] | str | None = None
    ) -> None:
        """Replace the documents that agree in `key`, or insert, all in one transaction.

        Raises
        ------
        StoreError
            If the file cannot be written; then nothing of `docs` is in it.
        """
        documents = docs if isinstance(docs, (list, tuple)) else [docs]
        fields = [key] if isinstance(key, str) else list(key or [self.key])
        texts = [(document, _encode(document)) for document in documents if self._valid(document)]
        with self._transaction() as connection:
            for document, text in texts:
                self._put(connection, document, text, fields)

    def remove_docs(self, criteria: Mapping[str, Any]) -> None:
        """Delete the documents that satisfy `criteria`."""
        rows = [(row,) for row, _ in self._rows(criteria or {})]
        with self._transaction() as connection:
            connection.executemany(f"DELETE FROM {self._table} WHERE _row = ?", rows)

    def ensure_index(self, key: str, unique: bool = False) -> bool:  # noqa: FBT001, FBT002
        """Give the field `key` an indexed column; return False where `unique` cannot hold."""
        try:
            with self._transaction() as connection:
                self._add_column(connection, key)
                if unique:
                    connection.execute(self._index_statement([key], unique=True))
        except StoreError as error:
            if isinstance(error.__cause__, sqlite3.IntegrityError):
                return False
            raise
        return True

    def groupby(
        self,
        keys: Sequence[str] | str,
        criteria: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | Sequence[str] | None = None,
        sort: Mapping[str, Sort | int] | None = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Iterator[tuple[Document, list[Document]]]:
        """Yield ``(values of keys, documents)`` for each combination of values that occurs."""
        fields = [keys] if isinstance(keys, str) else list(keys)
        wanted = [*fields, *properties] if properties else None
        found = self.query(criteria, wanted, sort, skip, limit)
        complete = [one for one in found if all(values_at(one, field) for field in fields)]

        def values(document: Document) -> tuple[tuple[int, Any], ...]:
            return tuple(order_key(document, field) for field in fields)

        for _, members in groupby(sorted(complete, key=values), key=values):
            group = list(members)
            yield _nested({field: values_at(group[0], field)[0] for field in fields}), group

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SQLiteStore):
            return NotImplemented
        return (self.path, self.collection_name) == (other.path, other.collection_name)

    def __hash__(self) -> int:
        return hash((self.path, self.collection_name))

    @property
    def _table(self) -> str:
        return f'"{self.collection_name}"'

    def _valid(self, document: Document) -> bool:
        if self.validator is None or self.validator.is_valid(document):
            return True
        if self.validator.strict:
            raise ValueError(self.validator.validation_errors(document))
        self.logger.error(self.validator.validation_errors(document))
        return False

    def _connection(self) -> sqlite3.Connection:
        if self._handle is None or not self._handle.mine():
            self._handle = database.open_file(self.path, create=self.create)
            self._schema_version = -1
            if not self._handle.read_only:
                self._prepare_table()
        return self._handle.connection

    def _prepare_table(self) -> None:
        connection = self._connection()
        if {*self.unique, *self.indexed, self.key} <= set(self._current_columns(connection)):
            return
        with self._transaction():
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {self._table}"
                " (_row INTEGER PRIMARY KEY, _text TEXT NOT NULL)"
            )
            for field in dict.fromkeys([*self.unique, *self.indexed, self.key]):
                self._add_column(connection, field)
            if self.unique:
                connection.execute(self._index_statement(self.unique, unique=True))

    def _current_columns(self, connection: sqlite3.Connection) -> tuple[str, ...]:
        """Return the columns; another process may have added some since the last call."""
        version = connection.execute("PRAGMA schema_version").fetchone()[0]
        if version != self._schema_version:
            rows = connection.execute(f"PRAGMA table_info({self._table})").fetchall()
            self._columns = tuple(row[1] for row in rows if row[1] not in {"_row", "_text"})
            self._schema_version = version
        return self._columns

    def _add_column(self, connection: sqlite3.Connection, field: str) -> None:
        if field in self._current_columns(connection):
            return
        if '"' in field:
            message = f"field name {field!r} holds a quotation mark and cannot be indexed"
            raise StoreError(message)
        connection.execute(f'ALTER TABLE {self._table} ADD COLUMN "{field}"')
        for row, text in connection.execute(f"SELECT _row, _text FROM {self._table}").fetchall():
            connection.execute(
                f'UPDATE {self._table} SET "{field}" = ? WHERE _row = ?',
                (_column_value(_decode(text), field), row),
            )
        connection.execute(self._index_statement([field], unique=False))

    def _index_statement(self, fields: Sequence[str], *, unique: bool) -> str:
        kind = "unique" if unique else "by"
        index = f'"{self.collection_name}_{kind}_{"_".join(fields)}"'
        columns = ", ".join(f'"{field}"' for field in fields)
        word = "UNIQUE " if unique else ""
        return f"CREATE {word}INDEX IF NOT EXISTS {index} ON {self._table} ({columns})"

    def _put(
        self, connection: sqlite3.Connection, document: Document, text: str, fields: list[str]
    ) -> None:
        missing = [field for field in fields if not values_at(document, field)]
        if missing:
            message = f"document without the field {missing[0]!r} that identifies it in {self.name}"
            raise StoreError(message)
        criteria = {field: values_at(document, field)[0] for field in fields}
        row = next((row for row, _ in self._rows(criteria)), None)
        columns = self._current_columns(connection)
        names = ["_row", "_text", *columns]
        values = [row, text, *(_column_value(document, column) for column in columns)]
        placed = ", ".join(f'"{name}"' for name in names)
        marks = ", ".join("?" * len(names))
        connection.execute(f"REPLACE INTO {self._table} ({placed}) VALUES ({marks})", values)

    def _scan(self, criteria: Mapping[str, Any]) -> Iterator[Document]:
        return (document for _, document in self._rows(criteria))

    def _rows(self, criteria: Mapping[str, Any]) -> Iterator[tuple[int, Document]]:
        with self._guarded():
            connection = self._connection()
            columns = self._current_columns(connection)
            if not columns:  # opened for reading before this collection was ever written
                return
            where, values = _narrow(criteria, columns)
            statement = f"SELECT _row FROM {self._table}{where} ORDER BY _row"
            rows = [row[0] for row in connection.execute(statement, values)]
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            marks = ", ".join("?" * len(batch))
            with self._guarded():
                found = connection.execute(
                    f"SELECT _row, _text FROM {self._table} WHERE _row IN ({marks}) ORDER BY _row",
                    batch,
                ).fetchall()
            for row, text in found:
                document = _decode(text)
                if matches(document, criteria):
                    yield row, document

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        with self._lock, database.explained(self.path):
            yield

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock of the file; undo everything if the block raises."""
        with self._guarded():
            connection = self._connection()
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


def _narrow(criteria: Mapping[str, Any], columns: tuple[str, ...]) -> tuple[str, list[Any]]:
    """Return a WHERE clause that no document satisfying `criteria` fails, and its values."""
    clauses: list[str] = []
    values: list[Any] = []
    for field, wanted in criteria.items():
        if field not in columns:
            continue
        if isinstance(wanted, dict) and "$in" in wanted:
            choices = list(wanted["$in"])
        elif isinstance(wanted, dict):
            if wanted.get("$exists"):
                clauses.append(f'"{field}" IS NOT NULL')
            choices = [wanted["$eq"]] if "$eq" in wanted else []
            if not choices:
                continue
        else:
            choices = [wanted]
        plain = [_plain(choice) for choice in choices]
        if any(choice is None or choice == _OPAQUE for choice in plain) or len(plain) > _BATCH:
            continue
        clauses.append(f'"{field}" IN ({", ".join("?" * (len(plain) + 1))})')
        values.extend([*plain, _OPAQUE])
    return (f" WHERE {' AND '.join(clauses)}" if clauses else ""), values


def _column_value(document: Document, field: str) -> Any:
    found = values_at(document, field)
    if not found:
        return None
    return _plain(found[0]) if len(found) == 1 and found[0] is not None else _OPAQUE


def _plain(value: Any) -> Any:
    """Return `value` as SQLite compares it, or the opaque mark (None for None)."""
    if value is None or type(value) is str or type(value) is bool:
        return value
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return int(value)
    if isinstance(value, float) and value == value:  # noqa: PLR0124 - NaN is NULL to SQLite
        return float(value)
    return str(value) if isinstance(value, str) else _OPAQUE


def _sorted(documents: list[Document], sort: Mapping[str, Sort | int]) -> list[Document]:
    for field, direction in reversed(list(sort.items())):
        downwards = (direction.value if isinstance(direction, Sort) else direction) < 0
        documents.sort(key=lambda one: order_key(one, field), reverse=downwards)
    return documents


def _nested(values: Mapping[str, Any]) -> Document:
    """Return ``{"a": {"b": 1}}`` for ``{"a.b": 1}``."""
    nested: Document = {}
    for field, value in values.items():
        *parents, last = field.split(".")
        inner = nested
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[last] = value
    return nested


def _encode(document: Document) -> str:
    return json.dumps(document, separators=(",", ":"), default=_to_json)


def _to_json(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"$date": value.isoformat()}
    from bson import ObjectId
    from monty.json import jsanitize

    if isinstance(value, ObjectId):
        return {"$oid": str(value)}
    return jsanitize(value, strict=True)


def _decode(text: str) -> Document:
    if '"$date"' in text or '"$oid"' in text:
        decoded: Document = json.loads(text, object_hook=_from_json)
    else:
        decoded = json.loads(text)
    return decoded


def _from_json(value: dict[str, Any]) -> Any:
    if len(value) == 1:
        if isinstance(value.get("$date"), str):
            return datetime.fromisoformat(value["$date"])
        if isinstance(value.get("$oid"), str):
            from bson import ObjectId

            return ObjectId(value["$oid"])
    return value
