"""A band on a surface that is only partly known is relaxed so that it cannot run away."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from defectflow.engines.band import Band

    Array = NDArray[np.float64]

#: Forces that exceed so many times those of the start, and these (eV/Å) more, are no way down.
_TIMES: Final = 5.0
_MORE_EV_PER_A: Final = 1.0
#: So many steps in a row without smaller forces are the end of a method's turn.
_PATIENCE: Final = 30
#: Share of the steps that quasi-Newton has before FIRE takes over.
_QUASI_NEWTON: Final = 2 / 3


class Astray(Exception):
    """The band has left the region where the surface means anything, or gets no better."""


@dataclass
class Best:
    """The band with the smallest forces so far.

    Attributes
    ----------
    patience
        So many steps in a row without smaller forces end the minimisation.
    limit_eV_per_A
        Forces above it end the minimisation.
    """

    band: Band
    patience: float
    fmax_eV_per_A: float = field(init=False)
    path: Array = field(init=False)

    def __post_init__(self) -> None:
        self.fmax_eV_per_A, self.path = self.band.fmax(), self.band.path.copy()
        self.limit_eV_per_A = _TIMES * self.fmax_eV_per_A + _MORE_EV_PER_A
        self.steps, self.in_vain = 0, 0

    def see(self) -> None:
        """Look at the band after a step.

        Raises
        ------
        Astray
            If the minimisation is to end.
        """
        self.steps, self.in_vain = self.steps + 1, self.in_vain + 1
        now = self.band.fmax()
        if now < self.fmax_eV_per_A:
            self.fmax_eV_per_A, self.path, self.in_vain = now, self.band.path.copy(), 0
        if not now < self.limit_eV_per_A or self.in_vain > self.patience:
            raise Astray


def settle(band: Band, steps: int) -> None:
    """Relax a band in place; one that does not come to rest ends where its forces were least.

    Quasi-Newton begins. Where a guide is rugged it may throw images to where atoms overlap, or
    wander about; it is then stopped, and FIRE goes on from the best band.

    Parameters
    ----------
    steps
        Of both together, at most.
    """
    best = Best(band, _PATIENCE)
    for method, end in (("bfgs", int(_QUASI_NEWTON * steps)), ("fire", steps)):
        with contextlib.suppress(Astray):
            band.minimise(method, end - best.steps, best.see)  # type: ignore[arg-type]
        if band.done() or band.is_held():
            return
        band.restore(best.path)
        best.in_vain = 0
