"""Recipes: every shipped one builds, every mistake is one line with its remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from defectflow import paths
from defectflow.engines.registry import engine_class
from defectflow.errors import DefectflowError, RecipeError, StructureError
from defectflow.recipes import build, load, result_key

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """\
quantity: migration_barrier
host: {prototype: fcc-Al}
species: Al
limit: discharged
engine: emt
"""


def written(folder: Path, text: str) -> Path:
    """Write a recipe file."""
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", sorted(paths.listing("workflows", "*.yaml")))
def test_every_shipped_recipe_builds(name: str) -> None:
    recipe = load(paths.find("workflows", name))
    assert name.startswith(recipe.quantity)
    here = engine_class(recipe.content.engine.name).describe()
    if not here.available:
        pytest.skip(f"{here.name}: {here.problem}")
    flow = build(recipe)
    assert len(list(flow)) > 0
    assert flow.output is not None
    assert len(result_key(recipe)) == 64


def test_shipped_recipes_ask_for_different_results() -> None:
    recipes = [load(paths.find("workflows", name)) for name in paths.listing("workflows", "*.yaml")]
    usable = [
        recipe
        for recipe in recipes
        if engine_class(recipe.content.engine.name).describe().available
    ]
    assert len({result_key(recipe) for recipe in usable}) == len(usable)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{GOOD}species: Cu\n", "recipe.yaml:6: key 'species' stands in line 3 too; keep one"),
        (
            GOOD.replace("engine: emt\n", "engine:\n  name: emt\n  name: gpaw\n"),
            "recipe.yaml:7: key 'name' stands in line 6 too",
        ),
        (f"{GOOD}tags: [{{a: 1, a: 2}}]\n", "recipe.yaml:6: key 'a' stands in line 6 too"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(written(tmp_path, text))
    assert said in str(caught.value)


def test_name_defaults_to_the_file(tmp_path: Path) -> None:
    assert load(written(tmp_path, GOOD)).name == "recipe"
    assert load(written(tmp_path, GOOD + "name: mine\n")).name == "mine"


def test_key_follows_what_changes_the_result(tmp_path: Path) -> None:
    base = result_key(load(written(tmp_path, GOOD)))
    same = result_key(load(written(tmp_path, "# a remark\n" + GOOD + "name: other\n")))
    finer = result_key(load(written(tmp_path, GOOD + "level: stringent\n")))
    other = result_key(
        load(written(tmp_path, GOOD.replace("fcc-Al", "fcc-Cu").replace("Al", "Cu")))
    )
    assert base == same
    assert len({base, finer, other}) == 3


def test_key_follows_the_content_of_a_file(tmp_path: Path) -> None:
    from defectflow.structures import hosts

    crystal = hosts.load("fcc-Al").structure
    text = GOOD.replace("prototype: fcc-Al", "file: host.cif")
    crystal.to(filename=str(tmp_path / "host.cif"))
    first = result_key(load(written(tmp_path, text)))
    crystal.scale_lattice(crystal.volume * 1.01).to(filename=str(tmp_path / "host.cif"))
    assert result_key(load(written(tmp_path, text))) != first


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (GOOD + "speces: Mg\n", 6, "did you mean species"),
        (GOOD.replace("prototype", "protoype"), 2, "did you mean prototype?"),
        (GOOD.replace("discharged", "full"), 4, "limit = 'full'"),
        (
            GOOD.replace("migration_barrier", "migration_barier"),
            1,
            "did you mean migration_barrier?",
        ),
        (GOOD + "min_image_distance_A: -1\n", 6, "min_image_distance_A = -1"),
        (GOOD + "temperatures_K: [300, cold]\n", 6, "temperatures_K.1 = 'cold'"),
        (GOOD + "host: [\n", 7, "expected"),
    ],
)
def test_mistakes_name_file_line_and_remedy(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RecipeError) as error:
        load(path)
    message = str(error.value)
    assert message.startswith(f"{path}:{line}:")
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no recipe"),
        ("- a\n- b\n", "holds no recipe"),
        ("host: {prototype: fcc-Al}\n", "`quantity` is missing"),
        (GOOD.replace("species: Al\n", ""), "`species` is missing"),
        (GOOD.replace("host: {prototype: fcc-Al}\n", ""), "give either `host` or `endpoints`"),
        (
            GOOD.replace("prototype: fcc-Al", "prototype: a, file: b"),
            "either `prototype` or `file`",
        ),
    ],
)
def test_incomplete_recipes(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError, match="recipe") as error:
        load(written(tmp_path, text))
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("prototype: fcc-Al", "prototype: fcc-Am", "did you mean"),
        ("prototype: fcc-Al", "file: nowhere.cif", "nowhere.cif"),
        ("engine: emt", "engine: sevenet", "did you mean sevennet"),
        ("species: Al", "species: Alu", "'Alu': not a chemical element; did you mean Au or Al"),
    ],
)
def test_what_building_finds(tmp_path: Path, old: str, new: str, said: str) -> None:
    recipe = load(written(tmp_path, GOOD.replace(old, new)))
    with pytest.raises(DefectflowError) as error:
        build(recipe)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("host", "more", "said"),
    [
        ("{kind: dislocation}", "", ":2: `host.cell.burgers` is missing: Burgers vector"),
        ("{kind: dislocation, burger: [1, 1, 1]}", "", ":2: unknown key 'host.cell.burger'; did"),
        (
            "null",
            "slab: {miller: [1, 1, 1]}\nadsorbate: H",
            "`correction` is missing: norskov",
        ),
    ],
)
def test_a_missing_key_is_explained(tmp_path: Path, host: str, more: str, said: str) -> None:
    """The meaning of a key is told, also within a part that is one of many kinds."""
    quantity = "adsorption_free_energy" if more else "defect_formation_energy"
    text = f"quantity: {quantity}\nhost: {{prototype: fcc-Cu, cell: {host}}}\n{more}\n"
    with pytest.raises(RecipeError) as error:
        load(written(tmp_path, text))
    assert said in str(error.value)


def test_no_code_in_a_recipe(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    text = f"quantity: !!python/object/apply:os.system ['touch {marker}']\n"
    with pytest.raises(RecipeError):
        load(written(tmp_path, text))
    assert not marker.exists()


def test_given_ends_relative_to_the_recipe(tmp_path: Path) -> None:
    from defectflow.structures import hosts

    crystal = hosts.load("fcc-Al").structure * [2, 2, 2]
    crystal.remove_sites([0])
    crystal.to(filename=str(tmp_path / "a.vasp"), fmt="poscar")
    crystal.to(filename=str(tmp_path / "b.vasp"), fmt="poscar")
    text = "quantity: migration_barrier\nengine: emt\nendpoints: {initial: a.vasp, final: b.vasp}\n"
    with pytest.raises(StructureError, match="nothing moves"):
        build(load(written(tmp_path, text)))


@pytest.mark.parametrize(
    "key",
    [
        "species: Mg",
        "limit: discharged",
        "host_cell: keep",
        "supercell: [2, 2, 2]",
        "sites: all",
        "min_image_distance_A: 9",
        "cutoff_A: 4",
        "near_defect_A: 3",
    ],
)
def test_a_key_that_given_ends_do_not_heed_is_refused(tmp_path: Path, key: str) -> None:
    text = "quantity: migration_barrier\nendpoints: {initial: a.vasp, final: b.vasp}\n"
    assert load(written(tmp_path, text + "images: 3\ntemperatures_K: [400]\n"))
    with pytest.raises(RecipeError, match=f"`{key.partition(':')[0]}` says something of a `host`"):
        load(written(tmp_path, f"{text}{key}\n"))


def test_planes_of_hexagonal_crystals_may_have_four_indices(tmp_path: Path) -> None:
    text = (
        "quantity: work_function\nhost: {prototype: hcp-Ti}\n"
        "slab: {miller: [1, 0, -1, 0], termination: Ti 1}\n"
    )
    one = load(written(tmp_path, text))
    assert one.content.slab.miller == (1, 0, 0)
    with pytest.raises(RecipeError) as error:
        load(written(tmp_path, text.replace("-1, 0", "1, 0")))
    assert "the third is minus the sum of the first two: -1, not 1" in str(error.value)


def test_dislocations_of_hexagonal_crystals_may_have_four_indices(tmp_path: Path) -> None:
    """1/3 [1 1 -2 0] is the shortest vector, [1 1 0] of three indices."""
    text = (
        "quantity: dislocation_core_energy\nhost: {prototype: hcp-Mg}\n"
        "dislocation: {burgers: [1/3, 1/3, -2/3, 0], line: [1, 1, -2, 0], plane: [0, 0, 0, 1]}\n"
    )
    chosen = load(written(tmp_path, text)).content.dislocation
    assert chosen.burgers == pytest.approx((1, 1, 0))
    assert (chosen.line, chosen.plane) == ((3, 3, 0), (0, 0, 1))
    with pytest.raises(RecipeError, match=r"direction \[1 1 -1 0\]: .* first two: -2, not -1"):
        load(written(tmp_path, text.replace("[1, 1, -2, 0]", "[1, 1, -1, 0]")))
    with pytest.raises(RecipeError, match="'a third' is no number"):
        load(written(tmp_path, text.replace("1/3, 1/3", "a third, 1/3")))
