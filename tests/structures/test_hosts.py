"""Hosts by name and from files; what cannot be used is refused in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import Remark, StructureError
from defectflow.structures import hosts


@pytest.fixture
def magnesia():
    return Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )


@pytest.mark.parametrize("name", ["MgO.cif", "POSCAR", "mgo.vasp", "MgO.json", "MgO.xsf"])
def test_files_that_pymatgen_reads(magnesia, tmp_path, name):
    path = tmp_path / name
    magnesia.to(filename=str(path), fmt="poscar" if name == "mgo.vasp" else "")
    for source in (path, str(path)):
        host = hosts.load(source)
        assert host.formula == "MgO"
        assert len(host.structure) == 8
        assert host.structure.lattice.abc == pytest.approx((4.2, 4.2, 4.2), abs=1e-4)
        assert (host.prototype, host.sites, host.source) == (None, (), str(path))
    assert host.name == path.stem


def test_oxidation_states_of_a_file_are_dropped(magnesia, tmp_path):
    magnesia.add_oxidation_state_by_element({"Mg": 2, "O": -2})
    magnesia.to(filename=str(tmp_path / "ions.cif"))
    loaded = hosts.load(tmp_path / "ions.cif").structure
    assert {str(site.specie) for site in loaded} == {"Mg", "O"}


def test_flags_of_selective_dynamics_are_dropped_and_that_is_said(magnesia, tmp_path):
    path = tmp_path / "held.vasp"
    magnesia.add_site_property("selective_dynamics", [[False] * 3, *[[True] * 3] * 7])
    magnesia.to(filename=str(path), fmt="poscar")
    assert "Selective dynamics" in path.read_text("utf-8")
    with pytest.warns(Remark, match="flags of Selective dynamics are not used"):
        assert not hosts.load(path).structure.site_properties


def refused(source):
    with pytest.raises(StructureError) as caught:
        hosts.load(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_file(tmp_path):
    assert "no such file" in refused(tmp_path / "nothing.cif")
    assert "no such file" in refused("nothing.cif")


@pytest.mark.parametrize("name", ["broken.cif", "POSCAR", "text.unknown"])
@pytest.mark.parametrize("text", ["", "not a crystal\n", "data_x\n_cell_length_a 4\n"])
def test_unreadable_file(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    assert "cannot be read" in refused(tmp_path / name)


def test_a_poscar_without_symbols_is_not_hydrogen_and_helium(tmp_path):
    (tmp_path / "POSCAR").write_text(
        "old\n1.0\n4.2 0 0\n0 4.2 0\n0 0 4.2\n1 1\nDirect\n0 0 0\n0.5 0.5 0.5\n"
    )
    assert "names no elements; write their symbols" in refused(tmp_path / "POSCAR")


CIF = """\
data_one
_cell_length_a 4
_cell_length_b 4
_cell_length_c 4
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Mg1 Mg 0 0 0 1
O1 O 0.5 0.5 0.5 1
"""


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_site_without_an_element_is_refused(tmp_path):
    (tmp_path / "dummy.cif").write_text(CIF + "X1 X 0.5 0.5 0 1\n")
    assert "X0+) is no chemical element; take it out" in refused(tmp_path / "dummy.cif")


def test_what_the_reader_of_a_file_says_is_passed_on(tmp_path):
    (tmp_path / "plain.cif").write_text(CIF)
    with pytest.warns(Remark, match=r"plain.cif: No _symmetry_equiv_pos_as_xyz") as caught:
        hosts.load(tmp_path / "plain.cif")
    texts = [str(one.message) for one in caught if one.category is Remark]
    assert len(texts) == len(set(texts))
    assert not any("Issues encountered" in text for text in texts)


def test_a_refusal_says_what_the_reader_said(tmp_path):
    (tmp_path / "over.cif").write_text(CIF.replace("0.5 1\n", "0.5 1.5\n"))
    assert "ccupanc" in refused(tmp_path / "over.cif")


def test_folder_is_not_a_host(tmp_path):
    (tmp_path / "folder.cif").mkdir()
    assert "a folder; give one file in it" in refused(tmp_path / "folder.cif")


def test_partial_occupation(tmp_path):
    alloy = Structure(Lattice.cubic(3.0), [{"Cu": 0.5, "Au": 0.5}], [[0, 0, 0]])
    alloy.to(filename=str(tmp_path / "alloy.cif"))
    message = refused(tmp_path / "alloy.cif")
    assert "partially occupied" in message
    assert "Cu" in message


def test_misspelt_prototype():
    assert "1T-TiS2" in refused("1T-TiS")
    with pytest.raises(StructureError, match="did you mean"):
        hosts.prototype("spinel-Mn204")


def test_a_name_beats_nothing_else(magnesia, tmp_path, monkeypatch):
    """A file without suffix is found where no prototype has its name."""
    monkeypatch.chdir(tmp_path)
    magnesia.to(filename="POSCAR")
    assert hosts.load("POSCAR").formula == "MgO"
    assert hosts.load("1T-TiS2").prototype == "1T-TiS2"


def test_each_load_is_a_fresh_crystal():
    hosts.load("rocksalt-MgO").structure.remove_species(["O"])
    assert hosts.load("rocksalt-MgO").formula == "MgO"


def test_package_import_is_cheap():
    code = (
        "import sys, defectflow.structures, defectflow.structures.hosts\n"
        "print([m for m in ('pymatgen', 'spglib', 'scipy', 'ase', 'yaml') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["spinel-Ti2S4", "1T-TiS2", "olivine-FePO4", "fcc-Cu"])
def test_the_primitive_cell_is_the_same_crystal_with_the_same_sites(name):
    host = hosts.prototype(name)
    small = host.in_primitive_cell()
    assert small.structure.density == pytest.approx(host.structure.density, abs=1e-6)
    assert len(small.structure) <= len(host.structure)
    for before, after in zip(host.sites, small.sites, strict=True):
        shells = [
            sorted(
                round(near.nn_distance, 4)
                for near in crystal.get_sites_in_sphere(
                    crystal.lattice.get_cartesian_coords(site.frac_coords), 4.0
                )
            )
            for crystal, site in ((host.structure, before), (small.structure, after))
        ]
        assert shells[0] == shells[1]
        assert len(shells[0]) > 3


def broken(name: str, repeat: int, change) -> Structure:
    crystal = hosts.load(name).structure * (repeat, repeat, repeat)
    change(crystal)
    crystal.perturb(0.05)
    return crystal


@pytest.mark.parametrize(
    ("name", "repeat", "change"),
    [
        ("rocksalt-MgO", 2, lambda crystal: crystal.remove_sites([5])),
        ("fcc-Al", 3, lambda crystal: crystal.replace(0, "Li")),
        ("bcc-Fe", 3, lambda crystal: crystal.insert(0, "Fe", [0.08, 0.08, 0.0])),
        ("spinel-MgCr2O4", 1, lambda crystal: crystal.replace(0, "Li")),
    ],
)
def test_a_supercell_with_a_defect_in_it_is_no_quiet_host(name, repeat, change, tmp_path):
    crystal = broken(name, repeat, change)
    crystal.to(str(tmp_path / "host.vasp"), fmt="poscar")
    with pytest.warns(Remark, match=r"a supercell with a defect in it already.* 9\d% of its"):
        host = hosts.load(tmp_path / "host.vasp")
    assert len(host.structure) == len(crystal)


@pytest.mark.parametrize("name", ["spinel-LiNi0.5Mn1.5O4", "olivine-LiFePO4", "fcc-Al"])
def test_perfect_crystals_and_their_supercells_are_quiet_hosts(name, tmp_path, recwarn):
    crystal = hosts.load(name).structure
    for size in (1, 2):
        (crystal * (size, size, 1)).to(str(tmp_path / "host.vasp"), fmt="poscar")
        hosts.load(tmp_path / "host.vasp")
    assert [one for one in recwarn if issubclass(one.category, Remark)] == []
