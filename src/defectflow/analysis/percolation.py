"""Which hops must be passed to cross the crystal: the bottleneck of a network of sites.

The barrier that limits diffusion is not that of the easiest hop (a pair of sites close together
may lead nowhere) but the smallest height at which the hops below it connect a site with its own
periodic image.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Shift = tuple[int, int, int]


@dataclass(frozen=True)
class Edge:
    """A hop from site `start` to site `end` displaced by `shift` cells, with its saddle energy.

    `saddle_eV` is on the same scale for all edges of a network; `kind` names the orbit.
    """

    start: int
    end: int
    shift: Shift
    saddle_eV: float
    kind: str


@dataclass(frozen=True)
class Percolation:
    """The lowest saddle energy (eV) at which the network spans the crystal, and how.

    `dimensions` counts the independent directions open at that energy; `kinds` are the orbits of
    hops in use, the bottleneck last.
    """

    saddle_eV: float
    dimensions: int
    kinds: tuple[str, ...]


class _Clusters:
    """Union-find whose links remember the lattice vector from a site to its cluster's root."""

    def __init__(self, size: int) -> None:
        self.parent = list(range(size))
        self.offset: list[NDArray[np.int64]] = [np.zeros(3, dtype=np.int64)] * size
        self.cycles: dict[int, list[NDArray[np.int64]]] = {i: [] for i in range(size)}

    def root(self, site: int) -> tuple[int, NDArray[np.int64]]:
        total = np.zeros(3, dtype=np.int64)
        while self.parent[site] != site:
            total = total + self.offset[site]
            site = self.parent[site]
        return site, total

    def join(self, edge: Edge) -> None:
        """Add a hop; a hop inside one cluster that ends in another cell makes it endless."""
        (a, to_a), (b, to_b) = self.root(edge.start), self.root(edge.end)
        loop = np.array(edge.shift, dtype=np.int64) + to_a - to_b
        if a != b:
            self.parent[b] = a
            self.offset[b] = loop
            self.cycles[a] += self.cycles.pop(b)
        elif loop.any():
            self.cycles[a].append(loop)

    def dimensions(self) -> int:
        """Return the number of independent directions in which some cluster is endless."""
        return max(
            int(np.linalg.matrix_rank(np.array(cycles))) if cycles else 0
            for cycles in self.cycles.values()
        )


def percolation(edges: Sequence[Edge], sites: int, dimensions: int = 1) -> Percolation | None:
    """Return the bottleneck of a periodic network, or None where it never spans the crystal.

    Parameters
    ----------
    edges
        Hops, each once; hops of one orbit share a saddle energy.
    sites
        Number of sites in the cell.
    dimensions
        Independent directions that must be open (1: somewhere, 3: everywhere).

    Examples
    --------
    >>> percolation([Edge(0, 0, (1, 0, 0), 0.4, "a"), Edge(0, 0, (0, 1, 0), 0.7, "b")], 1)
    Percolation(saddle_eV=0.4, dimensions=1, kinds=('a',))
    """
    clusters = _Clusters(sites)
    used: list[str] = []
    for saddle_eV, level in groupby(sorted(edges, key=_saddle), key=_saddle):
        for edge in level:
            clusters.join(edge)
            if edge.kind not in used:
                used.append(edge.kind)
        reached = clusters.dimensions()
        if reached >= dimensions:
            return Percolation(saddle_eV, reached, tuple(used))
    return None


def _saddle(edge: Edge) -> float:
    return edge.saddle_eV
