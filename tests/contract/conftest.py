"""The engines that the contract holds for, and crystals that all of them can compute."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from monty.json import MontyDecoder
from pymatgen.core import Lattice, Structure

from defectflow.engines import engine, gpaw_data
from defectflow.engines.espresso import Espresso
from defectflow.engines.espresso_pseudos import FOLDER_VARIABLE, find_set
from defectflow.engines.gpaw import Gpaw
from defectflow.engines.guided import GuidedEngine
from defectflow.engines.vasp import Vasp
from defectflow.engines.vasp_program import Facts, Program
from defectflow.errors import DefectflowError

if TYPE_CHECKING:
    from defectflow.engines.contract import Engine

LENNARD_JONES = {
    "calculator": "ase.calculators.lj:LennardJones",
    "kwargs": {"sigma": 2.3, "epsilon": 0.4, "rc": 6.0, "smooth": True},
}


def embedded_atom_file(path: Path) -> Path:
    """Write a potential of copper: exponentials (F. Cleri, V. Rosato, PRB 48, 22 (1993))."""
    counts, cutoff, r0 = 2000, 5.5, 2.556
    drho, dr = 60.0 / counts, cutoff / counts
    rho, r = np.arange(counts) * drho, np.arange(counts) * dr
    fade = np.clip((cutoff - r) / 1.5, 0, 1)
    fade = fade**3 * (10 - 15 * fade + 6 * fade**2)
    density = np.exp(-2 * 2.278 * (r / r0 - 1)) * fade
    pair = 2 * 0.0855 * np.exp(-10.960 * (r / r0 - 1)) * fade
    head = f"copper\n\n\n1 Cu\n{counts} {drho} {counts} {dr} {cutoff}\n29 63.546 3.615 fcc\n"
    numbers = np.concatenate([-1.224 * np.sqrt(rho), density, pair * r])
    path.write_text(head + "\n".join(f"{x:.16e}" for x in numbers) + "\n", encoding="utf-8")
    return path


_MADE = tempfile.TemporaryDirectory(prefix="defectflow-potential-")
#: Name and options of each engine of the contract.
CASES = {
    "emt": ("emt", {}),
    "eam": (
        "eam",
        {"potential": str(embedded_atom_file(Path(_MADE.name) / "Cu.eam.alloy"))},
    ),
    "chgnet": ("chgnet", {}),
    "chgnet-d3": ("chgnet", {"dispersion": "d3bj"}),
    "sevennet": ("sevennet", {}),
    "ase-lj": ("ase", LENNARD_JONES),
    "gpaw": ("gpaw", {}),
    "espresso": ("espresso", {"functional": "PBEsol"}),
    "vasp": ("vasp", {}),
    "vasp-standin": ("vasp-standin", {"potential": "emt"}),
    "guided": ("guided", {}),
}
POTENTIALS = ("emt", "eam", "chgnet", "chgnet-d3", "sevennet", "ase-lj")
WITH_ELECTRONS = ("gpaw", "espresso", "vasp", "vasp-standin")
#: Numbers with which a small cell takes a density functional code a second or two.
COARSE = {
    "gpaw": {"cutoff_eV": 250.0, "kpoint_spacing_per_A": 0.8},
    "espresso": {"cutoff_eV": 350.0, "kpoint_spacing_per_A": 0.8},
}
#: Valence electrons of PseudoDojo's potentials, for made-up ones of every functional.
VALENCES = {"H": 1, "Li": 3, "O": 6, "Mg": 10, "Al": 3, "S": 6, "Ti": 12, "Mn": 15, "Ni": 18}
VALENCES |= {"Cu": 19, "Pt": 18, "Ag": 19, "Cr": 14, "F": 7, "Pd": 18, "Au": 19, "Ir": 17}
VALENCES |= {"Co": 17, "Mo": 14, "C": 4, "N": 5, "Fe": 16, "K": 9}
_UPF = """<UPF version="2.0.1">
<PP_HEADER element="{}" pseudo_type="NC" relativistic="scalar" functional="{}" z_valence="{}"/>
</UPF>
"""


def made(name: str, level: str = "balanced", settings: dict | None = None, **changes) -> Engine:
    """Return the engine of a case, at a level, with settings or other options."""
    if name == "guided":
        return GuidedEngine.of(
            made("emt", level, settings, **changes), made("ase-lj", level), "refined"
        )
    kind, options = CASES[name]
    return engine(kind, level, settings, **(options | changes))


def missing(name: str) -> str | None:
    """Return which program or data of a case is not installed here; None if all are."""
    if name == "gpaw" and importlib.util.find_spec("gpaw") is None:
        return "GPAW is not installed: make dft-setup"
    if name == "espresso" and shutil.which("pw.x") is None:
        return "pw.x of Quantum ESPRESSO is not installed: make dft-setup"
    if name == "espresso":
        try:
            find_set("PBEsol")
        except DefectflowError as error:
            return str(error)
    if name == "vasp":
        return None if shutil.which("vasp_std") else "VASP is not installed: it needs a licence"
    return None


@pytest.fixture(scope="session")
def make_engine():
    """Make the engine of a case: ``make_engine(name, level, settings, **options)``."""
    return made


@pytest.fixture(params=CASES, scope="module")
def name(request) -> str:
    """Name of a case, its program installed or not."""
    return request.param


@pytest.fixture(params=WITH_ELECTRONS)
def with_electrons(request, any_machine) -> str:
    """Name of a case that treats electrons, or stands in for one; no program is needed."""
    return request.param


@pytest.fixture(params=CASES, scope="module")
def case(request) -> Engine:
    """Engine of a case, its program installed or not."""
    return made(request.param)


@pytest.fixture(params=[*POTENTIALS, "vasp-standin", "guided"], scope="module")
def quick(request) -> Engine:
    """Engine that computes four atoms of copper within a second, and runs everywhere."""
    return made(request.param)


@pytest.fixture(params=POTENTIALS, scope="module")
def potential(request) -> Engine:
    """Engine of which a derivative by finite differences costs little."""
    return made(request.param)


@pytest.fixture(params=["gpaw", "espresso"], scope="module")
def dft(request):
    """Name of a code with electrons that runs here; skipped where it is not installed."""
    problem = missing(request.param)
    if problem:
        pytest.skip(problem)
    if request.param == "espresso":
        yield request.param
        return
    from defectflow.engines import gpaw_process

    program = gpaw_process.start()  # kept for the module: starting it takes seconds
    yield request.param
    gpaw_process.release(program)


@pytest.fixture(scope="session")
def pseudo_folder(tmp_path_factory):
    """UPF files with a header alone, of every functional: enough to write an input."""
    folder = tmp_path_factory.mktemp("pseudo")
    for functional in ("PBE", "PBESOL", "RPBE", "R2SCAN"):
        for element, valence in VALENCES.items():
            text = _UPF.format(element, functional, valence)
            (folder / f"{element}.{functional}.UPF").write_text(text, encoding="utf-8")
    return folder


def _made_up_datasets(symbols, functional, setups):
    return {
        symbol: gpaw_data.DataSet(f"{symbol}.{functional}", "", VALENCES[symbol])
        for symbol in sorted(set(symbols))
    }


@pytest.fixture
def any_machine(monkeypatch, pseudo_folder):
    """Build inputs as on a machine that has every program, without needing one."""
    program = Program(("vasp_std",), ("vasp_gam",), {}, Facts("6.4.2", vtst=False))
    for kind in (Gpaw, Espresso, Vasp):
        monkeypatch.setattr(kind, "check", lambda engine, elements=None: None)
    monkeypatch.setattr(Vasp, "program", lambda engine: program)
    monkeypatch.setattr(Espresso, "_version", lambda engine: "7.4")
    monkeypatch.setattr(gpaw_data, "used", _made_up_datasets)
    monkeypatch.setenv(FOLDER_VARIABLE, str(pseudo_folder))
    monkeypatch.delenv("PMG_VASP_PSP_DIR", raising=False)
    return program


@pytest.fixture
def nickel_oxide() -> Structure:
    """Rocksalt NiO without one nickel atom; elements in mixed order, as a code may not keep it."""
    lattice = Lattice.cubic(4.18)
    symbols = ["O", "Ni", "O", "Ni", "O", "O", "Ni"]
    sites = [[0.5, 0.5, 0.5], [0, 0, 0], [0.5, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0], [0, 0, 0.5]]
    return Structure(lattice, symbols, [*sites, [0.5, 0, 0.5]])


@pytest.fixture
def nickel_hop(nickel_oxide) -> tuple[Structure, Structure]:
    """Both ends of the hop of the last atom of `nickel_oxide` into the vacancy."""
    final = nickel_oxide.copy()
    final.translate_sites([6], [0, 0.5, -0.5], to_unit_cell=False)
    return nickel_oxide, final


@pytest.fixture(scope="module")
def silicon() -> Structure:
    """Primitive diamond silicon, sheared and with an atom off its site: no force vanishes."""
    lattice = Lattice([[0, 2.76, 2.68], [2.73, 0.03, 2.73], [2.71, 2.73, 0]])
    return Structure(lattice, ["Si", "Si"], [[0.02, 0.01, -0.015], [0.25, 0.25, 0.25]])


@pytest.fixture(scope="session")
def run_jobs():
    """Run jobs through jobflow and return the document of the last."""
    from jobflow import Flow, run_locally

    def run(*jobs):
        outputs = run_locally(Flow(list(jobs)), log=False, ensure_success=True)
        document = outputs[jobs[-1].uuid][1].output
        if isinstance(document, dict):
            document = MontyDecoder().process_decoded(document)
        return document

    return run


@pytest.fixture(scope="session")
def moved():
    """Return a crystal strained, or with one atom moved: ``moved(structure, ...)``."""

    def change(structure, strain=None, atom=0, shift_A=(0.0, 0.0, 0.0)) -> Structure:
        matrix = structure.lattice.matrix
        if strain is not None:
            lattice = Lattice(matrix @ (np.eye(3) + strain))
            return Structure(lattice, structure.species, structure.frac_coords)
        places = structure.cart_coords.copy()
        places[atom] += shift_A
        return Structure(matrix, structure.species, places, coords_are_cartesian=True)

    return change
