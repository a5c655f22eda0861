"""GPAW computes: small cells and few k-points, so that each test takes seconds."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from jobflow import run_locally
from pymatgen.core import Lattice, Structure

from defectflow.documents.electronic import DosDocument
from defectflow.engines import engine, gpaw_process
from defectflow.engines.calculators import CachingCalculator
from defectflow.engines.conversion import to_atoms
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.engines.static import evaluate
from defectflow.errors import EngineError, NotConverged, OutOfTime, StructureError

pytest.importorskip("gpaw", reason="GPAW is not installed: make dft-setup")

SMALL = {"cutoff_eV": 250.0, "kpoint_spacing_per_A": 1.6}
GPAW = engine("gpaw", level="fast", settings=SMALL)


@pytest.fixture(scope="module", autouse=True)
def _one_program():
    """Keep one program for all tests, which saves its start."""
    program = gpaw_process.start()
    yield
    gpaw_process.release(program)


@pytest.fixture
def aluminium() -> Structure:
    """fcc aluminium with its atoms off their sites."""
    sites = [[0.012, 0.003, 0], [0, 0.5, 0.5], [0.5, -0.008, 0.5], [0.5, 0.5, 0.005]]
    return Structure(Lattice.cubic(4.04), ["Al"] * 4, sites)


def static(structure, folder, gpaw=GPAW, **fields) -> Request:
    return Request(structure, gpaw.settings("static"), folder=folder, **fields)


def test_the_potential_rises_near_a_positive_ion(tmp_path):
    """Two helium atoms feel Li+ against Li: the near one more, about as a point charge says."""
    from defectflow.analysis.charge_correction import lattice_potential_V

    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.4, 0, 0]]
    crystal = Structure(Lattice.cubic(7.0), ["Li", "He", "He"], sites)
    neutral, ion = (
        np.array(evaluate(static(crystal, tmp_path / str(q), charge=q), GPAW).site_potentials_V)
        for q in (0, 1)
    )
    _, far, near = ion - neutral
    _, model_far, model_near = lattice_potential_V(crystal.lattice.matrix, 1.0, crystal.cart_coords)
    assert near - far == pytest.approx(model_near - model_far, rel=0.4)
    assert near - far > 0.5


def test_energy_forces_and_stress_are_those_of_gpaw_called_directly(aluminium, tmp_path):
    from gpaw.dft import GPAW as Direct  # noqa: N811

    document = evaluate(static(aluminium, tmp_path, stress=True), GPAW)
    atoms = to_atoms(aluminium)
    atoms.calc = Direct(
        mode={"name": "pw", "ecut": 250},
        xc="PBE",
        kpts={"size": (1, 1, 1), "gamma": True},
        occupations={"name": "fermi-dirac", "width": 0.1},
        convergence={"density": 1e-6},
        symmetry="off",
        txt=None,
    )
    assert document.energy_eV == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    assert np.allclose(document.forces_eV_per_A, atoms.get_forces(), atol=5e-4)
    assert np.allclose(
        np.array(document.stress_eV_per_A3)[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        atoms.get_stress(),
        atol=1e-5,
    )
    assert document.inputs["valence_electrons"] == 12
    assert document.inputs["kpoints"] == (1, 1, 1)
    assert document.engine.fidelity == "dft"
    assert document.repairs == ()
    assert [path.name for path in tmp_path.iterdir()] == ["gpaw.txt"]


def first_off_eV(text: str) -> float:
    """Return by how much the last SCF in a text of GPAW's began off where it ended."""
    last = text.rpartition("|iter     |")[2]
    energies = [
        float(line.split("|")[3].strip(" c")) for line in last.splitlines()[1:] if "iter:" in line
    ]
    return abs(energies[0] - energies[-1])


