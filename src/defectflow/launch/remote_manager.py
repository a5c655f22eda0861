"""Submissions over jobflow-remote: a project file, a queue in the store's database, a runner.

The project file holds no password: its stores are `ServerStore`, which asks for one to connect.
That of the outputs is a `PartedStore`: large outputs stay out of the database on this road too.
"""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from defectflow.errors import EngineError, StoreError
from defectflow.launch import queues, remote_run
from defectflow.launch.execution import steps_of
from defectflow.launch.launchpads import COLLECTION, STALE_S
from defectflow.launch.submissions import Submission, Trouble
from defectflow.store.parted import PartedStore
from defectflow.store.passwords import check_writable
from defectflow.store.server import ServerStore
from defectflow.store.urls import without_password

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow_remote.jobs.jobcontroller import JobController

    from defectflow.launch.site import Site
    from defectflow.launch.submissions import Order, State

PROJECT: Final = "defectflow"
_OWNER: Final = "jobflow-remote"
_COLLECTIONS: Final = {
    "flows_collection": "remote_flows",
    "auxiliary_collection": "remote_auxiliary",
    "batches_collection": "remote_batches",
}
_JOBS: Final = "remote_jobs"
_FAILED: Final = {"FAILED", "REMOTE_ERROR"}
_STOPPED: Final = {"USER_STOPPED", "STOPPED", "PAUSED"}
#: What jobflow-remote says of a job whose process has left no answer.
_ENDED: Final = ("does not contain the response", "was not present in the download")
_REMEDY: Final = "pip install 'defectflow[queues]'"


def project(url: str, folder: str, site: Site) -> dict[str, Any]:
    """Return jobflow-remote's project: one local worker for each kind of queue job.

    Raises
    ------
    RecipeError
        If jobflow-remote does not know the queue.
    """
    workers = {}
    program = f"{shlex.quote(sys.executable)} -m {remote_run.__name__} {{}}"
    kinds = f" --kinds {' '.join(site.steps)}" if site.steps else ""
    for kind in site.kinds:
        given = queues.resources(site, kind)
        marks = [f"{queues.directive(site)} {line}" for line in site.directives]
        workers[kind] = {
            "type": "local",
            "scheduler_type": site.scheduler,
            "work_dir": str(Path(folder) / "remote" / kind),
            "max_jobs": site.jobs,
            "resources": given,
            "pre_run": "\n".join([*marks, *queues.preamble(site, kind)]),
            "execution_cmd": program + kinds,
        }
    outputs = PartedStore(url, "outputs").as_dict()
    return {
        "name": PROJECT,
        "base_dir": str(Path(folder) / "remote" / "project"),
        "workers": workers,
        "queue": {"store": ServerStore(url, _JOBS).as_dict(), **_COLLECTIONS},
        "jobstore": {
            "@module": "jobflow.core.store",
            "@class": "JobStore",
            "docs_store": outputs,
        },
        "runner": {"delay_checkout": 5, "delay_check_run_status": 5, "delay_advance_status": 5},
    }


