"""How long the rest of a run may take, judged by the jobs that have ended in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass


class Forecast:
    """Adds up the mean times of the jobs that are left, each by its name.

    A job whose name has not ended yet counts as the mean of all. Flows grow, so this is what is
    left of the jobs known so far.

    Parameters
    ----------
    workers
        Jobs at a time.

    Examples
    --------
    >>> forecast = Forecast(workers=2)
    >>> forecast.expect("relax", 5)
    >>> forecast.ended("relax", seconds=10.0)
    >>> forecast.left_s()
    20.0
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._left: Counter[str] = Counter()
        self._times: dict[str, _Times] = {}
        self._all = _Times()
        # Of all names together, kept up to date so that an answer costs the same in a long run.
        self._jobs = self._unknown = 0
        self._work_s = 0.0

    def expect(self, name: str, count: int = 1) -> None:
        """Note that `count` more jobs of this name are to come."""
        self._change(name, count)

    def ended(self, name: str, seconds: float | None = None) -> None:
        """Note that a job has ended; with the time that it took if it was computed."""
        self._change(name, -1)
        if seconds is None:
            return
        left = self._left[name]
        times = self._times.get(name)
        if times is None:
            times = self._times[name] = _Times()
            self._unknown -= left
        else:
            self._work_s -= left * times.mean
        for one in (times, self._all):
            one.add(seconds)
        self._work_s += left * times.mean

    def left_s(self) -> float | None:
        """Return the seconds that the jobs known so far still need; None if nothing tells."""
        if not self._all.count:
            return None
        work_s = max(0.0, self._work_s) + self._unknown * self._all.mean
        return work_s / max(1, min(self._workers, self._jobs))

    def _change(self, name: str, count: int) -> None:
        self._left[name] += count
        self._jobs += count
        times = self._times.get(name)
        if times is None:
            self._unknown += count
        else:
            self._work_s += count * times.mean


@dataclass
class _Times:
    count: int = 0
    seconds: float = 0.0

    @property
    def mean(self) -> float:
        return self.seconds / self.count

    def add(self, seconds: float) -> None:
        self.count += 1
        self.seconds += seconds
