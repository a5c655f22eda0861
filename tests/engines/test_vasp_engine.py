"""The road of VASP from end to end, on the stand-in: atomate2, custodian, our documents."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jobflow import Flow, run_locally
from monty.json import MontyDecoder
from pymatgen.core import Lattice, Structure

from defectflow.engines import engine, vasp_standin
from defectflow.engines.conversion import to_atoms
from defectflow.engines.relax import relax
from defectflow.engines.request import Request
from defectflow.engines.static import evaluate
from defectflow.engines.vasp import Vasp
from defectflow.engines.vasp_input import poscar_order
from defectflow.engines.vasp_relax import relax_with_vasp
from defectflow.errors import EngineError, NotConverged, OutOfTime, RecipeError

FAIL = "DEFECTFLOW_STANDIN_FAIL"
EMT = engine("emt")
STANDIN = engine("vasp-standin", potential="emt")


@pytest.fixture(autouse=True)
def _no_wishes(monkeypatch):
    for name in (FAIL, "DEFECTFLOW_STANDIN_ENGINE", "DEFECTFLOW_VASP_VTST", "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def alloy() -> Structure:
    """Copper and aluminium in turns, so that POSCAR has another order."""
    sites = [[0, 0, 0.03], [0, 0.5, 0.5], [0.5, 0.02, 0.5], [0.5, 0.5, 0]]
    return Structure(Lattice.cubic(3.80), ["Cu", "Al", "Cu", "Al"], sites)


def request(structure, step="static", used=STANDIN, **parts) -> Request:
    changes = parts.pop("settings", {})
    return Request(structure, used.settings(step, **changes), **parts)


def run(*jobs):
    outputs = run_locally(Flow(list(jobs)), log=False, ensure_success=True)
    output = outputs[jobs[-1].uuid][1].output
    return MontyDecoder().process_decoded(output) if isinstance(output, dict) else output


def files() -> set[str]:
    return {path.name for path in Path.cwd().iterdir()}


# --- numbers


def test_energy_forces_stress_and_order_are_those_of_the_potential(alloy):
    ours = evaluate(request(alloy, stress=True), STANDIN)
    reference = evaluate(Request(alloy, stress=True), EMT)
    assert ours.energy_eV == pytest.approx(reference.energy_eV, abs=1e-7)
    assert np.allclose(ours.forces_eV_per_A, reference.forces_eV_per_A, atol=1e-7)
    assert np.allclose(ours.stress_eV_per_A3, reference.stress_eV_per_A3, atol=1e-7)
    assert np.trace(ours.stress_eV_per_A3) != 0
    assert ours.structure.species == alloy.species
    assert np.allclose(ours.structure.frac_coords, alloy.frac_coords)
    assert files() == set()


def test_potentials_at_the_atoms_come_back_in_their_order_and_with_our_sign(alloy):
    """The stand-in lists minus the valence of each atom, as VASP lists energies of an electron."""
    static = evaluate(request(alloy), STANDIN)
    relaxed = relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    assert relaxed.steps > 0
    for found in (static, relaxed):
        copper, aluminium = found.site_potentials_V[:2]
        assert found.site_potentials_V == (copper, aluminium, copper, aluminium)
        assert (copper, aluminium) == (17.0, 3.0)


def test_a_sorted_crystal_gives_the_same(alloy):
    order = [2, 0, 3, 1]
    other = Structure.from_sites([alloy[index] for index in order])
    ours, theirs = (evaluate(request(one), STANDIN) for one in (alloy, other))
    assert np.allclose(np.array(ours.forces_eV_per_A)[order], theirs.forces_eV_per_A, atol=1e-7)


def test_relaxation_ends_where_that_of_the_potential_ends(alloy):
    job = STANDIN.relax_maker(fmax_eV_per_A=0.005).make(alloy)
    ours = run(job)
    reference = relax(Request(alloy, EMT.settings("relax", fmax_eV_per_A=0.005)), EMT)
    assert ours.converged
    assert ours.fmax_eV_per_A < ours.force_threshold_eV_per_A == 0.005
    assert ours.energy_eV == pytest.approx(reference.energy_eV, abs=1e-4)
    assert np.allclose(ours.structure.cart_coords, reference.structure.cart_coords, atol=5e-3)
    assert ours.structure.species == alloy.species
    assert ours.steps == ours.force_calls - 1
    assert ours.inputs["incar"]["ENCUT"] == 520
    assert ours.inputs["kpoints"] == (10, 10, 10)
    assert ours.inputs["potentials"]["Cu"]["symbol"] == "Cu_pv"
    assert ours.inputs["version"] == vasp_standin.VERSION
    assert files() == set()


def test_frozen_atoms_keep_their_place(alloy):
    ours = run(STANDIN.relax_maker(max_steps=4).make(alloy, frozen=[0, 1]))
    moved = np.linalg.norm(ours.structure.cart_coords - alloy.cart_coords, axis=1)
    assert moved[[0, 1]].max() < 1e-12
    assert moved[2] > 1e-3
    assert ours.frozen == (0, 1)
    forces = np.linalg.norm(ours.forces_eV_per_A, axis=1)
    assert ours.fmax_eV_per_A == pytest.approx(forces[2:].max())
    assert forces[0] > ours.fmax_eV_per_A


def test_atoms_that_cross_the_cell_are_not_wrapped(alloy):
    alloy.translate_sites([0], [0, 0, -0.035], to_unit_cell=False)
    alloy.translate_sites([2], [1, 0, 0], to_unit_cell=False)
    ours = run(STANDIN.relax_maker().make(alloy))
    assert np.abs(ours.structure.frac_coords - alloy.frac_coords).max() < 0.1


@pytest.mark.parametrize("cell", ["relax", "scale"])
def test_a_free_cell_loses_its_stress_with_fresh_plane_waves(alloy, cell):
    ours = relax_with_vasp(request(alloy, "relax"), STANDIN, cell)
    limit = STANDIN.settings("relax")["stress_max_eV_per_A3"]
    stress = np.array(ours.stress_eV_per_A3)
    assert ours.converged
    assert (np.abs(stress).max() if cell == "relax" else abs(np.trace(stress)) / 3) < limit
    lengths = np.array(ours.structure.lattice.abc) / alloy.lattice.abc
    assert abs(lengths[0] - 1) > STANDIN.settings("relax")["basis_strain"]
    if cell == "scale":
        assert np.ptp(lengths) < 1e-9
    again = relax_with_vasp(request(ours.structure, "relax"), STANDIN, cell)
    assert again.force_calls == 1, "the last segment started from the end"


def test_vasp_that_cannot_scale_is_driven(alloy, monkeypatch):
    from defectflow.engines import vasp_program

    plain = vasp_program.standin("emt")
    old = replace(plain, facts=vasp_program.Facts("5.4.4", vtst=False))
    monkeypatch.setattr(vasp_program, "standin", lambda _: old)
    changes = {"max_steps": 2}
    ours = relax_with_vasp(request(alloy, "relax", settings=changes), STANDIN, "scale")
    assert not ours.converged
    assert ours.cell == "scale"
    assert ours.steps == 2
    assert "incar" in ours.inputs


def test_too_few_steps_are_no_error_and_not_exceeded(alloy):
    ours = run(STANDIN.relax_maker(max_steps=2, fmax_eV_per_A=0.001).make(alloy))
    assert not ours.converged
    assert ours.force_calls == 2
    assert ours.repairs == ()


def test_more_steps_go_on_from_where_fewer_ended(alloy):
    few = relax_with_vasp(request(alloy, "relax", settings={"max_steps": 3}), STANDIN, "fixed")
    rest = relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    assert (few.converged, rest.converged) == (False, True)
    whole = relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    assert rest.energy_eV == pytest.approx(whole.energy_eV, abs=1e-4)
    assert rest.force_calls - few.force_calls < whole.force_calls


# --- charge and spin


def test_charge_and_moments_survive_the_hand_over(alloy):
    first = STANDIN.relax_maker(max_steps=1).make(
        alloy, charge=1, magnetic_moments=[1.0, 0.5, -2.0, 0.0]
    )
    second = STANDIN.static_maker().make(first.output.structure, charge=first.output.charge)
    ours = run(first, second)
    assert ours.charge == 1
    assert ours.magnetic_moments == (1.0, 0.5, -2.0, 0.0)
    assert ours.structure.site_properties["magmom"] == [1.0, 0.5, -2.0, 0.0]
    assert ours.inputs["incar"]["MAGMOM"] == [1.0, -2.0, 0.5, 0.0]
    # two Cu_pv with 17 and two Al with 3 electrons, less the one that is gone
    assert ours.inputs["incar"]["NELECT"] == 39


def test_without_spin_there_are_no_moments(alloy):
    assert evaluate(request(alloy), STANDIN).magnetic_moments is None


# --- repair


def test_a_repaired_scf_is_told_and_remembered(alloy, monkeypatch):
    monkeypatch.setenv(FAIL, "scf:1")
    ours = run(STANDIN.relax_maker().make(alloy))
    assert ours.converged
    assert ours.repairs == ("custodian: Unconverged: INCAR ALGO = All, INCAR ISEARCH = 1",)
    part = STANDIN.part(request(alloy))
    atoms = to_atoms(alloy)
    part.calculate(atoms, ["energy"])
    assert len(part.repairs) == 1
    atoms.positions[0, 0] += 0.01
    part.calculate(atoms, ["energy"])
    assert "ALGO = All" in (part.folder / "INCAR").read_text()
    assert len(part.repairs) == 1


def test_an_scf_that_nothing_helps_is_an_error(alloy, monkeypatch):
    monkeypatch.setenv(FAIL, "scf:99")
    with pytest.raises(NotConverged, match=r"did not converge.*ALGO = All.*smearing_eV") as caught:
        evaluate(request(alloy), STANDIN)
    assert "\n" not in str(caught.value)
    assert not (Path.cwd() / "vasp" / "WAVECAR").exists()


def test_the_reason_of_a_refusal_is_told(alloy, monkeypatch):
    monkeypatch.setenv(FAIL, "nonsense")
    with pytest.raises(EngineError, match=r"VASP in .* failed: .*write scf:N or walltime:N"):
        evaluate(request(alloy), STANDIN)


def test_a_program_that_does_not_start_is_told(alloy, monkeypatch):
    from defectflow.engines import vasp_program

    broken = replace(vasp_program.standin("emt"), standard=("/no/vasp",), gamma=("/no/vasp",))
    monkeypatch.setattr(vasp_program, "standin", lambda _: broken)
    with pytest.raises(EngineError, match="/no/vasp: No such file"):
        evaluate(request(alloy), STANDIN)


# --- stopping and going on


def test_a_stopped_relaxation_goes_on_from_its_last_geometry(alloy, monkeypatch):
    monkeypatch.setenv(FAIL, "walltime:2")
    with pytest.raises(OutOfTime, match="the state is kept"):
        relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    stopped = Structure.from_file("vasp/CONTCAR")
    assert (Path.cwd() / "vasp" / "WAVECAR").exists()
    begun = starts(monkeypatch)
    ours = relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    assert ours.converged
    assert np.allclose(begun[0].frac_coords % 1, stopped.frac_coords % 1, atol=1e-9)
    assert ours.force_calls > 3
    whole = relax(request(alloy, "relax", EMT), EMT)
    assert ours.energy_eV == pytest.approx(whole.energy_eV, abs=1e-3)


def starts(monkeypatch) -> list[Structure]:
    """Return a list that each run adds the crystal to with which it begins."""
    from defectflow.engines import vasp_relax

    begun, original = [], vasp_relax.run

    def noted(task, kind, structure, tags):
        begun.append(structure)
        return original(task, kind, structure, tags)

    monkeypatch.setattr(vasp_relax, "run", noted)
    return begun


def test_a_geometry_of_electrons_that_did_not_converge_is_not_gone_on_from(alloy, monkeypatch):
    monkeypatch.setenv(FAIL, "scf:99")
    with pytest.raises(NotConverged):
        relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    assert not Path("vasp/CONTCAR").exists()
    monkeypatch.setenv(FAIL, "scf:1")
    begun = starts(monkeypatch)
    ours = relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    assert np.allclose(begun[0].frac_coords, to_poscar_order(alloy), atol=1e-12)
    assert ours.converged
    assert len(ours.repairs) == len(set(ours.repairs)) == 2


def to_poscar_order(structure) -> np.ndarray:
    return structure.frac_coords[poscar_order(structure)]


def test_files_of_another_calculation_are_not_taken_up(alloy, monkeypatch):
    monkeypatch.setenv(FAIL, "walltime:2")
    with pytest.raises(OutOfTime):
        relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    monkeypatch.delenv(FAIL)
    begun = starts(monkeypatch)
    changed = {"fmax_eV_per_A": 0.02}
    relax_with_vasp(request(alloy, "relax", settings=changed), STANDIN, "fixed")
    assert np.allclose(begun[0].frac_coords, alloy.frac_coords[[0, 2, 1, 3]])


SLOW = (
    "import time\nfrom ase.calculators.emt import EMT\n\n\nclass Slow(EMT):\n"
    "    def calculate(self, *args, **kwargs):\n"
    "        time.sleep(0.4)\n        super().calculate(*args, **kwargs)\n"
)


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """The stand-in with a potential that takes 0.4 s for an evaluation."""
    place = tmp_path / "modules"
    place.mkdir()
    (place / "slow.py").write_text(SLOW)
    monkeypatch.setenv("PYTHONPATH", str(place))
    monkeypatch.syspath_prepend(place)
    return engine("vasp-standin", potential="ase:slow:Slow")


def test_vasp_is_stopped_before_the_wall_time_ends(alloy, slow, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(time.time() + 13))
    tight = {"fmax_eV_per_A": 1e-7}
    begun = time.monotonic()
    with pytest.raises(OutOfTime):
        relax_with_vasp(request(alloy, "relax", slow, settings=tight), slow, "fixed")
    assert time.monotonic() - begun < 13
    assert "soft stop" in Path("vasp/OUTCAR").read_text()
    monkeypatch.delenv("SLURM_JOB_END_TIME")
    monkeypatch.setenv("CUSTODIAN_WALLTIME_START", "Mon Jan 01 00:00:00 UTC 2024")
    ours = relax_with_vasp(request(alloy, "relax", slow), slow, "fixed")
    assert ours.converged
    assert os.environ["CUSTODIAN_WALLTIME_START"].endswith("2024")


KILLED = """
import sys
from pymatgen.core import Structure
from defectflow.engines import engine
from defectflow.engines.request import Request
from defectflow.engines.vasp_relax import relax_with_vasp
slow = engine("vasp-standin", potential="ase:slow:Slow")
settings = slow.settings("relax", fmax_eV_per_A=0.002)
relax_with_vasp(Request(Structure.from_file("start.json"), settings), slow, "fixed")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ends VASP by a call of Linux")
def test_a_killed_run_takes_vasp_with_it_and_goes_on(alloy, slow, monkeypatch):
    alloy.to("start.json")
    process = subprocess.Popen([sys.executable, "-c", KILLED])
    oszicar, end = Path("vasp/OSZICAR"), time.monotonic() + 60
    while time.monotonic() < end and not (
        oszicar.is_file() and oszicar.read_text().count(" F= ") >= 2
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    number = int(Path("vasp/vasp.pid").read_text())
    time.sleep(1.0)
    assert not Path(f"/proc/{number}/cwd").exists(), "VASP goes on without its run"
    done = oszicar.read_text().count(" F= ")
    begun = starts(monkeypatch)
    changed = {"fmax_eV_per_A": 0.002}
    ours = relax_with_vasp(request(alloy, "relax", slow, settings=changed), slow, "fixed")
    assert ours.converged
    assert ours.force_calls > done
    assert not np.allclose(begun[0].frac_coords, alloy.frac_coords[[0, 2, 1, 3]])
    assert ours.wall_time_s > 0.4 * done


def test_a_torn_contcar_is_not_used(alloy, monkeypatch):
    monkeypatch.setenv(FAIL, "walltime:2")
    with pytest.raises(OutOfTime):
        relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed")
    Path("vasp/CONTCAR").write_text("Cu2 Al2\n1.0\n3.8 0 0\n")
    Path("vasp/WAVECAR").write_text("")
    assert relax_with_vasp(request(alloy, "relax"), STANDIN, "fixed").converged


# --- who computes


def test_the_stand_in_says_what_it_is():
    stamp = STANDIN.stamp()
    assert (stamp.name, stamp.fidelity, stamp.functional) == ("vasp-standin", "stand-in", None)
    assert stamp.model == "emt in the place of VASP"
    assert "no density functional" in stamp.options["not_vasp"]
    assert Vasp(options={}).model().fidelity == "dft"


def test_the_potential_is_part_of_the_engine(monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_STANDIN_ENGINE", "sevennet:7net-0")
    other = engine("vasp-standin")
    assert other.options["potential"] == "sevennet:7net-0"
    assert other.stamp().model_sha256 == engine("sevennet", model="7net-0").stamp().model_sha256
    assert other.as_dict() != STANDIN.as_dict()
    with pytest.raises(EngineError, match=r"vasp-standin.*does not know Ti.*option potential"):
        STANDIN.check({"Ti"})
    with pytest.raises(RecipeError, match="did you mean emt"):
        engine("vasp-standin", potential="emtt").check()


def test_numbers_of_the_stand_in_never_pass_for_vasp(alloy, tmp_path, monkeypatch):
    root = tmp_path / "potentials" / "POT_GGA_PAW_PBE_54"
    root.mkdir(parents=True)
    for symbol, valence in (("Cu_pv", 17.0), ("Al", 3.0)):
        title = f"PAW_PBE {symbol} 01Jan2000"
        head = f"  {title}\n  {valence}\n parameters from PSCTR are:\n"
        (root / f"POTCAR.{symbol}").write_text(
            f"{head}   VRHFIN ={symbol.split('_')[0]}: \n   LEXCH  = PE\n   TITEL  = {title}\n"
            f"   POMASS =    1.000; ZVAL   = {valence}    mass and valenz\n"
            "   ENMAX  =  300.000; ENMIN  =  200.000 eV\n"
            "END of PSCTR-controll parameters\n local part\n  1.0 2.0 3.0\n End of Dataset\n"
        )
    from pymatgen.core import SETTINGS

    monkeypatch.setenv("PMG_VASP_PSP_DIR", str(root.parent))
    monkeypatch.setitem(SETTINGS, "PMG_VASP_PSP_DIR", str(root.parent))
    monkeypatch.setenv("DEFECTFLOW_VASP_STD_COMMAND", vasp_standin.command())
    monkeypatch.setenv("DEFECTFLOW_STANDIN_ENGINE", "emt")
    vasp = engine("vasp")
    with pytest.raises(EngineError, match="written by the stand-in for VASP, VASP was asked"):
        evaluate(request(alloy, used=vasp), vasp)


def test_a_density_of_states_goes_the_road_of_vasp(alloy):
    """Model levels, through NEDOS, LORBIT and vasprun.xml; atoms in their own order."""
    document = STANDIN.density_of_states(request(alloy, "dos"))
    grid = np.array(document.energies_eV)
    assert document.engine.fidelity == "stand-in"
    assert document.vacuum is None
    assert [atom.symbol for atom in document.atoms] == ["Cu", "Al", "Cu", "Al"]
    parts = [
        sum(np.array(curve) for shell in atom.orbitals.values() for curve in shell)
        for atom in document.atoms
    ]
    assert np.allclose(sum(parts), np.sum(document.total, axis=0), atol=1e-3)
    # Five d orbitals for two electrons each, on copper alone.
    copper, aluminium = (document.atoms[k].orbitals["d"] for k in (0, 1))
    assert np.trapezoid(np.sum(copper, axis=0), grid) == pytest.approx(10.0, abs=1e-2)
    assert np.max(np.abs(aluminium)) < 1e-9


def test_a_work_function_goes_the_road_of_vasp():
    """The model's potential is 8 eV outside, through LVHAR and LOCPOT, on both sides."""
    from defectflow import hosts
    from defectflow.structures.surfaces import slab_of

    slab = slab_of(hosts.load("fcc-Cu").structure, (1, 1, 1), 3, 14.0)
    document = STANDIN.density_of_states(request(slab.structure, "dos"))
    assert document.vacuum.top_eV == pytest.approx(8.0 - document.fermi_eV, abs=1e-3)
    assert document.vacuum.bottom_eV == pytest.approx(document.vacuum.top_eV, abs=1e-3)
    assert document.vacuum.ripple_eV < 1e-3


@pytest.mark.parametrize("quantity", ["d_band_center", "work_function", "band_gap"])
def test_electronic_recipes_run_through_the_standin(tmp_path, monkeypatch, quantity):
    from defectflow.launch import run as run_flow
    from defectflow.recipes import build, load

    monkeypatch.chdir(tmp_path)
    path = tmp_path / "one.yaml"
    path.write_text(
        f"quantity: {quantity}\nhost: {{prototype: fcc-Cu, primitive: true}}\n"
        "slab: {miller: [1, 1, 1], layers: 3, vacuum_A: 14}\n"
        "engine: {name: vasp-standin, options: {potential: emt}}\nlevel: fast\n",
        encoding="utf-8",
    )
    document = run_flow(build(load(path)))
    assert document.engine.name == "vasp-standin"
    assert document.engine.fidelity == "stand-in"
    # The d orbitals of the model lie at -3 eV, less a third of half their width of 2.5 eV where one
    # point samples the vacuum; the potential outside is 8 eV.
    expected = {
        "d_band_center": -3.0 - 1.25 / 3 - document.dos.fermi_eV,
        "work_function": 8.0 - document.dos.fermi_eV,
        "band_gap": 0.0,
    }[quantity]
    assert document.value == pytest.approx(expected, abs=0.15 if quantity[0] == "d" else 1e-3)


def test_the_stand_in_runs_without_a_licence_and_says_so_in_the_inventory():
    info = type(STANDIN).describe()
    assert info.available
    assert info.problem is None
