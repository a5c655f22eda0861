"""Distinct ways to distribute species over equivalent sites, one by one, without keeping any.

Selections of k of n sites are grown site by site. A selection stands for its orbit if no operation
turns it into one that comes earlier in lexicographic order of the sorted sites; a selection of that
kind has only such selections as its beginnings (R. C. Read, Ann. Discrete Math. 2, 107 (1978)), so
that whole branches are dropped and nothing has to be remembered. Several species are selected in
turn, each under the operations that keep the ones before it. The number of orbits is known
beforehand (Cauchy, Frobenius, "Burnside"): W. Burnside, Theory of Groups of Finite Order (1897).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Sites per machine word of a selection's code.
_WORD: Final = 62


@dataclass(frozen=True)
class Pool:
    """Sites that may hold several species, and how many of each.

    Attributes
    ----------
    sites
        Indices that the operations permute among each other.
    counts
        How many sites each species takes; what is left keeps its first species.
    """

    sites: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Colouring:
    """One distribution of species, which stands for all equivalent ones.

    Attributes
    ----------
    chosen
        Sites of each species, in the order of the pools and of their counts.
    equivalents
        Number of distributions that the operations make of it, itself among them.
    """

    chosen: tuple[tuple[int, ...], ...]
    equivalents: int


def colourings(permutations: np.ndarray, pools: Sequence[Pool]) -> Iterator[Colouring]:
    """Yield each distinct distribution once, in lexicographic order.

    Parameters
    ----------
    permutations
        (g, n) A group: operation ``k`` takes site ``j`` to ``permutations[k, j]``.

    Examples
    --------
    Two of four sites on a ring are neighbours (in four ways) or opposite (in two).

    >>> ring = np.array(
    ...     [np.roll(order, k) for order in ([0, 1, 2, 3], [3, 2, 1, 0]) for k in range(4)]
    ... )
    >>> [(one.chosen, one.equivalents) for one in colourings(ring, [Pool((0, 1, 2, 3), (2,))])]
    [(((0, 1),), 4), (((0, 2),), 2)]
    """
    group = _acting(permutations, pools)
    steps = [(rank, count) for rank, pool in enumerate(pools) for count in pool.counts]
    free = [np.array(sorted(pool.sites)) for pool in pools]
    return _distributed(group, len(group), steps, free)


def number_of_colourings(permutations: np.ndarray, pools: Sequence[Pool]) -> int:
    """Return how many distinct distributions there are, without making any (Burnside's lemma)."""
    group = _acting(permutations, pools)
    kinds = Counter(tuple(_cycles(row, pool.sites) for pool in pools) for row in group)
    fixed = 0
    for cycles, operations in kinds.items():
        product = operations
        for lengths, pool in zip(cycles, pools, strict=True):
            product *= _kept(lengths, pool.counts)
        fixed += product
    return fixed // len(group)


def _acting(permutations: np.ndarray, pools: Sequence[Pool]) -> np.ndarray:
    """Return the operations once each as far as they move sites of the pools; others stay."""
    sites = sorted(site for pool in pools for site in pool.sites)
    different = np.unique(np.asarray(permutations)[:, sites], axis=0)
    group = np.tile(np.arange(np.shape(permutations)[1]), (len(different), 1))
    group[:, sites] = different
    return group


def _distributed(
    group: np.ndarray, order: int, steps: list[tuple[int, int]], free: list[np.ndarray]
) -> Iterator[Colouring]:
    """Yield the distributions of all `steps` under `group`; `order` is that of the whole group."""
    if not steps:
        yield Colouring((), order // len(group))
        return
    rank, count = steps[0]
    for chosen, keeping in _selections(group, free[rank], count):
        left = [np.setdiff1d(sites, chosen) if k == rank else sites for k, sites in enumerate(free)]
        for rest in _distributed(keeping, order, steps[1:], left):
            yield Colouring((chosen, *rest.chosen), rest.equivalents)


def _selections(
    group: np.ndarray, sites: np.ndarray, count: int
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Yield distinct selections of `count` of `sites`, each with the operations that keep it."""
    place = np.full(group.shape[1], -1)
    place[sites] = np.arange(len(sites))
    moves = place[group[:, sites]]
    weights = _weights(len(sites))
    empty = np.zeros((len(group), weights.shape[1]), dtype=np.int64)
    for selection, codes in _grown((), empty, moves, weights, count):
        own = weights[list(selection)].sum(axis=0)
        keeping = group[np.all(codes == own, axis=1)]
        yield tuple(int(sites[k]) for k in selection), keeping


def _grown(
    selection: tuple[int, ...],
    codes: np.ndarray,
    moves: np.ndarray,
    weights: np.ndarray,
    count: int,
) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
    """Yield the first ones of all orbits that begin with `selection`, and their images' codes."""
    if count == 0:
        yield selection, codes
        return
    first = selection[-1] + 1 if selection else 0
    own = weights[list(selection)].sum(axis=0)
    for site in range(first, len(weights) - count + 1):
        images = codes + weights[moves[:, site]]
        if not _any_earlier(images, own + weights[site]):
            yield from _grown((*selection, site), images, moves, weights, count - 1)


def _any_earlier(images: np.ndarray, own: np.ndarray) -> bool:
    """Tell whether an image comes before the selection itself: its code is larger."""
    tied = np.ones(len(images), dtype=bool)
    for word, value in enumerate(own):
        if np.any(images[tied, word] > value):
            return True
        tied &= images[:, word] == value
    return False


def _weights(sites: int) -> np.ndarray:
    """Return the code of each site, (n, words): earlier sites weigh more than all later ones."""
    words = -(-sites // _WORD)
    weights = np.zeros((sites, max(words, 1)), dtype=np.int64)
    for site in range(sites):
        weights[site, site // _WORD] = 1 << (_WORD - 1 - site % _WORD)
    return weights


def _cycles(permutation: np.ndarray, sites: Sequence[int]) -> tuple[int, ...]:
    """Return the sorted lengths of the cycles in which an operation moves `sites`."""
    left, lengths = set(sites), []
    while left:
        start = site = left.pop()
        length = 1
        while (site := int(permutation[site])) != start:
            left.discard(site)
            length += 1
        lengths.append(length)
    return tuple(sorted(lengths))


def _kept(lengths: Sequence[int], counts: Sequence[int]) -> int:
    """Return how many distributions an operation with these cycles keeps.

    Each cycle holds one species: the coefficient of the counts in the product over cycles of
    (1 + sum of x_c ** length).
    """
    ways: dict[tuple[int, ...], int] = {tuple(counts): 1}
    for length in lengths:
        next_ways = Counter(ways)
        for left, number in ways.items():
            for colour, count in enumerate(left):
                if count >= length:
                    taken = (*left[:colour], count - length, *left[colour + 1 :])
                    next_ways[taken] += number
        ways = next_ways
    return ways.get(tuple(0 for _ in counts), 0)
