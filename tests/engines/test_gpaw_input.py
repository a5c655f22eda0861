"""What GPAW is given, without GPAW: pure input, data sets, errors that name the remedy."""

from __future__ import annotations

import pytest
from pymatgen.core import Lattice, Structure

from defectflow.engines import engine, gpaw_data
from defectflow.engines.gpaw_input import gpaw_keywords, occupations
from defectflow.engines.request import Request
from defectflow.errors import EngineError, RecipeError

ALUMINIUM = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.04), ["Al"], [[0, 0, 0]])
ROCKSALT = Structure.from_spacegroup(
    "Fm-3m", Lattice.cubic(4.4), ["Mn", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
)
has_datasets = pytest.mark.skipif(not gpaw_data.folders(), reason="gpaw-data is not installed")

#: What the three levels give for fcc aluminium with four atoms, beside what they share.
LEVELS = {
    "fast": (350.0, 7, 0.1, 4e-6, 1e-5),
    "balanced": (500.0, 10, 0.05, 4e-6, 1e-5),
    "stringent": (700.0, 12, 0.05, 4e-7, 1e-6),
}


def task(structure=ALUMINIUM, level="balanced", step="relax", charge=0, **options):
    gpaw = engine("gpaw", level=level, **options)
    return gpaw.task(Request(structure, gpaw.settings(step), charge))


@pytest.mark.parametrize("level", LEVELS)
def test_keywords_of_each_level(level):
    cutoff_eV, divisions, width_eV, energy_eV, density = LEVELS[level]
    eigenstates = 1e-9 if level == "stringent" else 4e-8
    assert task(level=level).keywords == {
        "mode": {"name": "pw", "ecut": cutoff_eV},
        "xc": "PBE",
        "kpts": {"size": [divisions] * 3, "gamma": True},
        "occupations": {"name": "fermi-dirac", "width": width_eV},
        "convergence": {
            "energy": {"name": "energy", "tol": pytest.approx(energy_eV), "relative": False},
            "density": density,
            "eigenstates": eigenstates,
        },
        "maxiter": 120,
        "spinpol": False,
        "symmetry": {"point_group": True},
        "eigensolver": {"name": "ppcg"},
        "mixer": {"name": "msr1", "beta": 0.05, "nmaxold": 10},
    }


@pytest.mark.parametrize("step", ["relax", "static", "neb", "dos", "vibrations"])
def test_every_step_has_numbers_at_every_level(step):
    for level in LEVELS:
        assert task(level=level, step=step).keywords["kpts"]["gamma"]


def test_metals_have_a_finer_mesh_unless_the_recipe_gives_one():
    def mesh(structure, **fields):
        gpaw = engine("gpaw", **fields)
        maker = gpaw.static_maker()
        # A maker is rebuilt from its settings where its job runs.
        again = type(maker)(engine=gpaw, settings=maker.settings)
        return gpaw.task(Request(structure, again.settings)).keywords["kpts"]["size"]

    salt, slab = ROCKSALT.copy(), ALUMINIUM.copy()
    salt.scale_lattice(ALUMINIUM.volume)
    slab.append("H", [0.5, 0.5, 0.1])
    assert mesh(ALUMINIUM) == mesh(slab) == [10, 10, 10]
    assert mesh(salt) == [5, 5, 5]
    given = {"settings": {"kpoint_spacing_per_A": 0.5}}
    assert mesh(ALUMINIUM, **given) == mesh(salt, **given) == [4, 4, 4]


def test_steps_differ_where_they_must():
    relax, dos, vibrations = (task(step=step).keywords for step in ("relax", "dos", "vibrations"))
    assert dos["kpts"]["size"] > relax["kpts"]["size"]
    assert vibrations["convergence"]["density"] < relax["convergence"]["density"]
    assert vibrations["mode"] == relax["mode"]


@pytest.mark.parametrize(
    ("functional", "keyword"),
    [
        ("PBE", "PBE"),
        ("RPBE", "RPBE"),
        ("PBEsol", "PBEsol"),
        ("r2SCAN", "MGGA_X_R2SCAN+MGGA_C_R2SCAN"),
        ("PBE+U", "PBE"),
    ],
)
def test_functionals(functional, keyword):
    keywords = task(functional=functional).keywords
    assert keywords["xc"] == keyword
    assert "setups" not in keywords, "no Hubbard U on aluminium"


def test_hubbard_u_spin_and_named_data_sets():
    keywords = task(ROCKSALT, functional="PBE+U").keywords
    assert keywords["setups"] == {"Mn": ":d,3.9,0"}
    assert keywords["spinpol"]
    named = task(ROCKSALT, functional="PBE+U", setups={"Mn": "7"}).keywords
    assert named["setups"] == {"Mn": "7:d,3.9,0"}
    assert task(ROCKSALT, functional="PBE+U").moments[:1] == (5.0,)
    assert "setups" not in task(ROCKSALT).keywords
    assert not task(ROCKSALT, spin="off").keywords["spinpol"]


@has_datasets
@pytest.mark.parametrize("charge", [2, 1, 0, -1])
def test_a_positive_charge_takes_electrons_away(charge):
    given = task(ROCKSALT, charge=charge)
    assert given.keywords.get("charge", 0.0) == charge
    # Mn.PBE treats 15 electrons and O.PBE six.
    assert given.inputs["valence_electrons"] == 4 * (15 + 6) - charge


def test_smearing_of_every_kind():
    assert occupations("gaussian", 0.1) == {"name": "methfessel-paxton", "order": 0, "width": 0.1}
    assert occupations("methfessel-paxton", 0.1)["order"] == 1
    for name in ("fermi-dirac", "marzari-vanderbilt"):
        assert occupations(name, 0.2) == {"name": name, "width": 0.2}


def test_the_pure_function_needs_no_gpaw(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gpaw", None)
    from defectflow.engines.electrons import electronic_input

    gpaw = engine("gpaw", level="fast")
    settings = gpaw.settings("static")
    electrons = electronic_input(gpaw.options, Request(ALUMINIUM, settings))
    assert gpaw_keywords(electrons, settings)["mode"]["ecut"] == 350.0


def test_settings_of_a_recipe_reach_the_input():
    gpaw = engine("gpaw", settings={"cutoff_eV": 550, "smearing": "gaussian"})
    keywords = gpaw.task(Request(ALUMINIUM, gpaw.settings("relax"))).keywords
    assert keywords["mode"]["ecut"] == 550.0
    assert keywords["occupations"]["order"] == 0
    wrong = engine("gpaw", settings={"cutoff_eV": 30})
    request = Request(ALUMINIUM, wrong.settings("relax"))
    with pytest.raises(RecipeError, match="cutoff_eV = 30: a plane-wave cutoff lies between"):
        wrong.task(request)


@has_datasets
def test_every_data_set_in_use_is_recorded():
    used = task(ROCKSALT).inputs["datasets"]
    assert used["Mn"]["file"].startswith("Mn.PBE")
    assert used["Mn"]["valence"] == 15
    assert len(used["O"]["sha256"]) == 64
    assert task(functional="RPBE").inputs["datasets"]["Al"]["file"].startswith("Al.RPBE")
    assert task(functional="r2SCAN").inputs["datasets"]["Al"]["file"].startswith("Al.PBE")


@has_datasets
def test_a_missing_data_set_is_named_with_the_remedy():
    with pytest.raises(EngineError, match=r"no PAW data set U.PBE .*GPAW_SETUP_PATH"):
        gpaw_data.check({"Al", "U"}, "PBE", {})
    with pytest.raises(EngineError, match=r"no PAW data set La.RPBE .*use functional PBE"):
        gpaw_data.check({"La"}, "RPBE", {})
    with pytest.raises(EngineError, match=r"no PAW data set Mg.77.PBE"):
        gpaw_data.check({"Mg"}, "PBE", {"Mg": "77"})


def test_no_data_sets_at_all(monkeypatch, tmp_path):
    def missing(package):
        message = f"Python package {package} is not installed"
        raise EngineError(message)

    monkeypatch.setattr(gpaw_data, "package_folder", missing)
    monkeypatch.setenv("GPAW_SETUP_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(EngineError, match="no PAW data sets are found; make dft-setup"):
        gpaw_data.check({"Al"}, "PBE", {})
    own = tmp_path / "own"
    own.mkdir()
    (own / "Al.PBE").write_text('<atom symbol="Al" Z="13" core="10" valence="3"/>')
    monkeypatch.setenv("GPAW_SETUP_PATH", str(own))
    gpaw_data.check({"Al"}, "PBE", {})
    assert gpaw_data.used({"Al"}, "PBE", {})["Al"].valence == 3
    (own / "Si.PBE").write_text("<nothing/>")
    with pytest.raises(EngineError, match=r"Si.PBE: it does not name its valence electrons"):
        gpaw_data.used({"Si"}, "PBE", {})


def test_data_sets_that_are_not_the_packages_are_another_engine(monkeypatch, tmp_path):
    """Those of the package, and those that are not asked for, leave the key as it was."""
    packaged, own = tmp_path / "gpaw_data", tmp_path / "own"
    for folder in (packaged / "setups", own):
        folder.mkdir(parents=True)
        for name in ("Al.PBE", "Mg.PBE", "Mg.2.PBE", "Al.LDA"):
            (folder / name).write_text(f"{name} as published")
    monkeypatch.setattr(gpaw_data, "package_folder", lambda _: packaged)
    monkeypatch.delenv("GPAW_SETUP_PATH", raising=False)
    gpaw = engine("gpaw")
    plain, stamp = gpaw.as_dict(), gpaw.stamp()
    monkeypatch.setenv("GPAW_SETUP_PATH", str(own))
    assert (gpaw.as_dict(), gpaw.stamp()) == (plain, stamp)
    (own / "Mg.2.PBE").write_text("Mg.2.PBE, two electrons")
    (own / "Al.LDA").write_text("Al.LDA of mine")
    assert (gpaw.as_dict(), gpaw.stamp()) == (plain, stamp)
    assert "datasets_sha256" in engine("gpaw", setups={"Mg": "2"}).as_dict()
    seen = set()
    for valence in (3, 11):
        (own / "Al.PBE").write_text(f'Al.PBE of mine <atom symbol="Al" valence="{valence}"/>')
        digest = gpaw.as_dict()["datasets_sha256"]
        assert gpaw.stamp().model_sha256 == digest
        assert gpaw.stamp().model.endswith("and others of GPAW_SETUP_PATH")
        assert gpaw_data.used({"Al"}, "PBE", {})["Al"].valence == valence
        seen.add(digest)
    assert len(seen) == 2
    assert type(gpaw).from_dict(gpaw.as_dict()) == gpaw


def test_gpaw_missing_is_named_with_the_remedy(monkeypatch):
    from defectflow.engines import calculators
    from defectflow.engines.gpaw import Gpaw

    def missing(package):
        message = f"Python package {package} is not installed; pip install {package!r}"
        raise EngineError(message)

    monkeypatch.setattr(calculators, "package_folder", missing)
    with pytest.raises(EngineError, match="gpaw is not installed; run `make dft-setup`"):
        engine("gpaw").check()
    info = Gpaw.describe()
    assert not info.available
    assert "make dft-setup" in (info.problem or "")


@has_datasets
def test_mpi_missing_is_named_before_anything_runs(monkeypatch):
    pytest.importorskip("gpaw", reason="GPAW is not installed")
    monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", "2")
    monkeypatch.setenv("DEFECTFLOW_MPI_COMMAND", "no-such-mpi -n {n}")
    with pytest.raises(EngineError, match=r"no-such-mpi is not found; .*DEFECTFLOW_DFT_PROCESSES"):
        engine("gpaw").check({"Al"})


def test_the_stamp_says_dft_and_what_it_rests_on():
    stamp = engine("gpaw", functional="RPBE", settings={"cutoff_eV": 450}).stamp()
    assert stamp.fidelity == "dft"
    assert stamp.functional == "RPBE"
    assert "PAW data sets for RPBE" in (stamp.model or "")
    assert stamp.settings == {"cutoff_eV": 450.0}
