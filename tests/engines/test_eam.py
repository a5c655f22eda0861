"""Embedded atom potentials against ASE's own evaluation, and files that are none."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.eam import EAM as AseEAM  # noqa: N811

from defectflow.engines import engine
from defectflow.engines.eam import read_potential
from defectflow.errors import EngineError, RecipeError
from defectflow.recipes.order import make_engine
from defectflow.recipes.parts import EngineChoice


def two_elements(path):
    """Write smooth functions of two elements as ``.eam.fs`` or ``.eam.alloy``."""
    count, cutoff = 400, 4.6
    r = np.arange(count) * cutoff / count
    rho = np.arange(count) * 0.1
    fade = np.clip((cutoff - r) / 1.2, 0, 1) ** 4
    blocks = []
    for k, (number, mass) in enumerate([(13, 26.98), (29, 63.55)]):
        densities = [(1 + k + 0.3 * other) * np.exp(-r) * fade for other in range(2)]
        kept = densities if path.name.endswith("fs") else densities[:1]
        blocks += [f"{number} {mass} 4.0 fcc", -(1 + 0.2 * k) * np.log1p(rho), *kept]
    blocks += [r * (3 + k) * np.exp(-1.5 * r) * fade for k in range(3)]
    lines = ["# a", "# b", "# c", "2 Al Cu", f"{count} 0.1 {count} {cutoff / count} {cutoff}"]
    for block in blocks:
        lines += [block] if isinstance(block, str) else [f"{value:.15e}" for value in block]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["alloy", "fs"])
def test_all_pairs_at_once_are_what_ase_adds_up_one_by_one(tmp_path, form):
    file = two_elements(tmp_path / f"AlCu.eam.{form}")
    atoms = bulk("Al", cubic=True) * (2, 2, 1)
    atoms.symbols[::3] = "Cu"
    atoms.rattle(0.15, seed=3)
    found = []
    for calculator in (read_potential(file), AseEAM(potential=str(file), form=form)):
        atoms.calc = calculator
        found.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
    for ours, theirs in zip(*found, strict=True):
        assert np.allclose(ours, theirs, atol=1e-10)
    assert np.abs(found[0][1]).max() > 0.05


def test_an_element_that_the_file_lacks_is_refused(tmp_path):
    made = engine("eam", potential=two_elements(tmp_path / "AlCu.eam.alloy"))
    made.check({"Al", "Cu"})
    with pytest.raises(EngineError, match=r"AlCu.*does not know Ni; it knows Al, Cu"):
        made.check({"Al", "Ni"})


def test_another_content_of_the_file_is_another_engine(tmp_path):
    file = two_elements(tmp_path / "AlCu.eam.alloy")
    elsewhere = tmp_path / "b" / file.name
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(file.read_bytes())
    changed = tmp_path / "c" / file.name
    changed.parent.mkdir()
    changed.write_text(file.read_text(encoding="utf-8").replace("# a", "# x"), encoding="utf-8")
    stamps = [engine("eam", potential=str(one)).stamp() for one in (file, elsewhere, changed)]
    assert stamps[0] == stamps[1] != stamps[2]


def test_a_file_that_is_edited_while_the_process_runs_is_read_again(tmp_path):
    file = two_elements(tmp_path / "AlCu.eam.alloy")
    made = engine("eam", potential=str(file))
    first, stamp, key = made.shared_calculator(), made.stamp(), made.as_dict()
    assert made.shared_calculator() is first
    file.write_text(file.read_text("utf-8").replace("# a", "# edited"), encoding="utf-8")
    assert made.as_dict()["weights_sha256"] != key["weights_sha256"]
    assert made.stamp().model_sha256 == made.as_dict()["weights_sha256"] != stamp.model_sha256
    assert made.shared_calculator() is not first


def test_a_recipe_names_the_file_relative_to_itself(tmp_path, monkeypatch):
    folder = tmp_path / "recipes"
    folder.mkdir()
    file = two_elements(folder / "AlCu.eam.fs")
    choice = EngineChoice(name="eam", options={"potential": "AlCu.eam.fs"})
    made = make_engine(choice, "balanced", folder)
    monkeypatch.chdir("/")
    assert made.options["potential"] == str(file)
    made.check({"Cu"})


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.eam.alloy", "x\n", "line 4"),
        ("a.eam.fs", "x\nx\nx\n2 Al\n", "line 4"),
        ("a.eam.alloy", "x\nx\nx\n1 Xx\n", "line 4"),
        ("a.eam.alloy", "x\nx\nx\n1 Cu\n5 0.1 5 0.1 0.5\n29 63 3.6 fcc\n0 1\n", "not readable"),
    ],
)
def test_a_file_that_is_no_potential_is_refused_in_one_line(tmp_path, name, text, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    made = engine("eam", potential=str(tmp_path / name))
    with pytest.raises(EngineError, match=said) as caught:
        made.calculator()
    if said == "line 4":
        with pytest.raises(EngineError, match=said):
            made.check()
    assert "\n" not in str(caught.value)


def test_another_kind_of_file_is_refused_at_once():
    with pytest.raises(RecipeError, match=r"Cu\.eam: the name of the file must end in"):
        engine("eam", potential="Cu.eam")
    with pytest.raises(RecipeError, match="potential"):
        engine("eam")
