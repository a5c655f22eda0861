"""Real runs of pw.x on small cells."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jobflow import run_locally
from pymatgen.core import Lattice, Structure

from defectflow.engines import deadline, engine
from defectflow.engines.conversion import to_atoms
from defectflow.engines.espresso_program import run, version_numbers
from defectflow.engines.espresso_pseudos import find_set
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.engines.static import evaluate
from defectflow.errors import DefectflowError, EngineError, NotConverged, OutOfTime
from defectflow.units import RYDBERG_EV

if shutil.which("pw.x") is None:
    pytest.skip("pw.x of Quantum ESPRESSO is not installed", allow_module_level=True)
try:
    find_set("PBEsol")
except DefectflowError as error:
    pytest.skip(str(error), allow_module_level=True)

COARSE = {"cutoff_eV": 400.0, "kpoint_spacing_per_A": 0.6}


def espresso(level="balanced", **changes):
    names = ("cutoff_eV", "kpoint_spacing_per_A", "max_scf_steps", "scf_energy_eV_per_atom")
    settings = COARSE | {key: changes.pop(key) for key in names if key in changes}
    return engine(
        "espresso", level=level, settings=settings, **({"functional": "PBEsol"} | changes)
    )


def request_of(structure, step="static", used=None, **parts) -> Request:
    used = used or espresso()
    return Request(structure, used.settings(step), **parts)


@pytest.fixture
def aluminium() -> Structure:
    lattice = Lattice([[0, 2.02, 2.02], [2.02, 0, 2.02], [2.02, 2.02, 0]])
    return Structure(lattice, ["Al"], [[0, 0, 0]])


@pytest.fixture
def silicon() -> Structure:
    """Strained, with one atom off its site."""
    lattice = Lattice([[0, 2.75, 2.69], [2.73, 0.02, 2.73], [2.73, 2.73, 0]])
    return Structure(lattice, ["Si", "Si"], [[0.02, 0.01, -0.01], [0.25, 0.25, 0.25]])


def energies(used, structure) -> tuple[float, float]:
    atoms = to_atoms(structure)
    atoms.calc = used.caching_calculator(request_of(structure, used=used))
    try:
        energy = atoms.get_potential_energy()
        return energy, atoms.get_potential_energy(force_consistent=True)
    finally:
        atoms.calc.finish()


def test_the_energy_is_that_of_a_run_written_by_hand(aluminium, tmp_path):
    pseudo = find_set("PBEsol").select("PBEsol", {"Al"})["Al"].path
    text = f"""
      &control prefix='x' outdir='{tmp_path}' pseudo_dir='{pseudo.parent}' /
      &system ibrav=2 celldm(1)={4.04 / 0.529177210903} nat=1 ntyp=1 ecutwfc={400 / RYDBERG_EV}
        occupations='smearing' smearing='fd' degauss={0.05 / RYDBERG_EV} /
      &electrons conv_thr=1e-9 /
      ATOMIC_SPECIES
      Al 26.98 {pseudo.name}
      ATOMIC_POSITIONS crystal
      Al 0 0 0
      K_POINTS automatic
      5 5 5 0 0 0
    """
    Path("hand.in").write_text(text)
    out = subprocess.run(["pw.x", "-in", "hand.in"], capture_output=True, text=True, check=True)
    free = float(re.search(r"^!\s+total energy\s+=\s+(\S+)", out.stdout, re.MULTILINE)[1])
    entropy = float(re.search(r"smearing contrib\. \(-TS\)\s+=\s+(\S+)", out.stdout)[1])
    ours, ours_free = energies(espresso(), aluminium)
    assert ours_free == pytest.approx(free * RYDBERG_EV, abs=1e-5)
    assert ours == pytest.approx((free - entropy / 2) * RYDBERG_EV, abs=1e-5)


def test_forces_and_stress_are_derivatives_of_the_energy(silicon):
    used = espresso(cutoff_eV=600.0, kpoint_spacing_per_A=1.15, scf_energy_eV_per_atom=1e-8)
    document = evaluate(request_of(silicon, used=used, stress=True), used)
    assert list(Path.cwd().iterdir()) == []
    step = 0.01
    moved = [silicon.copy() for _ in range(2)]
    for structure, sign in zip(moved, (-1, 1), strict=True):
        structure.translate_sites([0], [sign * step, 0, 0], frac_coords=False, to_unit_cell=False)
    slope = np.diff([energies(used, one)[1] for one in moved])[0] / (2 * step)
    assert document.forces_eV_per_A[0][0] == pytest.approx(-slope, abs=2e-3)
    assert abs(slope) > 0.05
    assert np.abs(document.stress_eV_per_A3).max() > 5e-3, "the crystal is hardly strained"
    strain = 4e-3
    for row, column in ((0, 0), (1, 2)):
        values = []
        for sign in (-1, 1):
            deformed = np.eye(3)
            deformed[row, column] += sign * strain / 2
            deformed[column, row] += sign * strain / 2
            lattice = Lattice(silicon.lattice.matrix @ deformed)
            one = Structure(lattice, silicon.species, silicon.frac_coords)
            values.append(energies(used, one)[1])
        numerical = (values[1] - values[0]) / (2 * strain * silicon.volume)
        assert document.stress_eV_per_A3[row][column] == pytest.approx(numerical, abs=6e-4)


def test_a_stretched_crystal_has_a_positive_stress(aluminium):
    used = espresso()
    stretched = aluminium.copy()
    stretched.scale_lattice(1.12 * aluminium.volume)
    document = evaluate(request_of(stretched, stress=True), used)
    assert np.trace(document.stress_eV_per_A3) > 0.05


@pytest.mark.parametrize("charge", [-1, 1])
def test_a_positive_charge_leaves_fewer_electrons(aluminium, charge):
    document = evaluate(request_of(aluminium, charge=charge), espresso())
    assert document.charge == charge
    assert document.inputs["neutral_valence_electrons"] == 3.0
    assert document.inputs["valence_electrons"] == pytest.approx(3.0 - charge)


def test_what_the_document_says_of_the_run(aluminium):
    document = evaluate(request_of(aluminium), espresso())
    inputs = document.inputs
    assert inputs["pseudopotentials"]["Al"]["functional"] == "PBEsol"
    assert len(inputs["pseudopotentials"]["Al"]["sha256"]) == 64
    assert inputs["kpoints"] == (5, 5, 5)
    assert inputs["kpoints_computed"] < 25
    assert document.repairs == ()
    assert document.engine.fidelity == "dft"
    assert version_numbers(document.engine.code_versions["pw.x"]) >= (6, 4)
    assert document.engine.model_sha256 == find_set("PBEsol").sha256("PBEsol")
    json.dumps(document.model_dump(mode="json"))


def test_moments_of_iron_and_of_its_antiferromagnetic_twin():
    lattice = Lattice.cubic(2.80)
    iron = Structure(lattice, ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    used = espresso(cutoff_eV=600.0, kpoint_spacing_per_A=0.8, scf_energy_eV_per_atom=1e-4)
    parallel = evaluate(request_of(iron, used=used), used)
    assert parallel.inputs["magnetic_moments"] == (5.0, 5.0)
    assert min(parallel.magnetic_moments) > 1.5
    assert parallel.structure.site_properties["magmom"] == pytest.approx(parallel.magnetic_moments)
    opposed = evaluate(request_of(iron, used=used, magnetic_moments=(3.0, -3.0)), used)
    up, down = opposed.magnetic_moments
    assert up == pytest.approx(-down, abs=0.05)
    assert up > 0.5
    assert opposed.energy_eV > parallel.energy_eV + 0.2


def test_hubbard_u_in_the_syntax_of_this_version():
    """Nickel oxide, ferromagnetic for the sake of a small cell: U raises the energy."""
    lattice = Lattice([[0, 2.09, 2.09], [2.09, 0, 2.09], [2.09, 2.09, 0]])
    oxide = Structure(lattice, ["Ni", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    try:
        find_set("PBE")
    except DefectflowError as error:
        pytest.skip(str(error))
    loose = {"cutoff_eV": 500.0, "kpoint_spacing_per_A": 1.6, "scf_energy_eV_per_atom": 1e-3}
    plain, with_u = (espresso(functional=one, **loose) for one in ("PBE", "PBE+U"))
    first = evaluate(request_of(oxide, used=plain), plain)
    second = evaluate(request_of(oxide, used=with_u), with_u)
    assert second.inputs["hubbard_U_eV"] == {"Ni": 6.2}
    assert second.energy_eV > first.energy_eV + 0.5


def test_an_scf_that_does_not_converge_climbs_the_ladder(aluminium):
    used = espresso(max_scf_steps=3)
    document = evaluate(request_of(aluminium, used=used), used)
    assert 1 <= len(document.repairs) <= 3
    assert document.repairs[0] == (
        "SCF did not converge in 3 steps: mixing_beta 0.7 -> 0.3, max_scf_steps 3 -> 4"
    )
    plain = evaluate(request_of(aluminium), espresso())
    assert document.energy_eV == pytest.approx(plain.energy_eV, abs=1e-4)


def test_an_exhausted_ladder_is_an_error(aluminium):
    used = espresso(max_scf_steps=1, scf_energy_eV_per_atom=1e-9)
    with pytest.raises(NotConverged, match="SCF did not converge in 4 steps, also after: SCF did"):
        evaluate(request_of(aluminium, used=used), used)
    assert not Path("espresso/out").exists(), "large files of a failed job are left"
    assert Path("espresso/pw.out").is_file()


def test_an_error_of_pw_is_quoted(aluminium, monkeypatch):
    from defectflow.engines import espresso_input

    monkeypatch.setitem(espresso_input._SMEARING, "fermi-dirac", "nonsense")
    with pytest.raises(EngineError, match="smearing nonsense unknown") as caught:
        evaluate(request_of(aluminium), espresso())
    assert "\n" not in str(caught.value)


def test_a_relaxation_goes_from_step_to_step(silicon):
    used = espresso(kpoint_spacing_per_A=1.0)
    document = relax(request_of(silicon, "relax", used=used), used)
    assert document.converged
    assert document.fmax_eV_per_A < 0.03
    assert document.steps >= 2
    assert list(Path.cwd().iterdir()) == []


def test_a_killed_relaxation_goes_on_where_it_was(silicon, tmp_path):
    """Kill -9 leaves no pw.x behind, and the same job does not begin anew."""
    start = silicon
    start.translate_sites([0], [0.02, 0.03, -0.01])
    start.to_file(str(tmp_path / "start.json"))
    settings = COARSE | {"kpoint_spacing_per_A": 0.8}
    program = (
        "from pymatgen.core import Structure\n"
        "from defectflow.engines import engine\n"
        "from defectflow.engines.relax import relax\n"
        "from defectflow.engines.request import Request\n"
        f"used = engine('espresso', functional='PBEsol', settings={settings!r})\n"
        "request = Request(Structure.from_file('start.json'), used.settings('relax'))\n"
        "document = relax(request, used)\n"
        "print(document.force_calls, document.energy_eV, document.converged)\n"
    )
    words = [sys.executable, "-W", "ignore", "-c", program]
    child = subprocess.Popen(words, cwd=tmp_path)
    state = tmp_path / "relax.checkpoint.json"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (
        state.is_file() and len(json.loads(state.read_text())["state"]["history"]) >= 2
    ):
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    child.wait()
    steps = len(json.loads(state.read_text())["state"]["history"])
    time.sleep(0.5)
    assert _programs_in(tmp_path) == []
    assert (tmp_path / "espresso/state.json").is_file()
    again = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    calls, _, converged = again.stdout.split()
    assert converged == "True"
    assert int(calls) > steps
    used = espresso(**settings)
    undisturbed = relax(request_of(start, "relax", used=used), used)
    assert int(calls) <= undisturbed.force_calls + 1, "the work of the killed run is lost"
    assert float(again.stdout.split()[1]) == pytest.approx(undisturbed.energy_eV, abs=2e-3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["start.json"]


def _programs_in(folder: Path) -> list[str]:
    """Return the commands of running pw.x whose working directory lies below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text())
        except OSError:
            continue
    return [command for command in found if "pw.x" in command]


