"""Charge states: formal charges known from textbooks, refusals, names."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures import hosts, supercell_matrix
from defectflow.structures.charges import charge_guesses, charge_limits, charged
from defectflow.structures.complexes import complexes
from defectflow.structures.oxidation import oxidation_states, state_of_dopant
from defectflow.structures.points import antisites, interstitials, substitutions, vacancies


def load(name):
    return hosts.load(name).structure


@pytest.mark.parametrize(
    ("cells", "charges"),
    [
        # acceptors and donors of oxides, in the notation of Kröger and Vink: V_O'' is +2
        (lambda: vacancies(load("rocksalt-MgO"), "O"), [0, 1, 2]),
        (lambda: vacancies(load("rocksalt-MgO"), "Mg"), [0, -1, -2]),
        (lambda: vacancies(load("rutile-TiO2"), "Ti"), [0, -1, -2, -3, -4]),
        (lambda: vacancies(load("olivine-LiFePO4"), "Li"), [0, -1]),
        (lambda: substitutions(load("rutile-TiO2"), {"Ti": "Nb"}), [0, 1]),
        (lambda: substitutions(load("rutile-TiO2"), {"O": "F"}), [0, 1]),
        (lambda: substitutions(load("rutile-TiO2"), {"O": "N"}), [0, -1]),
        (lambda: substitutions(load("fluorite-CeO2"), {"Ce": "Y"}), [0, -1]),
        (lambda: substitutions(load("fluorite-CeO2"), {"Ce": "Zr"}), [0]),
        (lambda: antisites(load("O3-LiNiO2"), {"Li", "Ni"}), [0, -1, -2]),  # Li on Ni
        (lambda: interstitials(load("anatase-TiO2"), "Li"), [0, 1]),
        (lambda: interstitials(load("rutile-TiO2"), "F"), [0, -1]),
        (lambda: substitutions(load("graphene"), {"C": "N"}), [0, 1]),
        (lambda: substitutions(load("graphene"), {"C": "B"}), [0, -1]),
        (lambda: vacancies(load("fcc-Al")), [0]),
    ],
)
def test_formal_charges(cells, charges):
    cell = next(one for one in cells() if one.name != "Ni_Li")
    guesses = charge_guesses(cell)
    assert [guess.charge for guess in guesses] == charges
    assert all(guess.reason for guess in guesses)
    low, high = charge_limits(cell)
    assert all(low <= charge <= high for charge in charges)


def test_the_reason_names_the_ions():
    (_, _, formal) = charge_guesses(next(vacancies(load("rutile-TiO2"), "O")))
    assert formal.reason == "O-2 missing"
    (_, formal) = charge_guesses(next(substitutions(load("rutile-TiO2"), {"Ti": "Nb"})))
    assert formal.reason == "Ti+4 missing and Nb+5 in its place"


def test_a_neutral_complex_has_formal_charge_zero():
    """Four F on O (+1 each) and a Ti vacancy (-4)."""
    structure = load("rutile-TiO2")
    host = structure.make_supercell(supercell_matrix(structure, 8.0), in_place=False)
    cell = next(complexes(host, ["V_Ti", "4 F_O"]))
    assert [guess.charge for guess in charge_guesses(cell)] == [0]


def test_states_that_are_known_are_not_guessed():
    cell = next(substitutions(load("rutile-TiO2"), {"Ti": "Cr"}))
    assert {guess.charge for guess in charge_guesses(cell)} == {0, -1, 1, 2}
    assert [guess.charge for guess in charge_guesses(cell, {"Cr": 3})] == [0, -1]


def test_names_carry_the_charge_and_cells_have_it():
    structure = load("rocksalt-MgO")
    cells = list(charged(vacancies(structure, "O"), (0, 1, 2)))
    assert [cell.name for cell in cells] == ["V_O", "V_O^+1", "V_O^+2"]
    assert [cell.charge for cell in cells] == [0, 1, 2]
    assert len({id(cell.structure) for cell in cells}) == 1
    guessed = list(charged(vacancies(structure, "Mg"), "guess"))
    assert [cell.name for cell in guessed] == ["V_Mg", "V_Mg^-1", "V_Mg^-2"]
    assert all(cell.note for cell in guessed)


@pytest.mark.parametrize(
    ("name", "species", "charge", "says"),
    [
        ("rocksalt-MgO", "O", 3, r"likely: \+0"),
        ("rocksalt-MgO", "Mg", -3, r"likely: \+0"),
        ("fcc-Al", "Al", 1, "carriers screen"),
    ],
)
def test_impossible_charges_are_refused(name, species, charge, says):
    with pytest.raises(StructureError, match=says):
        next(charged(vacancies(load(name), species), (charge,)))


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("olivine-LiFePO4", {"Li": 1, "Fe": 2, "P": 5, "O": -2}),
        ("spinel-MgAl2O4", {"Mg": 2, "Al": 3, "O": -2}),
        ("O3-LiNiO2", {"Li": 1, "Ni": 3, "O": -2}),
        ("2H-MoS2", {"Mo": 4, "S": -2}),
        ("alpha-MoO3", {"Mo": 6, "O": -2}),
        ("pyrite-CoSe2", {"Co": 2, "Se": -1}),  # (Se2)2-
        ("patronite-VS4", {"V": 4, "S": -1}),  # two (S2)2-
        ("fcc-Al", {"Al": 0}),
        ("graphene", {"C": 0}),
    ],
)
def test_oxidation_states(name, states):
    assert oxidation_states(load(name)) == states


def test_anions_bonded_to_their_like_in_other_crystals():
    """Pairs of Li2O2, 1.57 Å long, (O2 2-), and rings of CoSb3 (Sb4 4-)."""
    peroxide = Structure.from_spacegroup(
        "P6_3/mmc",
        Lattice.hexagonal(3.183, 7.7258),
        ["Li", "Li", "O"],
        [[0, 0, 0], [1 / 3, 2 / 3, 1 / 4], [1 / 3, 2 / 3, 0.6487]],
    )
    assert oxidation_states(peroxide) == {"Li": 1, "O": -1}
    skutterudite = Structure.from_spacegroup(
        "Im-3", Lattice.cubic(9.036), ["Co", "Sb"], [[0.25, 0.25, 0.25], [0, 0.335, 0.16]]
    )
    assert oxidation_states(skutterudite) == {"Co": 3, "Sb": -1}


def test_a_semiconductor_made_of_metals_has_charges_where_its_states_are_given():
    heusler = Structure.from_spacegroup(
        "F-43m",
        Lattice.cubic(5.94),
        ["Ti", "Ni", "Sn"],
        [[0, 0, 0], [0.25, 0.25, 0.25], [0.5, 0.5, 0.5]],
    )
    states = {"Ti": 4, "Ni": 0, "Sn": -4}
    cell = next(vacancies(heusler, "Ti"))
    assert [one.charge for one in charged([cell], "guess")] == [0]
    with pytest.raises(StructureError, match="give the `oxidation_states` of a semiconductor"):
        list(charged([cell], (-4,)))
    assert [one.charge for one in charged([cell], "guess", states)] == [0, -1, -2, -3, -4]
    assert charge_limits(cell, {"Cr": 3}) == (0, 0)  # of no element of the host


def test_oxidation_states_that_do_not_balance_are_refused():
    with pytest.raises(StructureError, match="add up to"):
        oxidation_states(load("rocksalt-MgO"), {"Mg": 2, "O": -1})
    with pytest.raises(StructureError, match="balance"):
        oxidation_states(load("rocksalt-MgO"), {"Mg": 7})


def test_a_dopant_of_uncertain_state_is_refused():
    assert state_of_dopant("F", -2.0, {}) == -1
    assert state_of_dopant("Cr", 4.0, {"Cr": 3}) == 3
    with pytest.raises(StructureError, match=r"\+3, \+6"):
        state_of_dopant("Cr", 4.0, {})