@pytest.mark.parametrize(("metal", "moments"), [("Cu", None), ("Ni", (0.6, 0.6))])
def test_the_density_follows_the_atoms(metal, moments, tmp_path):
    """The SCF after a move begins several times nearer than GPAW's own, and ends as that does."""
    from gpaw.dft import GPAW as Direct  # noqa: N811

    sites = [[0, 0, 0], [0.5, 0.5, 0.505]]
    crystal = Structure(Lattice.orthorhombic(2.5, 2.5, 3.53), [metal] * 2, sites)
    request = static(crystal, tmp_path, magnetic_moments=moments)
    ours, theirs = to_atoms(crystal), to_atoms(crystal)
    ours.calc = GPAW.caching_calculator(request)
    if moments:
        theirs.set_initial_magnetic_moments(moments)
    theirs.calc = Direct(**GPAW.task(request).keywords, txt=tmp_path / "direct.txt")
    ends = []
    for atoms in (ours, theirs):
        atoms.get_potential_energy()
        atoms.positions[1, 2] += 0.05
        ends.append(atoms.get_potential_energy())
    ours.calc.close()
    assert ends[0] == pytest.approx(ends[1], abs=2e-4)
    own, gpaws = (first_off_eV((tmp_path / one).read_text()) for one in ("gpaw.txt", "direct.txt"))
    assert own < gpaws / 3


def test_forces_and_stress_are_derivatives_of_the_energy(aluminium, tmp_path):
    gpaw = engine("gpaw", level="fast", settings=SMALL | {"cutoff_eV": 350.0})
    atoms = to_atoms(aluminium)
    atoms.calc = gpaw.caching_calculator(static(aluminium, tmp_path, gpaw, stress=True))

    def energy() -> float:
        atoms.get_potential_energy()
        return atoms.calc.results["free_energy"]

    force, stress = atoms.get_forces()[0, 0], atoms.get_stress()
    step_A, ends = 0.02, []
    for move in (step_A, -2 * step_A):
        atoms.positions[0, 0] += move
        ends.append(energy())
    assert -(ends[0] - ends[1]) / (2 * step_A) == pytest.approx(force, abs=0.01)

    atoms.positions[0, 0] += step_A
    cell, volumes, ends = atoms.cell.copy(), [], []
    for scale in (1.01, 0.99):
        atoms.set_cell(cell * scale, scale_atoms=True)
        ends.append(energy())
        volumes.append(atoms.get_volume())
    atoms.calc.close()
    # A finite cutoff lets the basis grow with the cell, which the analytic stress leaves out.
    pressure = -(ends[0] - ends[1]) / (volumes[0] - volumes[1])
    assert stress[:3].mean() == pytest.approx(-pressure, abs=2e-3)


def test_a_compressed_crystal_wants_to_grow(aluminium, tmp_path):
    small = Structure(Lattice.cubic(3.8), aluminium.species, aluminium.frac_coords)
    document = evaluate(static(small, tmp_path, stress=True), GPAW)
    assert np.trace(document.stress_eV_per_A3) / 3 < -0.05


