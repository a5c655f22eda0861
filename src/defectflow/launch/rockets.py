"""A job of a flow as FireWorks runs it.

FireWorks keeps the graph and hands out the jobs; what happens in a job is the same as in a run on
this machine: its output is taken from the store if an equal job has finished, it runs in a folder
that the same job finds again after a crash, and its output is filed under its content key.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import time
import uuid
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from fireworks import FiretaskBase, Firework, FWAction, Workflow, explicit_serialize
from fireworks.utilities.fw_serializers import recursive_serialize, serialize_fw
from jobflow.core.reference import OnMissing
from monty.json import MontyDecoder, jsanitize

from defectflow.engines.deadline import time_left_s
from defectflow.errors import DefectflowError, EngineError, OutOfTime
from defectflow.launch import journal
from defectflow.launch.execution import Outcome, Step, perform
from defectflow.launch.inputs import as_reused, memo_key, packages_of, unconverged, with_inputs
from defectflow.launch.patience import patiently
from defectflow.launch.patient_launchpad import MARK
from defectflow.launch.queues import step_kind
from defectflow.launch.site import DEFAULT_KIND
from defectflow.launch.workspace import Workspaces, name_once
from defectflow.store.blobs import get_value, put_value
from defectflow.store.large import MOST_B
from defectflow.store.urls import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job

    from defectflow.launch.workspace import Workspace
    from defectflow.store import Store

#: No job is waited for that another worker computes when less than this is left of the wall time.
_LEAST_S: Final = 30.0
#: Stands for a job that is too large for a document; what follows is its name.
_ELSEWHERE: Final = "@blob"
_PAUSE_S: Final = 1.0


class JobFailed(DefectflowError):
    """A job raised; the message is its error, the traceback lies in the job's folder."""


class JobInterrupted(DefectflowError):
    """The worker was told to stop in the middle of a job: by the queue, as a rule."""


def version() -> str:
    """Return the version of defectflow that submits or works."""
    return importlib.metadata.version("defectflow")


def workflow(steps: Sequence[Step], place: dict[str, Any], name: str, **metadata: Any) -> Workflow:
    """Return a FireWorks workflow of jobs.

    Parameters
    ----------
    place
        Where the jobs work: ``store`` (URL without a password), ``folder`` and ``kinds``, the kinds
        of steps that have queue jobs of their own; ``flow`` of a workflow that grows.
    """
    known: dict[str, Firework] = {}
    place = {"flow": uuid.uuid4().hex, **place}
    for step in steps:
        parents = [known[one] for one in step.parents if one in known]
        known[step.job.uuid] = _firework(step.job, place, parents)
    return Workflow(list(known.values()), name=name, metadata=metadata)


def _firework(job: Job, place: dict[str, Any], parents: list[Firework]) -> Firework:
    kind = step_kind(job)
    spec: dict[str, Any] = {
        MARK: {
            "version": version(),
            "kind": kind,
            "uuid": job.uuid,
            "index": job.index,
            "flow": place["flow"],
        }
    }
    if kind in place["kinds"]:
        spec["_category"] = kind
    if job.config.on_missing_references != OnMissing.ERROR:
        spec["_allow_fizzled_parents"] = True
    spec.update(job.config.manager_config)
    task = StepTask(job=_packed(job, place), place=place)
    return Firework([task], spec=spec, name=job.name, parents=parents)


def _packed(job: Job, place: dict[str, Any]) -> str | dict[str, str]:
    """Return a job as text, through which FireWorks does not walk again and again.

    One that is too large for a document is written where large outputs lie.
    """
    text = json.dumps(jsanitize(job.as_dict(), strict=False))
    if len(text) <= MOST_B:
        return text
    blobs = _store(place["store"]).jobs.blobs
    return text if blobs is None else {_ELSEWHERE: put_value(blobs, text)}


def _unpacked(packed: str | dict[str, str], store: Store) -> dict[str, Any]:
    blobs = store.jobs.blobs
    if not isinstance(packed, str) and blobs is not None:
        packed = get_value(blobs, packed[_ELSEWHERE])
    data: dict[str, Any] = json.loads(str(packed))
    return data


@lru_cache(maxsize=4)
def _store(url: str) -> Store:
    """Return a store that stays open until this process ends: to open one is twenty questions."""
    return patiently(lambda: open_store(url))


