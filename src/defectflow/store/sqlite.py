"""A maggma store in one SQLite file: indexed, shared by processes, safe against ``kill -9``.

The file is in WAL mode: readers never wait for the writer, a process that dies leaves the last
finished transaction, and each update is one transaction.
"""

from __future__ import annotations

import sqlite3
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from maggma.core import Sort, Store

from defectflow.errors import StoreError
from defectflow.store.matching import Document, order_key, project, values_at
from defectflow.store.rows import encode
from defectflow.store.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class SQLiteStore(Store):
    """One collection of documents in one table of an SQLite file.

    Like a MongoDB collection it gives each document an ``_id`` (the number of its row), which it
    does not take from outside.

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
        super().__init__(**kwargs)
        self.path = str(path)
        self.collection_name = collection_name
        self.unique = tuple(unique)
        self.indexed = tuple(indexed)
        self.create = create
        self.kwargs = kwargs
        searched = dict.fromkeys([*self.indexed, self.key])
        self._rows = Table(self.path, collection_name, self.unique, tuple(searched), create=create)

    @property
    def name(self) -> str:
        """Name of this source of data."""
        return f"sqlite://{self.path}/{self.collection_name}"

    @property
    def _collection(self) -> Table:
        return self._rows

    def connect(self, force_reset: bool = False) -> None:  # noqa: FBT001, FBT002 - maggma's
        """Open the file, creating the table and its columns where they are missing."""
        if force_reset:
            self._rows.close()
        self._rows.open()

    def close(self) -> None:
        """Close the file; a later operation opens it again."""
        self._rows.close()

    def count(self, criteria: Mapping[str, Any] | None = None) -> int:
        """Count the documents that satisfy `criteria`."""
        if not criteria:
            return self._rows.size()
        return sum(1 for _ in self._rows.rows(criteria))

    def query(
        self,
        criteria: Mapping[str, Any] | None = None,
        properties: Mapping[str, Any] | Sequence[str] | None = None,
        sort: Mapping[str, Sort | int] | None = None,
        skip: int = 0,
        limit: int = 0,
    ) -> Iterator[Document]:
        """Yield the documents that satisfy `criteria`, in order of insertion unless sorted."""
        found: Iterator[Document] = (document for _, document in self._rows.rows(criteria or {}))
        if sort:
            found = iter(_sorted(list(found), sort))
        for position, document in enumerate(found):
            if position < skip:
                continue
            if limit and position >= skip + limit:
                return
            yield project(document, properties) if properties else document

    def update(
        self, docs: list[Document] | Document, key: Sequence[str] | str | None = None
    ) -> None:
        """Replace the documents that agree in `key`, or insert, all in one transaction.

        Raises
        ------
        StoreError
            If the file cannot be written; then nothing of `docs` is in it.
        """
        given = docs if isinstance(docs, list) else [docs]
        documents = [{k: v for k, v in document.items() if k != "_id"} for document in given]
        fields = [key] if isinstance(key, str) else list(key or [self.key])
        texts = [(document, encode(document)) for document in documents if self._valid(document)]
        with self._rows.transaction():
            for document, text in texts:
                self._rows.put(document, text, fields)

    def remove_docs(self, criteria: Mapping[str, Any]) -> None:
        """Delete the documents that satisfy `criteria`."""
        self._rows.delete(criteria)

    def ensure_index(self, key: str, unique: bool = False) -> bool:  # noqa: FBT001, FBT002
        """Give the field `key` an indexed column; return False where `unique` cannot hold."""
        try:
            self._rows.add_column(key, unique=unique)
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

    def _valid(self, document: Document) -> bool:
        validator: Any = self.validator
        if validator is None or validator.is_valid(document):
            return True
        if validator.strict:
            raise ValueError(validator.validation_errors(document))
        self.logger.error(validator.validation_errors(document))
        return False


def _sorted(documents: list[Document], sort: Mapping[str, Sort | int]) -> list[Document]:
    for field, direction in reversed(list(sort.items())):
        downwards = (direction.value if isinstance(direction, Sort) else direction) < 0
        documents.sort(key=partial(order_key, path=field), reverse=downwards)
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
