"""Outputs on a server for a workflow manager that writes to the collection itself.

jobflow-remote takes documents from a worker's file to the collection without jobflow's store, and
so without ours: what divides large documents must be the collection.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from monty.json import jsanitize

from defectflow.store.blobs import blobs_of
from defectflow.store.large import MOVED, parted, whole
from defectflow.store.server import ServerStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maggma.core import Sort

    from defectflow.store.blobs import Blobs


class PartedStore(ServerStore):
    """A collection of outputs whose large parts lie where those of the database lie.

    It reads and writes documents of any size; `GuardedJobStore` with its `blobs` reads them too.
    """

    @cached_property
    def _blobs(self) -> Blobs:
        return blobs_of(self.server_database)

    def close(self) -> None:
        """Close the connection, and that of the parts with it."""
        super().close()  # type: ignore[no-untyped-call]
        vars(self).pop("_blobs", None)

    def query(  # type: ignore[override]  # as MongoStore, which differs from its base
        self,
        criteria: dict[str, Any] | None = None,
        properties: dict[str, Any] | list[str] | None = None,
        sort: dict[str, Sort | int] | None = None,
        hint: dict[str, Sort | int] | None = None,
        skip: int = 0,
        limit: int = 0,
        **options: Any,
    ) -> Iterator[dict[str, Any]]:
        """Yield documents with their large parts in place.

        Raises
        ------
        StoreError
            If a part is missing or damaged.
        """
        if isinstance(properties, dict):
            properties = {**properties, MOVED: 1}
        elif properties is not None:
            properties = [*properties, MOVED]
        found = super().query(criteria, properties, sort, hint, skip, limit, **options)
        for document in found:
            yield whole(document, self._blobs)

    def update(
        self, docs: list[dict[str, Any]] | dict[str, Any], key: list[str] | str | None = None
    ) -> None:
        """Write documents, their large parts first.

        Raises
        ------
        StoreError
            If a part cannot be written.
        """
        given = docs if isinstance(docs, list) else [docs]
        plain = [jsanitize(one, strict=True, allow_bson=True) for one in given]
        super().update([parted(one, self._blobs) for one in plain], key)
