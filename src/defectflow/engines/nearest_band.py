"""When a learnt surface is given up, and which band was the best until then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from defectflow.engines.band import Band

Array = NDArray[np.float64]

#: So many rounds in a row without smaller dear forces, and the surface is given up.
_PATIENCE: Final = 6


@dataclass
class Nearest:
    """The measured band that came nearest to rest, and how many rounds have been in vain since."""

    path: Array
    least_eV_per_A: float = np.inf
    in_vain: int = 0

    def see(self, force_eV_per_A: float, path: Array) -> None:
        """Look at a round: what its largest force is, and where."""
        self.in_vain += 1
        if force_eV_per_A < self.least_eV_per_A:
            self.path, self.least_eV_per_A, self.in_vain = path.copy(), force_eV_per_A, 0

    @property
    def is_last(self) -> bool:
        """Whether there is no hope of a better one."""
        return self.in_vain >= _PATIENCE


def unrest_eV_per_A(band: Band) -> float:
    """Return the largest force on an image; where a multiple is enough, less by that factor."""
    decisive = [band.image_fmax(index) for index in band.decisive()]
    return max(*decisive, band.fmax() / band.settings.band_fmax_factor, 0.0)
