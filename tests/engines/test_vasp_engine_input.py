"""Built inputs of VASP: whole files, differences by level and step, and special requests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar

from defectflow.engines import engine
from defectflow.engines.request import InputStep, Request
from defectflow.engines.vasp import Vasp
from defectflow.engines.vasp_calculator import task_key
from defectflow.engines.vasp_files import step_tags
from defectflow.engines.vasp_input import DECISIVE, poscar_order
from defectflow.engines.vasp_potcars import SETS, PotcarSet, usual_symbols
from defectflow.engines.vasp_program import find
from defectflow.engines.vasp_repairs import check_decisive
from defectflow.engines.vasp_standin.potcar import nominal_valence
from defectflow.errors import EngineError, NotConverged, RecipeError

if TYPE_CHECKING:
    from pathlib import Path

LEVELS = ("fast", "balanced", "stringent")


@pytest.fixture(autouse=True)
def _no_licence(monkeypatch):
    from pymatgen.core import SETTINGS

    for name in ("PMG_VASP_PSP_DIR", "DEFECTFLOW_VASP_STD_COMMAND", "DEFECTFLOW_VASP_VTST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", None)


@pytest.fixture
def nickel_oxide() -> Structure:
    """Antiferromagnetic NiO, species not in blocks."""
    lattice = Lattice.from_parameters(2.95, 2.95, 4.17, 90, 90, 90)
    sites = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0.5, 0.5], [0, 0, 0.5]]
    structure = Structure(lattice, ["Ni", "O", "Ni", "O"], sites)
    structure.add_site_property("magmom", [2.0, 0.1, -2.0, -0.1])
    return structure


def files(structure, step="static", cell="fixed", *, level="balanced", frozen=(), **changes):
    """Return the input files; `changes` are options, or parts of the request."""
    parts = {key: changes.pop(key) for key in ("charge", "magnetic_moments") if key in changes}
    settings = changes.pop("settings", {})
    used = engine("vasp", level=level, settings=settings, **changes)
    request = Request(structure, used.settings("relax" if step == "vtst" else step), **parts)
    if step == "vtst":
        request = Request(structure, used.settings("neb", images=3), **parts)
    return used.input_files(request, InputStep(step, cell, frozen))


def incar(structure, *args, **kwargs) -> dict:
    return dict(Incar.from_str(files(structure, *args, **kwargs)["INCAR"]))


STATIC = """\
ALGO = Normal
EDIFF = 4e-06
ENCUT = 520.0
GGA = Pe
IBRION = -1
ISIF = 2
ISMEAR = 0
ISPIN = 2
LASPH = True
LCHARG = False
LDAU = True
LDAUJ = 0.0 0.0
LDAUL = 2 -1
LDAUTYPE = 2
LDAUU = 6.2 0.0
LMAXMIX = 4
LORBIT = 11
LREAL = False
LWAVE = True
MAGMOM = 1*2.0 1*-2.0 1*0.1 1*-0.1
NELM = 120
NELMIN = 4
NSW = 0
PREC = Accurate
SIGMA = 0.05
"""


def test_the_whole_input_of_an_oxide_with_spin_and_U(nickel_oxide):
    built = files(nickel_oxide, functional="PBE+U")
    assert built["INCAR"] == STATIC
    assert built["KPOINTS"].split()[-5:] == ["0", "Gamma", "9", "9", "7"]
    assert built["POTCAR.spec"].split() == ["Ni_pv", "O"]
    poscar = Poscar.from_str(built["POSCAR"])
    assert poscar.site_symbols == ["Ni", "O"]
    assert np.allclose(poscar.structure.frac_coords, nickel_oxide.frac_coords[[0, 2, 1, 3]])


LEVEL_DIFFERENCES = {
    "fast": {"ENCUT": 450.0, "SIGMA": 0.1, "PREC": "Normal", "ALGO": "Fast"},
    "balanced": {},
    "stringent": {"ENCUT": 680.0, "EDIFF": 4e-7, "NELM": 200, "NELMIN": 6},
}
MESHES = {"fast": (7, 7, 5), "balanced": (9, 9, 7), "stringent": (12, 12, 9)}
FMAX = {"fast": 0.05, "balanced": 0.03, "stringent": 0.01}
NSW = {"fast": 100, "balanced": 150, "stringent": 300}
#: stress threshold times the 9.07 Å³ of an atom, cut to two digits
EDIFFG_OF_A_CELL = {"fast": -0.009, "balanced": -0.0054, "stringent": -0.0018}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("step", ["static", "relax", "cell", "volume", "neb", "vtst", "dos"])
def test_levels_and_steps_differ_as_written(nickel_oxide, level, step):
    expected = dict(Incar.from_str(STATIC)) | LEVEL_DIFFERENCES[level]
    relaxing = {"NSW": NSW[level], "IBRION": 2, "EDIFFG": -FMAX[level]}
    cell = {"cell": "relax", "volume": "scale"}.get(step, "fixed")
    expected |= {
        "relax": relaxing | {"ISIF": 2},
        "cell": relaxing | {"ISIF": 3, "EDIFFG": EDIFFG_OF_A_CELL[level]},
        "volume": relaxing | {"ISIF": 8, "EDIFFG": EDIFFG_OF_A_CELL[level]},
        "dos": {"NBANDS": 36, "NEDOS": 3001, "LWAVE": False},
        "vtst": {
            "IMAGES": 3,
            "SPRING": -1.0,
            "LCLIMB": True,
            "IBRION": 3,
            "POTIM": 0.0,
            "IOPT": 1,
            "MAXMOVE": 0.1,
            "NSW": {"fast": 80, "balanced": 80, "stringent": 150}[level],
            "EDIFFG": {"fast": -0.1, "balanced": -0.05, "stringent": -0.02}[level],
        },
    }.get(step, {})
    name = "relax" if step in {"cell", "volume"} else step
    built = files(nickel_oxide, name, cell, level=level, functional="PBE+U")
    found = dict(Incar.from_str(built["INCAR"]))
    assert found.keys() == expected.keys()
    for tag, value in expected.items():
        assert found[tag] == value or found[tag] == pytest.approx(value), tag
    if step != "dos":
        assert tuple(Kpoints.from_str(built["KPOINTS"]).kpts[0]) == MESHES[level]


def test_how_processes_share_the_work_is_said_by_the_machine_and_changes_no_key(
    nickel_oxide, monkeypatch
):
    def task():
        used = engine("vasp")
        return used.task(Request(nickel_oxide, used.settings("static")))

    key, inputs = task_key(task()), task().inputs
    monkeypatch.setenv("DEFECTFLOW_VASP_NCORE", "8")
    monkeypatch.setenv("DEFECTFLOW_VASP_KPAR", "4")
    for step in ("static", "vtst"):
        found = incar(nickel_oxide, step)
        assert (found["NCORE"], found["KPAR"]) == (8, 4)
    assert (task_key(task()), task().inputs) == (key, inputs)
    assert "KPAR" not in incar(nickel_oxide, settings={"kpoint_spacing_per_A": 3.0})
    monkeypatch.setenv("DEFECTFLOW_VASP_KPAR", "two")
    with pytest.raises(RecipeError, match="DEFECTFLOW_VASP_KPAR=two: give a number from 1 up"):
        incar(nickel_oxide)


def test_vibrations_need_a_tight_scf(nickel_oxide):
    assert incar(nickel_oxide, "vibrations")["EDIFF"] == pytest.approx(4e-8)


@pytest.mark.parametrize(
    ("functional", "tags"),
    [
        ("PBE", {"GGA": "Pe"}),
        ("RPBE", {"GGA": "Rp"}),
        ("PBEsol", {"GGA": "Ps"}),
        ("r2SCAN", {"METAGGA": "R2scan", "LMIXTAU": True, "ALGO": "All"}),
    ],
)
def test_functionals(oxide, functional, tags):
    found = incar(oxide, functional=functional)
    assert tags.items() <= found.items()
    assert found["LASPH"]
    assert ("GGA" in found) != ("METAGGA" in found)
    assert "LDAU" not in found


@pytest.mark.parametrize(("smearing", "number"), [("gaussian", 0), ("fermi-dirac", -1)])
def test_smearings(oxide, smearing, number):
    assert incar(oxide, settings={"smearing": smearing})["ISMEAR"] == number


@pytest.mark.parametrize("step", ["relax", "static", "neb", "dos"])
def test_a_smearing_that_vasp_lacks_is_refused_when_the_flow_is_built(step):
    used = engine("vasp", settings={"smearing": "marzari-vanderbilt"})
    with pytest.raises(RecipeError, match=r"marzari-vanderbilt.*gaussian"):
        used.settings(step)


@pytest.mark.parametrize(("charge", "electrons"), [(0, None), (2, 12), (-1, 15)])
def test_a_charge_removes_electrons(oxide, charge, electrons):
    """Mg_pv has 8 valence electrons and O has 6."""
    assert incar(oxide, charge=charge).get("NELECT") == electrons


def test_valences_are_those_of_the_potentials_in_pymatgens_records():
    """pymatgen holds no potential, but the number of electrons that each treats."""
    from pymatgen.io.vasp.inputs import _load_potcar_summary_stats

    for name in SETS:
        known: dict[str, set[float]] = {}
        for kinds in _load_potcar_summary_stats()[name].values():
            for kind in kinds:
                known.setdefault(kind["symbol"], set()).add(kind["ZVAL"])
        wrong = {
            symbol: (nominal_valence(symbol), known[symbol])
            for symbol in usual_symbols(name).values()
            if symbol in known and known[symbol] != {nominal_valence(symbol)}
        }
        assert wrong == {}


def test_the_usual_potentials_are_those_of_the_materials_project():
    from pymatgen.io.vasp.inputs import PotcarSingle
    from pymatgen.io.vasp.sets import MPRelaxSet, MPScanRelaxSet

    from defectflow.engines import vasp_potcars

    assert usual_symbols("PBE_54") == MPScanRelaxSet()._config_dict["POTCAR"]
    assert usual_symbols("PBE") == MPRelaxSet()._config_dict["POTCAR"]
    folders = {name: folder for name, (_, folder) in vasp_potcars._SETS.items()}
    assert folders.items() <= PotcarSingle.functional_dir.items()


def test_hubbard_values_are_those_of_the_materials_project(nickel_oxide):
    from pymatgen.io.vasp.sets import MPRelaxSet

    from defectflow.engines.dft_tables import hubbard_sets

    table = hubbard_sets()["materials_project"]
    theirs = MPRelaxSet()._config_dict["INCAR"]
    for anion in table["anions"]:
        assert table["U_eV"] == theirs["LDAUU"][anion]
        assert set(theirs["LDAUL"][anion].values()) == {2}
    assert set(theirs["LDAUU"]) == set(table["anions"])
    ours = incar(nickel_oxide, functional="PBE+U")
    built = MPRelaxSet(nickel_oxide).incar
    assert ours["LDAUU"] == built["LDAUU"]
    assert ours["LMAXMIX"] == built["LMAXMIX"]


def test_U_by_hand_and_where_it_does_not_apply(nickel_oxide, copper):
    found = incar(nickel_oxide, functional="PBE+U", hubbard_U_eV={"Ni": 3.0, "Fe": 4.0})
    assert (found["LDAUL"], found["LDAUU"]) == ([2, -1], [3.0, 0.0])
    assert "LDAU" not in incar(copper, functional="PBE+U")


def test_dispersion_is_vasps_own_with_the_parameters_of_every_engine(oxide):
    found = incar(oxide, dispersion="d3bj", functional="PBE")
    assert {tag: found[tag] for tag in ("IVDW", "VDW_A1", "VDW_A2", "VDW_S8")} == {
        "IVDW": 12,
        "VDW_A1": 0.4289,
        "VDW_A2": 4.4407,
        "VDW_S8": 0.7875,
    }
    zero = incar(oxide, dispersion="d3zero", functional="RPBE")
    assert (zero["IVDW"], zero["VDW_SR"], zero["VDW_S8"]) == (11, 0.872, 0.514)
    with pytest.raises(EngineError, match=r"no d3zero parameters exist.*r2SCAN"):
        incar(oxide, dispersion="d3zero", functional="r2SCAN")


def test_spin_on_and_off(oxide, nickel_oxide):
    assert incar(oxide)["ISPIN"] == 1
    assert "MAGMOM" not in incar(oxide)
    assert incar(oxide, spin="on")["MAGMOM"] == [1.0, 1.0]
    assert "MAGMOM" not in incar(nickel_oxide, spin="off")
    nickel_oxide.remove_site_property("magmom")
    assert incar(nickel_oxide)["MAGMOM"] == [2, 2, 0, 0]
    assert incar(nickel_oxide, magnetic_moments=(1.0, 0.0, -1.0, 0.5))["MAGMOM"] == [1, -1, 0, 0.5]


def test_frozen_atoms_by_selective_dynamics(nickel_oxide):
    poscar = Poscar.from_str(files(nickel_oxide, "relax", frozen=[1, 2])["POSCAR"])
    assert [bool(flags[0]) for flags in poscar.selective_dynamics] == [True, False, False, True]
    assert Poscar.from_str(files(nickel_oxide, "relax")["POSCAR"]).selective_dynamics is None


def test_atoms_stay_in_their_order_within_an_element(nickel_oxide):
    assert poscar_order(nickel_oxide) == [0, 2, 1, 3]
    assert poscar_order(nickel_oxide.get_sorted_structure()) == [0, 1, 2, 3]


def test_oxidation_states_do_not_split_an_element(nickel_oxide):
    nickel_oxide.add_oxidation_state_by_element({"Ni": 2, "O": -2})
    assert files(nickel_oxide)["POTCAR.spec"].split() == ["Ni_pv", "O"]


def test_no_setting_of_the_machine_reaches_the_input(oxide, monkeypatch):
    import atomate2

    monkeypatch.setattr(atomate2.SETTINGS, "VASP_INCAR_UPDATES", {"ENCUT": 300})
    assert incar(oxide)["ENCUT"] == 520


def test_text_of_all_files_for_a_plan(oxide):
    used = engine("vasp")
    made = used.input_files(Request(oxide, used.settings("static")))
    assert list(made) == ["INCAR", "KPOINTS", "POSCAR", "POTCAR.spec"]
    with pytest.raises(RecipeError, match=r"no step 'statik'.*static"):
        step_tags(used.task(Request(oxide, used.settings("static"))), {}, "statik")


# --- potentials


def potcar(folder: Path, symbol: str, valence: float, name="POT_GGA_PAW_PBE_54") -> Path:
    """Write a file with the head of a POTCAR; no potential."""
    path = folder / name / f"POTCAR.{symbol}"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"  PAW_PBE {symbol} 01Jan2000\n  {valence}\nparameters from PSCTR are:\n"
    path.write_text(
        f"{head}   TITEL  = PAW_PBE {symbol} 01Jan2000\n   POMASS = 1.0; ZVAL = {valence}\n"
        "   ENMAX  = 300.0; ENMIN = 200.0 eV\n"
    )
    return path


@pytest.fixture
def licence(tmp_path, monkeypatch) -> Path:
    """A folder of potentials and an executable, both of them made up."""
    program = tmp_path / "bin" / "vasp_std"
    program.parent.mkdir()
    program.write_bytes(b"#!/bin/sh\n# vasp.6.4.2 20Jul23 VTST: version 4.2\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(tmp_path / "potentials"))
    potcar(tmp_path / "potentials", "Mg_pv", 8.0)
    potcar(tmp_path / "potentials", "O", 6.0)
    return tmp_path / "potentials"


def test_electrons_are_counted_from_the_files_where_they_are(oxide, licence):
    potcar(licence, "Mg_pv", 9.0)
    used = engine("vasp")
    used.check({"Mg", "O"})
    task = used.task(Request(oxide, used.settings("static"), charge=1))
    assert task.licensed
    assert task.tags["NELECT"] == 14
    record = task.inputs["potentials"]["Mg"]
    assert record["title"] == "PAW_PBE Mg_pv 01Jan2000"
    assert record["enmax_eV"] == 300
    assert len(record["sha256"]) == 64
    json.dumps(task.inputs)


def test_potentials_by_hand(oxide, licence):
    potcar(licence, "Mg_sv", 10.0)
    used = engine("vasp", potentials={"Mg": "Mg_sv"})
    used.check({"Mg"})
    assert used.task(Request(oxide, used.settings("static"), charge=1)).tags["NELECT"] == 15
    assert used.stamp().options["potentials"] == {"Mg": "Mg_sv"}


def test_other_files_make_another_engine(licence, monkeypatch):
    used = engine("vasp")
    before = used.as_dict()
    assert before == engine("vasp").as_dict()
    assert type(used).from_dict(before) == used
    potcar(licence, "O", 6.5)
    assert engine("vasp").as_dict() != before
    monkeypatch.delenv("PMG_VASP_PSP_DIR")
    assert "potentials_sha256" not in used.as_dict()


@pytest.mark.parametrize(
    ("options", "elements", "says"),
    [
        ({}, {"Mg", "Ti"}, r"no POTCAR of Ti_pv; put it there.*option potentials"),
        ({}, {"Es"}, r"PBE_54 have none for Es; name one in the option potentials"),
        ({"potcar_functional": "PBE_64"}, {"Mg"}, r"no folder .*POT_PAW_PBE_64.*PMG_VASP_PSP_DIR"),
        ({"dispersion": "d3zero", "functional": "r2SCAN"}, {"Mg"}, "no d3zero parameters"),
    ],
)
def test_missing_potentials_are_named(licence, options, elements, says):
    with pytest.raises(EngineError, match=f"engine vasp: .*{says}") as caught:
        engine("vasp", **options).check(elements)
    assert "\n" not in str(caught.value)


def test_no_licence_no_program(licence, monkeypatch):
    info = Vasp.describe()
    assert info.available
    monkeypatch.delenv("PMG_VASP_PSP_DIR")
    assert "PMG_VASP_PSP_DIR is not set" in (Vasp.describe().problem or "")
    monkeypatch.setenv("PATH", "/nowhere")
    assert not Vasp.describe().available
    assert "vasp_std is not found" in (Vasp.describe().problem or "")
    with pytest.raises(EngineError, match=r"DEFECTFLOW_VASP_STD_COMMAND.*vasp-standin"):
        engine("vasp").check()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"potentials": {"Ti": "Mg_pv"}}, "Mg_pv is no potential of Ti"),
        ({"functional": "r2SCAN", "potcar_functional": "PBE"}, "lack what a meta-GGA needs"),
        ({"band": "nudged"}, "band = 'nudged'"),
        ({"potcar": "PBE"}, "no option 'potcar'.*potcar_functional"),
    ],
)
def test_wrong_options_are_refused(options, says):
    with pytest.raises(RecipeError, match=says):
        engine("vasp", **options)


def test_an_unreadable_potential_is_named(licence):
    (licence / "POT_GGA_PAW_PBE_54" / "POTCAR.O").write_text("empty")
    with pytest.raises(EngineError, match=r"POTCAR\.O: no TITEL or ZVAL"):
        PotcarSet("PBE_54").select(["O"])


# --- the executable


def test_version_and_vtst_are_read_from_the_executable(licence, monkeypatch, tmp_path):
    facts = find().facts
    assert (facts.version, facts.vtst, facts.scales) == ("6.4.2", True, True)
    assert engine("vasp").stamp().code_versions["vasp"] == "6.4.2"
    assert type(engine("vasp").band_maker()).__name__ == "VaspBandMaker"
    assert type(engine("vasp", band="driven").band_maker()).__name__ == "CalculatorBandMaker"
    (tmp_path / "bin" / "vasp_std").write_bytes(b"#!/bin/sh\n# vasp.5.4.4 18Apr17\n")
    facts = find().facts
    assert (facts.version, facts.vtst, facts.scales) == ("5.4.4", False, False)
    assert type(engine("vasp").band_maker()).__name__ == "CalculatorBandMaker"
    with pytest.raises(EngineError, match=r"band: vtst.*without VTST.*DEFECTFLOW_VASP_VTST=1"):
        engine("vasp", band="vtst").band_maker()
    monkeypatch.setenv("DEFECTFLOW_VASP_VTST", "1")
    monkeypatch.setenv("DEFECTFLOW_VASP_VERSION", "6.5")
    assert find().facts.vtst
    assert find().facts.scales
    monkeypatch.setenv("DEFECTFLOW_VASP_VTST", "yes")
    with pytest.raises(RecipeError, match="write 1 or 0"):
        find()


def test_the_whole_command_can_be_given(licence, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_VASP_STD_COMMAND", "env A=1 vasp_std")
    program = find()
    assert program.standard == ("env", "A=1", "vasp_std")
    assert program.gamma == program.standard
    assert program.facts.version == "6.4.2"


def test_a_repair_that_changes_the_energy_is_no_result(tmp_path):
    mesh = (4, 4, 2)
    tags = {"ENCUT": 520.0, "ISMEAR": 0, "SIGMA": 0.05, "GGA": "PE", "LREAL": False}
    Kpoints.gamma_automatic(mesh).write_file(tmp_path / "KPOINTS")
    Incar(tags | {"ALGO": "All"}).write_file(tmp_path / "INCAR")
    check_decisive(tmp_path, tags, mesh)
    assert set(tags) <= set(DECISIVE)
    Incar(tags | {"SIGMA": 0.2}).write_file(tmp_path / "INCAR")
    with pytest.raises(NotConverged, match=r"changed SIGMA from 0\.05 to 0\.2"):
        check_decisive(tmp_path, tags, mesh)
    Incar(tags | {"NELECT": 7}).write_file(tmp_path / "INCAR")
    with pytest.raises(NotConverged, match="NELECT from None to 7"):
        check_decisive(tmp_path, tags, mesh)


def test_a_repair_that_changes_the_k_points_is_no_result(tmp_path):
    """What custodian does when the mixer fails a third and a fourth time (BRMIX)."""
    mesh = (4, 4, 2)
    Incar({"ENCUT": 520.0}).write_file(tmp_path / "INCAR")
    Kpoints.monkhorst_automatic(mesh).write_file(tmp_path / "KPOINTS")
    with pytest.raises(NotConverged, match="KPOINTS from Gamma 4x4x2 to Monkhorst 4x4x2"):
        check_decisive(tmp_path, {"ENCUT": 520.0}, mesh)
    Kpoints.gamma_automatic((5, 5, 3)).write_file(tmp_path / "KPOINTS")
    with pytest.raises(NotConverged, match="KPOINTS from Gamma 4x4x2 to Gamma 5x5x3"):
        check_decisive(tmp_path, {"ENCUT": 520.0}, mesh)


@pytest.mark.parametrize("volume_A3", [7.4, 9.4, 11.6, 18.9, 31.3])
@pytest.mark.parametrize("level", LEVELS)
def test_vasp_ends_a_free_cell_only_where_the_document_calls_it_converged(volume_A3, level):
    """EDIFFG times the inverse volume of an atom is the stress at which VASP ends."""
    copper = Structure(Lattice.cubic(volume_A3 ** (1 / 3)), ["Cu"], [[0, 0, 0]])
    tags = incar(copper, "relax", "relax", level=level)
    most = engine("vasp", level=level).settings("relax")["stress_max_eV_per_A3"]
    assert 0.9 * most < -tags["EDIFFG"] / volume_A3 <= most
