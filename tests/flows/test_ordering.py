"""Arrangements ranked with EMT, against energies from ASE's own calculator."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators import emt
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow import hosts
from defectflow.documents import load_result
from defectflow.engines import engine
from defectflow.errors import RecipeError, StructureError
from defectflow.flows import OrderingEnergyMaker
from defectflow.launch import run
from defectflow.recipes import build, load
from defectflow.structures import vacancies
from defectflow.structures.charges import charged
from defectflow.structures.ordering import Decoration, orderings

EMT = engine("emt")
RECIPE = """\
quantity: ordering_energy
host: {prototype: fcc-Cu}
defect: {kind: order, replace: {Cu: Au1/4}, repeat: [2, 1, 1]}
host_cell: keep
engine: emt
"""


@pytest.fixture(scope="module")
def gold_in_copper():
    """Two gold atoms on eight places of a cell made longer in one direction."""
    host = hosts.load("fcc-Cu")
    host.structure.scale_lattice(host.structure.volume * 1.05)
    cells = list(orderings(host.structure * (2, 1, 1), [Decoration("Cu", {"Au": 2})]))
    return host, cells


def energy_per_atom(structure):
    atoms = AseAtomsAdaptor.get_atoms(structure)
    atoms.calc = emt.EMT()
    return atoms.get_potential_energy() / len(atoms)


def test_ranking_and_mean_over_all_arrangements(gold_in_copper):
    host, cells = gold_in_copper
    document = run(OrderingEnergyMaker(EMT, host_cell="keep").make(host, cells))
    assert document.converged
    assert document.cells[0].above_lowest_eV_per_atom == 0
    energies = {cell.name: cell.energy_eV_per_atom for cell in document.cells}
    for cell in document.cells:  # the relaxed structure has the energy that ASE gives it
        assert cell.energy_eV_per_atom == pytest.approx(energy_per_atom(cell.relaxed.structure))
    weights = np.array([cell.multiplicity for cell in cells])
    assert weights.sum() == 28  # 8 over 2
    mean = np.average([energies[cell.name] for cell in cells], weights=weights)
    assert document.mean_eV_per_atom == pytest.approx(mean)
    assert document.value == pytest.approx(min(energies.values()) - mean)
    assert document.value < 0
    assert document.defect == document.cells[0].name
    assert list(energies.values()) == sorted(energies.values())
    assert load_result(document.model_dump(mode="json")) == document


def test_a_recipe_from_file_to_result(tmp_path):
    path = tmp_path / "cu-au.yaml"
    path.write_text(RECIPE)
    document = run(build(load(path)))
    assert (document.quantity, document.unit) == ("ordering_energy", "eV/atom")
    assert document.formula == "Cu3Au"
    assert len(document.cells) > 1
    assert document.value < 0


@pytest.mark.parametrize(
    ("old", "new", "remedy"),
    [
        ("repeat: [2, 1, 1]", "repeat: [1, 1, 1]", "nothing to rank"),
        ("repeat: [2, 1, 1]", "repeat: [2, 2, 1]", "raise `most`"),
        ("{kind: order, replace: {Cu: Au1/4}, repeat: [2, 1, 1]}",
         "{kind: concentration, replace: {Cu: Au}, fractions: [1/8, 1/4]}", "one composition"),
    ],
)  # fmt: skip
def test_refused_before_anything_is_computed(tmp_path, old, new, remedy):
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE.replace(old, new) + "most: 10\n")
    with pytest.raises(StructureError, match=remedy):
        build(load(path))


def test_only_kinds_that_arrange_are_accepted(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(RECIPE.replace("kind: order, replace: {Cu: Au1/4}, repeat: [2, 1, 1]",
                                   "kind: vacancy"))  # fmt: skip
    with pytest.raises(RecipeError, match="kind"):
        load(path)


def test_screened_arrangements_are_those_of_lowest_electrostatic_energy(tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(
        "quantity: ordering_energy\nhost: {prototype: rocksalt-MgO}\n"
        "defect: {kind: order, replace: {Mg: [Li2, Al2]}, repeat: [2, 1, 1]}\nscreen: 3\n"
        "engine: chgnet\n"
    )
    flow = build(load(path))
    assert len(list(flow.jobs)) == 4  # three relaxations and the ranking


def test_charged_arrangements_are_refused():
    host = hosts.load("rocksalt-MgO")
    cells = list(charged(vacancies(host.structure, "O"), (0, 2)))
    with pytest.raises(RecipeError, match=r"charge \+2 has no place in ordering_energy"):
        OrderingEnergyMaker(engine("chgnet")).make(host, cells)
