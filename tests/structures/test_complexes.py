"""Complexes: counts by brute force and by Burnside's lemma, bookkeeping, refusals."""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterator
from math import comb

import numpy as np
import pytest
import spglib
from pymatgen.analysis.structure_matcher import StructureMatcher
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive, supercell_matrix
from defectflow.structures.complexes import Member, Neighbourhood, complexes


def wide(name, distance_A=9.0):
    structure = hosts.load(name).structure
    return structure.make_supercell(supercell_matrix(structure, distance_A), in_place=False)


def brute_force_pairs(name, one, other, shell):
    """Pairs per primitive cell, counted atom by atom with pymatgen's neighbour list.

    A shell is what lies within 0.05 Å of one another, around each atom by itself.
    """
    cell = primitive(hosts.load(name).structure)
    pairs = set()
    for index, site in enumerate(cell):
        if site.specie.symbol != one:
            continue
        near = [
            n for n in cell.get_neighbors(site, 9.0) if n.specie.symbol == other and n.nn_distance
        ]
        near.sort(key=lambda n: n.nn_distance)
        gaps = np.diff([n.nn_distance for n in near])
        numbers = np.concatenate([[1], 1 + np.cumsum(gaps > 0.05)])
        for neighbour, number in zip(near, numbers, strict=True):
            if number == shell:
                end = (neighbour.index, *map(int, neighbour.image))
                pairs.add(((index, 0, 0, 0), end))
    if one == other:  # the two ends are alike: one of both directions counts
        back = {
            ((b[0], 0, 0, 0), (a[0], *(x - y for x, y in zip(a[1:], b[1:], strict=True))))
            for a, b in pairs
        }
        return len(pairs | back) / 2
    return len(pairs)


@pytest.mark.parametrize("shell", [1, 2, 3])
@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("rocksalt-MgO", "O", "O"),
        ("rocksalt-MgO", "Mg", "O"),
        ("rutile-TiO2", "O", "O"),
        ("rutile-TiO2", "Ti", "O"),
        ("spinel-MgAl2O4", "Al", "Al"),
        ("olivine-LiFePO4", "Li", "Fe"),
        ("2H-MoS2", "S", "S"),
        ("graphene", "C", "C"),
        ("hcp-Mg", "Mg", "Mg"),
    ],
)
def test_pairs_are_as_many_as_brute_force_counts(name, one, other, shell):
    cells = complexes(wide(name, 14.0), [f"V_{one}", f"V_{other}"], Neighbourhood(shell))
    assert sum(cell.multiplicity for cell in cells) == brute_force_pairs(name, one, other, shell)


def test_pairs_of_inequivalent_atoms():
    """A pair in the first shell of one of its ends need not be in that of the other."""
    for shell in (1, 2):
        cells = complexes(wide("alpha-V2O5"), ["V_O", "V_O"], Neighbourhood(shell))
        found = sum(cell.multiplicity for cell in cells)
        assert found == brute_force_pairs("alpha-V2O5", "O", "O", shell)


def orbits_of_pairs(cell, element, shell):
    """Sizes of the orbits of pairs of like atoms, each operation of spglib tried on each pair.

    A pair is known by its middle modulo the lattice and its vector up to the sign.
    """
    pairs = {}
    for site in cell:
        near = [n for n in cell.get_neighbors(site, 7.0) if n.specie == site.specie]
        near.sort(key=lambda n: n.nn_distance)
        gaps = np.diff([n.nn_distance for n in near])
        numbers = np.concatenate([[1], 1 + np.cumsum(gaps > 0.05)])
        if site.specie.symbol == element:
            for neighbour, number in zip(near, numbers, strict=True):
                if number == shell:
                    ends = np.array([site.frac_coords, neighbour.frac_coords])
                    pairs[known(ends)] = ends
    found = spglib.get_symmetry((cell.lattice.matrix, cell.frac_coords, cell.atomic_numbers), 0.01)
    orbits = {
        frozenset(
            known(ends @ turn.T + step)
            for turn, step in zip(found["rotations"], found["translations"], strict=True)
        )
        for ends in pairs.values()
    }
    return sorted(map(len, orbits))


