"""An open store: job outputs, results among them, finished work to reuse, and the runs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import ValidationError

from defectflow.errors import DefectflowError
from defectflow.store.large import MOVED
from defectflow.store.runs import Runs
from defectflow.structures import hosts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from maggma.core import Store as MaggmaStore

    from defectflow.documents.base import ResultDocument
    from defectflow.store.guard import GuardedJobStore

logger = logging.getLogger(__name__)

#: Fields of an output document that searches must be fast on.
SEARCHED: Final = (
    "job_key",
    "output.quantity",
    "output.key",
    "output.species",
    "output.host",
    "output.recipe",
)


class Store:
    """Where documents and job outputs live. Made by `open_store`.

    Attributes
    ----------
    url
        What was opened, without any password.
    jobs
        The jobflow store; any workflow manager can write to it.
    runs
        Records of the runs.
    """

    def __init__(
        self, url: str, jobs: GuardedJobStore, records: MaggmaStore, path: Path | None = None
    ) -> None:
        self.url = url
        self.jobs = jobs
        self.runs = Runs(records)
        self._records = records
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def folder(self) -> Path:
        """Where jobs keep their files while they run: ``.defectflow`` beside the store's file."""
        if self._path is None:
            return Path.cwd() / ".defectflow"
        parent = self._path.parent
        return parent if parent.name == ".defectflow" else parent / ".defectflow"

    def find(
        self,
        *,
        quantity: str | None = None,
        species: str | None = None,
        host: str | None = None,
        key: str | None = None,
        recipe: str | None = None,
    ) -> list[ResultDocument]:
        """Return results, newest first and only the newest of each key.

        No code named in the store is imported. An output that looks like a result but cannot be
        read is left out with a warning.

        Parameters
        ----------
        quantity, species, host, key, recipe
            Required values of the document's fields; None for any. As host a formula finds the
            prototypes of that formula too.
        """
        asked = {
            "quantity": quantity,
            "species": species,
            "host": host,
            "key": key,
            "recipe": recipe,
        }
        criteria: dict[str, Any] = {f"output.{name}": one for name, one in asked.items() if one}
        if host and len(names := hosts.named(host)) > 1:
            criteria["output.host"] = {"$in": list(names)}
        criteria.setdefault("output.quantity", {"$exists": True})
        criteria.setdefault("output.key", {"$exists": True})
        newest: dict[str, tuple[int, ResultDocument]] = {}
        # Of equal keys the one that was filed last counts: clocks jump, and differ by machine.
        wanted = ["uuid", "output", MOVED]
        for position, found in enumerate(self.jobs.docs_store.query(criteria, wanted)):
            result = _read_result(found, self.jobs)
            if result is not None:
                newest[result.key] = (position, result)
        ordered = sorted(newest.values(), key=lambda pair: (pair[1].created, pair[0]), reverse=True)
        return [result for _, result in ordered]

    def file(self, document: Mapping[str, Any], job_key: str | None = None) -> None:
        """Write the output of a job; with `job_key` it may stand in for an equal job later.

        Parameters
        ----------
        document
            As jobflow makes it: uuid, index, output, name, hosts, metadata, completed_at.
        job_key
            Content key of the job; None for an output that must not be reused.
        """
        filed = dict(document) if job_key is None else {**document, "job_key": job_key}
        self.jobs.update(filed, key=["uuid", "index"])

    def finished(self, job_key: str) -> dict[str, Any] | None:
        """Return the output document that was filed last under `job_key`, or None.

        One that lacks its output (half written by someone) is passed over.
        """
        found = [
            document
            for document in self.jobs.docs_store.query({"job_key": job_key})
            if {"uuid", "index", "output"} <= document.keys()
        ]
        return found[-1] if found else None

    def close(self) -> None:
        """Close all connections."""
        self.jobs.close()  # type: ignore[no-untyped-call]
        self._records.close()


def _read_result(found: dict[str, Any], jobs: GuardedJobStore) -> ResultDocument | None:
    from defectflow.documents import load_result
    from defectflow.store.guard import untrusted_names

    try:
        output = jobs.whole(found)["output"]
        refused = untrusted_names(output)
        if refused:
            # Even crystals carry properties that pymatgen would rebuild by class name.
            logger.warning("output %s names %s: left out", found.get("uuid"), sorted(refused))
            return None
        return load_result(output)
    except (DefectflowError, ValidationError) as error:
        first = str(error).splitlines()[0]
        logger.warning("output %s is not a result that can be read: %s", found.get("uuid"), first)
        return None
