"""How much memory jobs will need: counted, and set right by what finished jobs took.

The count (`Size.memory_MB`) knows what a calculation keeps: states, grids, programs. What a code
takes beside it is a factor that its finished jobs tell, the mean of the logarithms of measured over
counted memory. Their scatter is the error bar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from defectflow.launch.costs import Finished
    from defectflow.launch.sizes import Size

_FEWEST: Final = 3
#: The count alone is good to this factor (19 of 20), which is an opinion.
_COUNTED_FACTOR: Final = 2.0
#: Jobs that are equal differ by this, as Python and MPI do not take the same twice.
_LEAST_SCATTER: Final = 0.05


@dataclass(frozen=True)
class MemoryModel:
    """Memory of the jobs of one engine.

    Attributes
    ----------
    family
        Of the engine.
    ratio
        Measured over counted memory.
    factor
        19 of 20 jobs take between the estimate divided by it and the estimate times it.
    count
        Finished jobs that this rests on.

    Examples
    --------
    >>> from defectflow.launch.costs import Finished
    >>> from defectflow.launch.sizes import Size
    >>> jobs = [Finished("relax", n, 9, 1.0, Size(n), 1, 1420 + 6.0 * n) for n in (4, 8, 64)]
    >>> round(MemoryModel.fitted(jobs, "potential").estimate(Size(32), 1))
    1613
    """

    family: str
    ratio: float = 1.0
    factor: float = _COUNTED_FACTOR
    count: int = 0

    @classmethod
    def fitted(cls, finished: Iterable[Finished], family: str) -> MemoryModel:
        """Return the model of finished jobs; the count alone if too few were measured."""
        logs = []
        for job in finished:
            counted = job.size.memory_MB(family, job.processes) if job.size else None
            if counted and job.memory_MB:
                logs.append(np.log(job.memory_MB / counted))
        if len(logs) < _FEWEST:
            return cls(family)
        scatter = max(_LEAST_SCATTER, float(np.std(logs, ddof=1))) * (1 + 1 / len(logs)) ** 0.5
        return cls(family, float(np.exp(np.mean(logs))), float(np.exp(2 * scatter)), len(logs))

    def estimate(self, size: Size, processes: int) -> float | None:
        """Return the memory of all processes together, MB; None if the size is not known."""
        counted = size.memory_MB(self.family, processes)
        return None if counted is None else self.ratio * counted

    def basis(self) -> str:
        """Return in words what the estimates rest on."""
        if not self.count:
            return (
                "memory is counted (states, grids, programs), not measured: good to a factor of "
                f"{_COUNTED_FACTOR:.0f}; fewer than {_FEWEST} finished jobs tell"
            )
        return (
            f"memory is {self.ratio:.2f} times what is counted (states, grids, programs), as in "
            f"{self.count} finished jobs; good to a factor of {self.factor:.1f}"
        )
