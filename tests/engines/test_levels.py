from __future__ import annotations

import pytest

from defectflow import hosts
from defectflow.engines import engine, levels
from defectflow.engines.electrons import kpoint_mesh, kpoint_spacing_per_A
from defectflow.errors import MissingData, RecipeError


@pytest.fixture
def family(tmp_path, monkeypatch):
    """Return a function that writes a family's step file into a user's folder."""
    monkeypatch.setenv("DEFECTFLOW_HOME", str(tmp_path))
    folder = tmp_path / "templates" / "input" / "own"
    folder.mkdir(parents=True)

    def write(text: str) -> str:
        (folder / "relax.yaml").write_text(text)
        return "own"

    return write


def test_a_level_is_balanced_with_differences(family):
    name = family("balanced: {fmax: 0.03, steps: 500}\nfast: {fmax: 0.1}\n")
    assert levels.step_settings(name, "relax", "balanced") == {"fmax": 0.03, "steps": 500}
    assert levels.step_settings(name, "relax", "fast") == {"fmax": 0.1, "steps": 500}
    assert levels.step_settings(name, "relax", "stringent") == {"fmax": 0.03, "steps": 500}


def test_overrides_come_last_and_whole_numbers_become_floats(family):
    name = family("balanced: {fmax: 0.03, steps: 500}\n")
    settings = levels.step_settings(name, "relax", "fast", {"fmax": 1})
    assert settings == {"fmax": 1.0, "steps": 500}
    assert isinstance(settings["fmax"], float)


def test_the_result_is_the_callers_own(family):
    name = family("balanced: {fmax: 0.03}\n")
    levels.step_settings(name, "relax", "balanced")["fmax"] = 9.0
    assert levels.step_settings(name, "relax", "balanced") == {"fmax": 0.03}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fast: {fmax: 1.0}\n", "needs a key 'balanced'"),
        ("balanced: {fmax: 0.03}\nfast: {fmx: 0.1}\n", "fast: no setting 'fmx'; .*fmax"),
        ("balanced: {fmax: 0.03}\nfast: {fmax: 1e-4}\n", "'1e-4' is not of type float"),
        ("balanced: {on: true}\nfast: {on: 1}\n", "no setting|not of type bool"),
        ("balanced: {fmax: 0.03}\nquick: {}\n", "level 'quick' does not exist"),
        ("balanced: {fmax: [}\n", "not readable as YAML"),
    ],
)
def test_a_bad_file_is_named_with_its_fault(family, text, says):
    name = family(text)
    with pytest.raises(RecipeError, match=says) as caught:
        levels.step_settings(name, "relax", "balanced")
    assert "relax.yaml" in str(caught.value)


def test_an_unknown_step_names_the_known():
    with pytest.raises(MissingData, match=r"no step 'relaxation'.*relax"):
        levels.step_settings("potential", "relaxation", "balanced")


@pytest.mark.parametrize("step", levels.steps("potential"))
def test_shipped_levels_get_tighter(step):
    fast, balanced, stringent = (
        levels.step_settings("potential", step, level) for level in levels.LEVELS
    )
    assert set(fast) == set(balanced) == set(stringent)
    for key in balanced:
        if "fmax_eV" in key or "stress_max" in key:
            assert fast[key] >= balanced[key] >= stringent[key]


def test_relaxed_ends_are_tighter_than_the_bands_between_them():
    for level in levels.LEVELS:
        relax = levels.step_settings("potential", "relax", level)
        neb = levels.step_settings("potential", "neb", level)
        assert relax["fmax_eV_per_A"] <= neb["fmax_eV_per_A"] < neb["loose_fmax_eV_per_A"]


@pytest.mark.parametrize("level", ["fast", "balanced", "stringent"])
@pytest.mark.parametrize("step", ["relax", "dos"])
def test_a_metal_gets_one_mesh_from_every_code(step, level):
    """Vacancies of metals are off by 0.3 eV with a mesh that does for an insulator."""
    aluminium = hosts.load("fcc-Al").structure
    meshes = set()
    for family in ("gpaw", "espresso", "vasp"):
        spacing = kpoint_spacing_per_A(aluminium, levels.step_settings(family, step, level))
        meshes.add(kpoint_mesh(aluminium, spacing))
    coarsest = {"fast": 7, "balanced": 10, "stringent": 12}[level]
    assert len(meshes) == 1
    assert min(meshes.pop()) >= coarsest


def test_vibrations_keep_a_tighter_scf_whatever_threshold_is_asked_for():
    """Forces of a loose SCF are noisy by 0.02 eV/Å, which made modes of OOH imaginary."""
    gpaw = engine("gpaw", settings={"scf_density_per_electron": 1e-4})
    assert gpaw.settings("relax")["scf_density_per_electron"] == 1e-4
    shaken = gpaw.settings("vibrations")
    assert shaken["scf_density_per_electron"] == pytest.approx(1e-5)
    assert shaken["scf_energy_eV_per_atom"] == 1e-7  # the step's own
    assert gpaw.settings("vibrations", **shaken) == shaken  # once, not at each hand-over
    exact = gpaw.settings("vibrations", scf_density_per_electron=1e-6)
    assert exact["scf_density_per_electron"] == 1e-6
    loose = engine("gpaw", settings={"scf_density_per_electron": 1e-4, "scf_factor": 1})
    assert loose.settings("vibrations")["scf_density_per_electron"] == 1e-4