def test_the_end_of_the_wall_time_is_clean_and_the_scf_goes_on(oxide, monkeypatch):
    used = espresso(cutoff_eV=1100.0, kpoint_spacing_per_A=0.5)
    request = request_of(oxide, used=used)
    passed = time.time() - deadline._STARTED
    monkeypatch.setenv("DEFECTFLOW_WALL_TIME_S", str(passed + 31.5))
    with pytest.raises(OutOfTime, match=r"SCF of MgO with pw\.x: stopped before the end"):
        evaluate(request, used)
    assert Path("espresso/out").is_dir()
    monkeypatch.delenv("DEFECTFLOW_WALL_TIME_S")
    calculator = used.part(request)
    calculator.calculate(to_atoms(oxide), ["energy", "forces"])
    assert "The initial density is read from file" in Path("espresso/pw.out").read_text()
    resumed = calculator.results["energy"]
    calculator.finish()
    calculator.calculate(to_atoms(oxide), ["energy", "forces"])
    assert resumed == pytest.approx(calculator.results["energy"], abs=1e-5)
    assert calculator.scf_steps[0] <= calculator.scf_steps[1]
    calculator.finish()
    assert list(Path.cwd().iterdir()) == []


def test_files_of_another_calculation_are_not_read(aluminium):
    first = espresso().part(request_of(aluminium))
    first.calculate(to_atoms(aluminium), ["energy"])
    again = espresso().part(request_of(aluminium))
    again.calculate(to_atoms(aluminium), ["energy"])
    assert again.scf_steps[-1] < first.scf_steps[-1]
    charged = espresso().part(request_of(aluminium, charge=1))
    charged.calculate(to_atoms(aluminium), ["energy"])
    fresh = espresso().part(replace(request_of(aluminium, charge=1), folder=Path("fresh")))
    fresh.calculate(to_atoms(aluminium), ["energy"])
    assert charged.scf_steps == fresh.scf_steps


