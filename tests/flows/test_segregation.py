"""Point defects at grain boundaries, against energies that ASE adds up by itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ase.calculators.emt import EMT

from defectflow.documents import load_result
from defectflow.engines.conversion import to_atoms
from defectflow.errors import RecipeError, StructureError
from defectflow.flows.segregation import _energy_eV
from defectflow.launch import run
from defectflow.recipes import build, load
from defectflow.structures import hosts
from defectflow.structures.boundary_planes import BoundaryChoice
from defectflow.structures.grain_boundaries import BoundaryScan, grain_boundaries

RECIPE = """\
quantity: segregation_energy
host:
  prototype: fcc-Cu
  name: Σ5(310)[001]_1
  cell: {kind: grain_boundary, sigma: 5, miller: [3, 1, 0], shifts: [1, 1], min_thickness_A: 6}
defect: {kind: substitution, replace: {Cu: Ag}}
min_image_distance_A: 5
engine: emt
level: fast
"""


def recipe(folder, text):
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def energy_eV(structure):
    atoms = to_atoms(structure)
    atoms.calc = EMT()
    return atoms.get_potential_energy()


def test_silver_goes_to_the_boundary_of_copper(tmp_path):
    document = run(build(recipe(tmp_path, RECIPE)))
    assert document.converged
    assert document.unit == "eV"
    assert load_result(document.model_dump(mode="json")) is not None
    energies = [site.energy_eV for site in document.sites]
    assert document.value == min(energies)
    assert document.value < -0.1  # silver is larger than copper: it takes the loose places
    away = [site.distance_A for site in document.sites]
    assert away == sorted(away)
    assert min(away) == 0.0
    assert document.force_calls > 0
    assert not document.notes, "what is said of reservoirs does not concern this energy"


def test_the_energy_is_a_difference_of_four_cells(tmp_path):
    """All four structures of the documents evaluated again, by ASE alone."""
    from defectflow.launch import run as go

    text = RECIPE.replace("quantity: segregation_energy", "quantity: defect_formation_energy")
    cell = go(build(recipe(tmp_path, text)))
    lines = [line for line in text.splitlines() if not line.startswith(("  name", "  cell"))]
    crystal = go(build(recipe(tmp_path, "\n".join(lines) + "\n")))
    there = energy_eV(crystal.defects[0].relaxed.structure) - energy_eV(crystal.pristine.structure)
    by_hand = {
        one.name: energy_eV(one.relaxed.structure) - energy_eV(cell.pristine.structure) - there
        for one in cell.defects
    }
    document = go(build(recipe(tmp_path, RECIPE)))
    assert {site.name for site in document.sites} == set(by_hand)
    for site in document.sites:
        assert site.energy_eV == pytest.approx(by_hand[site.name], abs=1e-5)
    assert document.cell_key != document.crystal_key


def test_distances_grow_into_the_grains():
    from defectflow.flows.segregation import places
    from defectflow.structures import substitutions

    copper = hosts.load("fcc-Cu").structure
    choice, scan = BoundaryChoice((0, 0, 1), 5, (3, 1, 0)), BoundaryScan((1, 1), 20.0)
    cell = next(grain_boundaries(copper, choice, scan)).structure
    found = places(cell, copper, lambda one: substitutions(one, {"Cu": "Ag"}), None, 5.0)
    away = [one.distance_A for one in found]
    assert min(away) == 0.0
    # The boundaries are 20 Å apart, and their atoms reach 1.8 bonds of 2.56 Å into each grain.
    assert max(away) == pytest.approx(10 - 1.8 * 2.56, abs=1.5)


def test_a_perfect_crystal_is_refused(tmp_path):
    lines = [line for line in RECIPE.splitlines() if not line.startswith(("  name", "  cell"))]
    with pytest.raises(RecipeError, match="nothing segregates"):
        recipe(tmp_path, "\n".join(lines) + "\n")


def test_a_cell_without_the_element_is_refused(tmp_path):
    with pytest.raises(StructureError, match="Al"):
        build(recipe(tmp_path, RECIPE.replace("{Cu: Ag}", "{Al: Ag}")))


def test_a_vacancy_of_no_element_is_refused_with_the_recipe(tmp_path):
    with pytest.raises(RecipeError, match="a vacancy needs `species`"):
        recipe(tmp_path, RECIPE.replace("{kind: substitution, replace: {Cu: Ag}}", "vacancy"))


def test_a_charged_defect_is_refused(tmp_path):
    """The potentials of two crystals have no common zero that a charge could be counted from."""
    text = RECIPE.replace("prototype: fcc-Cu", "prototype: rocksalt-MgO").replace(
        "{kind: substitution, replace: {Cu: Ag}}", "{kind: vacancy, species: O, charges: [0, 2]}"
    )
    with pytest.raises(RecipeError, match=r"charge \+2 has no place in segregation_energy"):
        build(recipe(tmp_path, text))


def test_charged_cells_are_not_subtracted():
    charged = SimpleNamespace(name="V_O", added={"O": -1}, charge=2)
    documents = SimpleNamespace(defects=[charged])
    with pytest.raises(RecipeError, match="V_O: charge \\+2"):
        _energy_eV(charged, documents, documents)
