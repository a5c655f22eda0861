"""Which hops of a network are hops of their own, and which only join others.

A band between two sites may fall into a third one on its way. Then it is no hop but two: both are
in the network already, counted once each, with saddles that their own bands have seen. As a hop it
would be counted twice, and where its images are too coarse for both saddles it would be too low.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from defectflow.flows.network import LEFT_SITE_A

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import ArrayLike, NDArray

    from defectflow.analysis.percolation import Shift
    from defectflow.documents.migration import HopDocument
    from defectflow.flows.barrier import HopPlan

    Array = NDArray[np.float64]
    Place = tuple[int, Shift]


def elementary(
    plans: Sequence[HopPlan], hops: Sequence[HopDocument], lattice_A: ArrayLike
) -> tuple[tuple[list[HopPlan], list[HopDocument]], list[str]]:
    """Return the hops of their own, and what is to be said of the others.

    Parameters
    ----------
    lattice_A
        Rows are the vectors of the host's cell, Å.
    """
    lattice = np.asarray(lattice_A, dtype=float)
    kept = list(range(len(plans)))
    notes: list[str] = []
    for k in sorted(kept, key=lambda one: -plans[one].distance_A):
        others = {_edge(edge) for one in kept if one != k for edge in plans[one].edges}
        passed = _passed(plans[k], hops[k], lattice)
        if passed and _are_joined(_way(plans[k], passed), others):
            kept.remove(k)
            over = " and ".join(dict.fromkeys(plans[k].places[place] for place, _ in passed))
            notes.append(
                f"{plans[k].label}: leads over {over}, by hops that are counted already; it is "
                "left out of barrier and diffusion"
            )
    return ([plans[k] for k in kept], [hops[k] for k in kept]), notes


def _edge(edge: Sequence[Any]) -> tuple[int, int, Shift]:
    start, end, (a, b, c) = edge
    return start, end, (a, b, c)


def _passed(plan: HopPlan, hop: HopDocument, lattice: Array) -> list[Place]:
    """Return the sites other than its ends in whose basins the ion of a band comes to lie."""
    if not plan.points_A:
        return []
    points = np.array(plan.points_A)
    start, end, shift = _edge(plan.edges[0])
    ends = {(start, (0, 0, 0)), (end, shift)}
    way = hop.band.positions()[:, -1]
    cells = np.round((points[start] - way[0]) @ np.linalg.inv(lattice))
    found: list[Place] = []
    for k in _minima(hop.band.energies_eV):
        apart = (way[k] + cells @ lattice - points) @ np.linalg.inv(lattice)
        images = np.round(apart).astype(int)
        distances = np.linalg.norm((apart - images) @ lattice, axis=1)
        nearest = int(distances.argmin())
        a, b, c = images[nearest].tolist()
        place = (nearest, (a, b, c))
        if distances[nearest] < LEFT_SITE_A and place not in ends:
            found.append(place)
    return found


def _minima(energies_eV: Sequence[float]) -> list[int]:
    """Return the inner images that are no higher than their neighbours."""
    inner = range(1, len(energies_eV) - 1)
    return [k for k in inner if energies_eV[k] <= min(energies_eV[k - 1], energies_eV[k + 1])]


def _way(plan: HopPlan, passed: Sequence[Place]) -> list[Place]:
    start, end, shift = _edge(plan.edges[0])
    return [(start, (0, 0, 0)), *passed, (end, shift)]


def _are_joined(way: Sequence[Place], edges: Collection[object]) -> bool:
    """Tell whether there is a hop between all neighbours on a way."""
    steps = [
        (one, two, tuple(b - a for a, b in zip(here, there, strict=True)))
        for (one, here), (two, there) in pairwise(way)
        if (one, here) != (two, there)
    ]
    return all(step in edges for step in steps)