def test_a_lost_symmetry_does_not_stop_a_series(aluminium):
    """The k-points grow in number, so that the saved wave functions do not fit."""
    cube = Structure.from_spacegroup("Fm-3m", Lattice.cubic(4.04), ["Al"], [[0, 0, 0]])
    atoms = to_atoms(cube)
    used = espresso(kpoint_spacing_per_A=0.8)
    atoms.calc = calculator = used.caching_calculator(request_of(cube, used=used))
    atoms.get_forces()
    atoms.positions[0] += (0.05, 0.02, 0.01)
    forces = atoms.get_forces()
    assert np.abs(forces).max() > 0.05
    assert calculator.repairs == ()
    calculator.finish()


def test_two_processes_give_the_energy_of_one(aluminium, monkeypatch):
    if shutil.which("mpiexec") is None:
        pytest.skip("mpiexec is not installed")
    for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"):
        monkeypatch.setenv(name, "1")
    alone = energies(espresso(), aluminium)
    monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", "2")
    monkeypatch.setenv("DEFECTFLOW_MPI_COMMAND", "mpiexec --oversubscribe -n {n}")
    assert energies(espresso(), aluminium) == pytest.approx(alone, abs=2e-6)


def test_a_missing_program_is_named_before_anything_runs(aluminium, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_PW_X_COMMAND", "srun_is_not_here pw.x")
    with pytest.raises(EngineError, match=r"program srun_is_not_here \(from DEFECTFLOW_PW_X_"):
        espresso().relax_maker().make(aluminium)
    monkeypatch.delenv("DEFECTFLOW_PW_X_COMMAND")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineError, match=r"program pw.x is not found; install Quantum ESPRESSO"):
        espresso().relax_maker().make(aluminium)
    info = type(espresso()).describe()
    assert not info.available
    assert "pw.x" in str(info.problem)


