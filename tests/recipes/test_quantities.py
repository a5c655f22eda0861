"""Every quantity from its YAML file to a document; mistakes in each, with their line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from defectflow.documents import RESULTS
from defectflow.errors import DefectflowError, EngineError, RecipeError
from defectflow.launch import run
from defectflow.recipes import MODELS, build, engine_of, load, result_key

if TYPE_CHECKING:
    from pathlib import Path

FORMATION = """\
quantity: defect_formation_energy
host: {prototype: fcc-Al}
species: Al
supercell: [2, 2, 2]
engine: emt
"""
ADSORPTION = """\
quantity: adsorption_free_energy
host: {prototype: fcc-Pt}
slab: {miller: [1, 1, 1], layers: 3, frozen_layers: 1}
adsorbate: H
site: fcc
correction: norskov_2005
engine: emt
"""
VOLUME = """\
quantity: equation_of_state
host: {prototype: fcc-Cu}
engine: emt
"""
SCAN = """\
quantity: convergence
of:
  quantity: defect_formation_energy
  host: {prototype: fcc-Al}
  species: Al
  supercell: [2, 2, 2]
scan:
  fmax_eV_per_A: [0.01, 0.2, 0.05]
tolerance: 0.005
engine: emt
"""
GAP = """\
quantity: band_gap
host: {prototype: anatase-TiO2}
defect: vacancy
species: O
supercell: [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
engine: {name: gpaw, options: {functional: PBE+U}, settings: {cutoff_eV: 350}}
"""
D_BAND = """\
quantity: d_band_center
host: {prototype: fcc-Pt}
slab: {miller: [1, 1, 1]}
engine: gpaw
"""
ALL = (FORMATION, ADSORPTION, VOLUME, SCAN, GAP, D_BAND)


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_quantity_has_a_model_and_a_document() -> None:
    assert set(MODELS) == set(RESULTS)


@pytest.mark.parametrize(
    ("text", "unit", "defect"),
    [
        (FORMATION, "eV", "V_Al"),
        (ADSORPTION, "eV", "H on (111), fcc"),
        (VOLUME, "A3/atom", ""),
        (SCAN, "eV", "V_Al"),
    ],
)
def test_a_recipe_gives_its_document(tmp_path: Path, text: str, unit: str, defect: str) -> None:
    recipe = load(written(tmp_path, text))
    document = run(build(recipe))
    assert isinstance(document, RESULTS[recipe.quantity])
    assert (document.quantity, document.unit) == (recipe.quantity, unit)
    assert (document.recipe, document.key) == ("recipe", result_key(recipe))
    assert document.defect == defect
    assert document.converged


def test_what_could_not_be_computed_is_called_as_its_result_would_be(tmp_path: Path) -> None:
    recipe = load(written(tmp_path, ADSORPTION))
    assert recipe.content.subject() == ("fcc-Pt", "H on (111)")


def test_a_scan_goes_from_coarse_to_fine_and_recommends(tmp_path: Path) -> None:
    from defectflow.store import open_store

    document = run(build(load(written(tmp_path, SCAN))), "scan.sqlite")
    (scan,) = document.scans
    assert scan.setting == "fmax_eV_per_A"
    assert [point.settings["fmax_eV_per_A"] for point in scan.points] == [0.2, 0.05, 0.01]
    assert scan.points[-1].error == 0
    assert scan.points[0].error > 0.005 > scan.points[1].error
    assert scan.recommended == 0.05
    assert document.value == scan.points[-1].value
    assert document.of_quantity == "defect_formation_energy"
    assert document.force_calls == sum(point.force_calls for point in scan.points)
    with open_store("scan.sqlite") as store:
        found = {one.key: one for one in store.find(quantity="defect_formation_energy")}
    assert set(found) == {point.key for point in scan.points}
    assert {one.engine.settings["fmax_eV_per_A"] for one in found.values()} == {0.2, 0.05, 0.01}


def test_a_point_of_a_scan_is_the_result_of_its_own_recipe(tmp_path: Path) -> None:
    document = run(build(load(written(tmp_path, SCAN))))
    alone = FORMATION.replace("emt", "{name: emt, settings: {fmax_eV_per_A: 0.05}}")
    key = result_key(load(written(tmp_path, alone)))
    assert key in {point.key for point in document.scans[0].points}


def test_without_settings_the_levels_are_compared(tmp_path: Path) -> None:
    text = SCAN.replace("scan:\n  fmax_eV_per_A: [0.01, 0.2, 0.05]\n", "")
    document = run(build(load(written(tmp_path, text))))
    assert [point.level for point in document.scans[0].points] == ["fast", "balanced", "stringent"]
    assert document.scans[0].recommended in {"fast", "balanced"}


def test_settings_change_the_key_and_reach_the_engine(tmp_path: Path) -> None:
    plain = load(written(tmp_path, FORMATION))
    finer = load(
        written(tmp_path, FORMATION.replace("emt", "{name: emt, settings: {max_steps: 9}}"))
    )
    assert result_key(plain) != result_key(finer)
    assert engine_of(finer).settings("relax")["max_steps"] == 9


def test_another_engine_keeps_what_it_knows_as_well(tmp_path: Path) -> None:
    text = GAP.replace("cutoff_eV: 350", "cutoff_eV: 350, kpoint_spacing_per_A: 0.3")
    recipe = load(written(tmp_path, text))
    other = recipe.changed(engine="espresso").content.engine
    assert other.options == {"functional": "PBE+U"}
    assert other.settings == {"kpoint_spacing_per_A": 0.3}, "a cutoff belongs to one code"
    assert recipe.changed(engine="emt").content.engine.options == {}


def test_a_supercell_may_be_written_short() -> None:
    model = MODELS["defect_formation_energy"]
    base = {"quantity": "defect_formation_energy", "host": {"prototype": "fcc-Al"}, "species": "Al"}
    short = model.model_validate({**base, "supercell": [2, 3, 1]})
    assert short.supercell == ((2, 0, 0), (0, 3, 0), (0, 0, 1))


@pytest.mark.parametrize("text", ALL)
def test_every_misspelt_key_names_line_and_remedy(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text + "enginee: emt\n")
    with pytest.raises(RecipeError) as error:
        load(path)
    assert f"{path}:{text.count(chr(10)) + 1}: unknown key 'enginee'; did you mean" in str(
        error.value
    )


@pytest.mark.parametrize(
    ("text", "old", "new", "line", "said"),
    [
        (FORMATION, "[2, 2, 2]", "[2, 2]", 4, "supercell = [2, 2]: three repetitions"),
        (FORMATION, "[2, 2, 2]", "[2, 0, 2]", 4, "at least 1"),
        (FORMATION, "[2, 2, 2]", "[[1, 0, 0], [2, 0, 0], [0, 0, 1]]", 4, "three independent rows"),
        (ADSORPTION, "correction: norskov_2005\n", "", None, "correction"),
        (ADSORPTION, "norskov_2005", "fixed", 6, "correction = 'fixed'"),
        (ADSORPTION, "layers: 3", "layrs: 3", 3, "did you mean layers"),
        (ADSORPTION, "frozen_layers: 1", "frozen_layers: 3", 3, "less than `layers` (3)"),
        (ADSORPTION, "[1, 1, 1]", "[0, 0, 0]", 3, "is no plane"),
        (VOLUME, "engine: emt", "engine: emt\nvolumes: 4", 4, "volumes = 4"),
        (SCAN, "species: Al", "spezies: Al", 5, "did you mean species"),
        (SCAN, "quantity: defect_formation_energy", "quantity: energy", 2, "of"),
        (SCAN, "  species: Al", "  species: Al\n  engine: emt", 2, "`of` holds `engine`"),
        (SCAN, "[0.01, 0.2, 0.05]", "[0.01]", None, "at least two different values"),
        (GAP, "species: O\n", "", None, "`defect` and `species` belong together"),
        (D_BAND, "engine: gpaw", "engine: gpaw\nwindow_eV: [2, -10]", None, "[lower, upper]"),
    ],
)
def test_mistakes_name_their_line(
    tmp_path: Path, text: str, old: str, new: str, line: int | None, said: str
) -> None:
    assert old in text
    path = written(tmp_path, text.replace(old, new))
    with pytest.raises(RecipeError) as error:
        load(path)
    message = str(error.value)
    assert said in message
    assert "\n" not in message
    if line is not None:
        assert message.startswith(f"{path}:{line}:"), message


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (FORMATION, "species: Al", "species: Cu", "has no Cu"),
        (FORMATION, "fcc-Al", "fcc-Am", "did you mean"),
        (ADSORPTION, "site: fcc", "site: fc", "did you mean fcc"),
        (SCAN, "fmax_eV_per_A", "fmax", "no setting 'fmax'"),
        (GAP.replace("name: gpaw", "name: emt").replace("PBE+U", "PBE"), "a", "a", "no option"),
        (D_BAND, "gpaw", "emt", "emt cannot do dos"),
        (GAP, "cutoff_eV", "cutof_eV", "did you mean cutoff_eV"),
    ],
)
def test_what_building_finds(tmp_path: Path, text: str, old: str, new: str, said: str) -> None:
    with pytest.raises(DefectflowError) as error:
        build(load(written(tmp_path, text.replace(old, new))))
    assert said in str(error.value)


def test_a_density_of_states_is_refused_where_there_are_no_electrons(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="engines that can"):
        build(load(written(tmp_path, D_BAND.replace("gpaw", "emt"))))
