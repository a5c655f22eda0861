"""One contract over every engine: each test here runs for each engine below."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pytest
from ase.stress import voigt_6_to_full_3x3_stress
from jobflow import Flow, run_locally
from monty.json import MontyDecoder, MontyEncoder
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from defectflow.documents.steps import RelaxDocument
from defectflow.engines import engine, engine_names
from defectflow.engines.contract import Capability, Engine
from defectflow.engines.conversion import to_atoms
from defectflow.engines.request import Request
from defectflow.errors import EngineError, RecipeError

LENNARD_JONES = {
    "calculator": "ase.calculators.lj:LennardJones",
    "kwargs": {"sigma": 2.3, "epsilon": 0.4, "rc": 6.0, "smooth": True},
}
CASES = {
    "emt": ("emt", {}),
    "chgnet": ("chgnet", {}),
    "chgnet-d3": ("chgnet", {"dispersion": "d3bj"}),
    "sevennet": ("sevennet", {}),
    "ase-lj": ("ase", LENNARD_JONES),
}


@pytest.fixture(params=CASES, scope="module")
def case(request) -> Engine:
    name, options = CASES[request.param]
    return engine(name, **options)


def reference_calculator(name: str):
    """Return the calculator as its own package documents it, not as we build it."""
    if name == "emt":
        from ase.calculators.emt import EMT

        return EMT()
    if name == "chgnet":
        from chgnet.model.dynamics import CHGNetCalculator

        return CHGNetCalculator(use_device="cpu")
    if name == "sevennet":
        from sevenn.calculator import SevenNetCalculator

        return SevenNetCalculator("7net-0", device="cpu")
    from ase.calculators.lj import LennardJones

    return LennardJones(**LENNARD_JONES["kwargs"])


def run(*jobs) -> RelaxDocument:
    """Run jobs through jobflow and return the document of the last."""
    outputs = run_locally(Flow(list(jobs)), log=False, ensure_success=True)
    document = outputs[jobs[-1].uuid][1].output
    if isinstance(document, dict):
        document = MontyDecoder().process_decoded(document)
    return document


def energy(engine_: Engine, structure: Structure) -> float:
    atoms = to_atoms(structure)
    atoms.calc = engine_.caching_calculator(Request(structure))
    return atoms.get_potential_energy()


def test_every_engine_of_the_registry_is_in_this_contract():
    assert {name for name, _ in CASES.values()} == set(engine_names())


def test_it_runs_here_and_says_who_it_is(case):
    case.check({"Cu"})
    stamp = case.stamp()
    assert stamp.name == case.name
    assert stamp.level == "balanced"
    assert stamp.fidelity in {"potential", "stand-in"}
    assert stamp.code_versions["ase"]
    weights = case.model().weights_file()
    if case.name in {"chgnet", "sevennet"}:
        assert weights is not None
        assert stamp.model_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
        assert stamp.fidelity == "potential"
        assert "PBE" in (stamp.functional or "")
    else:
        assert stamp.model_sha256 is None


def test_it_declares_all_that_it_can_do(case):
    assert case.capabilities() <= case.declared
    assert Capability.ENERGY in case.capabilities()


def test_it_survives_json(case, copper):
    again = json.loads(json.dumps(case, cls=MontyEncoder), cls=MontyDecoder)
    assert again == case
    assert again.stamp() == case.stamp()
    for maker in (case.relax_maker("scale", fmax_eV_per_A=0.02), case.static_maker()):
        assert json.loads(json.dumps(maker, cls=MontyEncoder), cls=MontyDecoder) == maker
        job = maker.make(copper, frozen=()) if maker.name == "static" else maker.make(copper)
        decoded = json.loads(json.dumps(job, cls=MontyEncoder), cls=MontyDecoder)
        assert decoded.uuid == job.uuid
        assert decoded.maker == maker


def test_relaxation_through_jobflow(case, copper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = run(case.relax_maker().make(copper))
    assert isinstance(document, RelaxDocument)
    assert document.converged
    assert document.fmax_eV_per_A < document.force_threshold_eV_per_A == 0.03
    assert document.energy_eV < energy(case, copper)
    assert document.structure.species == copper.species
    assert np.allclose(document.structure.lattice.matrix, copper.lattice.matrix)
    assert document.force_calls == document.steps + 1
    assert document.engine == case.stamp()
    assert list(tmp_path.iterdir()) == [], "the checkpoint of a finished relaxation is left"


def test_a_job_takes_the_output_of_another(case, copper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = case.relax_maker().make(copper)
    second = case.static_maker(stress=True).make(first.output.structure)
    document = run(first, second)
    assert document.steps == 0
    assert document.force_calls == 1
    assert document.fmax_eV_per_A < 0.03
    assert document.stress_eV_per_A3 is not None


def test_units_and_order_are_those_of_the_package(case, copper):
    document = run(case.static_maker(stress=True).make(copper))
    atoms = to_atoms(copper)
    atoms.calc = reference_calculator(case.name)
    energies = atoms.get_potential_energy()
    forces, stress = atoms.get_forces(), voigt_6_to_full_3x3_stress(atoms.get_stress())
    if case.options["dispersion"]:
        from dftd3.ase import DFTD3

        atoms.calc = DFTD3(method="pbe", damping="d3bj")
        energies += atoms.get_potential_energy()
        forces = forces + atoms.get_forces()
        stress = stress + voigt_6_to_full_3x3_stress(atoms.get_stress())
    assert document.energy_eV == pytest.approx(energies, abs=1e-4)
    assert np.allclose(document.forces_eV_per_A, forces, atol=1e-4)
    assert np.allclose(document.stress_eV_per_A3, stress, atol=1e-5)


def test_stress_is_the_derivative_of_the_energy(case, copper):
    """Positive stress: the energy rises when the cell is stretched, it wants to shrink."""
    document = run(case.static_maker(stress=True).make(copper))
    stress = np.array(document.stress_eV_per_A3)
    step = 4e-3
    for row, column in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)):
        energies = []
        for sign in (-1, 1):
            strain = np.eye(3)
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            lattice = Lattice(copper.lattice.matrix @ strain)
            energies.append(energy(case, Structure(lattice, copper.species, copper.frac_coords)))
        numerical = (energies[1] - energies[0]) / (2 * step * copper.volume)
        assert stress[row, column] == pytest.approx(numerical, abs=6e-4)
    assert np.abs(stress).max() > 5e-3, "the structure of this test is hardly strained"


def test_forces_are_the_derivative_of_the_energy(case, copper):
    document = run(case.static_maker().make(copper))
    step = 0.01
    for axis in range(3):
        energies = []
        for sign in (-1, 1):
            moved = copper.cart_coords.copy()
            moved[2, axis] += sign * step
            energies.append(
                energy(
                    case,
                    Structure(copper.lattice, copper.species, moved, coords_are_cartesian=True),
                )
            )
        force = -(energies[1] - energies[0]) / (2 * step)
        assert document.forces_eV_per_A[2][axis] == pytest.approx(force, abs=0.01)


def test_frozen_atoms_keep_their_place(case, copper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = run(case.relax_maker(max_steps=3).make(copper, frozen=[0, 2]))
    moved = np.linalg.norm(document.structure.cart_coords - copper.cart_coords, axis=1)
    assert moved[[0, 2]].max() < 1e-12
    assert moved[[1, 3]].min() > 1e-3
    assert document.frozen == (0, 2)


def test_a_scaled_cell_keeps_its_shape(case, copper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    orthorhombic = Structure(
        Lattice.orthorhombic(3.70, 3.72, 3.75), copper.species, copper.frac_coords
    )
    document = run(case.relax_maker("scale").make(orthorhombic))
    assert document.converged
    ratios = np.array(document.structure.lattice.abc) / np.array(orthorhombic.lattice.abc)
    assert np.ptp(ratios) < 1e-6
    assert abs(ratios[0] - 1) > 1e-3
    pressure = np.trace(np.array(document.stress_eV_per_A3)) / 3
    assert abs(pressure) < 6e-5


def test_a_free_cell_loses_its_stress(case, copper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    document = run(case.relax_maker("relax").make(copper))
    assert document.converged
    assert np.abs(document.stress_eV_per_A3).max() < 6e-5


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        ({"charge": 1}, "charge"),
        ({"magnetic_moments": [1.0] * 4}, "spin"),
        ({"frozen": [4]}, "frozen atom 4"),
        ({"frozen": [-1]}, "frozen atom -1"),
    ],
)
def test_what_it_cannot_serve_is_refused_before_anything_runs(case, copper, request_, says):
    for maker in (case.relax_maker(), case.static_maker()):
        with pytest.raises((EngineError, RecipeError), match=says):
            maker.make(copper, **request_)


def test_what_it_lacks_names_the_engines_that_have_it(case):
    for capability in set(Capability) - case.capabilities():
        with pytest.raises(EngineError, match=f"engine {case.name} cannot do {capability}; "):
            case.require(capability)
    assert case.require(*case.capabilities()) is case
    with pytest.raises(EngineError, match="cannot do dos"):
        case.dos_maker()


def test_an_unknown_element_is_refused_when_the_flow_is_built(case):
    polonium = Structure(Lattice.cubic(3.35), ["Po"], [[0, 0, 0]])
    if case.model().elements is None:
        assert case.name == "ase", "only an imported calculator may not know its elements"
        return
    with pytest.raises(EngineError, match="does not know Po"):
        case.relax_maker().make(polonium)


def test_frozen_atoms_in_a_free_cell_are_refused(case, copper):
    with pytest.raises(RecipeError, match="cell: relax and 1 frozen"):
        case.relax_maker("relax").make(copper, frozen=[0])


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda e: e.relax_maker(fmax=0.1), "no setting 'fmax'.*fmax_eV_per_A"),
        (lambda e: e.relax_maker(kspacing_per_A=0.2), "no setting 'kspacing_per_A'"),
        (lambda e: e.relax_maker(fmax_eV_per_A="low"), "'low' is not of type float"),
        (lambda e: e.relax_maker("free"), "cell 'free' does not exist"),
        (lambda e: type(e)(level="exact", options=e.options), "level 'exact' does not exist"),
        (lambda e: type(e)(options=e.options | {"dispersoin": "d3"}), "did you mean dispersion"),
        (lambda e: type(e)(options=e.options | {"dispersion": "d5"}), "dispersion = 'd5'"),
    ],
)
def test_misspelt_requests_are_refused_in_one_line(case, build, says):
    with pytest.raises(RecipeError, match=says) as caught:
        build(case)
    assert "\n" not in str(caught.value)


def test_one_evaluation_gives_energy_forces_and_stress(case, copper):
    atoms = to_atoms(copper)
    atoms.calc = calculator = case.caching_calculator(Request(copper, stress=True))
    atoms.get_forces()
    atoms.get_potential_energy()
    atoms.get_stress()
    atoms.get_potential_energy(force_consistent=True)
    assert calculator.evaluations == 1
    atoms.positions[0, 0] += 0.01
    atoms.get_potential_energy()
    assert calculator.evaluations == 2


def test_images_share_the_model_and_not_the_memory(case, copper):
    first, second = to_atoms(copper), to_atoms(copper)
    second.positions[0] += 0.1
    first.calc = case.caching_calculator(Request(copper))
    second.calc = case.caching_calculator(Request(copper))
    assert first.calc.parts[0] is second.calc.parts[0]
    for _ in range(3):
        energies = first.get_potential_energy(), second.get_potential_energy()
    assert energies[0] != energies[1]
    assert (first.calc.evaluations, second.calc.evaluations) == (1, 1)
