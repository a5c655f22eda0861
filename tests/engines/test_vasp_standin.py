from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure
from pymatgen.io.vasp.inputs import Incar, Kpoints, Poscar
from pymatgen.io.vasp.outputs import Oszicar, Outcar, Vasprun, Xdatcar

from defectflow.engines import engine
from defectflow.engines.conversion import to_atoms
from defectflow.engines.vasp_standin import PROGRAM, VERSION, command, is_standin
from defectflow.engines.vasp_standin.__main__ import main
from defectflow.engines.vasp_standin.marks import NOTICE
from defectflow.errors import EngineError, MissingData
from defectflow.units import GPA_PER_EV_A3

EMT = engine("emt")
RELAX = {"NSW": 40, "IBRION": 2, "ISIF": 2, "EDIFFG": -0.01}
KBAR_PER_EV_A3 = 10 * GPA_PER_EV_A3

pytestmark = [
    pytest.mark.filterwarnings("ignore:No POTCAR file:UserWarning"),
    pytest.mark.filterwarnings("ignore::pymatgen.io.vasp.outputs.UnconvergedVASPWarning"),
]


@pytest.fixture(autouse=True)
def _no_wishes(monkeypatch):
    for name in ("DEFECTFLOW_STANDIN_ENGINE", "DEFECTFLOW_STANDIN_FAIL"):
        monkeypatch.delenv(name, raising=False)


def write(structure, kpoints=(3, 3, 3), potentials=None, **tags) -> Path:
    folder = Path.cwd()
    Poscar(structure).write_file(folder / "POSCAR")
    Incar(tags).write_file(folder / "INCAR")
    if kpoints:
        Kpoints.gamma_automatic(kpoints).write_file(folder / "KPOINTS")
    symbols = potentials or Poscar(structure).site_symbols
    (folder / "POTCAR.spec").write_text("\n".join(symbols))
    return folder


def reference(structure):
    """Return atoms with the engine's calculator: what the stand-in has to say."""
    atoms = to_atoms(structure)
    atoms.calc = EMT.calculator()
    return atoms


def refused(capsys) -> str:
    assert main() == 1
    out, err = capsys.readouterr()
    assert out.startswith(f" {PROGRAM}")
    assert err.startswith(f" {PROGRAM}")
    assert not Path("vasprun.xml").exists()
    return err


# --- what it computes


def test_energy_forces_and_stress_are_those_of_the_engine(copper):
    write(copper)
    assert main() == 0
    ours = reference(copper)
    run = Vasprun("vasprun.xml")
    step = run.ionic_steps[-1]
    assert float(run.final_energy) == pytest.approx(ours.get_potential_energy(), abs=1e-7)
    assert np.allclose(step["forces"], ours.get_forces(), atol=1e-7)
    kbar = -ours.get_stress(voigt=False) * KBAR_PER_EV_A3
    assert np.allclose(step["stress"], kbar, atol=1e-4)
    assert float(Oszicar("OSZICAR").final_energy) == pytest.approx(
        ours.get_potential_energy(), abs=1e-7
    )
    assert Outcar("OUTCAR").final_energy == pytest.approx(ours.get_potential_energy(), abs=1e-7)
    assert run.converged


def test_a_stretched_cell_has_negative_pressure_as_in_vasp(copper):
    write(copper)
    assert main() == 0
    assert np.trace(Vasprun("vasprun.xml").ionic_steps[-1]["stress"]) < 0


@pytest.mark.parametrize("isif", [2, 3, 4, 5, 6, 7, 8])
def test_isif_frees_what_it_says(copper, isif):
    write(copper, **{**RELAX, "ISIF": isif})
    assert main() == 0
    run = Vasprun("vasprun.xml")
    assert run.converged
    final, steps = run.final_structure, run.ionic_steps
    energies = [step["e_0_energy"] for step in steps]
    assert energies[-1] < energies[0]
    ions_move = not np.allclose(final.frac_coords, copper.frac_coords, atol=1e-5)
    assert ions_move == (isif in {2, 3, 4, 8})
    volume_moves = abs(final.volume - copper.volume) > 1e-3
    assert volume_moves == (isif in {3, 6, 7, 8})
    if isif in {7, 8}:
        assert np.allclose(final.lattice.angles, 90, atol=1e-6)
        assert np.ptp(final.lattice.abc) < 1e-6
    if isif == 3:
        assert np.abs(steps[-1]["stress"]).max() < 5
    assert len(Xdatcar("XDATCAR")) == len(steps) == len(Oszicar("OSZICAR").ionic_steps)


