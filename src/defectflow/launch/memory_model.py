"""How much memory jobs will need: counted, and set right by what finished jobs took.

The count (`Size.parts_MB`) has two parts: programs, and what grows with the crystal: states, grids.
Both are set right by a factor: the measured peaks of finished jobs are a weighted sum of the two,
each believed to be near one before anything is measured. Small cells thus tell what the programs
take, large ones what the crystal does, and neither is carried over to the other.

Linear regression with normal priors: A. Gelman et al., Bayesian Data Analysis, 3rd ed., section
14.8.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from defectflow.launch.costs import Finished
    from defectflow.launch.sizes import Size

_FEWEST: Final = 3
#: Standard deviation of both factors before anything is measured: 19 of 20 within a factor of two.
_BELIEF: Final = 0.5
#: Even equal jobs differ by this part of what they take.
_LEAST_SCATTER: Final = 0.05


def _believed() -> NDArray[np.float64]:
    return np.ones(2)


@dataclass(frozen=True)
class MemoryModel:
    """Memory of the jobs of one engine.

    Attributes
    ----------
    family
        Of the engine.
    factors
        By which the count of programs and that of the crystal are multiplied.
    covariance
        Of the two factors.
    scatter
        Standard deviation of measured over estimated memory.
    count
        Finished jobs that this rests on.

    Examples
    --------
    >>> from defectflow.launch.costs import Finished
    >>> from defectflow.launch.sizes import Size
    >>> jobs = [Finished("relax", n, 9, 1.0, Size(n), 1, 350 + 3.0 * n) for n in (4, 8, 64, 200)]
    >>> 420 < MemoryModel.fitted(jobs, "potential").estimate(Size(32), 1) < 470
    True
    """

    family: str
    factors: NDArray[Any] = field(default_factory=_believed)
    covariance: NDArray[Any] = field(default_factory=lambda: _BELIEF**2 * np.eye(2))
    scatter: float = 0.0
    count: int = 0

    @classmethod
    def fitted(cls, finished: Iterable[Finished], family: str) -> MemoryModel:
        """Return the model of finished jobs; the count alone if too few were measured."""
        counted: list[Any] = []
        took = []
        for job in finished:
            parts = job.size.parts_MB(family, job.processes) if job.size else None
            if parts and job.memory_MB:
                counted.append(parts)
                took.append(job.memory_MB)
        if len(took) < _FEWEST:
            return cls(family)
        # In units of what each job took: errors are parts of it.
        rows = np.asarray(counted) / np.asarray(took)[:, None]
        scatter, precision = 1.0, np.eye(2)
        factors: NDArray[Any] = _believed()
        for _ in range(20):  # factors and scatter settle within a few rounds
            precision = np.eye(2) / _BELIEF**2 + rows.T @ rows / scatter**2
            right = np.ones(2) / _BELIEF**2 + rows.sum(axis=0) / scatter**2
            factors = np.linalg.solve(precision, right)
            rest = 1 - rows @ factors
            freedom = max(1, len(took) - 2)
            scatter = max(_LEAST_SCATTER, float(rest @ rest / freedom) ** 0.5)
        return cls(family, factors, np.linalg.inv(precision), scatter, len(took))

    def estimate(self, size: Size, processes: int) -> float | None:
        """Return the memory of all processes together, MB; None if the size is not known."""
        parts = size.parts_MB(self.family, processes)
        return None if parts is None else float(self.factors @ parts)

    def factor(self, size: Size, processes: int) -> float | None:
        """Return by what 19 of 20 jobs differ at most from the estimate."""
        parts = size.parts_MB(self.family, processes)
        if parts is None:
            return None
        share = np.asarray(parts) / (self.factors @ parts)
        return float(1 + 2 * (self.scatter**2 + share @ self.covariance @ share) ** 0.5)

    def basis(self) -> str:
        """Return in words what the estimates rest on."""
        if not self.count:
            return (
                "memory is counted (programs, states, grids), not measured: good to a factor of "
                f"two; fewer than {_FEWEST} finished jobs tell"
            )
        programs, crystal = self.factors
        return (
            f"memory is {programs:.2f} times what is counted for programs and {crystal:.2f} times "
            f"that for states and grids, as in {self.count} finished jobs, scatter "
            f"{100 * self.scatter:.0f} %"
        )
