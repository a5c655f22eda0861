"""One contract over every engine: who it is, and that its numbers are in eV and Å."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase.stress import voigt_6_to_full_3x3_stress
from monty.json import MontyDecoder, MontyEncoder

from defectflow.documents.steps import RelaxDocument
from defectflow.engines import engine_names
from defectflow.engines.contract import Capability
from defectflow.engines.conversion import to_atoms
from defectflow.engines.guided import GuidedEngine
from defectflow.engines.request import Request

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine

#: What its numbers rest on.
FIDELITY = {
    "emt": "stand-in",
    "eam": "potential",
    "chgnet": "potential",
    "chgnet-d3": "potential",
    "sevennet": "potential",
    "ase-lj": "stand-in",
    "gpaw": "dft",
    "espresso": "dft",
    "vasp": "dft",
    "vasp-standin": "stand-in",
    "guided": "stand-in",
}


def reference_calculator(engine: Engine):
    """Return the calculator as its own package documents it, not as we build it."""
    if engine.name in {"emt", "vasp-standin"}:
        from ase.calculators.emt import EMT

        return EMT()
    if engine.name == "eam":
        from ase.calculators.eam import EAM

        return EAM(potential=engine.options["potential"], form="alloy")
    if engine.name == "chgnet":
        from chgnet.model.dynamics import CHGNetCalculator

        return CHGNetCalculator(use_device="cpu")
    if engine.name == "sevennet":
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator("7net-0", device="cpu")
    from ase.calculators.lj import LennardJones

    return LennardJones(**engine.options["kwargs"])


def calculator(engine: Engine, structure: Structure, *, stress: bool = False):
    """Return a calculator of an engine, or of the dear one of a guided engine."""
    computing = engine.dear if isinstance(engine, GuidedEngine) else engine
    settings = computing.settings("static")
    return computing.caching_calculator(Request(structure, settings, stress=stress))


def energy(engine: Engine, structure: Structure) -> float:
    atoms = to_atoms(structure)
    atoms.calc = calculator(engine, structure)
    try:
        return atoms.get_potential_energy()
    finally:
        atoms.calc.finish()
        atoms.calc.close()


def again(thing):
    """Return what is left of something after a passage through JSON."""
    return json.loads(json.dumps(thing, cls=MontyEncoder), cls=MontyDecoder)


# --- who it is


def test_every_engine_of_the_registry_is_in_this_contract(make_engine, name):
    assert set(engine_names()) <= {make_engine(one).name for one in FIDELITY}
    assert name in FIDELITY


def test_it_says_who_it_is(make_engine, name):
    engine = make_engine(name, "fast")
    stamp = engine.stamp()
    assert stamp.name == engine.name
    assert stamp.level == "fast"
    assert stamp.fidelity == FIDELITY[name]
    assert stamp.code_versions["ase"]
    assert stamp.code_versions["defectflow"]
    assert type(stamp).model_validate_json(stamp.model_dump_json()) == stamp
    if stamp.fidelity == "dft":
        assert stamp.functional == engine.options["functional"]
    if name == "vasp-standin":
        assert stamp.functional is None
        assert "not_vasp" in stamp.options
        assert "vasp" not in stamp.code_versions


def test_its_weights_are_named_by_their_digest(potential):
    stamp, weights = potential.stamp(), potential.model().weights_file()
    if potential.name in {"chgnet", "sevennet"}:
        assert weights is not None
        assert stamp.model_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
        assert "PBE" in (stamp.functional or "")
    elif potential.name == "eam":
        file = potential.options["potential"]
        assert stamp.model_sha256 == hashlib.sha256(Path(file).read_bytes()).hexdigest()
        assert stamp.model == "Cu.eam.alloy"
        assert file not in stamp.model_dump_json()
    else:
        assert stamp.model_sha256 is None


def test_options_and_settings_are_in_the_stamp(make_engine, name):
    changed = make_engine(name, settings={"displacement_A": 0.02})
    stamp = (changed.dear if name == "guided" else changed).stamp()
    assert stamp.settings == {"displacement_A": 0.02}
    if name in {"gpaw", "espresso", "vasp", "vasp-standin"}:
        other = make_engine(name, functional="RPBE", spin="off").stamp()
        assert other.options["functional"] == "RPBE"
        assert other.options["spin"] == "off"
        assert other != stamp


def test_its_line_of_the_inventory_never_fails(case):
    info = type(case).describe()
    assert info.available or info.problem
    assert "\n" not in (info.problem or "")


def test_it_survives_json(make_engine, name, any_machine, copper):
    engine = make_engine(name, "stringent", {"displacement_A": 0.02})
    back = again(engine)
    assert back == engine
    assert back.stamp() == engine.stamp()
    makers = [engine.relax_maker(), engine.static_maker(), engine.band_maker()]
    makers.append(engine.vibrations_maker())
    if Capability.DOS in engine.capabilities():
        makers.append(engine.dos_maker())
    for maker in makers:
        assert again(maker) == maker
    for job in (makers[0].make(copper), makers[1].make(copper)):
        decoded = again(job)
        assert decoded.uuid == job.uuid
        assert decoded.maker == job.maker


# --- what it computes


def test_relaxation_through_jobflow(quick, copper, run_jobs, tmp_path):
    document = run_jobs(quick.relax_maker().make(copper))
    assert isinstance(document, RelaxDocument)
    assert document.converged
    assert document.fmax_eV_per_A < document.force_threshold_eV_per_A == 0.03
    assert document.energy_eV < energy(quick, copper)
    assert document.structure.species == copper.species
    assert np.allclose(document.structure.lattice.matrix, copper.lattice.matrix)
    assert document.force_calls == document.steps + 1
    assert document.charge == 0
    guided = isinstance(quick, GuidedEngine)
    assert document.engine == (quick.dear if guided else quick).stamp()
    assert guided == (document.guidance is not None)
    back = RelaxDocument.model_validate_json(document.model_dump_json())
    assert np.allclose(back.structure.cart_coords, document.structure.cart_coords, atol=1e-12)
    apart = {"structure", "inputs"}  # rounding, and tuples that come back as lists
    assert back.model_dump(exclude=apart) == document.model_dump(exclude=apart)
    assert list(tmp_path.iterdir()) == [], "the checkpoint of a finished relaxation is left"


def test_a_job_takes_the_output_of_another(quick, copper, run_jobs):
    first = quick.relax_maker().make(copper)
    document = run_jobs(first, quick.static_maker(stress=True).make(first.output.structure))
    assert document.steps == 0
    assert document.force_calls == 1
    assert document.fmax_eV_per_A < 0.03
    assert document.stress_eV_per_A3 is not None


def test_the_document_of_a_single_evaluation_survives_json(copper, make_engine, run_jobs):
    document = run_jobs(make_engine("emt").static_maker().make(copper))
    assert RelaxDocument.model_validate_json(document.model_dump_json()) == document


def test_units_and_order_are_those_of_the_package(quick, copper, run_jobs):
    document = run_jobs(quick.static_maker(stress=True).make(copper))
    engine = quick.dear if isinstance(quick, GuidedEngine) else quick
    atoms = to_atoms(copper)
    atoms.calc = reference_calculator(engine)
    energies = atoms.get_potential_energy()
    forces, stress = atoms.get_forces(), voigt_6_to_full_3x3_stress(atoms.get_stress())
    if engine.options["dispersion"]:
        from dftd3.ase import DFTD3

        # Whether three-body terms are in by default is another in each version of the package.
        tweaks = {"method": "pbe", "atm": False}
        atoms.calc = DFTD3(damping="d3bj", params_tweaks=tweaks)
        energies += atoms.get_potential_energy()
        forces = forces + atoms.get_forces()
        stress = stress + voigt_6_to_full_3x3_stress(atoms.get_stress())
    assert document.energy_eV == pytest.approx(energies, abs=1e-4)
    assert np.allclose(document.forces_eV_per_A, forces, atol=1e-4)
    assert np.allclose(document.stress_eV_per_A3, stress, atol=1e-5)


def test_frozen_atoms_keep_their_place(quick, copper, run_jobs):
    document = run_jobs(quick.relax_maker(max_steps=3).make(copper, frozen=[0, 2]))
    shifts = np.linalg.norm(document.structure.cart_coords - copper.cart_coords, axis=1)
    assert shifts[[0, 2]].max() < 1e-12
    assert shifts[[1, 3]].min() > 1e-3
    assert document.frozen == (0, 2)


def test_a_scaled_cell_keeps_its_shape(quick, copper, moved, run_jobs):
    orthorhombic = moved(copper, strain=np.diag([0.0, 0.005, 0.013]))
    document = run_jobs(quick.relax_maker("scale").make(orthorhombic))
    assert document.converged
    ratios = np.array(document.structure.lattice.abc) / np.array(orthorhombic.lattice.abc)
    assert np.ptp(ratios) < 1e-6
    assert abs(ratios[0] - 1) > 1e-3
    pressure = np.trace(np.array(document.stress_eV_per_A3)) / 3
    assert abs(pressure) < quick.settings("relax")["stress_max_eV_per_A3"]


def test_a_free_cell_loses_its_stress(quick, copper, run_jobs):
    document = run_jobs(quick.relax_maker("relax").make(copper))
    assert document.converged
    largest = np.abs(document.stress_eV_per_A3).max()
    assert largest < quick.settings("relax")["stress_max_eV_per_A3"]


def test_one_evaluation_gives_energy_forces_and_stress(quick, copper):
    atoms = to_atoms(copper)
    atoms.calc = counting = calculator(quick, copper, stress=True)
    atoms.get_forces()
    atoms.get_potential_energy()
    atoms.get_stress()
    atoms.get_potential_energy(force_consistent=True)
    assert counting.evaluations == 1
    atoms.positions[0, 0] += 0.01
    atoms.get_potential_energy()
    assert counting.evaluations == 2
    counting.finish()
    counting.close()


def test_images_share_the_model_and_not_the_memory(potential, copper):
    first, second = to_atoms(copper), to_atoms(copper)
    second.positions[0] += 0.1
    first.calc, second.calc = (calculator(potential, copper) for _ in range(2))
    assert first.calc.parts[0] is second.calc.parts[0]
    for _ in range(3):
        energies = first.get_potential_energy(), second.get_potential_energy()
    assert energies[0] != energies[1]
    assert (first.calc.evaluations, second.calc.evaluations) == (1, 1)
