from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.build import add_adsorbate, fcc111
from ase.vibrations import Vibrations
from jobflow import Flow, run_locally
from pymatgen.io.ase import AseAtomsAdaptor

from defectflow.documents.vibrations import VibrationsDocument
from defectflow.engines import engine
from defectflow.engines import vibrations as module
from defectflow.engines.calculators import CachingCalculator
from defectflow.engines.conversion import to_atoms
from defectflow.engines.displacements import Displacements
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.errors import RecipeError

EMT = engine("emt")


@pytest.fixture
def request_(copper, tmp_path) -> Request:
    relaxed = relax(
        Request(copper, EMT.settings("relax", fmax_eV_per_A=1e-3), folder=tmp_path), EMT
    )
    return Request(relaxed.structure, EMT.settings("vibrations"), folder=tmp_path)


def test_frequencies_are_those_of_ase(request_, tmp_path):
    document = module.vibrations(request_, EMT, [0, 2])
    atoms = to_atoms(request_.structure)
    atoms.calc = EMT.caching_calculator(request_)
    peer = Vibrations(atoms, indices=[0, 2], delta=0.01, name=str(tmp_path / "peer"))
    peer.run()
    energies = np.array(peer.get_energies())
    expected = np.sort(np.where(np.abs(energies.imag) > 0, -np.abs(energies.imag), energies.real))
    assert np.allclose(document.energies_eV, expected, atol=1e-5)
    assert document.force_calls == 3  # x is like z for these two atoms, and each like its opposite
    assert document.imaginary == 0
    assert document.asymmetry_eV_per_A2 < 0.05


def test_a_killed_run_goes_on(request_, monkeypatch):
    rough = request_.structure.copy().perturb(0.02, seed=1)  # without symmetry: six displacements
    request_ = replace(request_, structure=rough)
    whole = module.vibrations(request_, EMT, [1])
    calculate = CachingCalculator.calculate

    class Killed(BaseException):
        """Stands for the signal that ends a job."""

    def dying(self, *args, **kwargs):
        if self.evaluations == 4:
            raise Killed
        calculate(self, *args, **kwargs)

    monkeypatch.setattr(CachingCalculator, "calculate", dying)
    with pytest.raises(Killed):
        module.vibrations(request_, EMT, [1])
    rest = module.vibrations(request_, EMT, [1])  # three are left: it does not die again
    assert np.allclose(rest.energies_eV, whole.energies_eV, atol=1e-9)


def test_it_runs_through_jobflow(request_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    job = EMT.vibrations_maker().make(request_.structure, [3])
    output = run_locally(Flow([job]), log=False, ensure_success=True)[job.uuid][1].output
    document = VibrationsDocument.model_validate(output)
    assert document.atoms == (3,)
    assert len(document.energies_eV) == 3
    assert not list(tmp_path.glob("*.json"))


def test_a_finished_run_leaves_no_file(request_, keeping, tmp_path):
    module.vibrations(request_, keeping, [0])
    assert not list(tmp_path.rglob("*.*"))


def test_no_atom_and_no_such_atom_are_refused(copper):
    with pytest.raises(RecipeError, match="vibrations of no atom"):
        EMT.vibrations_maker().make(copper, [])
    with pytest.raises(RecipeError, match="atom 9"):
        EMT.vibrations_maker().make(copper, [9])


def test_forward_differences_take_half_of_the_evaluations(request_, tmp_path):
    """Their error is the displacement times half the third derivatives: it falls with it."""
    rough = request_.structure.copy().perturb(0.05, seed=1)  # without symmetry
    exact = module.vibrations(replace(request_, structure=rough), EMT, [1, 2])
    assert (exact.force_calls, exact.central_differences) == (13, True)
    errors = []
    for step_A in (0.02, 0.005):
        settings = EMT.settings("vibrations", displacement_A=step_A, central_differences=False)
        asked = Request(rough, settings, folder=tmp_path)
        found = module.vibrations(asked, EMT, [1, 2])
        assert (found.force_calls, found.central_differences) == (7, False)
        differences = np.subtract(found.hessian_eV_per_A2, exact.hessian_eV_per_A2)
        errors.append(np.abs(differences).max())
    assert errors[0] > 0.01  # eV/Å²: without anharmonicity nothing would be tested
    assert errors[1] == pytest.approx(errors[0] / 4, rel=0.2)


def test_forward_differences_by_symmetry_are_central_where_it_turns_the_sign(request_):
    settings = EMT.settings("vibrations", central_differences=False)
    forward = module.vibrations(replace(request_, settings=settings), EMT, [0, 2])
    central = module.vibrations(request_, EMT, [0, 2])
    assert forward.force_calls == central.force_calls == 3
    assert forward.energies_eV == pytest.approx(central.energies_eV, abs=1e-6)


def softened(monkeypatch, to_eV: float) -> None:
    """Make the softest mode of every Hessian imaginary, as noise might."""
    measured = Displacements.hessian_eV_per_A2

    def noisy(*args) -> np.ndarray:
        values, vectors = np.linalg.eigh(measured(*args))
        values[0] = -((to_eV / 0.06465) ** 2) * 63.546
        return (vectors * values) @ vectors.T

    monkeypatch.setattr(Displacements, "hessian_eV_per_A2", noisy)


def test_an_imaginary_mode_of_noise_is_measured_along_itself(request_, monkeypatch):
    rough = replace(request_, structure=request_.structure.copy().perturb(0.02, seed=1))
    true = module.vibrations(rough, EMT, [1, 2])
    softened(monkeypatch, 0.01)
    found = module.vibrations(rough, EMT, [1, 2])
    assert found.measured_again_eV == pytest.approx([-0.01], rel=1e-3)
    assert found.force_calls == true.force_calls + 2
    assert found.energies_eV == pytest.approx(true.energies_eV, rel=0.01)
    assert found.asymmetry_eV_per_A2 == pytest.approx(0.0, abs=1e-9)


def test_a_hard_imaginary_mode_is_no_noise(request_, monkeypatch):
    softened(monkeypatch, 0.03)
    found = module.vibrations(request_, EMT, [1, 2])
    assert found.measured_again_eV == ()
    assert found.energies_eV[0] == pytest.approx(-0.03, rel=1e-3)


def test_a_true_saddle_stays_one(tmp_path):
    """Copper on top of an atom of Cu(111)."""
    slab = fcc111("Cu", (3, 3, 3), vacuum=7.0, periodic=True)
    add_adsorbate(slab, "Cu", 2.2, "ontop")
    slab.arrays.pop("tags")
    settings = EMT.settings("relax", fmax_eV_per_A=1e-3)
    top = Request(AseAtomsAdaptor.get_structure(slab), settings, folder=tmp_path)
    relaxed = relax(top, EMT, frozen=range(27))
    asked = replace(top, structure=relaxed.structure, settings=EMT.settings("vibrations"))
    found = module.vibrations(asked, EMT, [27])
    assert len(found.measured_again_eV) == found.imaginary == 2
    assert found.energies_eV[:2] == pytest.approx(found.measured_again_eV, rel=0.01)