def test_moment_of_iron_survives_and_starts_the_next_step(tmp_path):
    iron = Structure(Lattice.cubic(2.84), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    gpaw = engine("gpaw", level="fast", settings={"cutoff_eV": 300.0, "kpoint_spacing_per_A": 0.6})
    document = evaluate(static(iron, tmp_path, gpaw), gpaw)
    # 2.2 Bohr magnetons per atom (experiment, and PBE); a coarse mesh is good to 0.15.
    assert document.magnetic_moments == pytest.approx((2.2, 2.2), abs=0.15)
    following = gpaw.task(static(document.structure, tmp_path, gpaw))
    assert following.moments == document.magnetic_moments


@pytest.mark.parametrize("charge", [1, -1])
def test_charge_changes_the_number_of_occupied_states(charge, tmp_path):
    oxide = Structure(Lattice.cubic(2.8), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    document = evaluate(static(oxide, tmp_path, charge=charge), GPAW)
    # The occupation numbers that GPAW ended with are summed up and compared with this number.
    assert document.inputs["valence_electrons"] == 10 + 6 - charge
    assert document.charge == charge
    text = (tmp_path / "gpaw.txt").read_text()
    assert f"uniform background charge: {float(charge)}" in text


def test_frozen_atoms_stay_and_the_text_and_nothing_else_is_left(aluminium, tmp_path):
    request = Request(aluminium, GPAW.settings("relax"), folder=tmp_path)
    document = relax(request, GPAW, frozen=(0,))
    assert document.converged
    assert np.array_equal(document.structure.cart_coords[0], aluminium.cart_coords[0])
    assert not np.allclose(document.structure.cart_coords[1], aluminium.cart_coords[1])
    assert [path.name for path in tmp_path.iterdir()] == ["gpaw.txt"]


class Killed(BaseException):
    """Stands for the signal that ends a job."""


def test_a_killed_relaxation_goes_on_from_its_geometry(aluminium, tmp_path, monkeypatch):
    from defectflow.engines import relax as relaxing

    monkeypatch.setattr(relaxing.Checkpoint, "due", lambda _self: True)
    request = Request(aluminium, GPAW.settings("relax"), folder=tmp_path)
    whole = relax(replace(request, folder=tmp_path / "whole"), GPAW)
    calculate = CachingCalculator.calculate

    def dying(self, *args, **kwargs):
        if self.evaluations == 2:
            raise Killed
        calculate(self, *args, **kwargs)

    monkeypatch.setattr(CachingCalculator, "calculate", dying)
    with pytest.raises(Killed):
        relax(request, GPAW)
    assert (tmp_path / "gpaw.restart.gpw").is_file()
    monkeypatch.setattr(CachingCalculator, "calculate", calculate)
    rest = relax(request, GPAW)
    assert rest.force_calls == whole.force_calls
    assert rest.energy_eV == pytest.approx(whole.energy_eV, abs=1e-5)
    assert not (tmp_path / "gpaw.restart.gpw").exists()


def test_the_density_that_was_kept_saves_scf_steps(aluminium, tmp_path):
    atoms = to_atoms(aluminium)
    request = static(aluminium, tmp_path)
    first = GPAW.part(request)
    first.calculate(atoms, ["energy", "forces"])
    energy, forces = first.results["energy"], first.results["forces"]
    first.close()
    again = GPAW.part(request)
    again.calculate(atoms, ["energy", "forces"])
    assert again.results["energy"] == pytest.approx(energy, abs=1e-9)
    assert np.allclose(again.results["forces"], forces, atol=1e-9)
    atoms.positions[0] += 0.003
    again.calculate(atoms, ["energy", "forces"])
    again.finish()
    again.close()
    assert again.scf_steps[1] < first.scf_steps[0]
    assert [path.name for path in tmp_path.iterdir()] == ["gpaw.txt"]


def test_before_the_wall_time_ends_it_stops_and_goes_on_later(aluminium, tmp_path, monkeypatch):
    request = Request(aluminium, GPAW.settings("relax"), folder=tmp_path)
    monkeypatch.setenv("DEFECTFLOW_WALL_TIME_S", "1")
    with pytest.raises(OutOfTime, match="run the same recipe"):
        relax(request, GPAW)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept >= {"relax.checkpoint.json", "gpaw.restart.gpw", "gpaw.restart.json"}
    monkeypatch.delenv("DEFECTFLOW_WALL_TIME_S")
    document = relax(request, GPAW)
    assert document.converged
    assert document.force_calls == document.steps + 1


def test_the_density_of_another_calculation_is_not_used(aluminium, tmp_path, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_WALL_TIME_S", "1")
    with pytest.raises(OutOfTime):
        relax(Request(aluminium, GPAW.settings("relax"), folder=tmp_path), GPAW)
    other = engine("gpaw", level="fast", settings=SMALL | {"smearing_eV": 0.2})
    document = evaluate(static(aluminium, tmp_path, other), other)
    fresh = evaluate(static(aluminium, tmp_path / "fresh", other), other)
    assert document.energy_eV == pytest.approx(fresh.energy_eV, abs=1e-6)


def test_the_ladder_is_climbed_and_said(aluminium, tmp_path):
    hasty = engine("gpaw", level="fast", settings=SMALL | {"max_scf_steps": 6})
    document = evaluate(static(aluminium, tmp_path, hasty), hasty)
    assert document.repairs
    assert document.repairs[0].startswith(
        "SCF did not converge in 6 steps: mixer msr1 beta 0.05 nmaxold 10 -> msr1 beta 0.02"
    )
    plain = evaluate(static(aluminium, tmp_path / "plain"), GPAW)
    assert document.energy_eV == pytest.approx(plain.energy_eV, abs=1e-5)


def test_a_wider_smearing_is_only_a_way_there(aluminium, tmp_path):
    rung = {"smearing_factor": 4.0, "mixer": {"name": "pulay", "beta": 0.1}, "steps_factor": 3.0}
    hasty = engine(
        "gpaw", level="fast", settings=SMALL | {"max_scf_steps": 5, "scf_ladder": [rung]}
    )
    document = evaluate(static(aluminium, tmp_path, hasty), hasty)
    assert "smearing times 4 first, then as asked for" in document.repairs[0]
    plain = evaluate(static(aluminium, tmp_path / "plain"), GPAW)
    assert document.energy_eV == pytest.approx(plain.energy_eV, abs=1e-5)


def test_a_density_that_diverges_is_begun_again(tmp_path):
    # r2SCAN with a mesh that is far too coarse for a metal: GPAW's default mixer runs away.
    crystal = Structure(
        Lattice([[0, 2.02, 2.02], [2.02, 0, 2.02], [2.02, 2.02, 0]]), ["Al"], [[0, 0, 0]]
    )
    wild = engine("gpaw", level="fast", functional="r2SCAN", settings=SMALL)
    document = evaluate(static(crystal, tmp_path, wild), wild)
    assert document.repairs
    calm = wild.settings("static")["scf_ladder"][1]
    other = engine("gpaw", level="fast", functional="r2SCAN", settings=SMALL | calm)
    expected = evaluate(static(crystal, tmp_path / "calm", other), other)
    assert not expected.repairs
    assert document.energy_eV == pytest.approx(expected.energy_eV, abs=1e-4)


def test_the_end_of_the_ladder_is_an_error_not_a_number(aluminium, tmp_path):
    hopeless = engine("gpaw", level="fast", settings=SMALL | {"max_scf_steps": 2})
    with pytest.raises(NotConverged, match=r"SCF of Al4 did not converge in 2 steps, nor after"):
        evaluate(static(aluminium, tmp_path, hopeless), hopeless)


def test_atoms_that_leave_their_symmetry(tmp_path):
    crystal = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.04), ["Al"], [[0, 0, 0]])
    atoms = to_atoms(crystal)
    atoms.calc = GPAW.caching_calculator(static(crystal, tmp_path))
    atoms.get_potential_energy()
    atoms.positions[0] += [0.05, 0.02, 0.01]
    moved = atoms.get_potential_energy()
    atoms.calc.close()
    plain = engine("gpaw", level="fast", settings=SMALL | {"use_symmetry": False})
    displaced = Structure(crystal.lattice, crystal.species, atoms.get_scaled_positions())
    document = evaluate(static(displaced, tmp_path / "off", plain), plain)
    assert moved == pytest.approx(document.energy_eV, abs=1e-5)


@pytest.mark.parametrize("functional", ["RPBE", "PBEsol", "r2SCAN"])
def test_other_functionals_change_the_energy(functional, tmp_path):
    crystal = Structure(
        Lattice([[0, 2.02, 2.02], [2.02, 0, 2.02], [2.02, 2.02, 0]]), ["Al"], [[0, 0, 0]]
    )
    finer = SMALL | {"kpoint_spacing_per_A": 0.8}
    other = engine("gpaw", level="fast", functional=functional, settings=finer)
    document = evaluate(static(crystal, tmp_path, other, stress=True), other)
    assert document.engine.functional == functional
    # RPBE has the largest lattice constant of aluminium and PBEsol and r2SCAN smaller ones than
    # PBE, so that the stress at one volume is ordered the other way round.
    plain = engine("gpaw", level="fast", settings=finer)
    pbe = evaluate(static(crystal, tmp_path / "pbe", plain, stress=True), plain)
    mean, reference = (np.trace(d.stress_eV_per_A3) / 3 for d in (document, pbe))
    assert mean < reference if functional == "RPBE" else mean > reference


def test_hubbard_u_raises_the_energy_of_a_magnetic_oxide(tmp_path):
    oxide = Structure(Lattice.cubic(2.8), ["Mn", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    gpaw = [
        engine("gpaw", level="fast", functional="PBE+U", hubbard_U_eV={"Mn": u}, settings=SMALL)
        for u in (1e-6, 4.0)
    ]
    without, with_u = (evaluate(static(oxide, tmp_path / str(i), g), g) for i, g in enumerate(gpaw))
    # U/2 Tr(n - n²) is never negative.
    assert with_u.energy_eV > without.energy_eV + 0.05
    assert with_u.inputs["gpaw"]["setups"] == {"Mn": ":d,4,0"}


def test_overlapping_atoms_are_refused_and_the_program_lives_on(aluminium, tmp_path):
    wrong = aluminium.copy()
    wrong.translate_sites([0], wrong.frac_coords[1] - wrong.frac_coords[0] + 0.002)
    with pytest.raises(StructureError, match="GPAW refuses Al4: Atoms are too close"):
        evaluate(static(wrong, tmp_path), GPAW)
    assert evaluate(static(aluminium, tmp_path / "right"), GPAW).converged


def test_density_of_states_of_copper(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copper = Structure(
        Lattice([[0, 1.805, 1.805], [1.805, 0, 1.805], [1.805, 1.805, 0]]), ["Cu"], [[0, 0, 0]]
    )
    gpaw = engine("gpaw", level="fast", settings={"cutoff_eV": 350.0})
    job = gpaw.dos_maker(kpoint_spacing_per_A=0.4).make(copper)
    document = run_locally(job, log=False, ensure_success=True)[job.uuid][1].output
    document = DosDocument.model_validate(document) if isinstance(document, dict) else document
    energies = np.array(document.energies_eV)
    occupied = energies <= 0
    d_band = np.array(document.atoms[0].orbitals["d"][0])
    total = np.array(document.total[0])
    assert np.trapezoid(total[occupied], energies[occupied]) == pytest.approx(11.0, abs=0.15)
    assert np.trapezoid(d_band[occupied], energies[occupied]) == pytest.approx(9.5, abs=0.5)
    window = (energies > -10) & (energies < 5)
    centre_eV = (energies * d_band)[window].sum() / d_band[window].sum()
    # Bulk copper, -10 to +5 eV; the surface atom of Cu(111) lies near -2.6 eV.
    assert centre_eV == pytest.approx(-2.9, abs=0.2)
    assert document.gap_eV == 0
    assert document.direct is None


def test_silicon_has_an_indirect_gap_and_equal_atoms(tmp_path):
    silicon = Structure.from_spacegroup("Fd-3m", Lattice.cubic(5.43), ["Si"], [[0, 0, 0]])
    silicon = silicon.get_primitive_structure()
    gpaw = engine("gpaw", level="fast", settings={"cutoff_eV": 300.0})
    settings = gpaw.settings("dos", kpoint_spacing_per_A=0.35)
    document = gpaw.density_of_states(Request(silicon, settings, folder=tmp_path))
    assert document.direct is False
    # The conduction band minimum of the crystal, 0.61 eV with PBE, lies between the k-points.
    assert 0.5 < document.gap_eV < 0.9
    assert document.vbm_eV < 0 < document.cbm_eV
    one, other = (np.array(atom.orbitals["p"][0]) for atom in document.atoms)
    assert np.allclose(one, other, atol=1e-3 * one.max())
    assert "d" not in document.atoms[0].orbitals


def test_a_program_that_dies_is_named(aluminium, tmp_path):
    atoms = to_atoms(aluminium)
    atoms.calc = GPAW.caching_calculator(static(aluminium, tmp_path))
    atoms.get_potential_energy()
    atoms.calc.parts[0]._program.kill()
    atoms.positions[0] += 0.01
    with pytest.raises(EngineError, match="GPAW ended with status"):
        atoms.get_potential_energy()
    atoms.calc.close()
    assert evaluate(static(aluminium, tmp_path / "again"), GPAW).converged


def test_the_program_ends_when_its_parent_is_killed(tmp_path):
    script = (
        "import time\n"
        "from defectflow.engines import gpaw_process\n"
        "print(gpaw_process.start()._program.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    )
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    for _ in range(100):
        if not _runs(child):
            break
        time.sleep(0.1)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("the program outlives its parent")


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(shutil.which("mpiexec") is None, reason="mpiexec is not installed")
def test_two_mpi_ranks_give_the_same_numbers(aluminium, tmp_path, monkeypatch):
    serial = evaluate(static(aluminium, tmp_path / "one"), GPAW)
    with monkeypatch.context() as context:
        context.setenv("DEFECTFLOW_DFT_PROCESSES", "2")
        # Open MPI 4 and 5: a machine with one core has to do for two ranks.
        context.setenv("OMPI_MCA_rmaps_base_oversubscribe", "1")
        context.setenv("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe")
        parallel = evaluate(static(aluminium, tmp_path / "two"), GPAW)
    assert parallel.energy_eV == pytest.approx(serial.energy_eV, abs=1e-6)
    assert np.allclose(parallel.forces_eV_per_A, serial.forces_eV_per_A, atol=1e-4)
    assert re.search(r"cores: +2\n", (tmp_path / "two" / "gpaw.txt").read_text())


def test_mpi_that_does_not_start_is_named_with_the_remedy(aluminium, tmp_path, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", "2")
    monkeypatch.setenv("DEFECTFLOW_MPI_COMMAND", "false -n {n}")
    with pytest.raises(EngineError, match=r"GPAW does not start with .*DEFECTFLOW_MPI_COMMAND"):
        evaluate(static(aluminium, tmp_path), GPAW)
    monkeypatch.setenv("DEFECTFLOW_MPI_COMMAND", "env")
    with pytest.raises(EngineError, match=r"in 1 MPI process\(es\), not in 2"):
        evaluate(static(aluminium, tmp_path), GPAW)


def test_vacuum_levels_of_a_slab(tmp_path):
    """Both sides of a symmetric slab of aluminium are equal, near the measured 4.3 eV."""
    from defectflow import hosts
    from defectflow.structures.surfaces import slab_of

    slab = slab_of(hosts.load("fcc-Al").structure, (1, 0, 0), layers=3, vacuum_A=9.0).structure
    gpaw = engine("gpaw", "fast", {"cutoff_eV": 200.0, "kpoint_spacing_per_A": 0.5})
    settings = gpaw.settings("dos", step_eV=0.5)
    vacuum = gpaw.density_of_states(Request(slab, settings, folder=tmp_path)).vacuum
    assert vacuum.top_eV == pytest.approx(vacuum.bottom_eV, abs=0.02)
    assert 3.7 < vacuum.top_eV < 4.9
    assert vacuum.ripple_eV < 0.05


def test_a_dipole_correction_frees_the_levels_of_the_width_of_the_vacuum(tmp_path):
    """A layer of oxygen above two of aluminium: its field between images moves levels by an eV."""
    lattice = Lattice([[2.86, 0, 0], [1.43, 2.4768, 0], [0, 0, 1]])
    places = np.array([[0, 0, -2.33], [1.43, 0.8256, 0], [1.43, 0.8256, 1.8]])

    def levels(vacuum_A, *, corrected):
        matrix = [*lattice.matrix[:2], [0, 0, vacuum_A + 4.13]]
        middle = places + np.array([0, 0, 2.33 + vacuum_A / 2])
        slab = Structure(matrix, ["Al", "Al", "O"], middle, coords_are_cartesian=True)
        chosen = {"cutoff_eV": 250.0, "kpoint_spacing_per_A": 0.8, "dipole_correction": corrected}
        gpaw = engine("gpaw", "fast", chosen)
        folder = tmp_path / f"{vacuum_A}-{corrected}"
        asked = Request(slab, gpaw.settings("dos", step_eV=0.5), folder=folder)
        return gpaw.density_of_states(asked).vacuum

    narrow, wide = levels(10, corrected=True), levels(16, corrected=True)
    assert narrow.top_eV == pytest.approx(wide.top_eV, abs=0.05)
    assert narrow.bottom_eV == pytest.approx(wide.bottom_eV, abs=0.05)
    assert narrow.top_eV - narrow.bottom_eV > 2
    assert narrow.field_eV_per_A == 0
    assert abs(levels(10, corrected=False).top_eV - narrow.top_eV) > 0.5


def test_a_crystal_has_no_vacuum_level(aluminium, tmp_path):
    settings = GPAW.settings("dos", step_eV=0.5)
    assert GPAW.density_of_states(Request(aluminium, settings, folder=tmp_path)).vacuum is None
