"""What jobs will cost, from what finished jobs have cost.

The time of a job is the number of its evaluations of energy and forces times the time of one. That
time follows a line through the logarithms of finished jobs, t = c w^p, with the work w of
`defectflow.launch.sizes`; p is believed to be near 0.8 before anything is measured, and measured
the better the more the finished jobs differ in size. The number of evaluations is known, or that of
finished jobs of the kind. Both scatter, and the scatter is the error bar. Without finished jobs
there is no estimate, and none is made up.

Regression with a normal prior on the slope: A. Gelman et al., Bayesian Data Analysis, 3rd ed.,
section 14.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.launch.sizes import Size, size_of_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from defectflow.store import Store

_FEWEST: Final = 3
#: Newest finished jobs that are looked at.
_MOST: Final = 200
#: Slope of the line before anything is measured, and how sure that is.
_SLOPE: Final = (0.8, 0.25)
#: Even equal jobs differ by this, as machines are busy or not (logarithm of a factor).
_LEAST_SCATTER: Final = 0.2
#: Scatter of the number of evaluations where too few jobs of a kind tell it.
_FEW_CALLS_SCATTER: Final = 0.7


@dataclass(frozen=True)
class Finished:
    """A finished job.

    Attributes
    ----------
    work
        Of one evaluation, see `Size.work`.
    evaluations
        Of energy and forces, of each image of a band.
    core_seconds
        Wall time times cores, of each image of a band.
    size, processes
        What was computed, on how many processes.
    memory_MB
        Peak of all processes together; None if it was not measured.
    """

    kind: str
    work: float
    evaluations: int
    core_seconds: float
    size: Size | None = None
    processes: int = 1
    memory_MB: float | None = None


@dataclass(frozen=True)
class Estimate:
    """Cost of a job; 19 of 20 lie between ``core_seconds / factor`` and ``core_seconds * factor``.

    Attributes
    ----------
    work
        How many times the work of the largest finished job one evaluation is.
    """

    core_seconds: float
    factor: float
    work: float


@dataclass(frozen=True)
class Line:
    """A straight line through points that scatter, with what is known of its slope.

    Attributes
    ----------
    middle
        Means of x and y.
    slope, slope_error
        Of the line, and its standard error.
    scatter
        Standard deviation of points from the line.
    """

    middle: tuple[float, float]
    slope: float
    slope_error: float
    scatter: float
    count: int

    @classmethod
    def through(cls, x: Any, y: Any) -> Line:
        """Return the line through points whose slope is believed to be `_SLOPE`."""
        expected, belief = _SLOPE
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        across, up = x - x.mean(), y - y.mean()
        slope, error, scatter = expected, belief, 1.0
        for _ in range(20):  # slope and scatter settle within a few rounds
            precision = 1 / belief**2 + float(across @ across) / scatter**2
            slope = (expected / belief**2 + float(across @ up) / scatter**2) / precision
            error = precision**-0.5
            rest = up - slope * across
            freedom = max(1, len(x) - 2)
            scatter = max(_LEAST_SCATTER, float(rest @ rest / freedom) ** 0.5)
        return cls((float(x.mean()), float(y.mean())), slope, error, scatter, len(x))

    def at(self, x: float) -> tuple[float, float]:
        """Return the value at `x` and the variance of a new point there."""
        away = x - self.middle[0]
        variance = self.scatter**2 * (1 + 1 / self.count) + (away * self.slope_error) ** 2
        return self.middle[1] + self.slope * away, variance


@dataclass(frozen=True)
class CostModel:
    """Costs of one engine.

    Attributes
    ----------
    pace
        Logarithm of the core-seconds of one evaluation over the logarithm of its work.
    calls
        Mean and scatter of the logarithm of the number of evaluations, and the number of jobs, by
        kind.
    largest
        Work of the largest finished job.

    Examples
    --------
    >>> jobs = [Finished("relax", n, 10, 0.1 * n) for n in (4, 8, 16, 32)]
    >>> cost = CostModel.fitted(jobs).estimate("relax", Size(64))
    >>> round(cost.core_seconds, 1), cost.factor < 2
    (5.9, True)
    """

    pace: Line | None = None
    calls: Mapping[str, tuple[float, float, int]] | None = None
    largest: float = 0.0

    @classmethod
    def fitted(cls, finished: Iterable[Finished]) -> CostModel:
        """Return the model of finished jobs; one without estimates if they are too few."""
        jobs = [one for one in finished if min(one.core_seconds, one.work, one.evaluations) > 0]
        if len(jobs) < _FEWEST:
            return cls()
        pace = Line.through(
            np.log([one.work for one in jobs]),
            np.log([one.core_seconds / one.evaluations for one in jobs]),
        )
        kinds = {one.kind for one in jobs}
        calls = {
            kind: _calls([one.evaluations for one in jobs if one.kind == kind]) for kind in kinds
        }
        return cls(pace, calls, max(one.work for one in jobs))

    def estimate(self, kind: str, size: Size) -> Estimate | None:
        """Return the cost of a job; None if nothing is known of its size or its kind."""
        work = size.work
        if self.pace is None or work is None:
            return None
        if size.evaluations is not None:
            calls, spread = float(np.log(size.evaluations)), 0.0
        elif self.calls and kind in self.calls:
            calls, spread, count = self.calls[kind]
            spread *= (1 + 1 / count) ** 0.5
        else:
            return None
        pace, variance = self.pace.at(float(np.log(work)))
        total = float(np.exp(pace + calls)) * size.images
        factor = float(np.exp(2 * (variance + spread**2) ** 0.5))
        return Estimate(total, factor, work / self.largest)

    def basis(self) -> str:
        """Return in words what the estimates rest on."""
        if self.pace is None:
            return (
                f"no estimate: fewer than {_FEWEST} finished jobs of this engine in the store; "
                "run a small recipe first"
            )
        known = ", ".join(
            f"{count} {kind}" for kind, (_, _, count) in sorted((self.calls or {}).items())
        )
        return (
            f"{self.pace.count} finished jobs in the store ({known}); time of an evaluation as "
            f"work^{self.pace.slope:.2f}, scatter a factor of {np.exp(self.pace.scatter):.1f}; "
            "twice the cores counted as twice as fast"
        )


def finished_jobs(store: Store, engine: str) -> list[Finished]:
    """Return the newest finished jobs of an engine in a store; copies of others do not count."""
    criteria = {"output.engine.name": engine, "output.wall_time_s": {"$gt": 0}}
    fields = [
        "metadata", "output.wall_time_s", "output.force_calls", "output.structure", "output.steps",
        "output.inputs", "output.images", "output.atoms", "output.fermi_eV", "output.quantity",
        "output.fmax_eV_per_A", "output.guidance", "output.lost_electrons",
    ]  # fmt: skip
    found = store.jobs.docs_store.query(
        criteria, fields, sort={"completed_at": -1}, limit=4 * _MOST
    )
    jobs = (
        _finished(one["output"], metadata)
        for one in found
        for metadata in [one.get("metadata") or {}]
        if "reused_from" not in metadata and metadata.get("defectflow") != "again"
    )
    return [job for job, _ in zip((job for job in jobs if job), range(_MOST), strict=False)]


def _finished(output: Mapping[str, Any], metadata: Mapping[str, Any]) -> Finished | None:
    """Return a finished job of an engine; None for a result made of several."""
    images = output.get("images")
    structure = images[0]["structure"] if images else output.get("structure")
    calls = output.get("force_calls")
    if "quantity" in output or not structure or not calls:
        return None
    cell = (
        np.array(structure["lattice"]["matrix"]),
        np.array([site["abc"] for site in structure["sites"]]),
        [_number(site) for site in structure["sites"]],
    )
    guided = output.get("guidance") is not None
    size = size_of_input(cell, output.get("inputs") or {}, guided=guided)
    if size.work is None:
        return None
    inner = len(images) - 2 if images else 1
    seconds = output["wall_time_s"] * metadata.get("cores", 1)
    took = (size, metadata.get("processes", 1), metadata.get("memory_MB"))
    count = max(1, round(calls / inner))
    return Finished(_kind(output), size.work, count, seconds / inner, *took)


def _kind(output: Mapping[str, Any]) -> str:
    if output.get("images"):
        return "band"
    if output.get("fermi_eV") is not None:
        return "dos"
    if output.get("lost_electrons") is not None:
        return "charges"
    if output.get("atoms"):
        return "vibrations"
    if output.get("steps") and "fmax_eV_per_A" not in output:
        return "melt"
    return "relax" if output.get("steps") or output["force_calls"] > 1 else "static"


def _number(site: Mapping[str, Any]) -> int:
    from pymatgen.core import Element

    return int(Element(site["species"][0]["element"]).Z)


def _calls(counts: list[int]) -> tuple[float, float, int]:
    logs = np.log(counts)
    if len(logs) < _FEWEST:
        return float(logs.mean()), _FEW_CALLS_SCATTER, len(logs)
    return float(logs.mean()), float(logs.std(ddof=1)), len(logs)
