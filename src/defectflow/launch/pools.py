"""Where jobs are run: in this process one by one, or in worker processes side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from defectflow.launch.execution import Outcome, perform

if TYPE_CHECKING:
    from pathlib import Path

    from jobflow.core.job import Job


class Pool(Protocol):
    """What a run needs of the place where jobs are run."""

    @property
    def free(self) -> bool:
        """Whether one more job can be taken."""

    def submit(self, ticket: int, job: Job, directory: Path) -> None:
        """Run a job whose inputs are resolved."""

    def collect(self) -> list[tuple[int, Outcome]]:
        """Wait for at least one job and return those that have ended, with their tickets."""

    def close(self) -> None:
        """Stop what still runs."""


class InProcess:
    """Runs each job at once, in this process."""

    def __init__(self) -> None:
        self._ended: list[tuple[int, Outcome]] = []

    @property
    def free(self) -> bool:
        """Whether one more job can be taken."""
        return not self._ended

    def submit(self, ticket: int, job: Job, directory: Path) -> None:
        """Run `job` to its end."""
        self._ended.append((ticket, perform(job, directory)))

    def collect(self) -> list[tuple[int, Outcome]]:
        """Return the job that has ended."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Do nothing: nothing runs outside `submit`."""
