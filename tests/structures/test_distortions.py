"""Starting distortions: what moves, how far, and what stays."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from defectflow.errors import StructureError
from defectflow.structures import antisites, hosts, interstitials, substitutions, vacancies
from defectflow.structures.distortions import Distortion, distorted, distorted_neighbours

STILL = Distortion(rattle=0.0)


@pytest.fixture(scope="module")
def oxygen_vacancy():
    return next(vacancies(hosts.load("rocksalt-MgO").structure * (2, 2, 2), "O"))


def moved_atoms(start, cell):
    """Indices and Cartesian displacements of atoms that are not where the cell has them."""
    step = start.structure.frac_coords - cell.structure.frac_coords
    step = (step - np.round(step)) @ cell.structure.lattice.matrix
    return np.flatnonzero(np.linalg.norm(step, axis=1) > 1e-9), step


def test_bonds_change_by_what_is_asked(oxygen_vacancy):
    """Mg sits 2.1 Å from the vacancy; two of the six move, along the bond."""
    centre = np.array(oxygen_vacancy.changed[0].frac_coords)
    starts = list(distorted(oxygen_vacancy, STILL))
    assert [start.name for start in starts] == [
        "V_O", "V_O -60%", "V_O -40%", "V_O -20%", "V_O +20%", "V_O +40%", "V_O +60%",
    ]  # fmt: skip
    for start, factor in zip(starts[1:], (0.4, 0.6, 0.8, 1.2, 1.4, 1.6), strict=True):
        moved, _ = moved_atoms(start, oxygen_vacancy)
        assert len(moved) == 2
        for index in moved:
            assert oxygen_vacancy.structure[index].specie.symbol == "Mg"
            before = oxygen_vacancy.structure.lattice.get_distance_and_image(
                centre, oxygen_vacancy.structure[index].frac_coords
            )[0]
            after = start.structure.lattice.get_distance_and_image(
                centre, start.structure[index].frac_coords
            )[0]
            if factor < 1.5:  # farther ones have a nearer image
                assert after / before == pytest.approx(factor)


def test_neighbours_that_move_are_next_to_each_other(oxygen_vacancy):
    start = list(distorted(oxygen_vacancy, STILL))[1]
    moved, _ = moved_atoms(start, oxygen_vacancy)
    edge = oxygen_vacancy.structure.get_distance(int(moved[0]), int(moved[1]))
    assert edge == pytest.approx(oxygen_vacancy.pristine.lattice.a / 2 / np.sqrt(2), abs=1e-6)


@pytest.mark.parametrize(
    ("name", "make", "charge", "expected"),
    [
        ("rocksalt-MgO", lambda s: vacancies(s, "O"), 0, 2),
        ("rocksalt-MgO", lambda s: vacancies(s, "O"), 1, 1),
        ("rocksalt-MgO", lambda s: vacancies(s, "O"), 2, 0),
        ("rocksalt-MgO", lambda s: vacancies(s, "Mg"), 0, 2),
        ("rutile-TiO2", lambda s: vacancies(s, "Ti"), 0, 4),
        ("rutile-TiO2", lambda s: substitutions(s, {"Ti": "Al"}), 0, 1),
        ("rutile-TiO2", lambda s: interstitials(s, "Li"), 0, 1),
        ("rutile-TiO2", lambda s: interstitials(s, "H"), 1, 0),
        ("rutile-TiO2", lambda s: antisites(s, ["Ti", "O"]), 0, 2),  # six electrons: 8 - 6
        ("fcc-Al", vacancies, 0, 0),
    ],
)
def test_electrons_tell_how_many_neighbours(name, make, charge, expected):
    cell = replace(next(iter(make(hosts.load(name).structure * (2, 2, 2)))), charge=charge)
    assert distorted_neighbours(cell) == expected


def test_oxidation_states_that_are_given_are_counted():
    titania = hosts.load("rutile-TiO2").structure * (2, 2, 2)
    cell = next(substitutions(titania, {"Ti": "Cr"}))
    assert distorted_neighbours(cell, {"Cr": 4}) == 0
    assert distorted_neighbours(cell, {"Cr": 2}) == 2
    oxide = next(vacancies(hosts.load("rutile-TiO2").structure, "Ti"))
    assert (distorted_neighbours(oxide), distorted_neighbours(oxide, {"O": -1})) == (4, 2)
    named = [one.name for one in distorted(cell, Distortion(rattle=0), {"Cr": 4})]
    assert named == [cell.name]


def test_rattle_has_the_amplitude_asked_for_and_keeps_atoms_apart(oxygen_vacancy):
    starts = list(distorted(oxygen_vacancy, Distortion(rattle=0.05, bond_changes=())))
    moved, step = moved_atoms(starts[1], oxygen_vacancy)
    bond = oxygen_vacancy.pristine.lattice.a / 4
    assert len(moved) == len(oxygen_vacancy.structure)
    assert np.std(step) == pytest.approx(0.05 * bond, rel=0.2)
    distances = starts[1].structure.get_neighbor_list(3.0)[3]
    assert distances.min() >= 0.8 * bond - 1e-6


def test_atoms_out_of_reach_stay(oxygen_vacancy):
    starts = list(distorted(oxygen_vacancy, Distortion(reach_A=3.5, bond_changes=())))
    moved, _ = moved_atoms(starts[1], oxygen_vacancy)
    centre = np.array(oxygen_vacancy.changed[0].frac_coords)
    lattice = oxygen_vacancy.structure.lattice
    distances = lattice.get_all_distances(oxygen_vacancy.structure.frac_coords, centre).ravel()
    assert set(moved) == set(np.flatnonzero(distances <= 3.5))
    assert 0 < len(moved) < len(distances)


def test_seed_decides(oxygen_vacancy):
    def first(seed):
        chosen = Distortion(seed=seed)
        return [start.structure.frac_coords for start in distorted(oxygen_vacancy, chosen)]

    assert all(np.array_equal(a, b) for a, b in zip(first(1), first(1), strict=True))
    assert not np.allclose(first(1)[1], first(2)[1])
    assert not np.allclose(first(1)[1] - first(1)[0], first(1)[2] - first(1)[0])


def test_bookkeeping_is_that_of_the_cell(oxygen_vacancy):
    before = oxygen_vacancy.structure.copy()
    for start in distorted(replace(oxygen_vacancy, charge=1)):
        assert start.changed == oxygen_vacancy.changed
        assert start.multiplicity == oxygen_vacancy.multiplicity
        assert start.charge == 1
        assert start.structure.species == before.species
    assert oxygen_vacancy.structure == before


def test_substituted_atom_stays_and_its_neighbours_move():
    cell = next(substitutions(hosts.load("rutile-TiO2").structure * (2, 2, 3), {"Ti": "Al"}))
    start = list(distorted(cell, replace(STILL, neighbours=6)))[2]
    moved, _ = moved_atoms(start, cell)
    assert {cell.structure[index].specie.symbol for index in moved} == {"O"}
    assert len(moved) == 6
    assert cell.changed[0].index not in moved


def test_too_many_neighbours_are_refused():
    cell = next(vacancies(hosts.load("rocksalt-MgO").structure, "O"))
    with pytest.raises(StructureError, match="larger supercell"):
        distorted(cell, replace(STILL, neighbours=20))


@pytest.mark.parametrize(
    "wrong", [{"bond_changes": (-40.0,)}, {"rattle": 0.9}, {"rattle": -0.1}, {"neighbours": -1}]
)
def test_bad_numbers_are_refused(wrong):
    with pytest.raises(StructureError):
        Distortion(**wrong)
