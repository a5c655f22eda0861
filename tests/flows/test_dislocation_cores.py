"""Differences between cores of a dislocation with a cheap engine."""

from __future__ import annotations

import numpy as np
import pytest
from ase.calculators.emt import EMT
from jobflow import run_locally
from monty.json import MontyDecoder
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.documents import DislocationCoreDocument, load_result
from defectflow.errors import StructureError
from defectflow.flows.dislocation_cores import outcome
from defectflow.recipes import build, load
from defectflow.structures import hosts
from defectflow.structures.dislocations import dislocations
from defectflow.structures.frank_circuit import burgers_vector
from defectflow.structures.slip_systems import slip_system

RECIPE = """
quantity: dislocation_core_energy
host: {prototype: fcc-Al}
dislocation: {burgers: [1/2, -1/2, 0], line: [1, -1, 0], separation_A: 12, places: 2}
host_cell: scale
engine: emt
level: fast
"""


def recipe(folder, text=RECIPE):
    path = folder / "one.yaml"
    path.write_text(text, encoding="utf-8")
    return load(path)


def test_two_places_of_a_screw_dislocation(tmp_path):
    outputs = run_locally(build(recipe(tmp_path)), log=False, ensure_success=True)
    document = next(
        found
        for responses in outputs.values()
        for one in responses.values()
        if isinstance(found := MontyDecoder().process_decoded(one.output), DislocationCoreDocument)
    )
    assert document.converged
    assert document.character == "screw"
    assert len(document.cores) == 2
    burgers_A = lattice_constant(document) / np.sqrt(2)
    assert document.length_A == pytest.approx(burgers_A, rel=1e-3)
    energies = [energy(core.relaxed.structure) for core in document.cores]
    perfect = energy(document.perfect.structure)
    per_length = [(one - perfect) / (2 * document.length_A) for one in energies]
    assert [c.energy_eV_per_A for c in document.cores] == pytest.approx(per_length, abs=1e-6)
    difference = max(per_length) - min(per_length)
    assert document.value == pytest.approx(difference if difference > 1e-4 else 0.0, abs=1e-6)
    assert document.line_energy_eV_per_A == pytest.approx(min(per_length), abs=1e-6)
    assert difference > 0.01  # a compact core against one that has dissociated
    assert 0.01 < document.line_energy_eV_per_A < 0.5
    kept = [core for core in document.cores if core.outcome == "kept"]
    assert kept
    for core in kept:
        ring = (5.0, 0.9 * document.separation_A)
        found = burgers_vector(
            core.relaxed.structure, document.perfect.structure, core.cores_A[0], ring
        )
        assert np.linalg.norm(found) == pytest.approx(burgers_A, rel=0.01)
    assert any("spread" in note for note in document.notes)
    assert load_result(document.model_dump(mode="json")) is not None


def lattice_constant(document) -> float:
    structure = document.relaxed_host.structure
    return float((4 * structure.volume / len(structure)) ** (1 / 3))


def energy(structure) -> float:
    atoms = AseAtomsAdaptor.get_atoms(structure)
    atoms.calc = EMT()
    return atoms.get_potential_energy()


def test_one_start_is_no_difference(tmp_path):
    with pytest.raises(StructureError, match="give `places` of 2 or more"):
        build(recipe(tmp_path, RECIPE.replace(", places: 2", "")))
    ceria = RECIPE.replace("fcc-Al", "fluorite-CeO2").replace(", places: 2", "")
    ceria = ceria.replace("[1, -1, 0]", "[1, 1, -2]")
    flow = build(recipe(tmp_path, ceria.replace("engine: emt", "engine: sevennet")))
    assert [job.name for job in flow.jobs] == ["relax host", "build cores"]


def test_what_became_of_a_line():
    system = slip_system(hosts.load("fcc-Cu").structure, (0.5, -0.5, 0), (1, 1, -2))
    cell = next(dislocations(system))
    assert outcome(cell, cell.structure) == "kept"
    assert outcome(cell, cell.pristine) == "annihilated"
