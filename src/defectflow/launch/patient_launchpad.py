"""A launchpad whose jobs survive the end of a worker, or of the database, between any two writes.

FireWorks changes jobs and their workflow in several writes. It marks the workflow as locked
meanwhile, and whoever dies there leaves it locked and half changed. Here the mark names its
holder: the next one who wants the workflow takes it from a dead one, undoes the half, and does it
again. The workflow's own document is written last, so what it says is what was done.
"""

from __future__ import annotations

import platform
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime
from os import getpid
from typing import TYPE_CHECKING, Any, Final

from fireworks import LaunchPad, Workflow
from pymongo.errors import PyMongoError

from defectflow.launch.patience import patiently
from defectflow.store.runs import process_start

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Below this name a firework's spec says who made it, for which queue jobs, and with which version.
MARK: Final = "defectflow"
_TAKEN: Final = f"spec.{MARK}.taken_by"
_FLOW: Final = f"spec.{MARK}.flow"
_ENDED: Final = {"COMPLETED", "FIZZLED"}
_HOLDER: Final = "metadata.held_by"
#: A holder on another machine is dead when it has held on to a workflow for so long, seconds.
_LONG_S: Final = 120.0
_PAUSE_S: Final = 0.1
#: A launch that lasts is noted as alive this often; what ends sooner is not noted at all.
_ALIVE_S: Final = 600.0


def owner() -> dict[str, Any]:
    """Return what tells this process from every other, also of a later one of its number."""
    pid = getpid()
    return {"host": platform.node(), "pid": pid, "process_started": process_start(pid)}


def _defused(flow: Workflow) -> set[int]:
    """Give up all jobs of a workflow that are not completed; return which were not before."""
    states = {"COMPLETED", "DEFUSED", "ARCHIVED"}
    left = {one for one, state in flow.fw_states.items() if state not in states}
    for one in left:
        flow.id_fw[one].state = flow.fw_states[one] = "DEFUSED"
    return left


def has_ended(holder: Mapping[str, Any] | None) -> bool:
    """Tell whether a process has ended; not known, so False, on another machine."""
    if not holder or holder.get("host") != platform.node():
        return False
    return process_start(holder["pid"]) != holder.get("process_started")


