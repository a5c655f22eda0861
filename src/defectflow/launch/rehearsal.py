"""A whole dynamic flow without a calculation: every job that it comes to ask its engine for."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from monty.json import jsanitize

from defectflow.errors import DefectflowError
from defectflow.launch.execution import Outcome, perform, steps_of
from defectflow.launch.graph import Graph
from defectflow.launch.inputs import as_reused, memo_key, packages_of, with_inputs
from defectflow.launch.queues import step_kind
from defectflow.launch.stand_in import StandIn
from defectflow.store import open_store

if TYPE_CHECKING:
    from jobflow.core.flow import Flow
    from jobflow.core.job import Job

    from defectflow.launch.execution import Step
    from defectflow.launch.graph import Node
    from defectflow.store import Store


State = Literal["compute", "stored", "shared", "light"]


@dataclass(frozen=True)
class Planned:
    """A job as it would run.

    Attributes
    ----------
    job
        With its inputs in place.
    kind
        Kind of step, one of `site.KINDS`.
    parents
        Numbers of the jobs that it waits for.
    state
        ``compute``; ``stored`` if its output is in the store already, ``shared`` if another job
        that is planned computes the same: neither will be computed again. ``light`` if nothing is
        computed.
    """

    number: int
    job: Job
    kind: str
    parents: tuple[int, ...]
    state: State


@dataclass
class Rehearsal:
    """Runs a flow against a store in memory, with made-up outputs of the engine's jobs.

    Attributes
    ----------
    known
        The real store, read only: what is in it is taken as it is, and so is what follows from it.
    seen
        Keys of jobs that are planned; give the same set to several rehearsals that will run into
        one store.
    """

    known: Store | None = None
    seen: set[str] = field(default_factory=set)
    stand_in: StandIn = field(default_factory=StandIn)
    planned: list[Planned] = field(default_factory=list)
    _numbers: dict[str, int] = field(default_factory=dict)
    _parents: dict[str, set[str]] = field(default_factory=dict)

    def run(self, flow: Flow) -> list[Planned]:
        """Return the jobs in the order in which they would start.

        Raises
        ------
        DefectflowError
            If a job fails that computes nothing: it would fail on the cluster too.
        """
        steps = steps_of(flow)
        graph = Graph(steps)
        self._note(steps, ())
        with tempfile.TemporaryDirectory() as scratch, open_store("memory://") as store:
            while (node := graph.next_ready()) is not None:
                outcome = self._outcome(node, store, Path(scratch))
                if outcome.error:
                    message = f"job {node.job.name}: {outcome.error}"
                    raise DefectflowError(message)
                if outcome.document is not None:
                    store.file(outcome.document)
                for name in ("replace", "detour", "addition"):
                    self._note(getattr(outcome, name), (node.job.uuid,))
                graph.finish(node, outcome)
        return self.planned

    def _note(self, steps: tuple[Step, ...], above: tuple[str, ...]) -> None:
        for step in steps:
            self._parents.setdefault(step.job.uuid, set()).update(step.parents or above)

    def _outcome(self, node: Node, store: Store, scratch: Path) -> Outcome:
        store.jobs.trust(packages_of(node.job))
        ready = with_inputs(node.job, store)
        kind = step_kind(ready)
        if ready.name == "store_inputs" or kind == "light":
            if ready.name != "store_inputs":
                self._plan(ready, kind, "light")
            return perform(ready, scratch)
        key = memo_key(ready)
        found = self.known.finished(key) if self.known is not None and key else None
        if found is not None:
            self._plan(ready, kind, "stored")
            return Outcome(document=as_reused(ready, found) or found)
        self._plan(ready, kind, "shared" if key in self.seen else "compute")
        if key:
            self.seen.add(key)
        output = self.stand_in.document(ready, kind)
        return Outcome(document=_filed(ready, output))

    def _plan(self, job: Job, kind: str, state: State) -> None:
        number = len(self.planned) + 1
        parents = sorted(self._ancestors(job.uuid) - {number})
        self._numbers[job.uuid] = number
        self.planned.append(Planned(number, job, kind, tuple(parents), state))

    def _ancestors(self, uuid: str) -> set[int]:
        """Return the nearest planned jobs above a job; bookkeeping between them is skipped."""
        found: set[int] = set()
        waiting, seen = list(self._parents.get(uuid, ())), {uuid}
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            if one in self._numbers:
                found.add(self._numbers[one])
            else:
                waiting += self._parents.get(one, ())
        return found


def _filed(job: Job, output: Any) -> dict[str, Any]:
    return {
        "uuid": job.uuid,
        "index": job.index,
        "output": jsanitize(output, strict=True, enum_values=True),
        "completed_at": datetime.now(UTC).isoformat(),
        "metadata": job.metadata,
        "hosts": job.hosts,
        "name": job.name,
    }
