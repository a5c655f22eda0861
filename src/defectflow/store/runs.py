"""The diary of runs: what was started, by which process, and how it ended."""

from __future__ import annotations

import os
import platform
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from defectflow.documents.base import Document, now
from defectflow.errors import MissingData

if TYPE_CHECKING:
    from maggma.core import Store as MaggmaStore

RunState = Literal["running", "completed", "failed", "interrupted"]


class RunLabel(Document):
    """What a run is called: the recipe, where it lies, its result's key and the command line."""

    recipe: str
    recipe_path: str | None = None
    key: str | None = None
    command: str = ""


class RunRecord(RunLabel):
    """One run of one recipe.

    Attributes
    ----------
    process_started
        When the process started, in the kernel's own count: a process number is used again, the
        pair is not.
    error
        What went wrong, one line per failed job.
    """

    run_id: str
    state: RunState
    pid: int
    host: str
    process_started: str
    started: str
    ended: str | None = None
    jobs_done: int = 0
    jobs_total: int = 0
    error: str | None = None

    def settled(self) -> RunRecord:
        """Return the record as it is in truth: a run whose process is gone was interrupted."""
        if self.state != "running" or self.host != platform.node():
            return self
        if process_start(self.pid) == self.process_started:
            return self
        return self.model_copy(
            update={"state": "interrupted", "error": f"process {self.pid} ended without a word"}
        )


class Runs:
    """Run records in a maggma store.

    Examples
    --------
    >>> from defectflow.store import open_store
    >>> runs = open_store("memory://").runs
    >>> run = runs.start(RunLabel(recipe="mg-tis2"))
    >>> runs.end(run.run_id, "completed").state
    'completed'
    """

    def __init__(self, records: MaggmaStore) -> None:
        self._records = records

    def start(self, label: RunLabel) -> RunRecord:
        """File a run that this process begins now."""
        record = RunRecord(
            **label.model_dump(include=set(RunLabel.model_fields)),
            run_id=uuid.uuid4().hex,
            state="running",
            pid=os.getpid(),
            host=platform.node(),
            process_started=process_start(os.getpid()),
            started=now(),
        )
        return self._put(record)

    def progress(self, run_id: str, done: int, total: int) -> RunRecord:
        """Note how many jobs are done."""
        return self._change(run_id, {"jobs_done": done, "jobs_total": total})

    def end(self, run_id: str, state: RunState, error: str | None = None) -> RunRecord:
        """Note how the run ended."""
        return self._change(run_id, {"state": state, "ended": now(), "error": error})

    def get(self, run_id: str) -> RunRecord:
        """Return the record of a run.

        Raises
        ------
        MissingData
            If there is no such run.
        """
        found = self._records.query_one({"run_id": run_id})
        if found is None:
            message = f"there is no run {run_id} in {self._records.name}; see defectflow status"
            raise MissingData(message)
        return _record(found).settled()

    def all(self) -> list[RunRecord]:
        """Return all runs, newest first; those whose process died are shown as interrupted."""
        records = [_record(found) for found in self._records.query({"run_id": {"$exists": True}})]
        newest = sorted(enumerate(records), key=lambda pair: (pair[1].started, pair[0]))
        return [record.settled() for _, record in reversed(newest)]

    def _change(self, run_id: str, changes: dict[str, Any]) -> RunRecord:
        found = self._records.query_one({"run_id": run_id})
        return self._put(_record({**(found or {}), **changes}))

    def _put(self, record: RunRecord) -> RunRecord:
        self._records.update(record.model_dump(mode="json"), key="run_id")
        return record


def _record(found: dict[str, Any]) -> RunRecord:
    return RunRecord(**{name: found[name] for name in RunRecord.model_fields if name in found})


def process_start(pid: int) -> str:
    """Return the start time of a process as the kernel counts it; empty if it does not run."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return "" if Path("/proc/self").exists() or not _alive(pid) else "unknown"
    fields = text.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
