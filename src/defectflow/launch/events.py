"""What a run tells while it works, and what it says at the end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class JobEvent:
    """Something happened to a job.

    Attributes
    ----------
    key
        Content key of the job; empty if it has none.
    seconds
        Wall time of the job; 0 when it starts.
    done, total
        Jobs that have ended, and jobs known so far: a flow may grow while it runs.
    left_s
        Time that the jobs known so far may still need, those of flows beside this one too; None if
        nothing has ended yet that tells.
    """

    kind: Literal["started", "finished", "reused", "failed", "waiting"]
    name: str
    key: str
    seconds: float
    error: str
    done: int
    total: int
    left_s: float | None = None


@dataclass(frozen=True)
class JobFailure:
    """A job that failed: what it said in one line, and the folder with its files."""

    name: str
    uuid: str
    error: str
    folder: Path | None


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    Attributes
    ----------
    computed, reused
        Jobs that were run, and jobs whose output was already in the store.
    skipped
        Names of the jobs that were not run because an input failed (or the run was stopped).
    unconverged
        Calculations that did not converge, each with how far it came.
    """

    state: Literal["completed", "failed", "interrupted"]
    computed: int
    reused: int
    failures: tuple[JobFailure, ...]
    skipped: tuple[str, ...]
    total: int
    seconds: float
    unconverged: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every job of the flow has an output."""
        return self.state == "completed"

    @property
    def error(self) -> str | None:
        """One line per failed job; None if there is none."""
        lines = [f"{one.name}: {one.error}" for one in self.failures]
        return "\n".join(lines) or None
