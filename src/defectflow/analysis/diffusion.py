"""Diffusion coefficient of one kind of hop from its barrier."""

from __future__ import annotations

import math
from dataclasses import dataclass

from defectflow.units import BOLTZMANN_EV_PER_K, CM2_PER_A2


@dataclass(frozen=True)
class HopDiffusion:
    r"""Tracer diffusion of independent random jumps, :math:`D = \rho\lambda^2\nu^* e^{-E/kT}`.

    The dilute limit of transition-state theory (G. H. Vineyard, J. Phys. Chem. Solids 3, 121
    (1957)) on a network of equal hops: no interaction between ions, no correlation of jumps.

    Attributes
    ----------
    geometric_factor
        :math:`\rho = z/2d` for z equal jumps out of a site in d dimensions.
    jump_length_A
        :math:`\lambda`, straight distance between the two sites, Å.
    attempt_frequency_Hz
        :math:`\nu^*`; 1e13 Hz is the field's convention, not a computed value.
    barrier_eV
        E, eV.
    """

    geometric_factor: float
    jump_length_A: float
    attempt_frequency_Hz: float
    barrier_eV: float

    def coefficient_cm2_per_s(self, temperature_K: float) -> float:
        """Return D in cm²/s at a temperature in K (positive)."""
        if temperature_K <= 0:
            message = f"temperature_K={temperature_K}: give a temperature above 0 K"
            raise ValueError(message)
        boltzmann = math.exp(-self.barrier_eV / (BOLTZMANN_EV_PER_K * temperature_K))
        area_A2 = self.geometric_factor * self.jump_length_A**2
        return area_A2 * CM2_PER_A2 * self.attempt_frequency_Hz * boltzmann
