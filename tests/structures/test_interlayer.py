"""Guests in galleries: distances, symmetry and bookkeeping by independent code."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pymatgen.analysis.structure_matcher import StructureMatcher

from defectflow.errors import StructureError
from defectflow.structures import hosts
from defectflow.structures.contacts import nearest_allowed_A
from defectflow.structures.equivalence import equivalent_images
from defectflow.structures.guests import guest
from defectflow.structures.interlayer import Filling, expanded, interlayers
from defectflow.structures.layers import covalent_radius_A

CASES = [
    ("1T-TiS2", "Mg", Filling((0.5,), cells=4)),
    ("1T-TiS2", "MgCl", Filling((4.0,), cells=9)),
    ("2H-MoS2", "H2O", Filling((3.0,), cells=9, gallery=0, azimuth_deg=90)),
    ("2H-MoS2", "H3O", Filling((3.5,), cells=4, azimuth_deg=90)),
    ("alpha-V2O5", "H2O", Filling((3.0,), cells=2, azimuth_deg=90)),
    ("alphaI-VOPO4", "OH", Filling((3.0,), azimuth_deg=90)),
]


def nearest_contacts(cell, atoms):
    """Least host-guest and guest-guest distances over what is allowed, by pymatgen's neighbours."""
    structure, first = cell.structure, len(cell.pristine)
    i, j, images, distances = structure.get_neighbor_list(4.0)
    symbols = [site.specie.symbol for site in structure]
    pairs = zip(i, j, strict=True)
    ratio = distances / np.array([nearest_allowed_A(symbols[a], symbols[b]) for a, b in pairs])
    outside = (i >= first) & (j < first)
    same = ((i - first) // atoms == (j - first) // atoms) & np.all(images == 0, axis=1)
    between = (i >= first) & (j >= first) & ~same
    return ratio[outside].min(), ratio[between].min(initial=np.inf)


@pytest.mark.parametrize(("name", "source", "filling"), CASES)
def test_distances_bookkeeping_and_multiplicity(name, source, filling):
    cells = list(interlayers(hosts.load(name).structure, source, filling))
    atoms = len(guest(source).species)
    assert cells
    assert len({cell.name for cell in cells}) == len(cells)
    for cell in cells:
        assert min(nearest_contacts(cell, atoms)) >= 1 - 1e-6
        assert len(cell.changed) % atoms == 0
        assert {change.action for change in cell.changed} == {"insert"}
        for change in cell.changed:
            assert cell.structure[change.index].specie.symbol == change.after
        assert cell.structure[: len(cell.pristine)] == cell.pristine[:]


@pytest.mark.parametrize(
    ("name", "source", "filling"),
    [CASES[1], ("1T-TiS2", "H2O", Filling((4.0,), cells=3, azimuth_deg=90))],
)
def test_no_two_cells_are_the_same_crystal(name, source, filling):
    """By pymatgen's matcher, which knows nothing of orientations or orbits."""
    cells = list(interlayers(hosts.load(name).structure, source, filling))
    matcher = StructureMatcher(stol=0.02, scale=False, primitive_cell=False)
    pairs = itertools.combinations(cells, 2)
    assert [(a.name, b.name) for a, b in pairs if matcher.fit(a.structure, b.structure)] == []


def test_octahedral_and_tetrahedral_sites_of_a_disulfide():
    """One octahedral and two tetrahedral voids per formula unit, as the prototype lists them."""
    host = hosts.load("1T-TiS2")
    cells = list(interlayers(host.structure, "Mg", Filling((0.5,), cells=4)))
    known = sorted(site.multiplicity for site in host.sites)
    assert sorted(cell.multiplicity for cell in cells) == known == [1, 2]


def test_every_direction_at_every_site_is_counted_once():
    """In a wide gallery all 14 directions of MgCl fit at each of the three voids of a cell."""
    cells = list(interlayers(hosts.load("1T-TiS2").structure, "MgCl", Filling((6.0,), cells=9)))
    assert sum(cell.multiplicity for cell in cells) == 14 * 3
    assert len(cells) < 14


def test_an_ion_in_a_wide_gallery_may_touch_a_layer():
    """Beside the place in the middle, one a bond length from the sulfur of one layer."""
    cells = list(interlayers(hosts.load("1T-TiS2").structure, "Na", Filling((5.0,), cells=4)))
    bond = covalent_radius_A("Na") + covalent_radius_A("S")
    nearest = [
        min(site.nn_distance for site in cell.structure.get_neighbors(cell.structure[-1], 6.0))
        for cell in cells
    ]
    touching = [abs(distance - bond) < 0.03 for distance in nearest]
    assert 0 < sum(touching) < len(cells)
    assert all(distance > bond - 0.03 for distance in nearest)
    # The middle of the gallery is a plane of symmetry; a place beside a layer has a twin.
    for cell, beside in zip(cells, touching, strict=True):
        assert cell.multiplicity == 2 or not beside


def test_coverage_and_guests_apart():
    """Two water molecules in four by four cells of one gallery, as in 1/8 coverage."""
    filling = Filling((4.0,), guests=2, cells=16, gallery=0, azimuth_deg=90)
    stream = interlayers(hosts.load("2H-MoS2").structure, "H2O", filling)
    for _ in range(5):
        cell = next(stream)
        assert cell.structure.composition.formula == "Mo32 H4 S64 O2"
        assert cell.name.startswith("2H2O_i_")
        assert min(nearest_contacts(cell, 3)) >= 1
        assert cell.multiplicity == equivalent_images(cell.pristine, cell.changed)


def test_all_galleries_are_filled_alike():
    filling = Filling((3.0,), cells=4, azimuth_deg=90)
    cell = next(interlayers(hosts.load("2H-MoS2").structure, "H2O", filling))
    assert cell.structure.composition.formula == "Mo8 H4 S16 O2"
    normal = np.cross(*cell.pristine.lattice.matrix[:2])
    heights = cell.structure.cart_coords[-6:] @ normal / np.linalg.norm(normal)
    period = cell.pristine.lattice.c
    gap = (heights[3] - heights[0]) % period
    assert gap == pytest.approx(period / 2, abs=1.6)  # the next gallery, up or turned over


def test_gallery_that_is_too_small_says_what_would_do():
    host = hosts.load("2H-MoS2").structure
    with pytest.raises(StructureError, match=r"open it by (\d+\.?\d*) Å or more") as caught:
        interlayers(host, "H2O", Filling((0.0,), cells=4, gallery=0, azimuth_deg=90))
    need = float(str(caught.value).rsplit("open it by ", 1)[1].split()[0])
    filling = Filling((need,), cells=4, gallery=0, azimuth_deg=90)
    assert list(interlayers(host, "H2O", filling))
    with pytest.raises(StructureError, match="open it by"):
        interlayers(host, "H2O", Filling((need - 0.1,), cells=4, gallery=0, azimuth_deg=90))


def test_least_expansion_is_taken_where_none_is_given():
    cell = next(interlayers(hosts.load("alphaI-VOPO4").structure, "OH", Filling(azimuth_deg=90)))
    outside, _ = nearest_contacts(cell, 2)
    assert 1 <= outside < 1.1


def test_series_of_expansions():
    """The scan of the layer spacing, empty and filled."""
    host = hosts.load("1T-TiS2").structure
    empty = list(expanded(host, (0.0, 1.5, 3.0)))
    assert [cell.name for cell in empty] == ["gallery +0A", "gallery +1.5A", "gallery +3A"]
    assert [cell.structure.lattice.c - host.lattice.c for cell in empty] == pytest.approx(
        [0, 1.5, 3]
    )
    filled = list(interlayers(host, "Mg", Filling((0.0, 1.5, 3.0), cells=4)))
    spacings = [cell.structure.lattice.c - host.lattice.c for cell in filled]
    assert sorted({round(one, 6) for one in spacings}) == [0.0, 1.5, 3.0]


def test_the_host_is_left_alone_and_cells_come_one_by_one():
    host = hosts.load("1T-TiS2").structure
    before = host.copy()
    next(interlayers(host, "H2O", Filling((4.0,), cells=4)))
    assert host == before


@pytest.mark.parametrize(
    ("name", "source", "filling", "remedy"),
    [
        ("anatase-TiO2", "Li", Filling(), "layered host"),
        ("1T-TiS2", "C6H6", Filling(cells=1), "more cells"),
        ("1T-TiS2", "Li", Filling(gallery=3), "galleries 0 to 0"),
        ("1T-TiS2", "H2Oo", Filling(), "did you mean"),
        (
            "O3-NaCoO2",
            "H2O",
            Filling((5.0,), cells=4, between=("Na",), azimuth_deg=90),
            "ions that",
        ),
    ],
)
def test_bad_input_is_refused_at_the_call(name, source, filling, remedy):
    with pytest.raises(StructureError, match=remedy):
        interlayers(hosts.load(name).structure, source, filling)


def test_counts_are_checked():
    with pytest.raises(StructureError, match="at least 1"):
        Filling(guests=0)
