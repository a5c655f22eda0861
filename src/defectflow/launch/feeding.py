"""Keeping as many queue jobs in the queue as there is work for, through FireWorks' launcher."""

from __future__ import annotations

import logging
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import DefectflowError, EngineError
from defectflow.launch import queues
from defectflow.launch.launchpads import COLLECTION
from defectflow.launch.site import DEFAULT_KIND

if TYPE_CHECKING:
    from collections.abc import Collection

    from fireworks import LaunchPad

    from defectflow.launch.site import Site

logger = logging.getLogger(__name__)
#: What the records of queue jobs are called in the launchpad's database.
QUEUE_JOB: Final = "queue job"


def category_query(kind: str, *, besides: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the launchpad query for jobs of one kind, and of others `besides`."""
    own = None if kind == DEFAULT_KIND else kind  # None finds what has no category
    return {"spec._category": {"$in": [own, *besides]}}


def worker_command(store: str, queue: str, kind: str, folder: str) -> str:
    """Return what a queue job of one kind runs."""
    words = [sys.executable, "-m", "defectflow.launch.worker"]
    words += ["--store", store, "--queue", queue, "--kind", kind]
    return shlex.join([*words, "--folder", folder])


@dataclass(frozen=True)
class Feeder:
    """Submits queue jobs for the ready jobs of a launchpad.

    Attributes
    ----------
    queue
        Path of the queue file, for the workers.
    store
        URL of the store, without a password.
    folder
        Folder that all machines see; jobs and queue jobs keep their files there.
    """

    pad: LaunchPad
    site: Site
    queue: str
    store: str
    folder: str

    def command(self, kind: str) -> str:
        """Return what a queue job of one kind runs."""
        return worker_command(self.store, self.queue, kind, self.folder)

    def feed(self) -> list[str]:
        """Submit queue jobs where ready jobs outnumber them; return their numbers.

        Raises
        ------
        EngineError
            If the queue does not answer or refuses a job.
        """
        missing = queues.submit_missing(self.site)
        if missing:
            message = f"{missing} is not found; submit on a machine that has the queue's commands"
            raise EngineError(message)
        listed = queues.listed(self.site)
        here = [(one["kind"], listed[one["number"]]) for one in self.records(listed)]
        numbers: list[str] = []
        for kind in self.site.kinds:
            jobs = [job for known, job in here if known == kind]
            waiting = sum(not job.begun for job in jobs)
            ready = self.pad.fireworks.count_documents({"state": "READY", **category_query(kind)})
            wanted = min(self.site.jobs - len(jobs), ready - waiting)
            numbers += [self._submit(kind) for _ in range(wanted)]
        return numbers

    def feed_quietly(self) -> None:
        """Submit what is needed next, from inside a queue job; some sites forbid that."""
        try:
            self.feed()
        except DefectflowError as error:
            logger.warning("no further queue jobs from here (%s): run defectflow retry", error)

    def records(self, listed: Collection[str]) -> list[dict[str, Any]]:
        """Return the records of this launchpad's queue jobs that the queue lists; drop others."""
        records = list(self.pad.db[COLLECTION].find({"what": QUEUE_JOB}).sort("submitted", 1))
        gone = [one["_id"] for one in records if one["number"] not in listed]
        if gone:
            self.pad.db[COLLECTION].delete_many({"_id": {"$in": gone}})
        return [one for one in records if one["number"] in listed]

    def _submit(self, kind: str) -> str:
        from fireworks import FWorker
        from fireworks.queue.queue_launcher import launch_rocket_to_queue

        place = Path(self.folder) / "queue"
        place.mkdir(parents=True, exist_ok=True)
        adapter = queues.adapter(self.site, kind, self.command(kind))
        number = launch_rocket_to_queue(
            self.pad,
            FWorker(query=category_query(kind)),
            adapter,
            str(place),
            strm_lvl="CRITICAL",
            create_launcher_dir=True,
            fill_mode=True,
        )
        if not number:
            command = queues.SUBMIT_COMMANDS[self.site.scheduler]
            script = f"{place}/launcher_*/FW_submit.script"
            message = f"the queue refused a job; try the newest of {script} with {command}"
            raise EngineError(message)
        self.pad.db[COLLECTION].insert_one(
            {
                "what": QUEUE_JOB,
                "number": str(number),
                "kind": kind,
                "folder": str(place),
                "submitted": datetime.now(UTC).isoformat(),
            }
        )
        return str(number)
