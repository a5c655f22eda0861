"""The end of a job's wall time, so that it can stop by itself with its state on disk.

The end is read from the environment: ``DEFECTFLOW_WALL_TIME_S`` counts from the start of the
process; ``SLURM_JOB_END_TIME``, which Slurm sets, is a Unix time, and so is
``DEFECTFLOW_WALL_TIME_END``, which a run gives to the processes that it starts: they begin later
and end with it. Without any of them there is no end.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from defectflow.errors import OutOfTime, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STARTED: Final = time.time()
_END_VARIABLE: Final = "DEFECTFLOW_WALL_TIME_END"
#: A step may take this many times as long as the longest before it.
_MARGIN: Final = 1.5
#: Time to write the state down.
_CLOSING_S: Final = 10.0


def time_left_s() -> float | None:
    """Return the seconds until the wall time ends; None if it does not.

    Raises
    ------
    RecipeError
        If an environment variable holds no number.
    """
    ends = []
    origins = {"DEFECTFLOW_WALL_TIME_S": _STARTED, "SLURM_JOB_END_TIME": 0.0, _END_VARIABLE: 0.0}
    for name, origin in origins.items():
        text = os.environ.get(name)
        if not text:
            continue
        try:
            ends.append(origin + float(text))
        except ValueError as error:
            message = f"environment variable {name}={text}: is no number of seconds"
            raise RecipeError(message) from error
    return min(ends) - time.time() if ends else None


@contextlib.contextmanager
def wall_time_for_children() -> Iterator[None]:
    """Let a process that starts now end when this one does, not a whole wall time later.

    What starts otherwise, such as a job sent to the queue, gets no end from here.
    """
    left_s, before = time_left_s(), os.environ.get(_END_VARIABLE)
    if left_s is not None:
        os.environ[_END_VARIABLE] = str(time.time() + left_s)
    try:
        yield
    finally:
        os.environ.pop(_END_VARIABLE, None)
        if before is not None:
            os.environ[_END_VARIABLE] = before


@dataclass
class Deadline:
    """Watches the steps of one calculation.

    Attributes
    ----------
    what
        What is under way, for the message.
    """

    what: str
    longest_s: float = 0.0
    _last: float = field(default_factory=time.monotonic)

    def near(self) -> bool:
        """Call after each step; return whether another one may not fit into the time left."""
        now = time.monotonic()
        self.longest_s, self._last = max(self.longest_s, now - self._last), now
        left = time_left_s()
        return left is not None and left < _MARGIN * self.longest_s + _CLOSING_S

    def stop(self) -> OutOfTime:
        """Return the error that ends the job."""
        message = (
            f"{self.what}: stopped before the end of the wall time, the state is kept; run the "
            "same recipe with the same store again and it goes on"
        )
        return OutOfTime(message)