def test_mpi_that_does_not_start_is_named_before_anything_runs(aluminium, tmp_path, monkeypatch):
    broken = tmp_path / "broken_mpi"
    broken.write_text("#!/bin/sh\necho 'no slots are left' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", "2")
    monkeypatch.setenv("DEFECTFLOW_MPI_COMMAND", f"{broken} {{n}}")
    with pytest.raises(
        EngineError, match=r"does not start as pw.x \(no slots are left\)"
    ) as caught:
        espresso().static_maker().make(aluminium)
    assert "DEFECTFLOW_MPI_COMMAND" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_program_that_hangs_is_ended(tmp_path):
    begun = time.monotonic()
    with pytest.raises(EngineError, match="timed out"):
        run(["sleep", "60"], tmp_path, "sleep", timeout_s=0.2)
    assert time.monotonic() - begun < 5


def dos_of(used, structure, **settings):
    responses = run_locally(used.dos_maker(**settings).make(structure), log=False)
    return next(iter(responses.values()))[1].output


def test_density_of_states_of_a_semiconductor():
    lattice = Lattice([[0, 2.715, 2.715], [2.715, 0, 2.715], [2.715, 2.715, 0]])
    silicon = Structure(lattice, ["Si", "Si"], [[0, 0, 0], [0.25, 0.25, 0.25]])
    document = dos_of(espresso(), silicon, kpoint_spacing_per_A=0.5, step_eV=0.05)
    grid = np.array(document.energies_eV)
    assert 0.3 < document.gap_eV < 0.8  # Kohn-Sham gap; measured: 1.1 eV
    assert document.direct is False
    assert document.vbm_eV < 0 < document.cbm_eV
    filled = grid < (document.vbm_eV + document.cbm_eV) / 2
    total = np.array(document.total[0])
    assert np.trapezoid(total[filled], grid[filled]) == pytest.approx(8.0, abs=0.05)
    parts = sum(np.array(curve[0]) for atom in document.atoms for curve in atom.orbitals.values())
    share = np.trapezoid(parts[filled], grid[filled]) / 8.0
    assert 0.95 < share <= 1.001
    first, second = document.atoms
    assert np.allclose(first.orbitals["p"], second.orbitals["p"], atol=2e-2)
    assert list(Path.cwd().iterdir()) == []


