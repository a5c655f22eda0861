"""Submissions over FireWorks: one workflow per recipe, queue jobs that work through them."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import EngineError
from defectflow.launch import queues
from defectflow.launch.execution import steps_of
from defectflow.launch.feeding import Feeder
from defectflow.launch.launchpads import claimed, release
from defectflow.launch.patient_launchpad import has_ended
from defectflow.launch.rockets import MARK, JobInterrupted, version, workflow
from defectflow.launch.site import Site, load_site
from defectflow.launch.submissions import Submission, Trouble
from defectflow.store.runs import process_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fireworks import Workflow

    from defectflow.launch.patient_launchpad import PatientLaunchPad
    from defectflow.launch.submissions import Order, State

_LIVE: Final = {"READY", "RESERVED", "RUNNING"}
_TAKEN: Final = {"RESERVED", "RUNNING"}


@dataclass(frozen=True)
class FireWorksManager:
    """Submits to a launchpad, and has its queue jobs made.

    Attributes
    ----------
    site, queue
        The queue and the path of its file; None if only the launchpad is looked at.
    """

    pad: PatientLaunchPad
    store: str
    folder: str
    site: Site | None = None
    queue: str = ""

    def submit(self, order: Order) -> bool:
        """Add a recipe's workflow; return False if it was there already."""
        site = self._site()
        place = {"store": self.store, "folder": self.folder, "kinds": list(site.steps)}

        def make() -> Workflow:
            more = {"queue": self.queue, "folder": self.folder, "version": version()}
            when = {"submitted": datetime.now(UTC).isoformat(timespec="seconds")}
            steps = steps_of(order.flow)
            return workflow(steps, place, order.recipe, **order.label(), **more, **when)

        return claimed(self.pad, order.key, make)[1]

    def start(self) -> list[str]:
        """Submit queue jobs for what is ready, and say so."""
        feeder = Feeder(self.pad, self._site(), self.queue, self.store, self.folder)
        numbers = feeder.feed()
        return [f"queue jobs: {', '.join(numbers)}"] if numbers else []

    def submissions(self) -> list[Submission]:
        """Return everything that was submitted, newest first."""
        listed, problem = self._listed()
        found = self.pad.workflows.find({"metadata.key": {"$exists": True}}).sort("_id", -1)
        return [self._submission(one, listed, problem) for one in found]

    def cancel(self, keys: Sequence[str]) -> list[str]:
        """Give workflows up, and take queue jobs away that have nothing else to do."""
        stopped = []
        for one in self._chosen(keys):
            if one["state"] == "COMPLETED":
                continue
            self.pad.give_up(one["nodes"][0])
            release(self.pad, one["metadata"]["key"])
            stopped.append(one["metadata"]["key"])
        left = self.pad.fireworks.count_documents({"state": {"$in": sorted(_LIVE)}})
        if stopped and left == 0 and self.site is not None:
            self._take_away(self.site)
        return stopped

    def _take_away(self, site: Site) -> None:
        """Take all queue jobs out of the queue, which may not answer."""
        records = Feeder(self.pad, site, self.queue, self.store, self.folder).records
        try:
            numbers = [record["number"] for record in records(queues.listed(site))]
            queues.cancel(site, numbers)
        except EngineError as error:
            message = (
                "the recipes are stopped, but their queue jobs are still in the queue: "
                f"{error}. Those that start find nothing to do and end"
            )
            raise EngineError(message) from error

    def retry(self, keys: Sequence[str]) -> list[str]:
        """Make failed and lost jobs ready again, and queue jobs for them."""
        listed, _ = self._listed()
        again = []
        for one in self._chosen(keys):
            if self.pad.mend(one["nodes"][0]):
                again.append("what a dead worker left half noted")
            for firework in self._fireworks(one):
                lost = firework["state"] in _TAKEN and self._loss(firework, listed)
                if firework["state"] == "FIZZLED" or lost:
                    self.pad.rerun_fw(firework["fw_id"])
                    again.append(firework["name"])
        return again

    def _chosen(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        criteria: dict[str, Any] = {"metadata.key": {"$in": list(keys)}}
        given_up = {"$nin": ["DEFUSED", "ARCHIVED"]}
        return list(self.pad.workflows.find(criteria | {"state": given_up}))

    def _site(self) -> Site:
        if self.site is None:
            message = "no queue file; give one with --queue FILE"
            raise EngineError(message)
        return self.site

    def _listed(self) -> tuple[dict[str, queues.QueueJob] | None, str]:
        """Return what is in the queue; None, and why, if the queue cannot be asked."""
        if self.site is None:
            return None, ""
        try:
            return queues.listed(self.site), ""
        except EngineError as error:
            return None, str(error)

    def _fireworks(self, flow: dict[str, Any]) -> list[dict[str, Any]]:
        fields = {"fw_id": 1, "name": 1, "state": 1, "launches": 1, f"spec.{MARK}": 1}
        return list(self.pad.fireworks.find({"fw_id": {"$in": flow["nodes"]}}, fields))

    def _submission(
        self, flow: dict[str, Any], listed: dict[str, queues.QueueJob] | None, problem: str
    ) -> Submission:
        jobs = self._fireworks(flow)
        states = [job["state"] for job in jobs]
        losses = list(self._losses(jobs, listed)) or list(_half_noted(flow))
        troubles = [*self._failures(jobs), *losses]
        troubles += self._stuck(listed, states) if set(states) & _LIVE else []
        if problem:
            troubles.append(Trouble("queue", problem))
        label = {
            name: flow["metadata"].get(name, "")
            for name in ("recipe", "recipe_path", "key", "command", "submitted")
        }
        return Submission(
            **label,
            to="fireworks",
            state=_state(flow["state"], states, troubles),
            jobs_done=states.count("COMPLETED"),
            jobs_total=len(states),
            troubles=tuple(troubles),
        )

    def _failures(self, jobs: Sequence[dict[str, Any]]) -> Iterator[Trouble]:
        for job in jobs:
            if job["state"] != "FIZZLED":
                continue
            launch = self.pad.launches.find_one({"launch_id": {"$in": job["launches"][-1:]}}) or {}
            action = launch.get("action") or {}
            trace = str(action.get("stored_data", {}).get("_exception", {}).get("_stacktrace", ""))
            words = _last_words(trace)
            env = (launch.get("fworker") or {}).get("env") or {}
            number = env.get("queue_job", "")
            if words.startswith(JobInterrupted.__name__):
                words = words.partition(": ")[2]
                if number and self.site is not None:
                    words = f"{queues.fate(self.site, number)}; {words}"
            yield Trouble(job["name"], words)

    def _losses(
        self, jobs: Sequence[dict[str, Any]], listed: dict[str, queues.QueueJob] | None
    ) -> Iterator[Trouble]:
        for job in jobs:
            words = self._loss(job, listed) if job["state"] in _TAKEN else ""
            if words:
                yield Trouble(job["name"], f"lost: {words}", lost=True)

    def _loss(self, job: dict[str, Any], listed: dict[str, queues.QueueJob] | None) -> str:
        """Return in words how the worker of a taken job was lost; empty if it was not."""
        env = job["spec"].get(MARK, {}).get("taken_by") or {}
        if job["state"] == "RUNNING":
            launch = self.pad.launches.find_one({"launch_id": {"$in": job["launches"][-1:]}})
            env = ((launch or {}).get("fworker") or {}).get("env") or {}
        number = env.get("queue_job", "")
        # Process numbers and the queue are asked, never clocks: those of two machines may differ.
        if env.get("host") == platform.node() and env.get("pid"):
            if process_start(env["pid"]) == env.get("process_started"):
                return ""
            inside = number and listed is not None and self.site is not None
            gone = f"process {env['pid']} ended without a word"
            return queues.fate(self.site, number) if inside and self.site else gone
        if number and listed is not None and self.site is not None and number not in listed:
            return queues.fate(self.site, number)
        return ""

    def _stuck(
        self, listed: dict[str, queues.QueueJob] | None, states: Sequence[str]
    ) -> Iterator[Trouble]:
        """Yield what keeps the ready jobs of this launchpad from being worked on."""
        if listed is None or self.site is None:
            return
        feeder = Feeder(self.pad, self.site, self.queue, self.store, self.folder)
        here = [listed[record["number"]] for record in feeder.records(listed)]
        for job in here:
            if job.stuck:
                words = f"will never start ({job.reason or job.state}); take it out of the queue"
                yield Trouble(f"queue job {job.number}", words)
        if not here and set(states) & {"READY", "RESERVED"}:
            yield Trouble("queue jobs", "none is left for the jobs that are ready")


def _half_noted(flow: dict[str, Any]) -> Iterator[Trouble]:
    """Yield a worker that died when it noted what a job had come to."""
    holder = flow["metadata"].get("held_by")
    if "locked" in flow and has_ended(holder):
        words = f"lost: process {holder['pid']} ended when it noted the end of a job"
        yield Trouble("launchpad", words, lost=True)


def _state(whole: str, states: Sequence[str], troubles: Sequence[Trouble]) -> State:
    if whole == "COMPLETED":
        return "completed"
    if whole in {"DEFUSED", "ARCHIVED"} or "DEFUSED" in states:
        return "cancelled"
    lost = sum(trouble.lost for trouble in troubles)
    if states.count("RUNNING") > lost:
        return "running"
    if set(states) & {"READY", "RESERVED"}:
        return "waiting"
    return "failed" if "FIZZLED" in states or lost else "waiting"


def _last_words(trace: str) -> str:
    """Return what an exception said, without the module that it comes from."""
    lines = [line for line in trace.strip().splitlines() if line.strip()]
    if not lines:
        return "failed without a word; see the queue job's output"
    kind, separator, said = lines[-1].partition(": ")
    name = kind.rpartition(".")[2]
    return said if separator and name == "JobFailed" else f"{name}{separator}{said}"


def site_of(pad: PatientLaunchPad) -> tuple[Site | None, str, str]:
    """Return the queue, the path of its file and the folder of the newest submission."""
    from defectflow.errors import RecipeError

    newest = pad.workflows.find_one({"metadata.queue": {"$exists": True}}, sort=[("_id", -1)])
    if newest is None:
        return None, "", ""
    about = newest["metadata"]
    try:
        return load_site(about["queue"]), about["queue"], about["folder"]
    except RecipeError:  # submitted from another machine
        return None, about["queue"], about["folder"]
