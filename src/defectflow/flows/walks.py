"""From the heights of hops to diffusion coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.analysis.diffusion import diffusion_tensor_cm2_per_s
from defectflow.documents.migration import Diffusion
from defectflow.flows.barrier import edges_of
from defectflow.units import BOLTZMANN_EV_PER_K, CM2_PER_A2

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from defectflow.analysis.percolation import Edge
    from defectflow.flows.barrier import HopPlan

#: Relative difference of two diffusion coefficients that are the same: places are known to some
#: thousandths of an Å.
_SAME: Final = 0.01


@dataclass(frozen=True)
class Network:
    """What an ion walks over.

    Attributes
    ----------
    edges
        All hops, with their saddles above the lowest site, eV.
    sites_eV
        Energies of the sites of a cell above the lowest.
    lattice_A
        Vectors (rows) of the cell, Å.
    """

    edges: Sequence[Edge]
    sites_eV: Sequence[float]
    lattice_A: Sequence[Sequence[float]]

    @classmethod
    def of(
        cls,
        plans: Sequence[HopPlan],
        heights_eV: Sequence[float],
        above_lowest_eV: Mapping[str, float],
        lattice_A: Sequence[Sequence[float]],
    ) -> Network:
        """Put together what is known of the hops, and of the sites by their labels."""
        sites_eV = [above_lowest_eV[label] for label in plans[0].places]
        lowest = min(sites_eV)
        return cls(edges_of(plans, heights_eV), [one - lowest for one in sites_eV], lattice_A)


@dataclass(frozen=True)
class Walk(MSONable):
    """What turns barriers into diffusion coefficients."""

    attempt_frequency_Hz: float
    temperatures_K: Sequence[float]

    def document(
        self, network: Network, plans: Sequence[HopPlan], barrier_eV: float, dimensions: int
    ) -> Diffusion:
        """Return tensors and coefficients.

        Parameters
        ----------
        plans
            The kinds of hops that are in the network.
        barrier_eV
            The bottleneck.
        dimensions
            Directions that are open at the bottleneck.
        """
        tensors = {
            f"{kelvin:g}": diffusion_tensor_cm2_per_s(
                network.edges,
                network.sites_eV,
                network.lattice_A,
                kelvin,
                self.attempt_frequency_Hz,
            )
            for kelvin in self.temperatures_K
        }
        coefficients = {
            kelvin: float(np.linalg.eigvalsh(tensor)[-dimensions:].mean())
            for kelvin, tensor in tensors.items()
        }
        factor, length_A = self._textbook(plans, barrier_eV, dimensions, coefficients)
        return Diffusion(
            geometric_factor=factor,
            jump_length_A=length_A,
            attempt_frequency_Hz=self.attempt_frequency_Hz,
            barrier_eV=barrier_eV,
            coefficient_cm2_per_s=coefficients,
            tensor_cm2_per_s={
                kelvin: tuple(map(tuple, tensor.tolist())) for kelvin, tensor in tensors.items()
            },
        )

    def _textbook(
        self,
        plans: Sequence[HopPlan],
        barrier_eV: float,
        dimensions: int,
        found_cm2_per_s: Mapping[str, float],
    ) -> tuple[float | None, float | None]:
        """Return ρ and λ (Å) of D = ρ λ² ν* exp(-E/kT) where that is the coefficient, else None.

        One kind of hop among equal sites is not enough: jumps along a zigzag chain are longer than
        the way that they make, and over a puckered layer too.
        """
        if len(plans) != 1 or plans[0].start != plans[0].end:
            return None, None
        factor, length_A = plans[0].per_site / (2 * dimensions), plans[0].distance_A
        for kelvin, found in found_cm2_per_s.items():
            rate_Hz = self.attempt_frequency_Hz * np.exp(
                -barrier_eV / (BOLTZMANN_EV_PER_K * float(kelvin))
            )
            if not np.isclose(factor * length_A**2 * CM2_PER_A2 * rate_Hz, found, _SAME, 0):
                return None, None
        return factor, length_A
