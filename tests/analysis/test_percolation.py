"""Networks whose bottleneck can be seen by eye."""

from __future__ import annotations

import itertools

from defectflow.analysis.percolation import Edge, percolation


def test_easy_pairs_that_lead_nowhere_do_not_count() -> None:
    edges = [Edge(0, 1, (0, 0, 0), 0.1, "pair"), Edge(1, 0, (1, 0, 0), 0.5, "between pairs")]
    found = percolation(edges, sites=2)
    assert found is not None
    assert (found.saddle_eV, found.dimensions) == (0.5, 1)
    assert found.kinds == ("pair", "between pairs")


def test_no_way_across() -> None:
    assert percolation([Edge(0, 1, (0, 0, 0), 0.1, "pair")], sites=2) is None
    assert percolation([], sites=1) is None


def test_there_and_back_is_no_way_across() -> None:
    edges = [Edge(0, 1, (1, 0, 0), 0.1, "a"), Edge(1, 0, (-1, 0, 0), 0.1, "a")]
    assert percolation(edges, sites=2) is None


def test_dimensions_open_one_after_another() -> None:
    edges = [
        Edge(0, 0, (1, 0, 0), 0.1, "x"),
        Edge(0, 0, (0, 1, 0), 0.4, "y"),
        Edge(0, 0, (1, 1, 0), 0.2, "xy"),
        Edge(0, 0, (0, 0, 1), 0.9, "z"),
    ]
    heights = [percolation(edges, 1, dimensions) for dimensions in (1, 2, 3)]
    assert [p.saddle_eV for p in heights if p] == [0.1, 0.2, 0.9]


def test_independent_of_the_order_and_of_the_cell_of_sites() -> None:
    edges = [
        Edge(0, 1, (0, 0, 0), 0.3, "a"),
        Edge(1, 2, (0, 0, 0), 0.3, "a"),
        Edge(2, 0, (1, 0, 0), 0.3, "a"),
    ]
    # the same chain with site 1 named in the next cell
    moved = [
        Edge(0, 1, (1, 0, 0), 0.3, "a"),
        Edge(1, 2, (-1, 0, 0), 0.3, "a"),
        Edge(2, 0, (1, 0, 0), 0.3, "a"),
    ]
    for chain in (edges, moved):
        for order in itertools.permutations(chain):
            found = percolation(order, sites=3)
            assert found is not None
            assert found.dimensions == 1


def test_two_chains_in_one_crystal() -> None:
    edges = [Edge(0, 0, (1, 0, 0), 0.7, "hard"), Edge(1, 1, (0, 1, 0), 0.2, "easy")]
    found = percolation(edges, sites=2)
    assert found is not None
    assert (found.saddle_eV, found.dimensions) == (0.2, 1)
