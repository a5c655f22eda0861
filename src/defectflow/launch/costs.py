"""What jobs will cost, from what finished jobs have cost: one line through logarithms.

For each engine and kind of step, t = c N^p with the number of atoms N. The exponent is fitted if
the finished jobs differ enough in size, else 2; what is left scatters by a factor, which is the
error bar. Without finished jobs there is no estimate, and none is made up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from defectflow.store import Store

_FEWEST: Final = 3
_EXPONENT: Final = 2.0
#: Sizes must differ by this factor before an exponent is fitted.
_SPREAD: Final = 2.0
#: Even many jobs of one kind say little about another crystal: no error bar below this factor.
_LEAST_FACTOR: Final = 1.5


@dataclass(frozen=True)
class Finished:
    """A finished job: its kind, size and wall time."""

    kind: str
    atoms: int
    seconds: float


@dataclass(frozen=True)
class Estimate:
    """Wall time of a job; true values lie within ``seconds / factor`` and ``seconds * factor``."""

    seconds: float
    factor: float


@dataclass(frozen=True)
class CostModel:
    """Costs of one engine.

    Examples
    --------
    >>> jobs = [Finished("relax", n, 0.1 * n**3) for n in (4, 8, 16, 32)]
    >>> round(CostModel.fitted(jobs).estimate("relax", 64).seconds)
    26214
    """

    lines: Mapping[str, tuple[float, float, float, int]]

    @classmethod
    def fitted(cls, finished: Iterable[Finished]) -> CostModel:
        """Return the model of finished jobs."""
        by_kind: dict[str, list[Finished]] = {}
        for one in finished:
            if one.seconds > 0 and one.atoms > 0:
                by_kind.setdefault(one.kind, []).append(one)
        kept = {kind: jobs for kind, jobs in by_kind.items() if len(jobs) >= _FEWEST}
        return cls({kind: _line(jobs) for kind, jobs in kept.items()})

    def estimate(self, kind: str, atoms: int) -> Estimate | None:
        """Return the wall time of a job; None if too few of its kind have finished."""
        if kind not in self.lines:
            return None
        start, power, scatter, count = self.lines[kind]
        seconds = float(np.exp(start + power * np.log(atoms)))
        factor = float(np.exp(2 * scatter * np.sqrt(1 + 1 / count)))
        return Estimate(seconds, max(factor, _LEAST_FACTOR))

    def basis(self) -> str:
        """Return in words what the estimates rest on."""
        if not self.lines:
            return (
                f"no estimate: fewer than {_FEWEST} finished jobs of this engine and level in the "
                "store; run a small recipe first"
            )
        words = [
            f"{count} {kind} (N^{power:.1f})" for kind, (_, power, _, count) in self.lines.items()
        ]
        return f"finished jobs in the store: {', '.join(words)}"


def finished_jobs(store: Store, engine: str, level: str) -> list[Finished]:
    """Return the finished jobs of an engine at a level in a store."""
    criteria = {"output.engine.name": engine, "output.engine.level": level}
    fields = ["output.wall_time_s", "output.structure.sites", "output.images", "output.steps"]
    fields += ["output.hessian_eV_per_A2", "output.fermi_eV", "output.cell"]
    found = store.jobs.docs_store.query(criteria, fields)
    jobs = [_finished(one["output"]) for one in found if "output" in one]
    return [job for job in jobs if job is not None]


def _finished(output: Mapping[str, Any]) -> Finished | None:
    seconds = output.get("wall_time_s")
    images = output.get("images")
    if not seconds:
        return None
    if images:
        return Finished("band", len(images[0]["structure"]["sites"]), seconds)
    sites = (output.get("structure") or {}).get("sites")
    if not sites:
        return None
    if "hessian_eV_per_A2" in output:
        return Finished("vibrations", len(sites), seconds)
    if "fermi_eV" in output:
        return Finished("dos", len(sites), seconds)
    kind = "static" if output.get("steps") == 0 else "relax"
    return Finished(kind, len(sites), seconds)


def _line(jobs: list[Finished]) -> tuple[float, float, float, int]:
    """Return intercept, exponent, scatter of the logarithm, and number of jobs."""
    sizes = np.log([job.atoms for job in jobs])
    times = np.log([job.seconds for job in jobs])
    power = _EXPONENT
    if np.exp(np.ptp(sizes)) >= _SPREAD:
        power = float(np.clip(np.polyfit(sizes, times, 1)[0], 0.0, 4.0))
    rest = times - power * sizes
    scatter = float(np.std(rest, ddof=1))
    return float(np.mean(rest)), power, scatter, len(jobs)