def known(ends):
    middle = np.round(np.round(ends.mean(axis=0), 3) % 1.0, 3) % 1.0
    half = np.round((ends[1] - ends[0]) / 2, 3) + 0.0
    return tuple(middle), max(tuple(half), tuple(-half + 0.0))


@pytest.mark.parametrize("origin", [(0.0, 0.0, 0.0), (0.31, 0.17, 0.23)])
@pytest.mark.parametrize(
    ("name", "element", "shell"),
    [
        ("olivine-LiFePO4", "O", 1),
        ("olivine-LiFePO4", "O", 2),
        ("delta-V2O5", "O", 1),
        ("alpha-V2O5", "O", 1),
        ("alpha-V2O5", "V", 1),
    ],
)
def test_pairs_of_like_members_have_the_orbits_of_the_space_group(name, element, shell, origin):
    """Also of two atoms of one primitive cell, and wherever the origin is."""
    host = wide(name)
    host.translate_sites(range(len(host)), np.array(origin), frac_coords=True)
    members = [f"V_{element}", f"V_{element}"]
    cells = list(complexes(host, members, Neighbourhood(shell)))
    expected = orbits_of_pairs(primitive(host), element, shell)
    assert sorted(cell.multiplicity for cell in cells) == expected


def test_cells_of_different_names_differ_and_equivalent_ones_are_not_repeated():
    """Four F around a Ti vacancy in rutile: 15 choices of four from six O, tried one by one."""
    host = wide("rutile-TiO2", 8.0)
    cells = list(complexes(host, ["V_Ti", "4 F_O"]))
    matcher = StructureMatcher(primitive_cell=False, scale=False, attempt_supercell=False)
    for one, other in itertools.combinations(cells, 2):
        assert not matcher.fit(one.structure, other.structure)
    centre = next(k for k, site in enumerate(host) if site.specie.symbol == "Ti")
    near = sorted(host.get_neighbors(host[centre], 2.5), key=lambda site: site.nn_distance)
    assert len(near) == 6
    for chosen in itertools.combinations(near, 4):
        structure = host.copy()
        for site in chosen:
            structure.replace(site.index, "F")
        structure.remove_sites([centre])
        assert sum(matcher.fit(structure, cell.structure) for cell in cells) == 1
    assert sum(cell.multiplicity for cell in cells) == 2 * comb(6, 4)


@pytest.mark.parametrize(
    ("name", "members", "total"),
    [
        ("spinel-MgAl2O4", ["V_Mg", "2 V_Al", "4 V_O"], 2 * comb(12, 2)),
        ("anatase-TiO2", ["V_Ti", "2 V_O"], 2 * comb(6, 2)),
        ("graphene", ["N_C", "2 S_C@1"], 2 * comb(3, 2)),
    ],
)
def test_larger_complexes_add_up(name, members, total):
    """By Burnside's lemma the multiplicities of all orbits add up to the number of choices."""
    cells = list(complexes(wide(name, 12.0), members))
    assert sum(cell.multiplicity for cell in cells) == total


def test_trios_of_equal_members_count_each_set_once():
    """Three O vacancies, two of them next to the first, against all sets of a small crystal."""
    structure = hosts.load("rocksalt-MgO").structure
    cells = complexes(wide("rocksalt-MgO"), ["V_O", "2 V_O"])
    around = primitive(structure)
    oxygen = next(site for site in around if site.specie.symbol == "O")
    near = [n for n in around.get_neighbors(oxygen, 3.1) if n.specie.symbol == "O"]
    assert len(near) == 12
    # every set with one centre counts once, a triangle of three centres a third from each
    total = 0.0
    for one, other in itertools.combinations(near, 2):
        distance = np.linalg.norm(one.coords - other.coords)
        total += 1 / 3 if distance < 3.1 else 1
    assert sum(cell.multiplicity for cell in cells) == pytest.approx(total)