def test_the_contcar_is_the_last_geometry_that_was_evaluated(copper):
    write(copper, **RELAX)
    assert main() == 0
    relaxed = Poscar.from_file("CONTCAR").structure
    assert reference(relaxed).get_potential_energy() == pytest.approx(
        float(Vasprun("vasprun.xml").final_energy), abs=1e-7
    )
    assert np.linalg.norm(reference(relaxed).get_forces(), axis=1).max() < 0.01


def test_a_positive_threshold_is_of_the_energy(copper):
    write(copper, **{**RELAX, "EDIFFG": 1e-3})
    assert main() == 0
    energies = [step["e_0_energy"] for step in Vasprun("vasprun.xml").ionic_steps]
    changes = np.abs(np.diff(energies))
    assert changes[-1] < 1e-3
    assert (changes[:-1] >= 1e-3).all()


def test_too_few_steps_end_as_in_vasp(copper):
    write(copper, **{**RELAX, "NSW": 2})
    assert main() == 0
    run = Vasprun("vasprun.xml")
    assert len(run.ionic_steps) == 2
    assert run.converged_electronic
    assert not run.converged_ionic


def test_selective_dynamics_hold_atoms_and_directions(copper):
    flags = [[True] * 3, [False] * 3, [True, True, False], [True] * 3]
    copper.add_site_property("selective_dynamics", flags)
    write(copper, **RELAX)
    assert main() == 0
    final = Vasprun("vasprun.xml").final_structure
    moves = final.frac_coords - copper.frac_coords
    assert np.allclose(moves[1], 0, atol=1e-9)
    assert moves[2][2] == pytest.approx(0, abs=1e-9)
    assert np.abs(moves[2][:2]).max() > 1e-4
    assert np.array_equal(Poscar.from_file("CONTCAR").selective_dynamics, flags)


def test_frequencies_of_vibration_are_those_of_the_force_constants():
    structure = Structure(Lattice.cubic(12), ["N", "N"], [[0, 0, 0], [0.1, 0, 0]])
    write(structure, IBRION=2, NSW=60, ISIF=2, EDIFFG=-1e-4)
    assert main() == 0
    write(Poscar.from_file("CONTCAR").structure, IBRION=5, NSW=1, POTIM=0.01)
    assert main() == 0
    run = Vasprun("vasprun.xml")
    eigenvalues = sorted(run.normalmode_eigenvals)
    mode = run.normalmode_eigenvecs[int(np.argmin(run.normalmode_eigenvals))]
    assert len(eigenvalues) == 6
    assert eigenvalues[0] < -1
    assert np.allclose(eigenvalues[3:], 0, atol=1e-2)  # translations
    assert mode[0, 0] == pytest.approx(-mode[1, 0], abs=1e-4)
    assert run.converged


# --- what it gives back


def test_moments_and_electrons_come_back(copper):
    write(copper, ISPIN=2, MAGMOM=[1.5, 1.5, -2, 0], LORBIT=11, NELECT=43)
    assert main() == 0
    outcar, run = Outcar("OUTCAR"), Vasprun("vasprun.xml")
    assert [atom["tot"] for atom in outcar.magnetization] == [1.5, 1.5, -2, 0]
    assert outcar.total_mag == 1.0
    assert outcar.nelect == run.parameters["NELECT"] == 43
    assert run.parameters["MAGMOM"] == [1.5, 1.5, -2, 0]
    assert Oszicar("OSZICAR").ionic_steps[-1]["mag"] == 1.0
    assert run.is_spin


