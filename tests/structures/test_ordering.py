"""Ordered arrangements: LiNi0.5Mn1.5O4 and what any arrangement has to satisfy."""

from __future__ import annotations

import itertools
import tracemalloc

import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.equivalence import equivalent_images
from defectflow.structures.ordering import (
    Decoration,
    number_of_arrangements,
    number_of_orderings,
    orderings,
    space_group_of,
)

NICKEL = [Decoration("Mn", {"Ni": 4})]


@pytest.fixture(scope="module")
def spinel():
    return hosts.load("spinel-LiMn2O4").structure


@pytest.fixture(scope="module")
def nickel_spinels(spinel):
    return list(orderings(spinel, NICKEL))


def test_nickel_in_spinel_has_22_arrangements(spinel, nickel_spinels):
    """1820 = 16 over 4; 22 was counted by a separate enumeration with 192 permutations."""
    assert len(nickel_spinels) == number_of_orderings(spinel, NICKEL) == 22
    assert sum(cell.multiplicity for cell in nickel_spinels) == 1820
    assert number_of_arrangements(spinel, NICKEL) == 1820
    assert {cell.structure.composition.formula for cell in nickel_spinels} == {"Li8 Mn12 Ni4 O32"}


def test_arrangements_differ_by_an_independent_matcher(nickel_spinels):
    """No two are the same crystal on the same lattice, by pymatgen's matcher."""
    matcher = StructureMatcher(primitive_cell=False, scale=False, attempt_supercell=False)
    by_size = itertools.groupby(
        sorted(nickel_spinels, key=lambda one: one.multiplicity), lambda one: one.multiplicity
    )
    pairs = [pair for _, group in by_size for pair in itertools.combinations(group, 2)]
    same = [(a.name, b.name) for a, b in pairs[:60] if matcher.fit(a.structure, b.structure)]
    assert same == []


def test_degeneracy_is_counted_alike_from_the_changes(spinel, nickel_spinels):
    for cell in nickel_spinels:
        assert cell.multiplicity == equivalent_images(spinel, cell.changed)


def test_the_ordered_phase_of_nickel_spinel(spinel):
    """P4_332 (212), with P4_132 its mirror image: eight arrangements, one orbit of Fd-3m."""
    (cell,) = orderings(spinel, NICKEL, space_group="P4_332")
    assert space_group_of(cell.structure)[1] in {212, 213}
    assert cell.multiplicity == 8
    (mirror,) = orderings(spinel, NICKEL, space_group="P4_132")
    assert mirror.name == cell.name
    # Each Ni has six Mn around it and no Ni: the order of the published phase.
    for index in (change.index for change in cell.changed):
        near = cell.structure.get_neighbors(cell.structure[index], 3.2)
        metals = [site.specie.symbol for site in near if site.specie.symbol in {"Mn", "Ni"}]
        assert metals == ["Mn"] * 6


def test_empty_sites_and_two_sublattices():
    host = hosts.load("rocksalt-MgO").structure
    decorations = [Decoration("Mg", {"Al": 2}), Decoration("O", {"vacancy": 1})]
    cells = list(orderings(host, decorations))
    assert sum(cell.multiplicity for cell in cells) == 6 * 4
    for cell in cells:
        assert cell.structure.composition.formula == "Mg2 Al2 O3"
        assert cell.name.startswith("Al_Mg(2/4) V_O(1/4)")


def test_high_entropy_decoration():
    """Five metals on 20 sites: at once the count, and one by one the cells."""
    host = hosts.load("rocksalt-MgO").structure * (5, 1, 1)
    metals = [Decoration("Mg", {"Co": 4, "Ni": 4, "Cu": 4, "Zn": 4})]
    assert number_of_orderings(host, metals) > 1e8
    for cell in itertools.islice(orderings(host, metals), 3):
        assert cell.structure.composition.formula == "Mg4 Zn4 Co4 Cu4 Ni4 O20"


def test_memory_stays_flat_while_cells_stream():
    host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    stream = orderings(host, [Decoration("Mg", {"Ni": 8})])
    for _ in itertools.islice(stream, 200):
        pass
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in itertools.islice(stream, 400):
            pass
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < 200_000  # bytes; one cell alone takes about that


@pytest.mark.parametrize(
    ("decorations", "remedy"),
    [
        ([], "name each element"),
        ([Decoration("Fe", {"Ni": 1})], "has no Fe"),
        ([Decoration("Mn", {"Ni": 17})], "the cell has 16"),
        ([Decoration("Mn", {"Nj": 4})], "not a chemical element"),
        ([Decoration("Mn", {"Mn": 4})], "other species"),
        ([Decoration("Mn", {"Ni": 0})], "at least 1"),
        ([Decoration("Mn", {"Ni": 1}), Decoration("Mn", {"Co": 1})], "once"),
    ],
)
def test_bad_input_is_refused_at_the_call(spinel, decorations, remedy):
    with pytest.raises(StructureError, match=remedy):
        orderings(spinel, decorations)


def test_unknown_space_group_is_refused(spinel):
    with pytest.raises(StructureError, match="P4_332"):
        orderings(spinel, NICKEL, space_group="P4332x")
