"""Every prototype is the crystal that it says it is, by spglib and by its bond lengths."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
import spglib

from defectflow.structures import hosts, orbit

#: name: (space-group number, formula of the conventional cell, density in g/cm3)
CRYSTALS = {
    "spinel-Mn2O4": (227, "Mn16 O32", 4.46),
    "spinel-Cr2O4": (227, "Cr16 O32", 4.06),
    "spinel-Co2O4": (227, "Co16 O32", 4.57),
    "spinel-Ti2S4": (227, "Ti16 S32", 3.14),
    "spinel-LiMn2O4": (227, "Li8 Mn16 O32", 4.28),
    "spinel-LiNi0.5Mn1.5O4": (212, "Li8 Mn12 Ni4 O32", 4.45),
    "spinel-MgCr2O4": (227, "Mg8 Cr16 O32", 4.41),
    "spinel-MgAl2O4": (227, "Mg8 Al16 O32", 3.58),
    "spinel-MgCo2O4": (227, "Mg8 Co16 O32", 5.18),
    "spinel-MgTi2S4": (227, "Mg8 Ti16 S32", 2.97),
    "O3-NiO2": (166, "Ni3 O6", 4.87),
    "O3-CoO2": (166, "Co3 O6", 4.69),
    "O1-CoO2": (164, "Co1 O2", 5.10),
    "O3-LiCoO2": (166, "Li3 Co3 O6", 5.05),
    "O3-LiNiO2": (166, "Li3 Ni3 O6", 4.77),
    "O3-NaCoO2": (166, "Na3 Co3 O6", 5.03),
    "O3-NaCrO2": (166, "Na3 Cr3 O6", 4.36),
    "Li2MnO3": (12, "Li8 Mn4 O12", 3.88),
    "Li2RuO3": (12, "Li8 Ru4 O12", 5.00),
    "P2-CoO2": (194, "Co2 O4", 4.00),
    "1T-TiS2": (164, "Ti1 S2", 3.25),
    "1T-VS2": (164, "V1 S2", 3.71),
    "2H-MoS2": (194, "Mo2 S4", 5.00),
    "alpha-V2O5": (59, "V4 O10", 3.37),
    "delta-V2O5": (63, "V8 O20", 2.84),
    "delta-MgV2O5": (63, "Mg4 V8 O20", 3.22),
    "alpha-MoO3": (62, "Mo4 O12", 4.71),
    "alphaI-VOPO4": (85, "V2 P2 O10", 3.40),
    "olivine-FePO4": (62, "Fe4 P4 O16", 3.69),
    "olivine-LiFePO4": (62, "Li4 Fe4 P4 O16", 3.60),
    "anatase-TiO2": (141, "Ti4 O8", 3.89),
    "rutile-TiO2": (136, "Ti2 O4", 4.25),
    "Chevrel-Mo6S8": (148, "Mo18 S24", 5.20),
    "fcc-Al": (225, "Al4", 2.70),
    "fcc-Cu": (225, "Cu4", 8.93),
    "fcc-Ag": (225, "Ag4", 10.50),
    "fcc-Au": (225, "Au4", 19.30),
    "fcc-Ni": (225, "Ni4", 8.91),
    "fcc-Pd": (225, "Pd4", 12.02),
    "fcc-Pt": (225, "Pt4", 21.45),
    "fcc-Ir": (225, "Ir4", 22.56),
    "bcc-Fe": (229, "Fe2", 7.87),
    "bcc-Li": (229, "Li2", 0.534),
    "bcc-Na": (229, "Na2", 0.968),
    "bcc-K": (229, "K2", 0.862),
    "hcp-Mg": (194, "Mg2", 1.74),
    "hcp-Ti": (194, "Ti2", 4.51),
    "B2-CuZr": (221, "Cu1 Zr1", 7.42),
    "rocksalt-MgO": (225, "Mg4 O4", 3.58),
    "fluorite-CeO2": (225, "Ce4 O8", 7.21),
    "graphene": (191, "C2", 0.51),
    "1T-SnS2": (164, "Sn1 S2", 4.46),
    "stibnite-Sb2S3": (62, "Sb8 S12", 4.65),
    "pyrite-CoSe2": (205, "Co4 Se8", 7.16),
    "zincblende-ZnSe": (216, "Zn4 Se4", 5.27),
    "tetragonal-FeSe": (129, "Fe2 Se2", 5.69),
    "monoclinic-Fe3Se4": (12, "Fe6 Se8", 6.52),
    "bronze-TiO2": (12, "Ti8 O16", 3.76),
    "birnessite-MnO2": (164, "Mn1 O2", 2.86),
    "lepidocrocite-TiO2": (71, "Ti4 O8", 2.51),
    "black-P": (64, "P8", 2.71),
    "patronite-VS4": (15, "V8 S32", 2.67),  # computed; the mineral has 2.82
    "MXene-Ti3C2O2": (164, "Ti3 C2 O2", 1.86),
}

#: Least and largest nearest distance (Å) of a pair that is bonded in these crystals. Sum of the
#: radii of Shannon (1976) for the coordination at hand, less or plus 0.15 Å, except V=O and P-O.
BONDS = {
    "Al-O": (1.80, 2.00),
    "Ce-O": (2.20, 2.50),
    "C-Ti": (2.05, 2.25),
    "Co-O": (1.80, 2.00),
    "Co-Se": (2.35, 2.50),
    "Cr-O": (1.80, 2.10),
    "Fe-O": (1.80, 2.15),
    "Fe-Se": (2.30, 2.50),
    "Li-O": (1.85, 2.20),
    "Mg-O": (1.85, 2.15),
    "Mg-S": (2.30, 2.60),
    "Mn-O": (1.80, 2.00),
    "Mo-O": (1.60, 1.75),
    "Mo-S": (2.30, 2.55),
    "Na-O": (2.20, 2.50),
    "Ni-O": (1.80, 2.05),
    "O-P": (1.48, 1.58),
    "O-Ru": (1.90, 2.10),
    "O-Ti": (1.74, 2.05),  # an edge-sharing octahedron of TiO2(B) has one short bond
    "O-V": (1.55, 1.70),
    "P-P": (2.20, 2.26),
    "S-S": (2.00, 2.10),  # disulfide
    "S-Sb": (2.35, 2.60),
    "S-Sn": (2.45, 2.65),
    "S-Ti": (2.35, 2.55),
    "S-V": (2.30, 2.45),
    "Se-Zn": (2.40, 2.55),
    "Al-Al": (2.80, 2.90),
    "Cu-Zr": (2.75, 2.90),
    "Cu-Cu": (2.50, 2.60),
    "Ag-Ag": (2.85, 2.95),
    "Au-Au": (2.85, 2.95),
    "Ni-Ni": (2.45, 2.55),
    "Pd-Pd": (2.70, 2.80),
    "Pt-Pt": (2.72, 2.82),
    "Ir-Ir": (2.66, 2.76),
    "Fe-Fe": (2.43, 2.53),
    "Li-Li": (2.98, 3.09),
    "Na-Na": (3.66, 3.77),
    "K-K": (4.55, 4.68),
    "Mg-Mg": (3.15, 3.25),
    "Ti-Ti": (2.85, 2.95),
    "Mo-Mo": (2.65, 2.80),
    "C-C": (1.40, 1.45),
}
#: Like charges stay apart at least this far (Å); the P-O tetrahedron edge is 2.3 at the shortest.
LIKE_CHARGES = 2.3
#: Compounds in which atoms of one element are bonded: clusters of six Mo, disulfides.
BONDS_OF_LIKE_ATOMS = {"Chevrel-Mo6S8": "Mo-Mo", "patronite-VS4": "S-S"}
LABEL = re.compile(r"(?P<multiplicity>\d+)(?P<letter>[a-z]) (?P<shape>\w+)")


def shortest(structure):
    """Return the nearest distance (Å) of each pair of elements, images included."""
    reach = 5.0 if {"Na", "K"} >= {site.specie.symbol for site in structure} else 3.4
    i, j, _, distances = structure.get_neighbor_list(reach)
    found: dict[str, float] = {}
    for a, b, distance in zip(i, j, distances, strict=True):
        pair = "-".join(sorted((structure[a].specie.symbol, structure[b].specie.symbol)))
        found[pair] = min(found.get(pair, np.inf), float(distance))
    return found


def test_the_table_is_complete():
    assert set(hosts.prototypes()) == set(CRYSTALS)


@pytest.mark.parametrize("name", CRYSTALS)
def test_space_group_composition_density(name):
    number, formula, density = CRYSTALS[name]
    structure = hosts.load(name).structure
    cell = (structure.lattice.matrix, structure.frac_coords, structure.atomic_numbers)
    dataset = spglib.get_symmetry_dataset(cell, symprec=1e-3)
    assert dataset.number == number
    assert len(dataset.std_types) == len(structure)
    assert structure.composition == type(structure.composition)(formula)
    assert structure.density == pytest.approx(density, abs=0.02 * max(1.0, density / 5))


@pytest.mark.parametrize("name", CRYSTALS)
def test_bond_lengths(name):
    found = shortest(hosts.load(name).structure)
    metal = len(CRYSTALS[name][1].split()) == 1
    bonded = [pair for pair in found if pair in BONDS and (metal or not _alike(pair, name))]
    assert bonded
    for pair in bonded:
        low, high = BONDS[pair]
        assert low < found[pair] < high, (pair, found[pair])
    for pair in set(found) - set(bonded):
        assert found[pair] > LIKE_CHARGES, (pair, found[pair])


def _alike(pair, name):
    first, second = pair.split("-")
    return first == second and pair != BONDS_OF_LIKE_ATOMS.get(name)


def test_vanadium_pairs_along_the_chains_of_patronite():
    """V-V alternates between 2.83 and 3.22 Å; each V has eight S of four disulfides.

    R. Allmann et al., Naturwissenschaften 51, 263 (1964).
    """
    structure = hosts.load("patronite-VS4").structure
    for vanadium in structure.indices_from_symbol("V"):
        near = structure.get_neighbors(structure[vanadium], 4.0)
        chain = sorted(site.nn_distance for site in near if site.specie.symbol == "V")
        assert chain == pytest.approx([2.83, 3.22], abs=0.1)
        sulfur = [site for site in near if site.specie.symbol == "S" and site.nn_distance < 2.7]
        assert len(sulfur) == 8
        paired = [sum(0.1 < a.distance_from_point(b.coords) < 2.1 for b in sulfur) for a in sulfur]
        assert paired == [1] * 8


@pytest.mark.parametrize("name", CRYSTALS)
def test_it_says_where_it_comes_from(name):
    host = hosts.load(name)
    assert re.search(r"\((19|20)\d\d\)|\(\w+, [\w ]*, 19\d\d\)|arXiv:\d{4}\.\d{5}", host.citation)
    assert "\n" not in host.citation + host.note
    assert host.prototype == host.name == name
    assert host.formula == host.structure.reduced_formula


HOSTS = [name for name in CRYSTALS if hosts.load(name).sites]


def test_every_empty_intercalation_host_has_sites():
    known = {"V2O5", "FePO4", "TiO2", "Mo3S4", "TiS2", "MnO2", "CrO2", "CoO2", "NiO2", "VPO5"}
    assert {hosts.load(name).formula for name in HOSTS} == known | {"MoS2", "VS2"}


@pytest.mark.parametrize("name", HOSTS)
def test_sites_have_their_multiplicity(name):
    """The number in the label is the orbit's size in the conventional cell, by spglib."""
    host = hosts.load(name)
    for site in host.sites:
        places = orbit(host.structure, site.frac_coords)
        assert len(places) == int(LABEL.match(site.label)["multiplicity"])
        filled = host.structure.copy()
        for place in places:
            filled.append("Og", place)
        cell = (filled.lattice.matrix, filled.frac_coords, filled.atomic_numbers)
        dataset = spglib.get_symmetry_dataset(cell, symprec=1e-3)
        assert dataset.number == CRYSTALS[name][0]
        equivalent = dataset.equivalent_atoms[len(host.structure) :]
        assert len(set(equivalent)) == 1
        per_primitive = len(set(dataset.mapping_to_primitive[len(host.structure) :]))
        assert site.multiplicity == per_primitive


