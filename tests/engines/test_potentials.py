from __future__ import annotations

import subprocess
import sys

import pytest
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from defectflow.engines import engine
from defectflow.engines.potentials import CHGNet, SevenNet
from defectflow.engines.request import Request
from defectflow.engines.static import evaluate
from defectflow.errors import EngineError, RecipeError

ALL = [("chgnet", model) for model in CHGNet.models()] + [
    ("sevennet", model) for model in SevenNet.models()
]


@pytest.mark.parametrize(("name", "model"), ALL)
def test_every_shipped_model_computes_and_is_stamped(name, model, oxide):
    document = evaluate(Request(oxide), engine(name, model=model))
    stamp = document.engine
    assert stamp.model is not None
    assert stamp.model.endswith(model)
    assert stamp.model_sha256 is not None
    # MgO is bound by about 6 eV per atom in every functional; r2SCAN's totals lie far lower.
    assert -30 < document.energy_eV / 2 < -4
    assert document.fmax_eV_per_A < 0.01, "forces on the sites of rocksalt vanish by symmetry"


def test_models_have_different_weights():
    digests = {engine(name, model=model).stamp().model_sha256 for name, model in ALL}
    assert len(digests) == len(ALL)


def test_the_two_functionals_of_the_multi_fidelity_model_differ(oxide):
    pbe = engine("sevennet", model="7net-mf-0")
    r2scan = engine("sevennet", model="7net-mf-0", modal="R2SCAN")
    assert pbe.options["modal"] == "PBE"
    assert r2scan.stamp().functional == "r2SCAN"
    assert (
        abs(evaluate(Request(oxide), pbe).energy_eV - evaluate(Request(oxide), r2scan).energy_eV)
        > 0.1
    )


def test_a_modal_without_a_multi_fidelity_model_is_refused():
    with pytest.raises(RecipeError, match="only the model 7net-mf-0 has a modal"):
        engine("sevennet", modal="PBE")


def test_a_misspelt_model_names_the_known():
    with pytest.raises(RecipeError, match=r"model = '0\.4\.0': .*'0\.3\.0'"):
        engine("chgnet", model="0.4.0")


def test_the_declared_elements_are_those_of_the_weights():
    from ase.data import chemical_symbols

    sevennet = engine("sevennet")
    known = {chemical_symbols[number] for number in sevennet.shared_calculator().type_map}
    assert known == sevennet.model().elements

    r2scan = engine("chgnet", model="r2scan")
    weights = r2scan.shared_calculator().model.composition_model.fc.weight.detach().numpy().ravel()
    untrained = {chemical_symbols[i + 1] for i, w in enumerate(weights) if abs(w) < 1e-6}
    assert untrained == set(chemical_symbols[1:95]) - r2scan.model().elements


def test_energies_of_chgnet_are_marked_as_corrected():
    assert "MP2020" in engine("chgnet").stamp().options["energy_reference"]
    assert "energy_reference" not in engine("sevennet").stamp().options


def test_a_free_atom_is_refused_by_chgnet():
    atom = Structure(Lattice.cubic(15.0), ["Mg"], [[0, 0, 0]])
    with pytest.raises(EngineError, match=r"chgnet cannot compute Mg: .*isolated"):
        evaluate(Request(atom), engine("chgnet"))


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name in ("chgnet", "sevennet"):
        with pytest.raises(EngineError, match="device cuda is not available"):
            engine(name, device="cuda").check()


def test_the_stress_is_computed_only_when_asked(oxide):
    calculator = engine("chgnet").shared_calculator()
    evaluate(Request(oxide), engine("chgnet"))
    assert "stress" not in calculator.results
    assert "magmoms" not in calculator.results
    evaluate(Request(oxide, stress=True), engine("chgnet"))
    assert "stress" in calculator.results


def test_loading_and_computing_say_nothing(tmp_path):
    code = """
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure
from defectflow.engines import engine
from defectflow.engines.static import evaluate
from defectflow.engines.request import Request
lattice = Lattice.cubic(4.25)
mgo = Structure.from_spacegroup("Fm-3m", lattice, ["Mg", "O"], [[0, 0, 0], [.5, .5, .5]])
for name in ("chgnet", "sevennet"):
    evaluate(Request(mgo, stress=True), engine(name))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == ""
    assert done.stderr == ""
