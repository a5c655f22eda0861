r"""Diffusion tensor of one ion or vacancy on the network of its sites and hops.

In the dilute limit an ion is alone, and its rates are those of harmonic transition-state theory
(G. H. Vineyard, J. Phys. Chem. Solids 3, 121 (1957)) with one attempt frequency for all hops,
:math:`k_{ij} = \nu^* e^{-(S_{ij} - E_i)/kT}`. At equilibrium each hop is passed as often forth as
back, :math:`g_{ij} = p_i k_{ij} = g_{ji}`, so that the network is one of conductors: along v

.. math:: v^T D v = \min_\chi \sum_{ij} g_{ij} \, (v \cdot d_{ij} + \chi_j - \chi_i)^2,

over the hops of one cell, each once, with the displacements d of whole cells. The minimum is found
by taking the sites out one after the other (star to mesh), which adds and never subtracts: traps
that are left 1e30 times more rarely than others do not drown in rounding.

For one kind of hop among equal sites it is the textbooks' :math:`z\lambda^2\nu^*e^{-E/kT}/2d`.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from defectflow.units import BOLTZMANN_EV_PER_K, CM2_PER_A2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from defectflow.analysis.percolation import Edge

    Array = NDArray[np.float64]


def diffusion_tensor_cm2_per_s(
    edges: Sequence[Edge],
    sites_eV: Sequence[float],
    lattice_A: ArrayLike,
    temperature_K: float,
    attempt_frequency_Hz: float,
) -> Array:
    """Return the diffusion tensor of a walker that is alone, shape (3, 3), cm²/s.

    Parameters
    ----------
    edges
        Hops; one that stands in both directions counts once. Saddles are on the scale of the sites.
    sites_eV
        Energies of the sites of a cell.
    lattice_A
        Rows are the vectors of the cell, Å.
    temperature_K
        Positive.

    Raises
    ------
    ValueError
        If the temperature is not positive.

    Examples
    --------
    >>> from defectflow.analysis.percolation import Edge
    >>> chain = [Edge(0, 0, (1, 0, 0), 0.3, "along")]
    >>> tensor = diffusion_tensor_cm2_per_s(chain, [0.0], 3 * np.eye(3), 300.0, 1e13)
    >>> f"{tensor[0, 0]:.2e} cm²/s along the chain, {tensor[1, 1]} across"
    '8.21e-08 cm²/s along the chain, 0.0 across'
    """
    if temperature_K <= 0:
        message = f"temperature_K={temperature_K}: give a temperature above 0 K"
        raise ValueError(message)
    thermal_eV = BOLTZMANN_EV_PER_K * temperature_K
    lowest = min(sites_eV)
    states = sum(math.exp((lowest - energy) / thermal_eV) for energy in sites_eV)
    network = _Network()
    for edge in _once(edges):
        passed = math.exp((lowest - edge.saddle_eV) / thermal_eV) / states
        network.join(edge.start, edge.end, passed, np.array(edge.shift, dtype=float))
    lattice = np.asarray(lattice_A, dtype=float)
    tensor_A2 = lattice.T @ network.reduced() @ lattice
    return np.asarray(tensor_A2 * CM2_PER_A2 * attempt_frequency_Hz)


def _once(edges: Sequence[Edge]) -> list[Edge]:
    """Return each hop in one of its two directions."""
    found = {}
    for edge in edges:
        forth = (edge.start, edge.end, edge.shift)
        back = (edge.end, edge.start, tuple(-step for step in edge.shift))
        found[min(forth, back), edge.kind] = edge
    return list(found.values())


class _Network:
    """Conductors between the sites of a periodic network, and what is already known of its tensor.

    `links` holds, for each site and each neighbour, conductance and displacement in cells.
    """

    def __init__(self) -> None:
        self.links: dict[int, dict[int, tuple[float, Array]]] = {}
        self.settled = np.zeros((3, 3))

    def join(self, start: int, end: int, conductance: float, displacement: Array) -> None:
        """Add a conductor; one from a site to its own image, or beside another, is settled."""
        if conductance == 0.0:
            return
        if start == end:
            self.settled += conductance * np.outer(displacement, displacement)
            return
        known = self.links.setdefault(start, {}).get(end)
        if known is not None:
            (strong, along), (weak, aside) = sorted(
                [known, (conductance, displacement)], key=lambda one: -one[0]
            )
            conductance, share = strong + weak, weak / (strong + weak)
            self.settled += strong * share * np.outer(aside - along, aside - along)
            displacement = along + share * (aside - along)
        self.links[start][end] = (conductance, displacement)
        self.links.setdefault(end, {})[start] = (conductance, -displacement)

    def reduced(self) -> Array:
        """Take out all sites, those with the fewest neighbours first; return the tensor."""
        while self.links:
            site = min(self.links, key=lambda one: len(self.links[one]))
            arms = self.links.pop(site)
            for neighbour in arms:
                del self.links[neighbour][site]
            together = sum(conductance for conductance, _ in arms.values())
            for (one, (g, d)), (two, (h, e)) in combinations(arms.items(), 2):
                self.join(one, two, g * (h / together), e - d)
        return self.settled