@pytest.mark.parametrize("name", ["rutile-TiO2", "spinel-MgAl2O4", "O3-LiNiO2", "2H-MoS2"])
def test_same_answer_from_primitive_and_conventional_cell(name):
    structure = hosts.load(name).structure
    cation, anion = structure[0].specie.symbol, structure[-1].specie.symbol
    answers = []
    for crystal in (structure, primitive(structure)):
        cell = crystal.make_supercell(supercell_matrix(crystal, 8.0), in_place=False)
        found = complexes(cell, [f"V_{cation}", f"2 V_{anion}"])
        answers.append(sorted(one.multiplicity for one in found))
    assert answers[0] == answers[1]


def test_a_frenkel_pair_keeps_the_composition():
    host = wide("rocksalt-MgO")
    cells = list(complexes(host, ["V_Mg", "Mg_i"], Neighbourhood(2)))
    assert [cell.name for cell in cells] == ["V_Mg+Mg_i@2"]
    (cell,) = cells
    assert cell.structure.composition == host.composition
    removed, inserted = cell.changed
    assert (removed.action, inserted.action) == ("remove", "insert")
    assert cell.structure[inserted.index].frac_coords == pytest.approx(inserted.frac_coords)
    assert cell.structure[inserted.index].specie.symbol == "Mg"
    gap = host.lattice.get_distance_and_image(removed.frac_coords, inserted.frac_coords)[0]
    # 8c is a quarter of the cube's diagonal from 4a, then three quarters on another corner
    assert gap == pytest.approx(4.2112 * np.sqrt(11) / 4)


def test_changes_are_where_they_are_said_to_be():
    host = wide("rutile-TiO2")
    for cell in complexes(host, ["Nb_Ti", "V_O"], Neighbourhood(1)):
        for change in cell.changed:
            assert host[change.index].specie.symbol == change.before
            assert host[change.index].frac_coords == pytest.approx(change.frac_coords)
        dopant, vacancy = cell.changed
        gap = host.get_distance(dopant.index, vacancy.index)
        assert 1.9 < gap < 2.0
        assert cell.pristine is host
        assert len(cell.structure) == len(host) - 1


def test_site_symmetry_is_the_order_of_the_group_over_the_multiplicity():
    """An independent route to the multiplicity: point group of the cell with the defect."""
    host = wide("rocksalt-MgO", 8.0)
    for cell in complexes(host, ["V_Mg", "V_O"], Neighbourhood(2)):
        operations = SpacegroupAnalyzer(cell.structure).get_symmetry_operations()
        assert cell.multiplicity * len(operations) == 48


def test_within_takes_the_nearer_shells_too():
    host = wide("rocksalt-MgO", 11.0)
    both = complexes(host, ["V_O", "V_O"], Neighbourhood(2, within=True))
    assert [cell.multiplicity for cell in both] == [6, 3]


def test_generator_is_lazy_and_leaves_the_host_alone():
    host = wide("rutile-TiO2")
    before = host.copy()
    cells = complexes(host, ["V_Ti", "3 F_O"], Neighbourhood(2, within=True))
    assert isinstance(cells, Iterator)
    next(cells).structure.remove_species(["O"])
    assert host == before


