"""Point defects: counts by spglib, bookkeeping, one answer from every cell."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
import spglib

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive, supercell_matrix
from defectflow.structures.points import antisites, interstitials, substitutions, vacancies

NAMES = [
    "rocksalt-MgO",
    "spinel-MgAl2O4",
    "rutile-TiO2",
    "alpha-V2O5",
    "olivine-LiFePO4",
    "O3-LiNiO2",
    "P2-CoO2",
    "2H-MoS2",
    "fcc-Cu",
    "Chevrel-Mo6S8",
    "anatase-TiO2",
    "fluorite-CeO2",
    "graphene",
]


def equivalents(structure):
    """Element and size of each orbit of the primitive cell, by spglib."""
    small = primitive(structure)
    dataset = spglib.get_symmetry_dataset(
        (small.lattice.matrix, small.frac_coords, small.atomic_numbers), symprec=0.01
    )
    sizes = Counter(dataset.equivalent_atoms.tolist())
    return sorted((small[index].specie.symbol, size) for index, size in sizes.items())


@pytest.mark.parametrize("name", NAMES)
def test_one_vacancy_for_each_orbit(name):
    structure = hosts.load(name).structure
    cells = list(vacancies(structure))
    found = sorted((cell.changed[0].before, cell.multiplicity) for cell in cells)
    assert found == equivalents(structure)
    assert sum(cell.multiplicity for cell in cells) == len(primitive(structure))
    for cell in cells:
        assert cell.kind == "vacancy"
        assert cell.name.startswith(f"V_{cell.changed[0].before}")
        assert cell.structure.composition + {cell.changed[0].before: 1} == structure.composition
    assert len({cell.name for cell in cells}) == len(cells)


@pytest.mark.parametrize("name", NAMES)
def test_same_answer_from_primitive_cell_and_supercell(name):
    structure = hosts.load(name).structure
    answers = [
        [(cell.name, cell.multiplicity) for cell in vacancies(crystal)]
        for crystal in (
            structure,
            primitive(structure),
            structure * (2, 2, 2),
            structure * (1, 1, 2),
        )
    ]
    assert all(answer == answers[0] for answer in answers)


def test_vacancies_of_one_element():
    """V2O5 has vanadyl, chain and bridging oxygen: 4, 4 and 2 in the cell of four vanadium."""
    cells = list(vacancies(hosts.load("alpha-V2O5").structure, "O"))
    assert [cell.name for cell in cells] == ["V_O_1", "V_O_2", "V_O_3"]
    assert [cell.multiplicity for cell in cells] == [2, 4, 4]


def test_substitutions():
    structure = hosts.load("spinel-MgAl2O4").structure
    cells = list(substitutions(structure, {"Al": ["Cr", "Fe"], "Mg": "Zn"}))
    assert [(cell.name, cell.multiplicity) for cell in cells] == [
        ("Cr_Al", 4),
        ("Fe_Al", 4),
        ("Zn_Mg", 2),
    ]
    assert cells[0].structure.composition.formula == "Mg8 Al15 Cr1 O32"
    assert cells[0].structure[cells[0].changed[0].index].specie.symbol == "Cr"
    assert {cell.kind for cell in cells} == {"substitution"}


def test_vanadium_on_a_site_is_not_called_a_vacancy():
    titania, vanadia = (hosts.load(name).structure for name in ("rutile-TiO2", "alpha-V2O5"))
    dopants = [cell.name for cell in substitutions(titania, {"Ti": ["Nb", "V"]})]
    assert dopants == ["Nb_Ti", "Ti->V"]
    assert [cell.name for cell in vacancies(titania, "Ti")] == ["V_Ti"]
    exchanged = [cell.name for cell in antisites(vanadia)]
    assert exchanged == ["O->V_1", "O->V_2", "O->V_3", "O_V"]
    assert not {*exchanged} & {cell.name for cell in vacancies(vanadia)}


def test_antisites():
    structure = hosts.load("O3-LiNiO2").structure
    assert sorted(cell.name for cell in antisites(structure, {"Li", "Ni"})) == ["Li_Ni", "Ni_Li"]
    everywhere = sorted(cell.name for cell in antisites(structure))
    assert everywhere == ["Li_Ni", "Li_O", "Ni_Li", "Ni_O", "O_Li", "O_Ni"]
    assert list(antisites(hosts.load("fcc-Cu").structure)) == []


def test_interstitials():
    """Two kinds of voids in fcc: one octahedral and two tetrahedral ones per atom."""
    structure = hosts.load("fcc-Cu").structure
    cells = list(interstitials(structure, "H"))
    assert [(cell.name, cell.multiplicity) for cell in cells] == [("H_i_1", 1), ("H_i_2", 2)]
    for cell in cells:
        change = cell.changed[0]
        assert (change.action, change.before, change.after) == ("insert", None, "H")
        assert change.index == len(structure)
        assert cell.structure[change.index].frac_coords == pytest.approx(change.frac_coords)


#: Bonds (Å) of the hosts from their lattice constants; peroxide and disulfide from textbooks.
BONDS_A = {
    "rocksalt-MgO": {"Mg O": 2.106, "O O": 1.48},
    "rutile-TiO2": {"O Ti": 1.949, "O O": 1.48},
    "anatase-TiO2": {"O Ti": 1.934, "O O": 1.48},
    "2H-MoS2": {"Mo S": 2.41, "S S": 2.05},
    "fcc-Cu": {"Cu Cu": 2.556},
    "fluorite-CeO2": {"Ce O": 2.343, "O O": 1.48},
    "olivine-LiFePO4": {"O P": 1.53, "Fe O": 2.06, "Li O": 2.09},
    "spinel-MgAl2O4": {"Mg O": 1.924, "Al O": 1.926, "O O": 1.48},
    "O3-LiNiO2": {"Ni O": 1.969, "Li O": 2.117, "O O": 1.48},
    "P2-CoO2": {"Co O": 1.914, "O O": 1.48},
    "alpha-V2O5": {"O V": 1.576, "O O": 1.48},
    "graphene": {"C C": 1.423},
}


@pytest.mark.parametrize("name", BONDS_A)
def test_no_contact_is_shorter_than_seven_tenths_of_the_bond(name):
    host = hosts.load(name).structure
    cell = host.make_supercell(supercell_matrix(host, 7.0), in_place=False)
    for one in itertools.chain(vacancies(cell), interstitials(cell)):
        distances = one.structure.distance_matrix + 99 * np.eye(len(one.structure))
        symbols = np.array([site.specie.symbol for site in one.structure])
        for pair, bond_A in BONDS_A[name].items():
            first, second = pair.split()
            between = distances[np.ix_(symbols == first, symbols == second)]
            assert between.min() >= 0.695 * bond_A, (one.name, pair)


def test_narrow_voids_only_if_asked_for():
    """The tetrahedral void of a close-packed metal is at sqrt(3/8) = 0.61 of the bond."""
    structure = hosts.load("fcc-Cu").structure
    assert [cell.multiplicity for cell in interstitials(structure, "Cu")] == [1]
    every = interstitials(structure, "Cu", min_contact=0.0)
    assert [cell.multiplicity for cell in every] == [1, 2]
    assert [cell.multiplicity for cell in interstitials(structure, "H")] == [1, 2]


def test_generators_are_lazy():
    """The first cell comes before the others are made."""
    structure = hosts.load("olivine-LiFePO4").structure
    cells = vacancies(structure)
    assert isinstance(cells, Iterator)
    assert next(itertools.islice(cells, 1)).kind == "vacancy"
    assert isinstance(interstitials(structure, "Li"), Iterator)


@pytest.mark.parametrize(
    ("generator", "words"),
    [
        (lambda crystal: vacancies(crystal, "Xx"), "not a chemical element"),
        (lambda crystal: vacancies(crystal, "Al"), "has no Al"),
        (lambda crystal: substitutions(crystal, {"Ti": "Nb"}), "has no Ti"),
        (lambda crystal: substitutions(crystal, {"Mg": "Zz"}), "not a chemical element"),
        (lambda crystal: substitutions(crystal, {"Mg": ["Zn", "Mg"]}), "nothing changes"),
        (lambda crystal: antisites(crystal, {"Mg", "Al"}), "has no Al"),
        (lambda crystal: interstitials(crystal, "Unobtainium"), "not a chemical element"),
    ],
)
def test_mistakes_are_refused_at_once(generator, words):
    """At the call, not at the first cell."""
    with pytest.raises(StructureError, match=words):
        generator(hosts.load("rocksalt-MgO").structure)


def test_input_is_not_mutated():
    structure = hosts.load("rocksalt-MgO").structure
    before = structure.copy()
    for family in (
        vacancies(structure),
        substitutions(structure, {"Mg": "Zn"}),
        antisites(structure),
        interstitials(structure, "Li"),
    ):
        for cell in family:
            cell.structure.remove_species(["O"])
    assert structure == before
