"""Two codes, two methods (PAW and norm-conserving potentials), one crystal: equal volumes."""

from __future__ import annotations

import importlib.util
import shutil

import numpy as np
import pytest
from ase.eos import EquationOfState
from pymatgen.core import Lattice, Structure

from defectflow.engines import engine
from defectflow.engines.request import Request
from defectflow.engines.static import evaluate
from defectflow.errors import DefectflowError
from defectflow.units import GPA_PER_EV_A3

#: Both at the same k-points; each at a cutoff at which its own potentials of Al are converged.
ENGINES = {
    "gpaw": {"cutoff_eV": 350.0},
    "espresso": {"cutoff_eV": 450.0},
}
SHARED = {"kpoint_spacing_per_A": 0.35, "smearing_eV": 0.1}
VOLUMES_A3 = (15.0, 15.6, 16.2, 16.8, 17.4)


def volume_and_modulus(name: str) -> tuple[float, float]:
    """Return the volume per atom (Å³) and the bulk modulus (GPa) of fcc Al with PBEsol."""
    used = engine(name, functional="PBEsol", settings=SHARED | ENGINES[name])
    try:
        used.check({"Al"})
    except DefectflowError as error:
        pytest.skip(str(error))
    energies = []
    for volume in VOLUMES_A3:
        cell = Lattice([[0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]).scale(volume)
        document = evaluate(
            Request(Structure(cell, ["Al"], [[0, 0, 0]]), used.settings("static")), used
        )
        assert document.inputs["kpoints"] == (8, 8, 8)
        energies.append(document.energy_eV)
    state = EquationOfState(VOLUMES_A3, energies, eos="birchmurnaghan")
    volume, _, modulus = state.fit()
    return volume, modulus * GPA_PER_EV_A3


def test_gpaw_and_quantum_espresso_agree_on_the_equation_of_state_of_aluminium():
    if importlib.util.find_spec("gpaw") is None or shutil.which("pw.x") is None:
        pytest.skip("GPAW or pw.x is not installed")
    found = {name: volume_and_modulus(name) for name in ENGINES}
    volumes, moduli = np.array(list(found.values())).T
    assert abs(np.diff(volumes)[0]) < 0.01 * volumes.mean(), found
    assert abs(np.diff(moduli)[0]) < 0.05 * moduli.mean(), found
    assert min(VOLUMES_A3) < volumes.min() < volumes.max() < max(VOLUMES_A3)