def test_electrons_of_the_neutral_cell_are_counted(oxide, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_STANDIN_ENGINE", "ase:ase.calculators.lj:LennardJones")
    write(oxide, potentials=["Mg_pv", "O"], IBRION=-1)
    assert main() == 0
    assert Outcar("OUTCAR").nelect == 8 + 6
    assert Vasprun("vasprun.xml").potcar_symbols[0].split()[1] == "Mg_pv"


def test_a_real_potcar_gives_title_and_electrons(copper):
    write(copper)
    title = "PAW_PBE Cu_pv 06Sep2000"
    Path("POTCAR").write_text(
        f"  {title}\n 17.0000\n   TITEL  = {title}\n   POMASS =   63.546; ZVAL   =   17.000\n"
    )
    assert main() == 0
    assert Vasprun("vasprun.xml", parse_potcar_file=False).potcar_symbols == [title]
    assert Outcar("OUTCAR").nelect == 4 * 17


def test_groups_of_one_element_stay_apart(copper):
    structure = copper.copy()
    structure.replace(1, "Al")
    write(structure, potentials=["Cu", "Al", "Cu_pv"])
    assert main() == 0
    run = Vasprun("vasprun.xml")
    assert run.atomic_symbols == ["Cu", "Al", "Cu", "Cu"]
    assert Poscar.from_file("CONTCAR").site_symbols == ["Cu", "Al", "Cu"]
    assert Outcar("OUTCAR").nelect == 11 + 3 + 2 * 17


def test_the_mesh_is_written_back(copper):
    write(copper, kpoints=(2, 2, 3))
    assert main() == 0
    run = Vasprun("vasprun.xml")
    assert tuple(run.kpoints.kpts[0]) == (2, 2, 3)
    assert sum(run.actual_kpoints_weights) == pytest.approx(1, abs=1e-6)
    write(copper, kpoints=None, KSPACING=0.6)
    Path("KPOINTS").unlink()
    assert main() == 0
    assert tuple(Vasprun("vasprun.xml").kpoints.kpts[0]) == (3, 3, 3)


@pytest.mark.parametrize(
    ("text", "count"),
    [("explicit\n2\nrec\n0 0 0 1\n0.5 0 0 3\n", 2), ("auto\n0\nAuto\n10\n", 14)],
)
def test_other_kinds_of_kpoints_are_read(text, count):
    write(Structure(Lattice.cubic(3.6), ["Cu"], [[0, 0, 0]]))
    Path("KPOINTS").write_text(text)
    assert main() == 0
    # a 3 x 3 x 3 mesh of a cubic cell has 4 irreducible points
    expected = 4 if "Auto" in text else count
    assert len(Vasprun("vasprun.xml").actual_kpoints) == expected


# --- what it is


def test_every_file_says_what_wrote_it(copper):
    write(copper, **{**RELAX, "NSW": 1})
    assert main() == 0
    for name in ("vasprun.xml", "OUTCAR", "OSZICAR", "CONTCAR", "XDATCAR", "CHGCAR", "WAVECAR"):
        assert PROGRAM in Path(name).read_text()[:400], name
    run = Vasprun("vasprun.xml")
    assert run.vasp_version == VERSION
    assert run.generator["program"].lower() == PROGRAM
    assert NOTICE in Path("OUTCAR").read_text().splitlines()[0]


def test_it_is_recognised_with_suffixes_and_compressed(copper, tmp_path):
    write(copper)
    assert main() == 0
    assert is_standin(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    with gzip.open(other / "vasprun.xml.relax2.gz", "wb") as file:
        file.write(Path("vasprun.xml").read_bytes())
    assert is_standin(other)


@pytest.mark.parametrize("name", ["OUTCAR", "OSZICAR", "vasprun.xml"])
def test_each_marked_file_is_enough(copper, tmp_path, name):
    write(copper)
    assert main() == 0
    (tmp_path / "one").mkdir()
    shutil.copy(name, tmp_path / "one" / name)
    assert is_standin(tmp_path / "one")


def test_vasp_that_goes_on_from_our_contcar_is_not_taken_for_us(tmp_path):
    header = ' <i name="program" type="string">vasp </i>\n'
    (tmp_path / "vasprun.xml").write_text(f"<modeling>\n<generator>\n{header}</generator>\n")
    (tmp_path / "OUTCAR").write_text(f" vasp.6.4.2 20Jul23\n POSCAR: {PROGRAM}: Cu4\n")
    (tmp_path / "CONTCAR").write_text(f"{PROGRAM}: Cu4\n")
    assert not is_standin(tmp_path)


def test_a_folder_without_output_is_an_error(tmp_path):
    with pytest.raises(MissingData, match=r"no vasprun\.xml"):
        is_standin(tmp_path)


def test_the_engine_can_be_chosen(copper, monkeypatch, capsys):
    monkeypatch.setenv("DEFECTFLOW_STANDIN_ENGINE", "ase:ase.calculators.lj:LennardJones")
    write(copper)
    assert main() == 0
    assert "LennardJones" in capsys.readouterr().out
    assert "LennardJones" in Path("OUTCAR").read_text().splitlines()[1]
    monkeypatch.setenv("DEFECTFLOW_STANDIN_ENGINE", "emmt")
    assert "did you mean emt" in refused(capsys)


def test_the_executable_starts_without_atomate2(copper):
    write(copper)
    code = (
        "import sys; from defectflow.engines.vasp_standin.__main__ import main; main(); "
        "sys.exit(sum(name in sys.modules for name in ('atomate2', 'pymatgen.io.vasp', 'torch')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- what it refuses


@pytest.mark.parametrize(
    ("tags", "named"),
    [
        ({"ICHARG": 11}, "ICHARG = 11"),
        ({"LOPTICS": True}, "LOPTICS"),
        ({"LSORBIT": True}, "LSORBIT"),
        ({"ALGO": "Exact"}, "ALGO = Exact"),
        ({"ALGO": "None"}, "ALGO"),
        ({"NSW": 10, "IBRION": 0}, "molecular dynamics"),
        ({"NSW": 10}, "IBRION = by default asks for molecular dynamics"),
        ({"NSW": 1, "IBRION": 8}, "perturbation theory"),
        ({"PSTRESS": 10}, "PSTRESS"),
        ({"ISIF": 9}, "ISIF"),
        ({"ISPIN": 2, "MAGMOM": [1, 1]}, "MAGMOM has 2 values for 4 atoms"),
    ],
)
def test_what_needs_electrons_is_refused(copper, capsys, tags, named):
    write(copper)
    assert main() == 0
    capsys.readouterr()
    write(copper, **tags)
    assert named in refused(capsys)


def test_output_of_vasp_is_not_overwritten(copper, capsys):
    write(copper)
    Path("OUTCAR").write_text(" vasp.6.4.2 20Jul23 (build) complex\n")
    Path("WAVECAR").write_text("many hours")
    assert "holds output of VASP itself" in refused(capsys)
    assert Path("OUTCAR").read_text().startswith(" vasp.6.4.2")
    assert Path("WAVECAR").read_text() == "many hours"


def test_band_structures_are_refused(copper, capsys):
    write(copper)
    Path("KPOINTS").write_text("path\n10\nLine-mode\nrec\n0 0 0 G\n0.5 0 0 X\n")
    assert "band structure" in refused(capsys)
    Path("KPOINTS").write_text("zero\n2\nrec\n0 0 0 1\n0.5 0 0 0\n")
    assert "band structure" in refused(capsys)


@pytest.mark.parametrize("name", ["INCAR", "POSCAR", "POTCAR.spec"])
def test_missing_inputs_are_named(copper, capsys, name):
    write(copper)
    Path(name).unlink()
    assert name in refused(capsys)


def test_other_elements_in_potcar_than_in_poscar_are_refused(copper, capsys):
    write(copper, potentials=["Al"])
    assert "POSCAR has the elements Cu, POTCAR has Al" in refused(capsys)


def test_the_functional_is_ignored_and_said_so(copper, capsys):
    write(copper, LHFCALC=True, HFSCREEN=0.2, METAGGA="R2scan", LVTOT=True, ISIF=2)
    assert main() == 0
    out = capsys.readouterr().out
    assert "LHFCALC" in out
    assert "LOCPOT not written" in out
    assert not Path("LOCPOT").exists()


# --- how it stops and fails


@pytest.mark.parametrize(
    ("stopcar", "line"), [("LSTOP = .TRUE.", "soft stop"), ("LABORT = .TRUE.", "hard stop")]
)
def test_stopcar_is_obeyed_and_removed(copper, stopcar, line):
    write(copper, **RELAX)
    Path("STOPCAR").write_text(stopcar)
    assert main() == 0
    assert len(Vasprun("vasprun.xml").ionic_steps) == 1
    assert f"{line} encountered!" in Path("OUTCAR").read_text()
    assert Outcar("OUTCAR").is_stopped == (line == "soft stop")
    assert not Path("STOPCAR").exists()


def test_a_protected_stopcar_stays(copper):
    write(copper, **RELAX)
    Path("STOPCAR").write_text("LSTOP = .TRUE.")
    Path("STOPCAR").chmod(0o444)
    assert main() == 0
    assert Path("STOPCAR").exists()


def test_a_run_out_of_wall_time_stops_once(copper, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_STANDIN_FAIL", "walltime:2")
    write(copper, **RELAX)
    assert main() == 0
    assert Outcar("OUTCAR").is_stopped
    assert len(Vasprun("vasprun.xml").ionic_steps) == 2
    assert main() == 0
    assert not Outcar("OUTCAR").is_stopped


def test_electrons_that_do_not_converge(copper, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_STANDIN_FAIL", "scf:1")
    write(copper, NELM=7, **RELAX)
    assert main() == 0
    run = Vasprun("vasprun.xml")
    assert not run.converged_electronic
    assert len(run.ionic_steps[-1]["electronic_steps"]) == 7
    assert len(Oszicar("OSZICAR").electronic_steps[-1]) == 7
    wrong = float(run.final_energy)
    assert main() == 0
    run = Vasprun("vasprun.xml")
    assert run.converged
    assert float(run.final_energy) == pytest.approx(wrong - 0.1, abs=1e-6)


def test_a_failure_that_does_not_exist_is_refused(copper, monkeypatch, capsys):
    monkeypatch.setenv("DEFECTFLOW_STANDIN_FAIL", "fire:1")
    write(copper)
    assert "scf:N or walltime:N" in refused(capsys)


# --- bands


@pytest.fixture
def vacancy_hop() -> list[Structure]:
    """A vacancy hop in fcc copper: ends and three images on a straight line."""
    bulk = Structure.from_spacegroup("Fm-3m", Lattice.cubic(3.61), ["Cu"], [[0, 0, 0]])
    bulk.make_supercell([2, 2, 2])
    near = sorted(range(len(bulk)), key=lambda i: bulk[0].distance(bulk[i]))[1]
    initial, final = bulk.copy(), bulk.copy()
    final.replace(near, "Cu", bulk[0].frac_coords)
    for structure in (initial, final):
        structure.remove_sites([0])
    return initial.interpolate(final, nimages=4, pbc=True)


def write_band(images, **tags) -> Path:
    folder = write(images[0], IMAGES=len(images) - 2, **tags)
    for number, image in enumerate(images):
        (folder / f"{number:02d}").mkdir(exist_ok=True)
        image.to(str(folder / f"{number:02d}" / "POSCAR"), fmt="poscar")
    return folder


def test_a_climbing_band_is_read_by_pymatgen_and_emmet(vacancy_hop):
    from emmet.core.neb import NebIntermediateImagesDoc
    from pymatgen.analysis.transition_state import NEBAnalysis

    folder = write_band(vacancy_hop, LCLIMB=True, NSW=80, IBRION=3, EDIFFG=-0.05)
    assert main() == 0
    assert is_standin(folder)
    for end in ("00", "04"):
        assert [path.name for path in (folder / end).iterdir()] == ["POSCAR"]

    document = NebIntermediateImagesDoc.from_directory(folder)
    assert document.state == "successful"
    barrier = document.energies[1] - reference(vacancy_hop[0]).get_potential_energy()
    assert 0.5 < barrier < 1.5
    assert document.energies[0] == pytest.approx(document.energies[2], abs=5e-3)
    climbed = reference(document.images[1])
    assert climbed.get_potential_energy() == pytest.approx(document.energies[1], abs=1e-4)
    assert np.linalg.norm(climbed.get_forces(), axis=1).max() < 0.06

    Path("end").mkdir()
    shutil.copy("00/POSCAR", "end/POSCAR")
    Path("end").joinpath("INCAR").write_text("NSW = 0\n")
    shutil.copy("POTCAR.spec", "end")
    subprocess.run(command().split(), cwd="end", check=True, stdout=subprocess.DEVNULL)
    analysis = NEBAnalysis.from_dir(folder, relaxation_dirs=("end", "end"))
    assert analysis.relative_energies[2] == pytest.approx(barrier, abs=1e-4)
    assert abs(analysis.forces[2]) < 0.05


def test_a_band_that_is_too_short_or_inconsistent_is_refused(vacancy_hop, capsys):
    folder = write_band(vacancy_hop, NSW=1, IBRION=3)
    shutil.rmtree(folder / "04")
    assert "04" in refused(capsys)
    write_band([*vacancy_hop[:4], vacancy_hop[4] * (1, 1, 2)], NSW=1, IBRION=3)
    assert "other atoms or another cell" in refused(capsys)


def test_the_ends_of_a_band_keep_their_place_and_stopcar_counts(vacancy_hop):
    write_band(vacancy_hop, NSW=50, IBRION=1, EDIFFG=-0.001)
    Path("STOPCAR").write_text("LSTOP = .TRUE.")
    assert main() == 0
    for image in ("01", "02", "03"):
        assert len(Vasprun(f"{image}/vasprun.xml").ionic_steps) == 1
        assert Outcar(f"{image}/OUTCAR").is_stopped


# --- atomate2, custodian and emmet


@pytest.fixture
def settings(monkeypatch) -> dict:
    """Keyword arguments of atomate2's makers that run the stand-in."""
    from atomate2.vasp.run import DEFAULT_HANDLERS
    from custodian.vasp.handlers import PositiveEnergyErrorHandler

    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    handlers = [h for h in DEFAULT_HANDLERS if not isinstance(h, PositiveEnergyErrorHandler)]
    return {
        "run_vasp_kwargs": {
            "vasp_cmd": command(),
            "vasp_gamma_cmd": command(),
            "handlers": handlers,
            "custodian_kwargs": {"polling_time_step": 0.1, "monitor_freq": 5},
        },
        "write_input_set_kwargs": {"potcar_spec": True},
    }


def run_flow(flow):
    from jobflow import JobStore, run_locally
    from maggma.stores import MemoryStore

    store = JobStore(MemoryStore(), additional_stores={"data": MemoryStore()})
    return run_locally(flow, store=store, raise_immediately=True, create_folders=True, log=False)


def last_output(flow, responses):
    return responses[flow.output.uuid][1].output


@pytest.mark.filterwarnings("ignore")
def test_atomate2_relaxes_evaluates_and_hands_over(copper, settings):
    from atomate2.vasp.flows.core import DoubleRelaxMaker
    from atomate2.vasp.jobs.core import RelaxMaker, StaticMaker
    from jobflow import Flow

    copper.add_site_property("magmom", [1.5, 1.5, -2, 0])
    relax = DoubleRelaxMaker.from_relax_maker(RelaxMaker(**settings)).make(copper)
    static = StaticMaker(**settings).make(relax.output.structure, prev_dir=relax.output.dir_name)
    flow = Flow([relax, static], output=static.output)
    document = last_output(flow, run_flow(flow))
    assert document.state == "successful"
    assert document.calcs_reversed[0].vasp_version == VERSION
    assert document.additional_json["standin"]["engine"]["name"] == "emt"
    assert document.structure.site_properties["magmom"] == [1.5, 1.5, -2, 0]
    assert document.output.energy == pytest.approx(
        reference(document.structure).get_potential_energy(), abs=1e-4
    )
    assert np.abs(document.output.forces).max() < 0.03
    assert np.abs(document.output.stress).max() < 10
    assert document.output.bandgap is None
    assert is_standin(document.dir_name.split(":", 1)[-1])


@pytest.mark.filterwarnings("ignore")
def test_custodian_repairs_electrons_that_do_not_converge(copper, settings, monkeypatch):
    from atomate2.vasp.jobs.core import RelaxMaker

    monkeypatch.setenv("DEFECTFLOW_STANDIN_FAIL", "scf:1")
    job = RelaxMaker(**settings).make(copper)
    document = run_flow(job)[job.uuid][1].output
    assert document.state == "successful"
    corrections = document.custodian[0].corrections
    assert [c["handler"].get("@class") for c in corrections] == ["UnconvergedErrorHandler"]
    assert document.calcs_reversed[0].input.incar["ALGO"] == "Normal"
    assert document.additional_json["standin"]["runs"] == 2


@pytest.mark.filterwarnings("ignore")
def test_the_wall_time_handler_stops_a_run(copper, settings, monkeypatch, tmp_path):
    from atomate2.vasp.jobs.core import RelaxMaker
    from atomate2.vasp.sets.core import RelaxSetGenerator

    (tmp_path / "slow.py").write_text(
        "import time\nfrom ase.calculators.emt import EMT\n\n\nclass Slow(EMT):\n"
        "    def calculate(self, *args, **kwargs):\n"
        "        time.sleep(0.3)\n        super().calculate(*args, **kwargs)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("DEFECTFLOW_STANDIN_ENGINE", "ase:slow:Slow")
    now = datetime.now().astimezone().strftime("%a %b %d %H:%M:%S UTC %Y")
    monkeypatch.setenv("CUSTODIAN_WALLTIME_START", now)
    settings["run_vasp_kwargs"]["wall_time"] = 10
    generator = RelaxSetGenerator(user_incar_settings={"EDIFFG": -1e-6})
    job = RelaxMaker(**settings, input_set_generator=generator).make(copper)
    document = run_flow(job)[job.uuid][1].output
    assert document.calcs_reversed[0].output.outcar["is_stopped"]
    assert document.custodian[0].corrections[0]["errors"] == ["Walltime reached"]
    # pymatgen takes fewer steps than NSW for convergence: whoever reads must ask is_stopped too
    assert document.calcs_reversed[0].has_vasp_completed == "successful"


@pytest.mark.filterwarnings("ignore")
def test_custodian_sees_a_refusal(copper, settings):
    from atomate2.vasp.jobs.core import RelaxMaker
    from atomate2.vasp.sets.core import RelaxSetGenerator
    from custodian.custodian import ValidationError

    generator = RelaxSetGenerator(user_incar_settings={"LOPTICS": True})
    job = RelaxMaker(**settings, input_set_generator=generator).make(copper)
    with pytest.raises(ValidationError):
        run_flow(job)
    stderr = next(Path.cwd().glob("job_*/std_err.txt"))
    assert "optical spectra" in stderr.read_text()


@pytest.mark.filterwarnings("ignore")
def test_atomate2_runs_a_band(vacancy_hop, settings):
    from atomate2.vasp.jobs.neb import NebFromImagesMaker

    # without a POTCAR custodian's copies of the inputs of a band would fail
    output = {"output_file": "vasp.out", "stderr_file": "std_err.txt"}
    settings["run_vasp_kwargs"] |= {
        "job_type": "neb",
        "vasp_job_kwargs": {"backup": False, **output},
    }
    maker = NebFromImagesMaker(**settings)
    maker.input_set_generator.user_incar_settings = {"EDIFFG": -0.05, "NSW": 80}
    job = maker.make(vacancy_hop)
    document = run_flow(job)[job.uuid][1].output
    assert document.state == "successful"
    assert len(document.energies) == 3
    assert os.environ["OMP_NUM_THREADS"] == "1"


def test_the_python_errors_are_ours(copper, tmp_path):
    from defectflow.engines.vasp_standin.inputs import read_inputs

    write(copper, NSW="many")
    with pytest.raises(EngineError, match="NSW = "):
        read_inputs(tmp_path)