@pytest.mark.parametrize(
    ("members", "around", "name"),
    [
        (["V_O", "V_O"], Neighbourhood(), "2V_O"),
        (["V_O", "V_O"], Neighbourhood(2), "2V_O@2"),
        (["V_O", "V_O@2"], Neighbourhood(), "2V_O@2"),
        (["V_O", "V_O"], Neighbourhood(2, within=True), "2V_O@1-2"),
        (["V_Mg", "2 V_O"], Neighbourhood(), "V_Mg+2V_O"),
        (["V_Mg", "V_O@1", "V_O@2"], Neighbourhood(), "V_Mg+V_O+V_O@2"),
        (["V_Mg", "Mg->V"], Neighbourhood(), "V_Mg+Mg->V"),
        (["V_O", "V_i"], Neighbourhood(), "V_O+V_i"),
        (["F_O", "V_Mg", "F_O"], Neighbourhood(), "2F_O+V_Mg"),
    ],
)
def test_a_name_says_what_is_where(members, around, name):
    """Complexes in different shells, and vanadium and a vacancy, are never called the same."""
    cells = list(complexes(wide("rocksalt-MgO"), members, around))
    stems = {cell.name if len(cells) == 1 else cell.name.rpartition("_")[0] for cell in cells}
    assert stems == {name}


@pytest.mark.parametrize(
    ("notation", "member"),
    [
        ("V_O", Member("O", None)),
        ("v_Ti", Member("Ti", None)),
        ("4 F_O", Member("O", "F", 4)),
        ("4F_O@2", Member("O", "F", 4, 2)),
        ("Li_i", Member("i", "Li")),
        ("V_i", Member("i", "V")),
        ("Ti->V", Member("Ti", "V")),
        ("2 Ti->V@1", Member("Ti", "V", 2, 1)),
    ],
)
def test_notation(notation, member):
    assert Member.read(notation) == member


@pytest.mark.parametrize("notation", ["O", "V_", "_O", "V O", "0 V_O", "V_O@", "V_O@x", "Xx_O"])
def test_other_notations_are_refused(notation):
    with pytest.raises(StructureError, match=r"understood|not a chemical element"):
        Member.read(notation)


@pytest.mark.parametrize(
    ("members", "around", "says"),
    [
        (["V_Ti"], Neighbourhood(), "at least two members"),
        (["V_Mg", "V_S"], Neighbourhood(), "has no S"),
        (["V_Mg", "O_O"], Neighbourhood(), "nothing changes"),
        (["V_Mg", "V_O"], Neighbourhood(0), "shell 0 does not exist"),
        (["V_Mg", "V_O@0"], Neighbourhood(), "shell 0 does not exist"),
        (["V_Mg", "V_O@1", "V_O"], Neighbourhood(2, within=True), "overlap"),
        (["V_Mg", "V_O"], Neighbourhood(4), "images are at least"),
    ],
)
def test_mistakes_are_refused_at_once(members, around, says):
    host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    with pytest.raises(StructureError, match=says):
        complexes(host, members, around)


def test_equal_members_in_equal_shells_are_one_group():
    host = wide("rocksalt-MgO")
    apart = complexes(host, ["V_Mg", "V_O@1", "V_O"])
    together = complexes(host, ["V_Mg", "2 V_O"])
    assert [(c.name, c.multiplicity) for c in apart] == [(c.name, c.multiplicity) for c in together]


def test_the_distance_that_is_asked_for_is_enough():
    structure = hosts.load("rocksalt-MgO").structure
    with pytest.raises(StructureError, match="images are at least") as refused:
        complexes(structure * (2, 2, 2), ["V_Mg", "V_O"], Neighbourhood(4))
    needed_A = float(str(refused.value).split("at least ")[1].split(" Å")[0])
    cell = structure.make_supercell(
        supercell_matrix(structure, needed_A, max_atoms=2000), in_place=False
    )
    assert next(complexes(cell, ["V_Mg", "V_O"], Neighbourhood(4))).multiplicity > 0


def test_cells_are_not_kept():
    """Of hundreds of cells drawn one by one, the last few are all that is left in memory."""
    cells = complexes(wide("rutile-TiO2", 12.0), ["V_Ti", "4 F_O"], Neighbourhood(3, within=True))
    drawn = [weakref.ref(cell.structure) for cell in itertools.islice(cells, 150)]
    gc.collect()
    assert len(drawn) == 150
    assert sum(one() is not None for one in drawn) <= 3