@dataclass(frozen=True)
class RemoteManager:
    """Submits to jobflow-remote's queue; its runner hands the jobs on.

    Attributes
    ----------
    controller
        jobflow-remote's own hand on its database.
    file
        The project file.
    """

    controller: JobController
    file: Path
    site: Site | None = None

    @classmethod
    def made(cls, url: str, folder: str, site: Site, queue: str) -> RemoteManager:
        """Return the manager of a store, with a project file and a queue where there was none.

        Raises
        ------
        StoreError
            If the database holds a queue of jobflow-remote that is not ours.
        EngineError
            If jobflow-remote is not installed.
        """
        check_writable(url)
        content = project(url, folder, site)
        file = Path(folder) / "remote" / "projects" / f"{PROJECT}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content, sort_keys=False))
        controller = _controller(content)
        _make_queue(controller, url, {"file": str(file), "queue": queue, "url": url})
        return cls(controller, file, site)

    @classmethod
    def found(cls, url: str) -> RemoteManager | None:
        """Return the manager of a store to which something was submitted, or None."""
        marks = ServerStore(url, COLLECTION)
        marks.connect()
        mark = marks.query_one({"_id": _OWNER})
        marks.close()  # type: ignore[no-untyped-call]
        if mark is None:
            return None
        file = Path(mark["file"])
        if not file.is_file():
            message = f"{file}: the project file of jobflow-remote is gone; submit again"
            raise EngineError(message)
        return cls(_controller(yaml.safe_load(file.read_text())), file)

    def submit(self, order: Order) -> bool:
        """Add a recipe's flow; return False if it was there already.

        Raises
        ------
        StoreError
            If a job is larger than a document of MongoDB may be.
        """
        from pymongo.errors import DuplicateKeyError

        _check_sizes(order)
        claims = self.controller.db[COLLECTION]
        record: dict[str, Any] = {
            **order.label(),
            "_id": f"remote {order.key}",
            "flow": order.flow.uuid,
            "at": time.time(),
            "submitted": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        try:
            claims.insert_one(record)
        except DuplicateKeyError:
            held = claims.find_one({"_id": record["_id"]}) or record
            there = self.controller.flows.find_one({"uuid": held["flow"]}, {"uuid": 1})
            if there is not None or abs(time.time() - held["at"]) < STALE_S:
                return False
            mine = claims.replace_one({"_id": record["_id"], "at": held["at"]}, record)
            if not mine.modified_count:
                return False
        self._assign(order)
        self.controller.add_flow(order.flow, worker="default")
        return True

    def _assign(self, order: Order) -> None:
        """Give steps with resources of their own their worker.

        Jobs that come into being at run time get theirs in `remote_run`.
        """
        for step in steps_of(order.flow):
            kind = queues.step_kind(step.job)
            if self.site is not None and kind in self.site.steps:
                step.job.config.manager_config = {"worker": kind}
                step.job.config.response_manager_config = {"worker": "default"}

    def start(self) -> list[str]:
        """Say how the runner is started, if none runs."""
        runner = self.controller.get_running_runner()
        if isinstance(runner, dict):
            return []
        return [f"start the runner, once: {self.command('runner start')}"]

    def command(self, verb: str) -> str:
        """Return a command line of jobflow-remote for this project."""
        folder = shlex.quote(str(self.file.parent))
        return f"JFREMOTE_PROJECTS_FOLDER={folder} jf -p {PROJECT} {verb}"

    def submissions(self) -> list[Submission]:
        """Return everything that was submitted, newest first."""
        found = self.controller.db[COLLECTION].find({"flow": {"$exists": True}})
        return [self._submission(one) for one in found.sort("submitted", -1)]

    def cancel(self, keys: Sequence[str]) -> list[str]:
        """Stop flows: what waits will not run, what runs is taken out of the queue."""
        stopped = []
        for claim in self._claims(keys):
            jobs = self.controller.get_jobs_info(flow_ids=claim["flow"])
            live = [
                job for job in jobs if job.state.value not in {"COMPLETED", *_STOPPED, *_FAILED}
            ]
            running = [job.db_id for job in live if job.state.value != "WAITING"]
            if running:
                self.controller.stop_jobs(db_ids=running, raise_on_error=False, break_lock=True)
            if live:
                stopped.append(claim["key"])
                self.controller.db[COLLECTION].update_one(
                    {"_id": claim["_id"]},
                    {"$set": {"_id": claim["_id"], "cancelled": True}},
                )
        return stopped

    def retry(self, keys: Sequence[str]) -> list[str]:
        """Make failed and stopped jobs ready again."""
        again = []
        for claim in self._claims(keys):
            for job in self.controller.get_jobs_info(flow_ids=claim["flow"]):
                if job.state.value in {*_FAILED, "USER_STOPPED"}:
                    # The files stay: what the job has reached is in them.
                    self.controller.rerun_jobs(
                        db_ids=job.db_id, force=True, break_lock=True, delete_files=False
                    )
                    again.append(job.name)
            self.controller.db[COLLECTION].update_one(
                {"_id": claim["_id"]}, {"$unset": {"cancelled": ""}}
            )
        return again

    def _claims(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        names = [f"remote {key}" for key in keys]
        return list(self.controller.db[COLLECTION].find({"_id": {"$in": names}}))

    def _submission(self, claim: dict[str, Any]) -> Submission:
        jobs = self.controller.get_jobs_info(flow_ids=claim["flow"])
        states = [job.state.value for job in jobs]
        names = ("recipe", "recipe_path", "key", "command", "submitted")
        # A job that could not be handed over is tried again and keeps its state for a while.
        troubles = [_trouble(job) for job in jobs if job.state.value in _FAILED or _said(job)]
        if "READY" in states and set(states) <= {"READY", "WAITING"}:
            troubles += [Trouble("runner", line) for line in self.start()]
        return Submission(
            **{name: claim.get(name, "") for name in names},
            to="jobflow-remote",
            state="cancelled" if claim.get("cancelled") else _state(states),
            jobs_done=states.count("COMPLETED"),
            jobs_total=len(states),
            troubles=tuple(troubles),
        )


def _state(states: Sequence[str]) -> State:
    known = set(states)
    if known and known <= {"COMPLETED"}:
        return "completed"
    if known & {"RUNNING", "BATCH_RUNNING", "RUN_FINISHED", "DOWNLOADED"}:
        return "running"
    if known & _STOPPED:
        return "cancelled"
    moving = known - {"COMPLETED", "WAITING", *_FAILED}
    return "failed" if known & _FAILED and not moving else "waiting"


def _check_sizes(order: Order) -> None:
    """Refuse jobs that the queue's database cannot hold."""
    for step in steps_of(order.flow):
        size_B = remote_run.size_of(step.job)
        if size_B > remote_run.MOST_B:
            words = remote_run.size_words(size_B)
            message = f"{order.recipe}, job {step.job.name}: it has {words}"
            raise StoreError(message)


def _said(job: Any) -> str:
    return str(job.error or (job.remote.error if job.remote else "") or "")


def _trouble(job: Any) -> Trouble:
    said = _said(job) or "failed without a word"
    if any(words in said for words in _ENDED):
        end = "its worker ended without a word: killed, out of memory, or out of time"
        return Trouble(job.name, f"lost: {end}", lost=True)
    last = [line for line in said.strip().splitlines() if line.strip()][-1]
    lost = job.state.value == "REMOTE_ERROR"
    return Trouble(job.name, f"lost: {last}" if lost else last, lost=lost)


def _controller(content: dict[str, Any]) -> JobController:
    try:
        from jobflow_remote.config.base import Project
        from jobflow_remote.jobs.jobcontroller import JobController
    except ImportError as error:
        message = f"jobflow-remote is not installed ({error.name}); run: {_REMEDY}"
        raise EngineError(message) from error
    return JobController.from_project(Project(**content))


def _make_queue(controller: JobController, url: str, mark: dict[str, str]) -> None:
    """Make the queue's collections in a database that has none; never empty one."""
    marks = controller.db[COLLECTION]
    if marks.find_one({"_id": _OWNER}) is None:
        held = [
            name
            for name in (_JOBS, *_COLLECTIONS.values())
            if controller.db[name].count_documents({}, limit=1)
        ]
        if held:
            message = (
                f"{without_password(url)}: holds a queue of jobflow-remote that defectflow did not "
                f"make ({', '.join(held)}); it is left alone: name another database in the URL"
            )
            raise StoreError(message)
        controller.reset(max_limit=1)
    marks.replace_one({"_id": _OWNER}, mark, upsert=True)
