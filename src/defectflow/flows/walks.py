"""From the heights of hops to diffusion coefficients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from monty.json import MSONable

from defectflow.analysis.diffusion import diffusion_tensor_cm2_per_s
from defectflow.documents.migration import Diffusion
from defectflow.flows.barrier import edges_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from defectflow.analysis.percolation import Edge
    from defectflow.flows.barrier import HopPlan


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
        only = plans[0] if len(plans) == 1 and plans[0].start == plans[0].end else None
        return Diffusion(
            geometric_factor=only.per_site / (2 * dimensions) if only else None,
            jump_length_A=only.distance_A if only else None,
            attempt_frequency_Hz=self.attempt_frequency_Hz,
            barrier_eV=barrier_eV,
            coefficient_cm2_per_s={
                kelvin: float(np.linalg.eigvalsh(tensor)[-dimensions:].mean())
                for kelvin, tensor in tensors.items()
            },
            tensor_cm2_per_s={
                kelvin: tuple(map(tuple, tensor.tolist())) for kelvin, tensor in tensors.items()
            },
        )
