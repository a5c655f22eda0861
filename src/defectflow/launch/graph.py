"""Which job may start next, in a flow that grows while it runs. Pure bookkeeping.

A job is *settled* when it has finished together with everything that stands in its place or comes
before its children (replacements and detours); only then may its children start. A job may start
when all jobs that it waits for are settled. When one of them failed, it is skipped, unless it
accepts missing inputs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from jobflow.core.reference import OnMissing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jobflow.core.job import Job

    from defectflow.launch.execution import Outcome, Step

State = Literal["waiting", "ready", "running", "finished", "failed", "skipped"]


@dataclass(eq=False)
class Node:
    """A job in the graph.

    Attributes
    ----------
    owner
        The job that asked for this one and is not settled before it; None for a free job.
    role
        What the job is to its owner: its ``output``, a part that ``must`` succeed for the owner to
        count as successful, or an ``aside`` (whose failure shows in its children only).
    unsettled
        The job itself, while it has not ended, plus the jobs that it owns and that are not settled.
    """

    job: Job
    owner: Node | None = None
    role: Literal["output", "must", "aside"] = "must"
    state: State = "waiting"
    unsettled: int = 1
    missing: int = 0
    broken: bool = False
    barren: bool = False
    children: list[Node] = field(default_factory=list)
    blamed: str = ""

    @property
    def settled(self) -> bool:
        """Whether children may be looked at."""
        return self.unsettled == 0


class Graph:
    """The jobs of a run."""

    def __init__(self, steps: tuple[Step, ...]) -> None:
        self.nodes: list[Node] = []
        self.skipped: list[Node] = []
        self.stopped = False
        self._open = 0
        self._by_uuid: dict[str, Node] = {}
        self._ready: deque[Node] = deque()
        self._ready.extend(self._add(steps, None))

    def next_ready(self) -> Node | None:
        """Return a job to start now, or None."""
        if not self._ready or self.stopped:
            return None
        node = self._ready.popleft()
        node.state = "running"
        return node

    def postpone(self, node: Node) -> None:
        """Put a started job back to the end of the queue."""
        node.state = "ready"
        self._ready.append(node)

    def finish(self, node: Node, outcome: Outcome) -> None:
        """Note that a job has run without error, and take in the jobs that it asks for."""
        node.state = "finished"
        self._open -= 1
        node.barren = outcome.stop_children
        self.stopped = self.stopped or outcome.stop_jobflow
        fresh = self._add(outcome.replace, node, replacing=True)
        fresh += self._add(outcome.detour, node)
        fresh += self._add(outcome.addition, None)
        self._ready.extendleft(reversed(fresh))
        self._one_settled(node)

    def fail(self, node: Node, reason: str) -> None:
        """Note that a job has failed."""
        node.state = "failed"
        self._open -= 1
        node.broken = True
        node.blamed = reason
        self._one_settled(node)

    def end_stuck(self) -> list[Node]:
        """Fail the jobs that wait for each other when nothing else is left."""
        stuck = [node for node in self.nodes if node.state == "waiting"]
        for node in stuck:
            self.fail(node, "it waits for a job that waits for it")
        return stuck

    @property
    def has_ready(self) -> bool:
        """Whether a job could start now."""
        return bool(self._ready) and not self.stopped

    @property
    def ended(self) -> bool:
        """Whether nothing is left to start (or to wait for)."""
        return self.stopped or self._open == 0

    @property
    def ended_count(self) -> int:
        """Number of jobs that have finished, failed or been skipped."""
        return len(self.nodes) - self._open

    @property
    def barren(self) -> bool:
        """Whether a job has told its children not to run."""
        return any(node.barren for node in self.nodes)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.nodes)

    def _add(
        self, steps: tuple[Step, ...], owner: Node | None, *, replacing: bool = False
    ) -> list[Node]:
        """Take in the jobs of one flow; return those that may start."""
        local = {step.job.uuid: Node(step.job, owner) for step in steps}
        has_output = replacing and owner is not None and owner.job.uuid in local
        for uuid, node in local.items():
            if has_output and owner is not None:
                node.role = "output" if uuid == owner.job.uuid else "aside"
            self._by_uuid.setdefault(uuid, node)
        for step in steps:
            self._link(local[step.job.uuid], step.parents, local)
        self.nodes.extend(local.values())
        self._open += len(local)
        if owner is not None:
            owner.unsettled += len(local)
        ready: list[Node] = []
        for node in local.values():
            if node.state == "waiting" and node.missing == 0 and self._look_at(node, ready):
                self._one_settled(node)
        return ready

    def _link(self, node: Node, parents: tuple[str, ...], local: dict[str, Node]) -> None:
        above = {one.job.uuid for one in _owners(node)}
        for uuid in parents:
            parent = local.get(uuid)
            if parent is None and uuid not in above:
                parent = self._by_uuid.get(uuid)
            if parent is None or parent is node:
                continue  # computed before this run, or by the owner itself
            parent.children.append(node)
            if parent.settled:
                node.broken = node.broken or parent.broken
                node.barren = node.barren or parent.barren
                node.blamed = node.blamed or parent.job.name
            else:
                node.missing += 1

    def _one_settled(self, node: Node) -> None:
        """Count down `node`, its owners and, where these are settled, their children."""
        waiting = [node]
        while waiting:
            one = waiting.pop()
            one.unsettled -= 1
            if not one.settled:
                continue
            if one.owner is not None:
                self._report_to_owner(one)
                waiting.append(one.owner)
            for child in one.children:
                self._parent_settled(child, one, waiting)

    def _report_to_owner(self, node: Node) -> None:
        owner = node.owner
        if owner is None or node.role == "aside":
            return
        if node.role == "output":
            owner.barren = owner.barren or node.barren
        if node.broken:
            owner.broken = True
            owner.blamed = owner.blamed or node.job.name

    def _parent_settled(self, child: Node, parent: Node, waiting: list[Node]) -> None:
        child.missing -= 1
        if child.state != "waiting":
            return
        if parent.broken and not child.broken:
            child.broken = True
            child.blamed = parent.job.name
        child.barren = child.barren or parent.barren
        if child.missing == 0:
            ready: list[Node] = []
            if self._look_at(child, ready):
                waiting.append(child)
            self._ready.extend(ready)

    def _look_at(self, node: Node, ready: list[Node]) -> bool:
        """Decide on a job whose parents are settled; return whether it is skipped."""
        tolerant = node.job.config.on_missing_references != OnMissing.ERROR
        if node.barren or (node.broken and not tolerant):
            node.state = "skipped"
            self.skipped.append(node)
            self._open -= 1
            return True
        # A job that only collects references lets the failure show through to its children.
        node.broken = node.broken and not node.job.config.resolve_references
        node.state = "ready"
        ready.append(node)
        return False


def _owners(node: Node) -> Iterator[Node]:
    owner = node.owner
    while owner is not None:
        yield owner
        owner = owner.owner
