"""Running one job in one folder, and what came of it."""

from __future__ import annotations

import copy
import os
import time
import traceback
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from jobflow.core.flow import Flow
from jobflow.core.state import CURRENT_JOB

from defectflow.launch import journal
from defectflow.launch.job_log import logged
from defectflow.launch.memory import peak_memory
from defectflow.launch.sizes import cores_of, processes_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from jobflow.core.job import Job, Response

    from defectflow.launch.memory import Peak


@dataclass(frozen=True)
class Step:
    """A job of a flow and the uuids of the jobs that it waits for."""

    job: Job
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What a job left behind.

    Attributes
    ----------
    document
        The output as jobflow files it; None if the job failed.
    replace, detour, addition
        Jobs that the job asks for: in its own place, before its children, beside them.
    error
        One line; empty if the job did not fail.
    trace
        The traceback that belongs to `error`.
    lost
        Whether the process died under the job: it says nothing about the job.
    seconds
        Wall time of the job itself, without the start of the process that ran it.
    """

    document: dict[str, Any] | None = None
    replace: tuple[Step, ...] = ()
    detour: tuple[Step, ...] = ()
    addition: tuple[Step, ...] = ()
    stop_children: bool = False
    stop_jobflow: bool = False
    error: str = ""
    trace: str = ""
    lost: bool = False
    seconds: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether the output is all that the job did."""
        asked = self.replace or self.detour or self.addition
        return not (asked or self.stop_children or self.stop_jobflow or self.error)


@dataclass
class _Sink:
    """Takes the place of the store in `Job.run`, which writes exactly once."""

    document: dict[str, Any] | None = None
    written: list[Any] = field(default_factory=list)

    def update(self, document: Any, key: Any = None, save: Any = None) -> None:  # noqa: ARG002
        self.document = document.model_dump()


@dataclass(frozen=True)
class Work:
    """A job whose inputs are resolved, and what has to be known to run it.

    Attributes
    ----------
    key
        Content key; None for a job whose output cannot stand in for another's.
    title
        What stands before its lines of progress.
    """

    job: Job
    directory: Path
    key: str | None = None
    title: str = ""


def steps_of(flow: Flow | Job | list[Any]) -> tuple[Step, ...]:
    """Return the jobs of a flow, parents before children."""
    whole = flow if isinstance(flow, Flow) else Flow(jobs=flow)
    order: dict[str, Step] = {}
    graph = whole.graph
    for uuid, attributes in graph.nodes(data=True):
        if "job" in attributes:
            parents = tuple(dict.fromkeys(graph.predecessors(uuid)))
            order[uuid] = Step(attributes["job"], parents)
    return tuple(_sorted(order))


def _sorted(order: dict[str, Step]) -> Iterator[Step]:
    """Yield parents before children, else in the order of the flow (no recursion: long chains)."""
    missing = {uuid: sum(one in order for one in step.parents) for uuid, step in order.items()}
    children: dict[str, list[str]] = {}
    for uuid, step in order.items():
        for parent in step.parents:
            children.setdefault(parent, []).append(uuid)
    ready = [uuid for uuid, count in missing.items() if count == 0]
    for uuid in ready:
        yield order[uuid]
        for child in children.get(uuid, ()):
            missing[child] -= 1
            if missing[child] == 0:
                ready.append(child)
    if len(ready) < len(order):
        message = "the jobs of the flow wait for each other in a circle; check their references"
        raise ValueError(message)


def perform(job: Job, directory: Path, store: Any = None, key: str | None = None) -> Outcome:
    """Run `job`, whose references are resolved, in `directory`.

    A job that raises gives an `Outcome` with `error`; an interruption is passed on. What the job
    prints goes to its log.

    Parameters
    ----------
    store
        Only for jobs that ask for the store itself; they write their output to it.
    key
        Content key of the job; with it the output is noted in the folder before this returns.
    """
    ready = copy.copy(job)
    ready.config = replace(job.config, resolve_references=False)
    sink = _Sink()
    target: Any = store or sink
    before, started = os.getcwd(), time.monotonic()  # noqa: PTH109 - pathlib has no chdir in 3.11
    try:
        os.chdir(directory)
        with logged(directory), peak_memory() as peak:
            response = ready.run(store=target, job_dir=directory)
        if sink.document is not None:
            about = sink.document.get("metadata") or {}
            sink.document["metadata"] = {**about, **_cost(job, peak)}
        outcome = replace(_outcome(response, sink), seconds=time.monotonic() - started)
        if key is not None:
            journal.note(directory, key, outcome)
        return outcome  # noqa: TRY300 - what is noted fails like the job itself
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a job raises is its outcome
        spent = time.monotonic() - started
        return Outcome(error=one_line(error), trace=traceback.format_exc(), seconds=spent)
    finally:
        current: Any = CURRENT_JOB
        current.reset()
        os.chdir(before)


def _cost(job: Job, peak: Peak) -> dict[str, Any]:
    """Return on what a job was computed: its time is in its output."""
    known = {"cores": cores_of(job), "processes": processes_of(job)}
    return {**known, "memory_MB": round(peak.memory_MB, 1)}


def one_line(error: BaseException) -> str:
    """Return the kind of an error and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _outcome(response: Response[Any], sink: _Sink) -> Outcome:
    asked: dict[str, Any] = {
        name: steps_of(flow)
        for name in ("replace", "detour", "addition")
        if (flow := getattr(response, name)) is not None
    }
    return Outcome(
        document=sink.document,
        stop_children=response.stop_children,
        stop_jobflow=response.stop_jobflow,
        **asked,
    )
