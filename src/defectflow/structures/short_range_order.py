"""How random a distribution of species over sites is: Warren and Cowley's parameters.

For species i and j in shell s, alpha = 1 - P(j | i, s) / c_j: the probability that a neighbour of
an atom i in that shell is j, over the concentration of j, taken from one. 0 for a random solution;
for unlike species positive where they avoid each other and negative where they attract; for like
ones the other way round (J. M. Cowley, Phys. Rev. 77, 669 (1950); D. de Fontaine, J. Appl. Cryst.
4, 15 (1971) for several species).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.ordering import EMPTY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: Distances that differ by less (Å) belong to one shell.
SHELL_GAP_A: Final = 0.1
SHELLS: Final = 3


@dataclass(frozen=True, eq=False)
class Shells:
    """Neighbours among the sites of a sublattice, shell by shell, periodic images included.

    Attributes
    ----------
    distances_A
        (s,) Mean distance of each shell.
    neighbours
        (s, n, n) How often site ``j`` is a neighbour of site ``i`` in each shell; its own images
        count.
    """

    distances_A: tuple[float, ...]
    neighbours: np.ndarray


@dataclass(frozen=True, eq=False)
class ShortRangeOrder:
    """Warren-Cowley parameters of a distribution.

    Attributes
    ----------
    species
        Element symbols, ``vacancy`` for an empty site; rows and columns of `parameters`.
    distances_A
        Of the shells.
    parameters
        (s, k, k) alpha of species i (row) and j (column); not a number where a species is missing.
    """

    species: tuple[str, ...]
    distances_A: tuple[float, ...]
    parameters: np.ndarray

    def largest(self) -> tuple[float, ...]:
        """Return the largest magnitude of unlike pairs in each shell; 0 for a single species."""
        unlike = ~np.eye(len(self.species), dtype=bool)
        return tuple(float(np.abs(shell[unlike]).max(initial=0.0)) for shell in self.parameters)

    def of(self, first: str, second: str) -> tuple[float, ...]:
        """Return the parameter of a pair of species in each shell."""
        for symbol in (first, second):
            if symbol not in self.species:
                near = did_you_mean(symbol, self.species)
                message = f"short-range order of {symbol}: not on these sites; {near}"
                raise StructureError(message)
        i, j = self.species.index(first), self.species.index(second)
        return tuple(float(value) for value in self.parameters[:, i, j])


def shells_of(structure: Structure, sites: Sequence[int], count: int = SHELLS) -> Shells:
    """Return the first `count` shells among `sites` of a crystal.

    Raises
    ------
    StructureError
        If there are no sites.
    """
    if not len(sites) or count < 1:
        message = f"{count} shells around {len(sites)} sites: give at least one of each"
        raise StructureError(message)
    number = {int(site): rank for rank, site in enumerate(sites)}
    reach_A = 4.0
    while True:
        first, second, _, distances = structure.get_neighbor_list(reach_A)
        ours = np.isin(first, list(number)) & np.isin(second, list(number))
        order = np.argsort(distances[ours], kind="stable")
        ranked = distances[ours][order]
        starts = np.flatnonzero(np.diff(ranked, prepend=-np.inf) > SHELL_GAP_A)
        if len(starts) > count:  # the next shell begins within reach: the last one is complete
            break
        reach_A *= 1.3
    i = np.array([number[int(site)] for site in first[ours][order]])
    j = np.array([number[int(site)] for site in second[ours][order]])
    neighbours = np.zeros((count, len(number), len(number)))
    means = []
    for shell in range(count):
        part = slice(starts[shell], starts[shell + 1])
        np.add.at(neighbours[shell], (i[part], j[part]), 1.0)
        means.append(float(ranked[part].mean()))
    return Shells(tuple(means), neighbours)


def parameters(shells: Shells, labels: np.ndarray, species: int) -> np.ndarray:
    """Return (s, k, k) Warren-Cowley parameters of sites labelled by the rank of their species."""
    held = np.eye(species)[labels]
    pairs = np.einsum("ia,sij,jb->sab", held, shells.neighbours, held)
    around = pairs.sum(axis=2, keepdims=True)
    concentrations = held.mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: np.ndarray = 1.0 - pairs / around / concentrations
    return found


def short_range_order(cell: Cell, host: str, count: int = SHELLS) -> ShortRangeOrder:
    """Return the short-range order on the sites that `host` has in the pristine crystal.

    Measured from the pairs in the cell alone, whatever made it.

    Examples
    --------
    Nickel that avoids itself as far as it can is ordered, not random.

    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.ordering import Decoration, orderings
    >>> spinel = hosts.load("spinel-LiMn2O4").structure
    >>> (ordered,) = orderings(spinel, [Decoration("Mn", {"Ni": 4})], space_group="P4_332")
    >>> round(short_range_order(ordered, "Mn").of("Ni", "Ni")[0], 3)
    1.0
    """
    sites = [k for k, site in enumerate(cell.pristine) if site.specie.symbol == host]
    if not sites:
        near = did_you_mean(host, {site.specie.symbol for site in cell.pristine})
        message = f"{cell.pristine.reduced_formula} has no {host}; {near}"
        raise StructureError(message)
    after = {change.index: change.after or EMPTY for change in cell.changed if change.before}
    held = [after.get(site, host) for site in sites]
    species = sorted(set(held), key=lambda symbol: (symbol == EMPTY, symbol))
    labels = np.array([species.index(symbol) for symbol in held])
    shells = shells_of(cell.pristine, sites, count)
    return ShortRangeOrder(
        tuple(species), shells.distances_A, parameters(shells, labels, len(species))
    )


def spread(shells: Shells, pairs: np.ndarray, concentrations: np.ndarray) -> float:
    """Return how far pair counts (s, k, k) are from random, 0 or more: the sum over unlike pairs.

    Shell s counts 1/s, as its number of order.
    """
    totals = shells.neighbours.sum(axis=(1, 2))
    expected = np.outer(concentrations, concentrations) * totals[:, None, None]
    upper = np.triu_indices(len(concentrations), k=1)
    gaps = np.abs(1.0 - (pairs / expected)[:, upper[0], upper[1]]).sum(axis=1)
    return float(math.fsum(gaps / np.arange(1, len(gaps) + 1)))
