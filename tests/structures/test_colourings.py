"""Distinct distributions against brute force over all of them, for groups small and large."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from defectflow.structures import hosts, symmetry_maps
from defectflow.structures.colourings import Pool, colourings, number_of_colourings


def ring(n):
    """The dihedral group."""
    forward = np.arange(n)
    return np.array([np.roll(order, k) for order in (forward, forward[::-1]) for k in range(n)])


def crystal(name, element, repeat=(1, 1, 1)):
    structure = hosts.load(name).structure * repeat
    sites = tuple(k for k, site in enumerate(structure) if site.specie.symbol == element)
    return np.array([item.permutation for item in symmetry_maps(structure)]), sites


def brute_force(permutations, pools):
    """All orbits by carrying every single distribution through every operation."""
    sites = [site for pool in pools for site in pool.sites]

    def distributions(left):
        if not left:
            yield ()
            return
        pool, *rest = left
        for first in subsets(pool.sites, pool.counts):
            for others in distributions(rest):
                yield (*first, *others)

    def subsets(free, counts):
        if not counts:
            yield ()
            return
        for chosen in itertools.combinations(free, counts[0]):
            for others in subsets([s for s in free if s not in chosen], counts[1:]):
                yield (frozenset(chosen), *others)

    moves = {tuple(row[sites]) for row in permutations}
    maps = [dict(zip(sites, row, strict=True)) for row in moves]
    left = set(distributions(list(pools)))
    orbits = []
    while left:
        one = next(iter(left))
        orbit = {tuple(frozenset(move[s] for s in part) for part in one) for move in maps}
        orbits.append(orbit)
        left -= orbit
    return orbits


CASES = {
    "necklace": (ring(8), [Pool(tuple(range(8)), (3,))]),
    "three colours": (ring(9), [Pool(tuple(range(9)), (2, 3))]),
    "all sites taken": (ring(6), [Pool(tuple(range(6)), (2, 4))]),
    "equal counts": (ring(8), [Pool(tuple(range(8)), (2, 2, 2))]),
    "more than half": (ring(7), [Pool(tuple(range(7)), (5,))]),
}


def crystal_cases():
    group, metal = crystal("rocksalt-MgO", "Mg", (2, 1, 1))
    _, oxygen = crystal("rocksalt-MgO", "O", (2, 1, 1))
    yield "rocksalt", group, [Pool(metal, (3,))]
    yield "both sublattices", group, [Pool(metal, (2,)), Pool(oxygen, (1, 2))]
    group, oxygen = crystal("rutile-TiO2", "O", (1, 1, 3))
    yield "rutile", group, [Pool(oxygen, (3,))]
    group, oxygen = crystal("alpha-V2O5", "O")
    yield "sites that are not all equivalent", group, [Pool(oxygen, (2, 2))]
    group, carbon = crystal("graphene", "C", (3, 2, 1))
    yield "graphene", group, [Pool(carbon, (1, 3))]


@pytest.mark.parametrize(
    ("permutations", "pools"),
    [*CASES.values(), *[pytest.param(*case[1:], id=case[0]) for case in crystal_cases()]],
)
def test_orbits_are_those_of_brute_force(permutations, pools):
    expected = brute_force(permutations, pools)
    found = list(colourings(permutations, pools))
    assert len(found) == len(expected) == number_of_colourings(permutations, pools)
    sizes = {}
    for one in found:
        chosen = tuple(frozenset(part) for part in one.chosen)
        orbit = next(k for k, orbit in enumerate(expected) if chosen in orbit)
        assert orbit not in sizes
        sizes[orbit] = one.equivalents
    assert sizes == {k: len(orbit) for k, orbit in enumerate(expected)}


@pytest.mark.parametrize("count", range(1, 7))
def test_necklaces_are_a_textbook_number(count):
    """Bracelets of 12 beads with k black ones: OEIS A052307, row 12: 1, 1, 6, 12, 29, 38, 50."""
    found = sum(1 for _ in colourings(ring(12), [Pool(tuple(range(12)), (count,))]))
    assert found == (1, 6, 12, 29, 38, 50)[count - 1]


def test_more_sites_than_bits_of_a_word():
    """Pairs on 150 sites of a ring, and the count of all of them."""
    found = list(colourings(ring(150), [Pool(tuple(range(150)), (2,))]))
    assert len(found) == 75
    assert sum(one.equivalents for one in found) == math.comb(150, 2)
    assert [one.chosen[0][1] for one in found] == list(range(1, 76))


def test_what_other_atoms_do_does_not_count():
    """Operations that move only atoms outside the pools are one operation."""
    group = np.array([[0, 1, 2, 3], [0, 1, 3, 2], [1, 0, 2, 3], [1, 0, 3, 2]])
    (found,) = colourings(group, [Pool((0, 1), (1,))])
    assert found.equivalents == 2


def test_nothing_is_made_before_it_is_asked_for():
    """Half of 60 sites: 1e17 distributions; the first comes at once."""
    stream = colourings(ring(60), [Pool(tuple(range(60)), (30,))])
    assert next(stream).chosen == (tuple(range(30)),)
    assert number_of_colourings(ring(60), [Pool(tuple(range(60)), (30,))]) > 1e14


def test_more_than_ten_thousand_are_all_there():
    """9 of 32 cation sites: as many as Burnside counts, and together all 28 million."""
    group, metal = crystal("rocksalt-MgO", "Mg", (2, 2, 2))
    pools = [Pool(metal, (9,))]
    number = total = 0
    for one in colourings(group, pools):
        number += 1
        total += one.equivalents
    assert number == number_of_colourings(group, pools) > 10_000
    assert total == math.comb(32, 9)
