"""Recipes of formation, intercalation and binding energies, from YAML to a document."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from monty.json import MSONable

from defectflow.errors import DefectflowError, EngineError, RecipeError
from defectflow.launch import run
from defectflow.recipes import build, load, result_key

if TYPE_CHECKING:
    from pathlib import Path

    from jobflow import Flow

DOPANT = """\
quantity: defect_formation_energy
host: {prototype: fcc-Al}
defect: {kind: substitution, replace: {Al: Cu}}
supercell: [2, 2, 2]
engine: emt
"""
PAIR = """\
quantity: defect_formation_energy
host: {prototype: fcc-Al}
defect: {kind: complex, members: [V_Al, Cu_Al]}
supercell: [2, 2, 2]
references:
  Cu: {prototype: fcc-Cu}
engine: emt
"""
LIMIT = """\
quantity: defect_formation_energy
host: {file: alloy.cif}
defect: {kind: antisite, between: [Au, Cu]}
supercell: [2, 2, 2]
competing_phases:
  - {prototype: fcc-Au}
limit: Cu-rich
engine: emt
"""
CHARGED = """\
quantity: defect_formation_energy
host: {prototype: rocksalt-MgO}
defect: {kind: vacancy, species: O, charges: [0, 2]}
dielectric: 9.8
fermi_level_eV: 1.0
temperature_K: 1000
engine: gpaw
"""
VOLTAGE = """\
quantity: intercalation_voltage
host: {prototype: fcc-Pd, primitive: true}
species: H
fractions: [1/2]
at_most: 1
engine: emt
"""
INSERTION = """\
quantity: intercalation_energy
host: {prototype: fcc-Pd}
species: H
supercell: [2, 2, 2]
engine: emt
"""
BINDING = """\
quantity: binding_energy
host: {prototype: fcc-Pd}
species: H
defect: {kind: vacancy, species: Pd}
reach_A: 1.0
supercell: [2, 2, 2]
engine: emt
"""
STARTS = """\
quantity: defect_formation_energy
host: {prototype: fcc-Cu}
defect: {kind: dumbbell, families: ["110"]}
starts: distorted
supercell: [2, 2, 2]
engine: emt
"""
ALL = (DOPANT, PAIR, LIMIT, CHARGED, VOLTAGE, INSERTION, BINDING)


def written(folder: Path, text: str) -> Path:
    from pymatgen.core import Lattice, Structure

    corners = [[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]
    alloy = Structure(Lattice.cubic(3.75), ["Au", "Cu", "Cu", "Cu"], corners)
    alloy.to(str(folder / "alloy.cif"))
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "unit", "defect"),
    [
        (DOPANT, "eV", "Cu_Al"),
        (PAIR, "eV", "V_Al+Cu_Al"),
        (LIMIT, "eV", "Cu_Au"),
        (VOLTAGE, "V", "H 0 to 1 in Pd"),
        (BINDING, "eV", "H at V_Pd"),
    ],
)
def test_a_recipe_gives_its_document(tmp_path: Path, text: str, unit: str, defect: str) -> None:
    recipe = load(written(tmp_path, text))
    document = run(build(recipe))
    assert document.quantity == recipe.quantity
    assert document.key == result_key(recipe)
    assert (document.unit, document.defect) == (unit, defect)
    assert document.converged
    assert document.value is not None


def test_a_distorted_start_wins_where_symmetry_holds_a_saddle(tmp_path: Path) -> None:
    """Two atoms along [110] stay there by symmetry, more than 1 eV above where a rattle leads."""
    from pymatgen.analysis.structure_matcher import StructureMatcher

    document = run(build(load(written(tmp_path, STARTS))))
    (defect,) = document.defects
    above_eV = {start.name: start.above_lowest_eV for start in defect.starts}
    as_built = "(Cu-Cu)_Cu[110]"
    assert above_eV[as_built] > 1.0
    assert above_eV[defect.start] == 0
    assert defect.start != as_built
    plain = run(build(load(written(tmp_path, STARTS.replace("distorted", "as_built")))))
    assert plain.value - document.value == pytest.approx(above_eV[as_built], abs=1e-6)
    ends = (plain.defects[0].relaxed.structure, defect.relaxed.structure)
    assert not StructureMatcher().fit(*ends)


@dataclass
class Relaxed(MSONable):
    """What the flow looks at of a relaxed host before the defects are relaxed."""

    structure: Any


@pytest.mark.parametrize("state", [-2, 0])
def test_distorted_starts_count_electrons_by_the_states_of_the_recipe(
    tmp_path: Path, state: int
) -> None:
    from pymatgen.core import Lattice, Structure

    oxide = Structure.from_spacegroup(
        "Fm-3m", Lattice.cubic(4.2), ["Ni", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]]
    )
    oxide.to(str(tmp_path / "NiO.cif"))
    text = STARTS.replace("prototype: fcc-Cu", "file: NiO.cif").replace(
        '{kind: dumbbell, families: ["110"]}',
        f"{{kind: vacancy, species: O, oxidation_states: {{Ni: {-state}, O: {state}}}}}",
    )
    flow = build(load(written(tmp_path, text)))
    last = next(one for one in flow.jobs if one.name == "relax defects")
    maker, scene = last.function.__self__, last.function_args[-1]
    made = maker.relax_defects.original(maker, Relaxed(oxide), [], None, scene)
    names = [one.name for one in made.replace.jobs]
    assert ("relax V_O -40%" in names) is bool(state)
    assert "relax V_O rattled" in names


def test_the_short_form_of_a_vacancy_is_the_long_one(tmp_path: Path) -> None:
    short = "quantity: defect_formation_energy\nhost: {prototype: fcc-Al}\nspecies: Al\n"
    forms = [short, f"{short}defect: vacancy\n"]
    forms.append(short.replace("species: Al", "defect: {kind: vacancy, species: Al}"))
    choices = [load(written(tmp_path, form)).content.defect for form in forms]
    assert choices[0] == choices[1] == choices[2]


def test_the_content_of_a_reference_file_is_part_of_the_key(tmp_path: Path) -> None:
    text = LIMIT.replace("{prototype: fcc-Au}", "{file: other.cif}")
    path = written(tmp_path, text)
    from defectflow.structures import hosts

    keys = set()
    for name in ("fcc-Au", "fcc-Ag"):
        hosts.load(name).structure.to(str(tmp_path / "other.cif"))
        keys.add(result_key(load(path)))
    assert len(keys) == 2


def test_charges_go_to_an_engine_that_has_them_and_to_no_other(tmp_path: Path) -> None:
    flow = build(load(written(tmp_path, CHARGED)))
    names = [job.name for job in flow]
    assert names == [
        "relax host",
        "relax O2",
        "bands of the host",
        "relax defects",
    ]
    with pytest.raises(EngineError, match="engine sevennet cannot do charge"):
        build(load(written(tmp_path, CHARGED.replace("gpaw", "sevennet"))))
    with pytest.raises(EngineError, match="espresso cannot do site_potentials"):
        build(load(written(tmp_path, CHARGED.replace("gpaw", "espresso"))))


@pytest.mark.parametrize("text", ALL)
def test_every_misspelt_key_names_line_and_remedy(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text + "enginee: emt\n")
    with pytest.raises(RecipeError) as error:
        load(path)
    line = text.count("\n") + 1
    assert f"{path}:{line}: unknown key 'enginee'; did you mean engine" in str(error.value)


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (LIMIT, "limit: Cu-rich\n", "", "`competing_phases` and `limit` belong together"),
        (DOPANT, "defect: {kind: substitution, replace: {Al: Cu}}\n", "", "needs `species`"),
        (DOPANT, "supercell", "species: Cu\nsupercell", "`species` is of the short form"),
        (PAIR, "references:", "reference: {molecule: O2}\nreferences:", "`reference` is that of"),
        (PAIR, "prototype: fcc-Cu", "compound: {prototype: fcc-Cu}", "belong together"),
        (CHARGED, "temperature_K: 1000", "temperature_K: -5", "temperature_K = -5"),
        (VOLTAGE, "[1/2]", "[3/2]", "`fractions` lie between 0 and 1"),
        (VOLTAGE, "[1/2]", "[1/0]", "`fractions` lie between 0 and 1"),
        (VOLTAGE, "host:", "compositions: [{prototype: fcc-Pd}]\nhost:", "either `compositions`"),
        (VOLTAGE, "at_most: 1", "at_most: 0", "at_most = 0"),
        (VOLTAGE, "fractions: [1/2]\n", "", "`at_most` counts arrangements of `fractions`"),
        (BINDING, "defect: {kind: vacancy, species: Pd}\n", "", "defect"),
        (BINDING, "reach_A: 1.0", "reach_A: -1.0", "reach_A = -1.0"),
    ],
)
def test_mistakes_are_found_on_loading(
    tmp_path: Path, text: str, old: str, new: str, said: str
) -> None:
    assert old in text
    with pytest.raises(RecipeError) as error:
        load(written(tmp_path, text.replace(old, new)))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "old", "new", "said"),
    [
        (DOPANT, "Al: Cu", "Cu: Al", "Al has no Cu"),
        (LIMIT, "Cu-rich", "O-rich", "limit 'O-rich'"),
        (PAIR, "fcc-Cu", "fcc-Al", "has to hold Cu alone"),
        (
            PAIR,
            "Cu: {",
            "Ag: {prototype: fcc-Ag}\n  Cu: {",
            "Ag is neither in the host nor",
        ),
        (
            LIMIT,
            "limit",
            "references: {Au: {prototype: fcc-Cu}}\nlimit",
            "the competing phase fcc-Au is its reservoir already",
        ),
        (
            LIMIT,
            "prototype: fcc-Au",
            "compound: {prototype: fcc-Au}, formation_enthalpy_eV: -1.0",
            "only `references` of an element",
        ),
        (CHARGED, "dielectric: 9.8\n", "", "static dielectric constant"),
        (CHARGED, "9.8", "0.4", "less than that of a vacuum"),
        (INSERTION, "species: H", "species: Xx", "not a chemical element"),
        (VOLTAGE, "at_most", "site: 9z\nat_most", "no site 9z"),
        (BINDING, "species: Pd}", "species: Cu}", "Pd has no Cu"),
    ],
)
def test_mistakes_are_found_on_building(
    tmp_path: Path, text: str, old: str, new: str, said: str
) -> None:
    assert old in text
    with pytest.raises(DefectflowError) as error:
        build(load(written(tmp_path, text.replace(old, new))))
    assert said in str(error.value)


def test_arrangements_that_were_left_out_are_said(tmp_path: Path) -> None:
    """Of palladium with hydrogen at three of eight places there are two arrangements."""
    document = run(build(load(written(tmp_path, VOLTAGE.replace("1/2", "3/8")))))
    assert any("first arrangements only were computed, 1 of each" in one for one in document.notes)
    whole = run(
        build(load(written(tmp_path, VOLTAGE.replace("fractions: [1/2]\nat_most: 1\n", ""))))
    )
    assert not any("at_most" in one for one in whole.notes)
    assert document.value == pytest.approx(whole.value, abs=1e-9)


def test_that_all_arrangements_were_computed_is_not_said_otherwise(tmp_path: Path) -> None:
    """Of palladium with hydrogen at half its places there is one arrangement."""
    document = run(build(load(written(tmp_path, VOLTAGE))))
    assert len(document.points) == 3
    assert not any("at_most" in one for one in document.notes)


def test_in_what_cells_the_ions_were_arranged_is_said(tmp_path: Path) -> None:
    """Half of a layered host is every other layer: rows within the layers are not tried."""
    host = "host: {prototype: 1T-TiS2}\nspecies: Mg\nengine: chgnet\n"
    asked = f"quantity: intercalation_voltage\n{host}fractions: [1/2, 1/4]\n"
    notes = _notes_of(build(load(written(tmp_path, asked))))
    (said,) = [one for one in notes if "in one cell of each filling" in one]
    assert "(Mg(TiS2)2 in 7 atoms, Mg(TiS2)4 in 13 atoms)" in said
    ends = _notes_of(build(load(written(tmp_path, asked.replace("fractions: [1/2, 1/4]\n", "")))))
    assert not any("filling" in one for one in ends)


def _notes_of(flow: Flow) -> list[str]:
    """Return what the last step of a voltage is told to say."""
    return next(one for one in list(flow)[-1].function_args if hasattr(one, "notes")).notes


def test_a_charge_that_no_compound_of_the_ion_has_is_said(tmp_path: Path) -> None:
    text = VOLTAGE.replace("fractions: [1/2]\nat_most: 1\n", "ion_charge: 2\n")
    document = run(build(load(written(tmp_path, text))))
    assert any("computed for H2+" in one and "it is 1+" in one for one in document.notes)
