"""Quasi-random cells against random draws and an independent program."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.ordering import Decoration
from defectflow.structures.quasirandom import Randomness, quasirandom
from defectflow.structures.short_range_order import parameters, shells_of, short_range_order

ENTROPY = [Decoration("Mg", {"Co": 8, "Ni": 8, "Cu": 8, "Zn": 8})]
METHODS = ["anneal", "sqsgenerator"]


@pytest.fixture(scope="module")
def rocksalt():
    """Forty cations."""
    return hosts.load("rocksalt-MgO").structure * (5, 2, 1)


@pytest.fixture(scope="module")
def cells(rocksalt):
    return {
        method: next(quasirandom(rocksalt, ENTROPY, 1, Randomness(method, steps=8000)))
        for method in METHODS
    }


@pytest.mark.parametrize("method", METHODS)
def test_composition_and_bookkeeping(rocksalt, cells, method):
    cell = cells[method]
    assert cell.structure.composition.formula == "Mg8 Zn8 Co8 Cu8 Ni8 O40"
    assert cell.pristine == rocksalt
    assert len(cell.changed) == 32
    assert cell.kind == "disorder"


def unlike_pairs(values):
    """Sum of the magnitudes of all unlike pairs, the first shell counting most."""
    upper = np.triu_indices(values.shape[1], k=1)
    return sum(np.abs(shell[upper]).sum() / rank for rank, shell in enumerate(values, start=1))


@pytest.mark.parametrize("method", METHODS)
def test_pairs_are_far_more_random_than_in_a_random_draw(rocksalt, cells, method):
    found = unlike_pairs(short_range_order(cells[method], "Mg").parameters)
    sites = [k for k, site in enumerate(rocksalt) if site.specie.symbol == "Mg"]
    shells = shells_of(rocksalt, sites)
    random = np.random.default_rng(0)
    labels = np.repeat(range(5), 8)
    drawn = [unlike_pairs(parameters(shells, random.permutation(labels), 5)) for _ in range(200)]
    assert found < np.min(drawn)
    assert found < 0.75 * np.mean(drawn)


def test_annealing_is_no_worse_than_the_optional_package(cells):
    ours, theirs = (
        unlike_pairs(short_range_order(cells[method], "Mg").parameters) for method in METHODS
    )
    assert ours < theirs


@pytest.mark.parametrize("method", METHODS)
def test_seed_decides(rocksalt, method):
    def chosen(seed):
        (cell,) = quasirandom(rocksalt, ENTROPY, 1, Randomness(method, steps=500, seed=seed))
        return [site.specie.symbol for site in cell.structure]

    assert chosen(1) == chosen(1)
    assert chosen(1) != chosen(2)


def test_several_cells_differ(rocksalt):
    first, second = quasirandom(rocksalt, ENTROPY, 2, Randomness(steps=300))
    assert first.structure != second.structure
    assert (first.name[-2:], second.name[-2:]) == ("_1", "_2")


@pytest.mark.parametrize("method", METHODS)
def test_empty_sites_and_two_sublattices(method):
    host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    decorations = [Decoration("Mg", {"Al": 8}), Decoration("O", {"vacancy": 4})]
    (cell,) = quasirandom(host, decorations, 1, Randomness(method, steps=500))
    assert cell.structure.composition.formula == "Mg24 Al8 O28"
    assert max(short_range_order(cell, "O").largest()) < 0.2


def test_pair_counts_stay_right_over_many_exchanges():
    """What the walk keeps up to date is what counting anew gives."""
    from defectflow.structures.quasirandom import _Walk

    host = hosts.load("rutile-TiO2").structure * (2, 2, 2)
    sites = [k for k, site in enumerate(host) if site.specie.symbol == "O"]
    shells = shells_of(host, sites)
    random = np.random.default_rng(5)
    labels = random.permutation(np.repeat([0, 1, 2], [20, 8, 4]))
    shares = np.array([20, 8, 4]) / 32
    walk = _Walk(shells, labels, shares)
    for a, b in random.integers(len(sites), size=(200, 2)):
        if walk.labels[a] != walk.labels[b]:
            walk.exchange(a, b, *walk.after(a, b))
    again = _Walk(shells, walk.labels, shares)
    assert walk.spread == pytest.approx(again.spread, abs=1e-9)
    assert sorted(walk.labels) == sorted(labels)


def test_missing_package_is_said_with_what_installs_it(monkeypatch, rocksalt):
    monkeypatch.setitem(sys.modules, "sqsgenerator", None)
    with pytest.raises(StructureError, match=r"pip install 'defectflow\[disorder\]'"):
        quasirandom(rocksalt, ENTROPY, 1, Randomness("sqsgenerator"))


def test_bad_numbers_are_refused():
    with pytest.raises(StructureError, match="at least 1"):
        Randomness(shells=0)
