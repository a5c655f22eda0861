"""Charge-balanced complexes: their charges, their counts, what cannot be balanced."""

from __future__ import annotations

from collections import Counter
from math import comb

import pytest

from defectflow.errors import StructureError
from defectflow.structures import hosts, primitive, supercell_matrix
from defectflow.structures.balanced import compensated, frenkel, schottky
from defectflow.structures.complexes import Neighbourhood, complexes

#: Ionic charges, written down by hand.
IONS = {"Mg": 2, "Al": 3, "Ti": 4, "O": -2, "F": -1, "Li": 1, "Cr": 3, "Nb": 5, "Ce": 4, "Y": 3}


def wide(structure, distance_A=9.0):
    return structure.make_supercell(supercell_matrix(structure, distance_A), in_place=False)


def load(name):
    return wide(hosts.load(name).structure)


def charge(cell):
    total = 0
    for change in cell.changed:
        total += IONS.get(change.after, 0) - IONS.get(change.before, 0)
    return total


def lithium_titanate():
    """Li4Ti5O12: a spinel with Li on 8a and one Li to five Ti on 16d, in one of its orders."""
    spinel = primitive(hosts.load("spinel-LiMn2O4").structure) * (1, 1, 3)
    octahedral = [k for k, site in enumerate(spinel) if site.specie.symbol == "Mn"]
    for k in octahedral:
        spinel.replace(k, "Ti")
    for k in (octahedral[0], octahedral[-1]):
        spinel.replace(k, "Li")
    assert spinel.reduced_formula == "Li4Ti5O12"
    return spinel


@pytest.mark.parametrize(
    ("name", "members", "total"),
    [
        ("rocksalt-MgO", {"V_Mg": 1, "V_O": 1}, 6),
        ("rutile-TiO2", {"V_Ti": 1, "V_O": 2}, 2 * comb(6, 2)),
        ("fluorite-CeO2", {"V_Ce": 1, "V_O": 2}, comb(8, 2)),
        ("spinel-MgAl2O4", {"V_Mg": 1, "V_Al": 2, "V_O": 4}, 2 * comb(12, 2)),
    ],
)
def test_schottky_sets(name, members, total):
    cells = list(schottky(load(name)))
    for cell in cells:
        assert charge(cell) == 0
        assert Counter(f"V_{change.before}" for change in cell.changed) == members
        assert cell.kind == "schottky"
    assert sum(cell.multiplicity for cell in cells) == total


def test_a_schottky_pair_of_some_elements():
    cells = list(schottky(load("spinel-MgAl2O4"), ["Mg", "O"]))
    assert all(cell.name.startswith("V_Mg+V_O") for cell in cells)
    assert sum(cell.multiplicity for cell in cells) == 2 * 4
    (cell, *_) = schottky(load("spinel-MgAl2O4"), ["Al", "O"], Neighbourhood(1, within=True))
    assert cell.name.startswith("2V_Al+3V_O")
    assert charge(cell) == 0


@pytest.mark.parametrize(
    ("name", "replace", "stem"),
    [
        ("rutile-TiO2", {"O": "F"}, "V_Ti+4F_O"),
        ("anatase-TiO2", {"O": "F"}, "V_Ti+4F_O"),
        ("rutile-TiO2", {"Ti": "Al"}, "V_O+2Al_Ti"),
        ("fluorite-CeO2", {"Ce": "Y"}, "V_O+2Y_Ce"),
        ("rocksalt-MgO", {"Mg": "Al"}, "V_Mg+2Al_Mg"),
        ("rocksalt-MgO", {"Mg": "Li"}, "V_O+2Li_Mg"),
    ],
)
def test_compensated_dopants(name, replace, stem):
    count = 0
    for cell in compensated(load(name), replace):
        assert cell.name in (stem, f"{stem}_{count + 1}")
        assert charge(cell) == 0
        count += 1
        if count == 5:
            break
    assert count


def test_fluorine_with_a_titanium_vacancy_by_brute_force():
    """All 15 choices of four of the six O around Ti, and that for both Ti of the cell."""
    cells = list(compensated(load("anatase-TiO2"), {"O": "F"}))
    assert sum(cell.multiplicity for cell in cells) == 2 * comb(6, 4)


def test_chromium_in_lithium_titanate():
    """Cr3+ for Ti4+: an oxygen vacancy for two of them."""
    host = wide(lithium_titanate())
    cell = next(compensated(host, {"Ti": "Cr"}, known={"Cr": 3}))
    assert cell.name == "V_O+2Cr_Ti_1"
    assert charge(cell) == 0
    assert cell.structure.composition["Cr"] == 2


def first_shell(structure, site, symbol):
    """How many atoms of an element are as near to a site as the nearest one."""
    around = structure.get_neighbors(site, 6.5)
    distances = [near.nn_distance for near in around if near.specie.symbol == symbol]
    return sum(one < min(distances) + 0.05 for one in distances)


def test_centres_with_too_few_neighbours_are_passed_over():
    """One Ti among eight cations of rock salt: some O have one Ti in their first shell."""
    host = hosts.load("rocksalt-MgO").structure * (2, 1, 1)
    magnesium = [k for k, site in enumerate(host) if site.specie.symbol == "Mg"]
    for rank, index in enumerate(magnesium):
        host.replace(index, "Ti" if rank == 0 else "Li")
    around = [first_shell(host, site, "Ti") for site in host if site.specie.symbol == "O"]
    assert min(around) == 1
    cells = complexes(wide(host, 11.0), ["V_O", "2 Cr_Ti"])
    assert sum(cell.multiplicity for cell in cells) == sum(comb(n, 2) for n in around)


def test_frenkel_pairs_keep_the_composition():
    host = load("rutile-TiO2")
    cells = list(frenkel(host, "Ti", Neighbourhood(2, within=True)))
    assert cells
    for cell in cells:
        assert cell.structure.composition == host.composition
        assert [change.action for change in cell.changed] == ["remove", "insert"]
        assert cell.kind == "frenkel"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: schottky(load("fcc-Al")), "one element"),
        (lambda: schottky(load("rutile-TiO2"), ["Ti"]), "both signs"),
        (lambda: schottky(load("rutile-TiO2"), ["Ti", "S"]), "has no S"),
        (lambda: compensated(load("rutile-TiO2"), {"Ti": "Zr"}), "nothing to compensate"),
        (lambda: compensated(load("rutile-TiO2"), {"Ti": "Cr"}), "oxidation state"),
        (lambda: compensated(load("rutile-TiO2"), {"O": "F"}, "O"), "vacancies of Ti do"),
        (lambda: compensated(load("spinel-MgAl2O4"), {"O": "F"}), "choose Al or Mg"),
        (lambda: compensated(load("rutile-TiO2"), {"Ti": "Nb", "O": "F"}), "one element for one"),
        (lambda: compensated(load("rutile-TiO2"), {"Ti": "Nb"}), "shell 1 has 2 places"),
        (lambda: frenkel(load("rutile-TiO2"), "Li"), "has no Li"),
    ],
)
def test_mistakes_are_refused_at_once(make, says):
    with pytest.raises(StructureError, match=says):
        make()