def test_density_of_states_of_a_magnet_counts_the_spins_apart():
    iron = Structure(Lattice.cubic(2.80), ["Fe", "Fe"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    used = espresso(cutoff_eV=600.0, scf_energy_eV_per_atom=1e-4)
    document = dos_of(used, iron, kpoint_spacing_per_A=0.8, step_eV=0.05, lowest_eV=-110.0)
    assert document.gap_eV == 0.0
    assert len(document.total) == 2
    grid = np.array(document.energies_eV)
    up, down = (np.trapezoid(np.array(one)[grid < 0], grid[grid < 0]) for one in document.total)
    assert up + down == pytest.approx(32.0, abs=0.7)
    assert up - down == pytest.approx(sum(document.magnetic_moments), abs=1.0)
    assert len(document.atoms[0].orbitals["d"]) == 2


def test_the_work_function_is_that_of_average_x(monkeypatch):
    """The vacuum level beside the plane average that Quantum ESPRESSO's own average.x makes."""
    from defectflow import hosts
    from defectflow.engines import espresso_dos
    from defectflow.structures.surfaces import slab_of

    averaged = []

    def watched(folder):
        # Plane average along the third axis, 3 points of the macroscopic one: heights in bohr, Ry.
        text = "1\npotential.dat\n1.0\n400\n3\n0.1\n"
        profile = original(folder)
        done = subprocess.run(
            ["average.x"], input=text, cwd=folder, capture_output=True, text=True, check=True
        )
        assert done.returncode == 0
        averaged.append(np.loadtxt(folder / "avg.dat")[:, 1] * RYDBERG_EV)
        return profile

    original = espresso_dos.potential_profile_eV
    monkeypatch.setattr(espresso_dos, "potential_profile_eV", watched)
    slab = slab_of(hosts.load("fcc-Al").structure, (1, 1, 1), 3, 10.0).structure
    document = dos_of(espresso(), slab, step_eV=0.05)
    (profile,) = averaged
    middle = profile[np.r_[:4, -4:0]].mean() - document.fermi_eV  # the vacuum is at the cell's ends
    assert document.vacuum.top_eV == pytest.approx(middle, abs=0.02)
    assert document.vacuum.bottom_eV == pytest.approx(document.vacuum.top_eV, abs=0.02)
    assert 3.0 < document.vacuum.top_eV < 5.5  # measured: 4.2 eV


def test_a_missing_projwfc_is_named(aluminium, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_PROJWFC_X_COMMAND", "no_projwfc")
    with pytest.raises(EngineError, match="program no_projwfc"):
        espresso().density_of_states(request_of(aluminium, "dos"))


def test_augmented_waves_from_a_folder_of_the_user(monkeypatch):
    """Of Debian's mixed folder the one PAW file of copper for PBE fits; gold has none."""
    folder = Path("/usr/share/espresso/pseudo")
    if not folder.is_dir():
        pytest.skip("the package quantum-espresso-data is not installed")
    monkeypatch.setenv("DEFECTFLOW_PSEUDO_DIR", str(folder))
    lattice = Lattice([[0, 1.81, 1.81], [1.81, 0, 1.81], [1.81, 1.81, 0]])
    copper = Structure(lattice, ["Cu"], [[0, 0, 0]])
    used = espresso(functional="PBE", kpoint_spacing_per_A=1.8)
    atoms = to_atoms(copper)
    atoms.calc = series = used.caching_calculator(request_of(copper, used=used))
    atoms.get_potential_energy()
    atoms.set_cell(atoms.cell * 1.01, scale_atoms=True)
    second = atoms.get_potential_energy()
    assert series.inputs["pseudopotentials"]["Cu"]["kind"] == "PAW"
    assert "ecutrho = 293.99" in Path("espresso/pw.in").read_text()  # 10 times 400 eV
    series.finish()
    stretched = copper.copy()
    stretched.scale_lattice(1.01**3 * copper.volume)
    assert energies(used, stretched)[0] == pytest.approx(second, abs=1e-4)
    with pytest.raises(EngineError, match=r"Au fits \(Au.pz-rrkjus_aewfc.UPF: made for LDA"):
        used.check({"Au"})
