"""What every test shares."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess

# One thread per process: several test processes share few cores. Set before torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.errors import EngineError

GPAW_IS_THERE = importlib.util.find_spec("gpaw") is not None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Leave out what needs GPAW where it is not installed, with its own remedy as the reason."""
    try:
        return (yield)
    except EngineError as error:
        if GPAW_IS_THERE or "Python package gpaw is not installed" not in str(error):
            raise
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Run each test in an empty folder, so that no store or checkpoint lands in the checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEFECTFLOW_HOME", str(tmp_path / "home"))
    for name in ("STORE", "WORKERS", "TO", "QUEUE"):
        monkeypatch.delenv(f"DEFECTFLOW_{name}", raising=False)


@pytest.fixture
def loggers_kept():
    """Undo that jobflow-remote disables all loggers that there are."""
    known = [one for one in logging.root.manager.loggerDict.values() if hasattr(one, "disabled")]
    before = {one: one.disabled for one in known}
    yield
    for one, disabled in before.items():
        one.disabled = disabled


@pytest.fixture
def copper() -> Structure:
    """Conventional fcc copper, stretched by 2 % and with its atoms off their sites."""
    sites = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    structure = Structure(Lattice.cubic(3.70), ["Cu"] * 4, sites)
    moves = np.random.default_rng(7).normal(scale=0.06, size=(4, 3))
    coords = structure.cart_coords + moves
    return Structure(structure.lattice, structure.species, coords, coords_are_cartesian=True)


@pytest.fixture
def oxide() -> Structure:
    """Primitive rocksalt MgO."""
    lattice = Lattice([[0, 2.125, 2.125], [2.125, 0, 2.125], [2.125, 2.125, 0]])
    return Structure(lattice, ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])


@pytest.fixture(scope="session")
def unmoved():
    """Return what makes the document of a structure that did not move."""
    from defectflow.documents import RelaxDocument
    from defectflow.engines import engine

    def document(structure, energy_eV=0.0, stamp=None):
        return RelaxDocument(
            structure=structure,
            energy_eV=energy_eV,
            forces_eV_per_A=((0.0, 0.0, 0.0),) * len(structure),
            fmax_eV_per_A=0.0,
            force_threshold_eV_per_A=0.05,
            converged=True,
            steps=0,
            force_calls=1,
            wall_time_s=0.0,
            cell="fixed",
            engine=stamp or engine("emt").stamp(),
        )

    return document


@pytest.fixture
def tiny_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:  # noqa: PLW1510
        pytest.skip("mounting a small disk needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
