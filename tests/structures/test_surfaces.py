"""Slabs: layers, stacking, vacuum; sites on them; what became of an adsorbate."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from pymatgen.core import Structure

from defectflow import hosts
from defectflow.errors import StructureError
from defectflow.structures.adsorbates import adsorbate
from defectflow.structures.adsorption import named_site, surface_sites
from defectflow.structures.concentrations import Series, concentrations
from defectflow.structures.galleries import layering
from defectflow.structures.layers import dimensions, is_layered
from defectflow.structures.poses import Placement, placed
from defectflow.structures.surfaces import slab_of
from defectflow.structures.whereabouts import whereabouts

HYDROGEN = adsorbate("H")


def on(slab, sites, label):
    """A hydrogen atom on a site of a slab."""
    return placed(slab, slab.structure, sites, HYDROGEN, Placement(label, label))


CASES = [
    ("fcc-Pt", (1, 1, 1), 3.9231 / np.sqrt(3), {"top": 1, "bridge": 3, "fcc": 1, "hcp": 1}),
    ("fcc-Cu", (1, 0, 0), 3.615 / 2, {"top": 1, "bridge": 2, "hollow": 1}),
    ("fcc-Cu", (1, 1, 0), 3.615 / np.sqrt(8), None),
    ("bcc-Fe", (1, 1, 0), 2.8665 / np.sqrt(2), None),
    ("hcp-Mg", (0, 0, 1), 5.2107 / 2, {"top": 1, "bridge": 3, "hcp": 1, "hollow": 1}),
]


@pytest.fixture(scope="module")
def platinum():
    return slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), layers=4, repeat=(2, 2))


@pytest.mark.parametrize("layers", [3, 4, 6])
@pytest.mark.parametrize(("name", "miller", "spacing_A", "sites"), CASES)
def test_a_slab_has_the_layers_the_spacing_and_the_vacuum(name, miller, spacing_A, sites, layers):
    host = hosts.load(name).structure
    slab = slab_of(host, miller, layers, vacuum_A=11.0, repeat=(2, 2))
    heights = np.unique(slab.structure.cart_coords[:, 2].round(4))
    assert slab.layers == layers == len(heights)
    assert np.diff(heights) == pytest.approx(spacing_A, abs=1e-3)
    assert slab.structure.lattice.c == pytest.approx(np.ptp(heights) + 11.0, abs=1e-3)
    assert heights[0] == pytest.approx(5.5, abs=1e-3)
    assert slab.structure.lattice.matrix[2, :2] == pytest.approx([0, 0])
    assert slab.structure.lattice.matrix[:2, 2] == pytest.approx([0, 0])
    assert np.linalg.det(slab.structure.lattice.matrix) > 0
    bulk = host.get_neighbors(host[0], 4.0)
    nearest = min(site.nn_distance for site in bulk)
    apart = slab.structure.distance_matrix
    assert apart[apart > 0.1].min() == pytest.approx(nearest, abs=1e-3)
    density = len(host) / host.volume
    area = slab.structure.volume / slab.structure.lattice.c
    assert len(slab.top()) / area == pytest.approx(density * spacing_A, rel=1e-3)
    if sites:
        flat = slab_of(host, miller, layers, vacuum_A=11.0)
        found = {site.label: site.multiplicity for site in surface_sites(flat, "H")}
        assert found == sites


def test_atoms_are_counted_from_the_bottom(platinum):
    heights = platinum.structure.cart_coords[:, 2]
    assert heights[list(platinum.bottom(2))].max() < heights[list(platinum.top())].min()
    assert (len(platinum.bottom(2)), len(platinum.top())) == (8, 4)
    assert list(platinum.layer) == sorted(platinum.layer)


def test_the_surface_does_not_depend_on_the_cell_of_the_host():
    conventional = hosts.load("fcc-Pt").structure
    primitive = conventional.get_primitive_structure()
    one, other = (slab_of(host, (1, 1, 1), 4) for host in (conventional, primitive))
    assert one.structure.lattice.abc == pytest.approx(other.structure.lattice.abc, abs=1e-4)
    assert len(one.structure) == len(other.structure) == 4


def test_several_terminations_are_refused():
    with pytest.raises(StructureError, match="2 terminations"):
        slab_of(hosts.load("anatase-TiO2").structure, (0, 0, 1), 4)


def test_a_larger_cell_has_more_of_the_same_sites(platinum):
    found = {site.label: site.multiplicity for site in surface_sites(platinum, "H")}
    assert found == {"top": 4, "bridge": 12, "fcc": 4, "hcp": 4}


@pytest.mark.parametrize("vacuum_A", [8.0, 15.0, 30.0])
@pytest.mark.parametrize("name", ["fcc-Pt", "rocksalt-MgO"])
def test_sites_know_nothing_of_vacuum_and_properties(name, vacuum_A):
    """Both have changed the sites that others find, silently."""
    host = hosts.load(name).structure
    miller = (1, 1, 1) if name == "fcc-Pt" else (1, 0, 0)
    plain = surface_sites(slab_of(host, miller, 3, 12.0, (2, 2)), "O")
    slab = slab_of(host, miller, 3, vacuum_A, (2, 2))
    marked = slab.structure.copy()
    marked.add_site_property("surface_properties", ["subsurface"] * len(marked))
    marked.add_site_property("magmom", [0.1 * k for k in range(len(marked))])
    marked.add_site_property("bulk_wyckoff", ["a"] * len(marked))
    for structure in (slab.structure, marked):
        found = surface_sites(replace(slab, structure=structure), "O")
        assert [site.label for site in found] == [site.label for site in plain]
        for one, other in zip(found, plain, strict=True):
            assert one.multiplicity == other.multiplicity
            assert one.height_A == pytest.approx(other.height_A, abs=1e-6)
            assert np.sort(one.places_A, axis=0) == pytest.approx(
                np.sort(other.places_A, axis=0), abs=1e-4
            )


def test_hollows_are_told_apart_by_what_is_below(platinum):
    """Above hcp lies an atom of the second layer, above fcc one of the third."""
    sites = {site.label: np.array(site.places_A[0]) for site in surface_sites(platinum, "H")}
    plane = platinum.structure.lattice.matrix[:2, :2]
    for label, depth in (("hcp", 1), ("fcc", 2)):
        below = [
            atom.coords[:2]
            for atom, layer in zip(platinum.structure, platinum.layer, strict=True)
            if layer == 3 - depth
        ]
        gaps = []
        for place in below:
            frac = (place - sites[label]) @ np.linalg.inv(plane)
            gaps.append(np.linalg.norm((frac - frac.round()) @ plane))
        assert min(gaps) < 1e-3


def test_an_adsorbate_starts_at_bond_length_above_its_site(platinum):
    sites = surface_sites(platinum, "H")
    for site in sites:
        structure = on(platinum, sites, site.label)
        assert structure[-1].specie.symbol == "H"
        nearest = np.sort(structure.distance_matrix[-1][:-1])[0]
        assert 1.6 < nearest < 2.0
        assert whereabouts(platinum, sites, site.label, structure, HYDROGEN).outcome == "stays"
    assert len(platinum.structure) == 16, "the slab itself is left alone"


@pytest.mark.parametrize(
    ("shift", "outcome", "where"),
    [
        ([0, 0, 0], "stays", "top"),
        ([0, 0, 3.0], "desorbed", ""),
        ([0.2, 0.1, 0], "stays", "top"),
        ([1.387, 0, -0.7], "moved", "bridge"),
    ],
)
def test_where_an_adsorbate_went(platinum, shift, outcome, where):
    sites = surface_sites(platinum, "H")
    structure = on(platinum, sites, "top")
    structure.translate_sites([16], shift, frac_coords=False)
    found = whereabouts(platinum, sites, "top", structure, HYDROGEN)
    assert (found.outcome, found.where) == (outcome, where)


def test_below_the_surface_is_not_on_it(platinum):
    sites = surface_sites(platinum, "H")
    structure = on(platinum, sites, "fcc")
    structure.translate_sites([16], [0, 0, -2.0], frac_coords=False)
    found = whereabouts(platinum, sites, "fcc", structure, HYDROGEN)
    assert found.outcome == "below the surface"


def test_a_site_that_does_not_exist_names_those_that_do(platinum):
    with pytest.raises(StructureError, match=r"site 'fc' .* did you mean fcc"):
        named_site(surface_sites(platinum, "H"), "fc")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1T-TiS2", 2),
        ("2H-MoS2", 2),
        ("alpha-V2O5", 2),
        ("graphene", 2),
        ("O3-NiO2", 2),
        ("O3-LiCoO2", 3),
        ("anatase-TiO2", 3),
        ("spinel-Mn2O4", 3),
        ("olivine-FePO4", 3),
        ("rocksalt-MgO", 3),
        ("fcc-Al", 3),
        ("hcp-Mg", 3),
    ],
)
def test_layers_are_recognised(name, expected):
    structure = hosts.load(name).structure
    assert dimensions(structure) == expected
    assert is_layered(structure) == (expected == 2)


def test_layers_with_a_long_bond_between_them_are_layers_everywhere():
    """V and O of neighbouring layers of VOPO4 are 1.27 times farther apart than within one."""
    structure = hosts.load("alphaI-VOPO4").structure
    assert dimensions(structure) == 3
    assert len(layering(structure).layers) == 1
    assert is_layered(structure)


def test_layers_with_molecules_between_them_are_layers_and_no_error():
    """The molecules are pieces that are no layers, and belong to none."""
    dry = hosts.load("1T-TiS2").structure * (2, 2, 1)
    a, b, c = dry.lattice.matrix
    wet = Structure(
        [a, b, c * (1 + 3.0 / dry.lattice.c)],
        dry.species,
        dry.cart_coords,
        coords_are_cartesian=True,
    )
    middle = wet.lattice.get_cartesian_coords([0.1, 0.2, 0.5])
    for atom, shift_A in (("O", [0, 0, 0]), ("H", [0.76, 0.59, 0]), ("H", [-0.76, 0.59, 0])):
        wet.append(atom, middle + shift_A, coords_are_cartesian=True)
    assert is_layered(wet)
    series = Series((Fraction(1, 8),), at_most=1)
    (cell,) = concentrations(wet, "Ti", "Nb", series)
    assert cell.structure.composition["Nb"] == 1