class PatientLaunchPad(LaunchPad):  # type: ignore[misc]
    """A launchpad that waits for its database, and loses nothing with a worker that dies.

    Attributes
    ----------
    about
        What else is written down about a process that takes a job: the number of its queue job.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.about: dict[str, Any] = {}
        self._noted: dict[int, float] = {}

    def complete_launch(self, launch_id: int, action: Any = None, state: str = "COMPLETED") -> Any:
        """Note the end of a launch."""
        done = super().complete_launch
        self._noted.pop(launch_id, None)
        return patiently(lambda: done(launch_id, action, state))

    def checkout_fw(self, *args: Any, **options: Any) -> Any:
        """Take a job to run."""
        take, tries = super().checkout_fw, iter(range(1_000_000))

        def again() -> Any:
            if next(tries):  # the database went while a job was taken
                self._put_back()
            return take(*args, **options)

        job, launch_id = patiently(again)
        if launch_id is not None:
            self._noted[launch_id] = time.monotonic()
        return job, launch_id

    def ping_launch(self, launch_id: int, ptime: Any = None, checkpoint: Any = None) -> None:
        """Note that a launch is alive, if it has lasted; a job of one task needs no checkpoint."""
        noted = self._noted.get(launch_id, 0.0)
        if checkpoint is None and time.monotonic() - noted > _ALIVE_S:
            try:
                super().ping_launch(launch_id, ptime)
            except PyMongoError:  # the next note will do
                return
            self._noted[launch_id] = time.monotonic()

    def mend(self, fw_id: int) -> bool:
        """Finish what a dead process began with a workflow; return whether there was something.

        Parameters
        ----------
        fw_id
            Any job of the workflow.
        """
        flow = self.workflows.find_one({"nodes": fw_id}, {"locked": 1, "nodes": 1})
        if flow is None or "locked" not in flow:
            return False
        self._refresh_wf(flow["nodes"][0])
        return True

    def give_up(self, fw_id: int) -> None:
        """Cancel a workflow: no job of it begins any more, nor what a running one will ask for.

        What is completed stays so.

        Parameters
        ----------
        fw_id
            Any job of the workflow.
        """
        patiently(lambda: self._refreshed(fw_id, given_up=True))

    def _put_back(self) -> None:
        """Free jobs that this process has taken and never began: it runs one at a time."""
        mine = {f"{_TAKEN}.{name}": value for name, value in owner().items()}
        left = {**mine, "state": {"$in": ["RESERVED", "RUNNING"]}}
        for found in list(self.fireworks.find(left, {"fw_id": 1})):
            self.mend(found["fw_id"])
            self.rerun_fw(found["fw_id"])

    def _get_a_fw_to_run(
        self, query: Any = None, fw_id: int | None = None, *args: Any, **options: Any
    ) -> Any:
        """Take the next ready job, and write down who took it."""
        checkout = args[0] if args else options.get("checkout", True)
        if checkout and fw_id is None:
            now, taker = datetime.now(UTC), {**self.about, **owner()}
            taken = self.fireworks.find_one_and_update(
                {**(query or {}), "state": "READY"},
                {"$set": {"state": "RESERVED", "updated_on": now, _TAKEN: taker}},
                {"fw_id": 1},
                sort=[("spec._priority", -1)],
            )
            if taken is None:
                return None
            fw_id = taken["fw_id"]
        return super()._get_a_fw_to_run(query, fw_id, *args, **options)

    def _refresh_wf(self, fw_id: int) -> None:
        """Bring a workflow up to date with its job."""
        patiently(lambda: self._refreshed(fw_id))

    def _refreshed(self, fw_id: int, *, given_up: bool = False) -> None:
        try:
            with self._held(fw_id) as half_done:
                ended = self._undo(fw_id) if half_done else set()
                flow = self.get_wf_by_fw_id_lzyfw(fw_id)
                changed: set[int] = set()
                for one in sorted({fw_id, *ended}):
                    changed |= flow.refresh(one)
                if given_up:  # only the holder's own write cannot be overwritten by another's
                    flow.metadata["given_up"] = True
                if flow.metadata.get("given_up"):
                    changed |= _defused(flow)
                self._update_wf(flow, changed)
        except PyMongoError:
            raise
        except LookupError:  # made by one who died, and taken before anyone cleared up: let it run
            return
        except Exception:  # noqa: BLE001 - a job that cannot be read: FireWorks marks it as failed
            super()._refresh_wf(fw_id)

    def _undo(self, fw_id: int) -> set[int]:
        """Delete jobs that the workflow does not know, and set back those whose end it does not.

        Returns
        -------
        set of int
            The jobs that were set back: their end is to be noted anew.
        """
        flow = self.workflows.find_one({"nodes": fw_id}, {"nodes": 1, "fw_states": 1})
        nodes, known = flow["nodes"], {int(one): is_ for one, is_ in flow["fw_states"].items()}
        found = list(
            self.fireworks.find({"fw_id": {"$in": nodes}}, {"state": 1, _FLOW: 1, "fw_id": 1})
        )
        flows = {one["spec"].get(MARK, {}).get("flow") for one in found if "spec" in one} - {None}
        alone = {_FLOW: {"$in": sorted(flows)}, "fw_id": {"$nin": nodes}}
        self.fireworks.delete_many({**alone, "state": {"$in": ["WAITING", "READY"]}})
        over = {one["fw_id"]: one["state"] for one in found if one["state"] in _ENDED}
        unknown = {one for one, state in over.items() if known.get(one) != state}
        if unknown:
            change = {"$set": {"state": "RUNNING"}}
            self.fireworks.update_many({"fw_id": {"$in": sorted(unknown)}}, change)
        return unknown

    @contextmanager
    def _held(self, fw_id: int) -> Iterator[bool]:
        """Hold a workflow; yield whether another one died while it held it.

        Whoever loses the database on the way, or is told to stop, goes on holding: by that the next
        one finds out.

        Raises
        ------
        LookupError
            If there is no such workflow.
        """
        me = {**owner(), "turn": uuid.uuid4().hex}
        half_done = not self._locked(fw_id, me) and self._inherited(fw_id, me)
        try:
            yield half_done
        except PyMongoError:
            raise
        except Exception:
            self._release(fw_id)
            raise
        self._release(fw_id)

    def _locked(self, fw_id: int, me: dict[str, Any]) -> bool:
        free = {"nodes": fw_id, "locked": {"$exists": False}}
        change = {"$set": {"locked": True, _HOLDER: me}}
        return self.workflows.find_one_and_update(free, change, {"_id": 1}) is not None

    def _inherited(self, fw_id: int, me: dict[str, Any]) -> bool:
        """Wait for a workflow; return whether it was taken from a holder that has ended."""
        began, last = time.monotonic(), None
        while True:
            flow = self.workflows.find_one({"nodes": fw_id}, {"locked": 1, "metadata": 1})
            if flow is None:
                message = f"no workflow has the job {fw_id}"
                raise LookupError(message)
            holder = flow["metadata"].get("held_by")
            if holder != last:
                began, last = time.monotonic(), holder
            mine = holder is not None and owner().items() <= holder.items()
            if mine or has_ended(holder) or time.monotonic() - began > _LONG_S:
                taken = {"nodes": fw_id, "locked": {"$exists": True}, _HOLDER: holder}
                change = {"$set": {"locked": True, _HOLDER: me}}
                if self.workflows.find_one_and_update(taken, change, {"_id": 1}) is not None:
                    return True
            if self._locked(fw_id, me):
                return False
            time.sleep(_PAUSE_S)

    def _release(self, fw_id: int) -> None:
        change = {"$unset": {"locked": True, _HOLDER: True}}
        self.workflows.update_one({"nodes": fw_id}, change)
