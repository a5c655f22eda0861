"""Recipes handed over to a workflow manager: what is asked of every manager, and what it says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.flow import Flow

ManagerName = Literal["fireworks", "jobflow-remote"]
State = Literal["waiting", "running", "completed", "failed", "cancelled"]


@dataclass(frozen=True)
class Order:
    """A recipe to be submitted: its flow and what it is known by.

    Attributes
    ----------
    key
        Content key of the result: the same recipe is never submitted twice.
    command
        The command line that asks for it again.
    """

    recipe: str
    recipe_path: str
    key: str
    command: str
    flow: Flow

    def label(self) -> dict[str, str]:
        """Return all but the flow, as plain data."""
        names = ("recipe", "recipe_path", "key", "command")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Trouble:
    """A job of a submission that needs someone: its name and, in words, what happened."""

    job: str
    words: str
    lost: bool = False


@dataclass(frozen=True)
class Submission:
    """How a submitted recipe stands.

    Attributes
    ----------
    jobs_total
        Jobs known so far; a flow grows while it runs.
    """

    recipe: str
    recipe_path: str
    key: str
    command: str
    to: ManagerName
    state: State
    submitted: str
    jobs_done: int
    jobs_total: int
    troubles: tuple[Trouble, ...] = ()


class Manager(Protocol):
    """A workflow manager with a database and queue jobs."""

    def submit(self, order: Order) -> bool:
        """Hand a recipe over; return False if it was there already."""

    def start(self) -> list[str]:
        """See to it that what is ready is worked on; return lines that say what was done."""

    def submissions(self) -> list[Submission]:
        """Return everything that was submitted, newest first."""

    def cancel(self, keys: Sequence[str]) -> list[str]:
        """Stop submissions; return the keys of those that were not finished."""

    def retry(self, keys: Sequence[str]) -> list[str]:
        """Run what failed or was lost again; return the names of these jobs."""
