"""Compositions of electrodes and the crystals in between."""

from __future__ import annotations

from fractions import Fraction

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import StructureError
from defectflow.structures import Host, hosts, primitive
from defectflow.structures.electrodes import electrodes, filled, series


def test_compositions_count_the_unit_of_the_fullest_crystal():
    empty, full = (hosts.load(name).structure for name in ("spinel-Ti2S4", "spinel-MgTi2S4"))
    found = electrodes([empty, full.get_primitive_structure()], "Mg")
    assert [one.host_unit for one in found] == ["Ti2S4", "Ti2S4"]
    assert [one.ions for one in found] == [0.0, 1.0]
    assert [one.units for one in found] == [8.0, 2.0]


@pytest.mark.parametrize(
    ("names", "ion", "says"),
    [
        (("spinel-Ti2S4",), "Mg", "needs two compositions"),
        (("spinel-Ti2S4", "1T-TiS2"), "Mg", "all crystals hold 0 Mg"),
        (("spinel-Ti2S4", "spinel-MgTi2S4"), "Xx", "not a chemical element"),
        (("spinel-Mn2O4", "spinel-MgTi2S4"), "Mg", "crystals are MnO2 and TiS2"),
    ],
)
def test_crystals_without_a_voltage_are_refused(names, ion, says):
    with pytest.raises(StructureError, match=says):
        electrodes([hosts.load(name).structure for name in names], ion)


def test_a_full_host_is_emptied_and_an_empty_one_filled():
    for name in ("spinel-Ti2S4", "spinel-MgTi2S4"):
        ends = series(hosts.load(name), "Mg")
        formulas = [one.structure.composition.reduced_formula for one in ends]
        assert formulas == ["TiS2", "Mg(TiS2)2"], name


def test_the_site_decides_what_is_filled():
    host = hosts.load("1T-TiS2")
    by_site = {site.label: filled(host, "Mg", site.label) for site in host.sites}
    assert by_site["1b octahedral"].composition["Mg"] == 1
    assert by_site["2d tetrahedral"].composition["Mg"] == 2
    with pytest.raises(StructureError, match="no site 4e"):
        filled(host, "Mg", "4e")


def test_full_is_the_same_composition_from_any_cell():
    """2x1x1 primitive cells break the point group of spinel; the void's orbit stays whole."""
    small = primitive(hosts.load("spinel-Mn2O4").structure)
    formulas = []
    for structure in (small, small * (2, 1, 1)):
        host = Host("file", structure, "MnO2", None, (), "", "file")
        formulas.append(series(host, "Mg")[1].structure.composition.reduced_formula)
    assert formulas == ["MgMnO2", "MgMnO2"]


def test_fillings_in_between_keep_the_host_and_are_all_distinct():
    """Half of the interlayer sites of a 2x1 or 1x2 or diagonal cell: brute force by hand is one."""
    found = series(hosts.load("1T-TiS2"), "Mg", [Fraction(1, 2), Fraction(1, 4)], at_most=2)
    for one, fraction in zip(
        electrodes([h.structure for h in found], "Mg")[2:], [1, 1, 1], strict=False
    ):
        assert one.host_unit == "TiS2"
        assert one.ions in (0.5, 0.25), fraction
    half = [h for h in found if h.structure.composition.get_atomic_fraction("Mg") == 1 / 7]
    assert 1 <= len(half) <= 2


def test_a_metal_alone_is_no_host():
    metal = Structure(Lattice.cubic(3), ["Mg"], [[0, 0, 0]])
    with pytest.raises(StructureError, match="without Mg the crystals are nothing"):
        electrodes([metal, metal * (2, 1, 1)], "Mg")


@pytest.mark.parametrize(
    ("name", "ion", "site", "says"),
    [
        ("spinel-LiMn2O4", "Li", "16c octahedral", "holds Li and counts as full: `site`"),
        ("Chevrel-Mo6S8", "Mg", None, r"inner ring are 0\.8\d Å apart and cannot all be filled"),
        ("rutile-TiO2", "Li", "4c octahedral", r"4c octahedral are 1\.48 Å apart"),
    ],
)
def test_what_cannot_be_full_is_refused(name, ion, site, says):
    with pytest.raises(StructureError, match=says):
        series(hosts.load(name), ion, site=site)
    small = hosts.load(name).in_primitive_cell()
    with pytest.raises(StructureError, match=says):
        series(small, ion, site=site)


@pytest.mark.parametrize("name", ["1T-TiS2", "olivine-FePO4", "anatase-TiO2", "O3-CoO2"])
def test_known_electrodes_can_be_full(name):
    assert filled(hosts.load(name).in_primitive_cell(), "Li").composition["Li"] > 0
