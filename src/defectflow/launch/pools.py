"""Where jobs are run: in this process one by one, or in worker processes side by side."""

from __future__ import annotations

from typing import Protocol

from defectflow.launch.execution import Outcome, Work, perform


class Pool(Protocol):
    """What a run needs of the place where jobs are run."""

    @property
    def free(self) -> bool:
        """Whether one more job can be taken."""

    def submit(self, ticket: int, work: Work) -> None:
        """Run a job."""

    def collect(self, patience_s: float | None = None) -> list[tuple[int, Outcome]]:
        """Wait for at least one job and return those that have ended, with their tickets.

        With `patience_s` there may be none after this time.
        """

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

    def submit(self, ticket: int, work: Work) -> None:
        """Run a job to its end."""
        self._ended.append((ticket, perform(work.job, work.directory, key=work.key)))

    def collect(self, patience_s: float | None = None) -> list[tuple[int, Outcome]]:  # noqa: ARG002 - never waits
        """Return the job that has ended."""
        ended, self._ended = self._ended, []
        return ended

    def close(self) -> None:
        """Do nothing: nothing runs outside `submit`."""