@explicit_serialize
class StepTask(FiretaskBase):  # type: ignore[misc]
    """Runs one job of a flow."""

    required_params = ("job", "place")

    def run_task(self, fw_spec: dict[str, Any]) -> FWAction:
        """Run the job; what it asks for becomes part of the workflow.

        Raises
        ------
        EngineError
            If another version of defectflow submitted the job, or it cannot be rebuilt here.
        JobFailed
            If the job raised.
        JobInterrupted
            If this process was told to stop.
        """
        _check_version(fw_spec)
        place = dict(self["place"])
        try:
            store = _store(place["store"])
            job = _rebuilt(_unpacked(self["job"], store))
            outcome = run_step(job, store, Path(place["folder"]))
        except KeyboardInterrupt:
            message = "the worker was told to stop; what the job has written is kept"
            raise JobInterrupted(message) from None
        if outcome.error:
            raise JobFailed(outcome.error)
        grown = [
            workflow(steps, place, f"{job.name}: {name}")
            for name in ("replace", "detour")
            if (steps := getattr(outcome, name))
        ]
        beside = outcome.addition
        return FWAction(
            detours=grown or None,
            additions=[workflow(beside, place, f"{job.name}: addition")] if beside else None,
            defuse_workflow=outcome.stop_jobflow,
            defuse_children=outcome.stop_children,
        )

    @serialize_fw  # type: ignore[untyped-decorator]
    @recursive_serialize  # type: ignore[untyped-decorator]
    def to_dict(self) -> dict[str, Any]:
        """Return the task as plain data."""
        return dict(self)


def run_step(job: Job, store: Store, folder: Path) -> Outcome:
    """Run one job against a store: reused if it can be, else computed and filed.

    An interruption is passed on and leaves the job's folder for the next try.
    """
    store.jobs.trust(packages_of(job))
    ready = patiently(lambda: with_inputs(job, store))
    key = memo_key(ready)
    spaces = Workspaces(folder)
    space = _claimed(spaces, job, key)
    try:
        if key is not None and _taken_over(job, key, store, space):
            spaces.discard(space, job.name)
            return Outcome()
        exposed = store.jobs if job.config.expose_store else None
        outcome = perform(ready, space.path, exposed, key)
        rough = unconverged(outcome.document)
        if outcome.document is not None and not outcome.error:
            usable = key if outcome.plain and not rough else None
            filed = _filed(outcome.document)
            patiently(lambda: store.file(filed, usable))
        if outcome.error or rough:
            space.keep(outcome.trace or outcome.error)
        else:
            spaces.discard(space, job.name)
    finally:
        spaces.close()
    return outcome


def _claimed(spaces: Workspaces, job: Job, key: str | None) -> Workspace:
    """Return the locked folder of a job; another worker that computes the same is waited for.

    Raises
    ------
    OutOfTime
        If the other worker will not have ended before this one has to.
    """
    if key is None:
        return spaces.open(name_once(job.uuid))
    while (space := spaces.claim(key)) is None:
        left = time_left_s()
        if left is not None and left < _LEAST_S:
            message = (
                f"{job.name}: another worker was computing the same until the end of the wall "
                "time; run it again when that one has ended"
            )
            raise OutOfTime(message)
        time.sleep(_PAUSE_S)
    return space


def _taken_over(job: Job, key: str, store: Store, space: Workspace) -> bool:
    """File the output of an equal job as this job's, stored or noted in its folder, if any is."""
    found = patiently(lambda: store.finished(key))
    if found is not None:
        copied = as_reused(job, found)
        if copied is not None:
            patiently(lambda: store.file(copied))
        return True
    noted = journal.noted(space.path, key)
    if noted is None:
        return False
    # A worker computed it and died before it was filed.
    filed = _filed(as_reused(job, noted) or noted)
    patiently(lambda: store.file(filed, key))
    return True


def _filed(document: dict[str, Any]) -> dict[str, Any]:
    metadata = {**document.get("metadata", {}), "computed_on": platform.node()}
    return {**document, "metadata": metadata}


def _rebuilt(data: dict[str, Any]) -> Job:
    job: Any = MontyDecoder().process_decoded(data)
    if not callable(getattr(job, "function", None)):
        message = (
            f"job {data.get('name')}: its function cannot be imported here; install the package "
            "that defines it on the workers"
        )
        raise EngineError(message)
    return job  # type: ignore[no-any-return]


def _check_version(spec: dict[str, Any]) -> None:
    asked = spec.get(MARK, {}).get("version")
    if asked is not None and asked != version():
        message = (
            f"this worker has defectflow {version()}, the job was submitted by {asked}: numbers "
            f"would mix; install defectflow=={asked} for the workers, then `defectflow retry`"
        )
        raise EngineError(message)


__all__ = ["DEFAULT_KIND", "MARK", "JobFailed", "StepTask", "run_step", "version", "workflow"]