@pytest.mark.parametrize("name", HOSTS)
def test_sites_are_free_and_apart(name):
    """No site lies on an atom, none of one orbit is on top of another, no two orbits coincide."""
    host = hosts.load(name)
    lattice = host.structure.lattice
    orbits = [orbit(host.structure, site.frac_coords) for site in host.sites]
    for places in orbits:
        assert lattice.get_all_distances(places, host.structure.frac_coords).min() > 1.6
        apart = lattice.get_all_distances(places, places) + 9 * np.eye(len(places))
        assert apart.min() > 0.7  # the inner ring of the Chevrel phase: six sites 0.8 Å apart
    for first, second in itertools.pairwise(orbits):
        assert lattice.get_all_distances(first, second).min() > 0.6


@pytest.mark.parametrize("name", HOSTS)
def test_sites_have_their_coordination(name):
    """The n nearest anions form a shell of their own, in the arrangement of the label."""
    host = hosts.load(name)
    for site in host.sites:
        centre = host.structure.lattice.get_cartesian_coords(site.frac_coords)
        near = host.structure.get_sites_in_sphere(centre, 5.0)
        anions = sorted((s for s in near if s.specie.symbol in "OS"), key=lambda s: s.nn_distance)
        distances = [s.nn_distance for s in anions]
        number = site.coordination
        assert distances[number] - distances[number - 1] > 0.3
        vectors = np.array([s.coords - centre for s in anions[:number]])
        vectors /= np.linalg.norm(vectors, axis=1)[:, None]
        angles = np.degrees(np.arccos(np.clip(vectors @ vectors.T, -1, 1)))
        opposite = np.sum(np.triu(angles, 1) > 150)
        shape = LABEL.match(site.label)["shape"]
        if shape == "octahedral":
            assert (number, opposite) == (6, 3)
        elif shape == "prismatic":
            assert (number, opposite) == (6, 0)
        elif shape == "tetrahedral":
            assert (number, opposite) == (4, 0)
            assert np.abs(vectors.sum(axis=0)).max() < 0.6
        else:
            assert shape == {4: "fourfold", 6: "sixfold", 8: "eightfold"}[number]


def test_empty_and_filled_spinel_are_one_framework():
    """Filling the 8a sites of the host gives the spinel that is a prototype of its own."""
    host = hosts.load("spinel-Co2O4")
    filled = host.structure.copy()
    for place in orbit(filled, host.sites[0].frac_coords):
        filled.append("Mg", place)
    known = hosts.load("spinel-MgCo2O4").structure
    distances = filled.lattice.get_all_distances(filled.frac_coords, known.frac_coords)
    assert distances.min(axis=1).max() < 1e-6
    order = distances.argmin(axis=1)
    assert [known[int(k)].specie for k in order] == [site.specie for site in filled]
