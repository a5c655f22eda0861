"""Plans beside what the same recipes do when they run, and beside their own input files."""

from __future__ import annotations

import csv
import itertools
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from ase.io.espresso import read_espresso_in
from click.testing import CliRunner
from pymatgen.io.vasp import Incar, Kpoints, Poscar

from defectflow import paths, recipes, run
from defectflow.cli import main
from defectflow.engines.espresso_pseudos import FOLDER_VARIABLE
from defectflow.launch.input_writing import WARNING
from defectflow.launch.plan_writing import write_plan
from defectflow.launch.planning import Planner
from defectflow.store import open_store

BARRIER = """\
quantity: migration_barrier
host: {prototype: fcc-Cu}
species: Cu
limit: discharged
engine: emt
level: fast
min_image_distance_A: 5
"""
ADSORPTION = """\
quantity: adsorption_free_energy
host: {prototype: fcc-Pt}
slab: {miller: [1, 1, 1], layers: 3, frozen_layers: 2, repeat: [1, 1], vacuum_A: 10}
adsorbate: H
correction: vibrations
keep: 1
engine: emt
level: fast
"""
#: One shipped recipe of each quantity; benchmarks/plans.py goes through all of them.
WORKFLOWS = {
    one.partition("-")[0]: Path(one).stem
    for one in sorted(paths.listing("workflows", "*.yaml"), reverse=True)
}
#: Names of files with which a code, or a person, would take a folder for a finished calculation.
RESULTS = re.compile(
    r"OUTCAR|CONTCAR|OSZICAR|vasprun|CHGCAR|WAVECAR|POTCAR$|\.sqlite|\.gpw|pw\.out"
)


@pytest.fixture
def call():
    def run_cli(*words):
        return CliRunner().invoke(main, [str(word) for word in words])

    return run_cli


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cu.yaml").write_text(BARRIER)
    (tmp_path / "h.yaml").write_text(ADSORPTION)
    return tmp_path


@pytest.fixture
def without_vasp(monkeypatch):
    """Take VASP, its potentials and what is said about them out of the environment."""
    for name in ("PMG_VASP_PSP_DIR", "DEFECTFLOW_VASP_STD_COMMAND", "DEFECTFLOW_VASP_VTST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


def jobs_of(folder):
    with (folder / "planned_jobs.csv").open() as file:
        return list(csv.DictReader(file))


def inputs_of(folder, row):
    (found,) = (folder / "inputs").glob(f"{int(row['number']):03d}-*")
    return found


def without_results(name):
    """Return the name of a job without what follows from energies: lengths and lowest sites."""
    return re.sub(r", \d+\.\d+ Å|(?<=^vibrations of H) at .*", "", name)


def refused(result, *said):
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for words in said:
        assert words in result.stderr


# --- the whole flow


@pytest.mark.parametrize("name", ["cu", "h"])
def test_the_jobs_of_a_plan_are_those_of_a_run(name, folder):
    """Hops, sites, images and vibrations come into being at run time, in both."""
    recipe = recipes.load(folder / f"{name}.yaml")
    plan = Planner(None, None).plan(name, recipes.build(recipe))
    run(recipes.build(recipe), folder / "a.sqlite")
    with open_store(folder / "a.sqlite", create=False) as store:
        ran = [one["name"] for one in store.jobs.docs_store.query({}, ["name", "metadata"])]
        later = Planner(store, None).plan(name, recipes.build(recipe))
    planned = [without_results(row.planned.job.name) for row in plan.rows]
    assert sorted(planned) == sorted(without_results(one) for one in ran if one != "store_inputs")
    kinds = {row.planned.kind for row in plan.rows}
    assert kinds >= ({"relax", "band"} if name == "cu" else {"relax", "vibrations"})
    # What was computed is found, and nothing is left to do.
    assert later.count("compute") == 0
    assert later.count("stored") + later.count("shared") == plan.count("compute")
    assert "nothing to compute" in later.summary()[1]


def test_a_changed_recipe_takes_from_the_store_what_stays_the_same(folder):
    recipe = recipes.load(folder / "cu.yaml")
    run(recipes.build(recipe), folder / "a.sqlite")
    (folder / "cu2.yaml").write_text(BARRIER.replace("distance_A: 5", "distance_A: 7"))
    with open_store(folder / "a.sqlite", create=False) as store:
        plan = Planner(store, None).plan("b", recipes.build(recipes.load(folder / "cu2.yaml")))
    states = {row.planned.job.name: row.planned.state for row in plan.rows}
    assert states["relax host"] == "stored"
    assert plan.count("compute") == 2  # the end and the band of the larger cell


def test_a_job_that_two_recipes_need_is_counted_once(folder, call):
    (folder / "cu2.yaml").write_text(BARRIER.replace("distance_A: 5", "distance_A: 7"))
    result = call("plan", "cu.yaml", "cu2.yaml")
    assert result.exit_code == 0, result.output
    assert "1 that another job computes" in result.stdout
    assert "all 2 recipes" in result.stdout
    (shared,) = [row for row in jobs_of(folder / "plan" / "cu2") if "another" in row["state"]]
    assert shared["job"] == "relax host"


def test_every_plan_has_a_folder_of_its_own_below_the_one_asked_for(folder, call):
    for place in ("a", "b"):
        (folder / place).mkdir()
    (folder / "a" / "cu.yaml").write_text(BARRIER)
    (folder / "b" / "cu.yaml").write_text(BARRIER.replace("distance_A: 5", "distance_A: 7"))
    (folder / "cu.yaml").write_text(f"{BARRIER}name: ../../evil\nimages: 1\n")
    result = call("plan", "a/cu.yaml", "b/cu.yaml", "cu.yaml", "-o", "some/place")
    assert result.exit_code == 0, result.output
    assert sorted(one.name for one in (folder / "some/place").iterdir()) == ["cu", "cu-2", "evil"]
    assert "b/cu.yaml: its plan is in some/place/cu-2" in result.stderr
    assert "cu.yaml: its plan is in some/place/evil" in result.stderr
    assert not (folder / "evil").exists()
    assert not (folder.parent / "evil").exists()


@pytest.mark.parametrize("name", sorted(WORKFLOWS.values()))
def test_shipped_recipes_can_be_planned(name, tmp_path, without_vasp):
    """With its own engines; of each job there are atoms, inputs and a place in the graph."""
    recipe = recipes.load(name)
    plan = Planner(None, None).plan(name, recipes.build(recipe))
    write_plan(plan, tmp_path / name)
    rows = jobs_of(tmp_path / name)
    computed = [row for row in rows if row["state"] == "planned"]
    assert computed
    drawing = ET.parse(tmp_path / name / "graph.svg").getroot()  # noqa: S314 - written just now
    boxes = drawing.findall("{http://www.w3.org/2000/svg}rect")
    assert len(boxes) == len(rows)
    for row in rows:
        assert all(int(one) < int(row["number"]) for one in row["waits for"].split())
    for row in computed:
        assert int(row["atoms"]) > 0
        assert list(inputs_of(tmp_path / name, row).rglob("POSCAR"))
        if row["engine"] == "gpaw":
            assert float(row["electrons"]) > 0
            assert int(row["irreducible"]) <= np.prod([int(n) for n in row["k-points"].split("x")])
            assert float(row["memory needed MB"]) > 200


# --- input files


def test_vasp_files_are_complete_and_agree_with_the_table(folder, call, without_vasp):
    """On a machine without VASP and its potentials."""
    result = call("plan", "cu.yaml", "h.yaml", "--engine", "vasp")
    assert result.exit_code == 0, result.output
    assert "missing here: engine vasp: program vasp_std" in result.stderr
    for name in ("cu", "h"):
        for row in jobs_of(folder / "plan" / name):
            if row["state"] == "arranges structures":
                continue
            place = inputs_of(folder / "plan" / name, row)
            points = sorted(place.rglob("POSCAR"))
            hydrogen = Poscar.from_file(points[0]).structure.composition["H"]
            if row["kind"] == "vibrations":  # fewer than all: both hosts are symmetric
                assert 1 + 2 <= len(points) < 1 + 3 * hydrogen
            else:
                assert len(points) == int(row["images"])
            for poscar in points:
                structure = Poscar.from_file(poscar).structure
                assert len(structure) == int(row["atoms"])
                mesh = Kpoints.from_file(poscar.with_name("KPOINTS")).kpts[0]
                assert "x".join(map(str, mesh)) == row["k-points"]
                assert Incar.from_file(poscar.with_name("INCAR"))["ENCUT"] > 200
                symbols = poscar.with_name("POTCAR.spec").read_text().split()
                assert [one.split("_")[0] for one in symbols] == list(
                    dict.fromkeys(site.specie.symbol for site in structure)
                )


def test_charges_are_planned_as_they_would_run(folder, call, without_vasp):
    (folder / "q.yaml").write_text(
        "quantity: bader_charge\nhost: {prototype: fcc-Cu, primitive: true}\nadsorbate: H\n"
        "slab: {miller: [1, 1, 1], layers: 3, vacuum_A: 8}\nengine: vasp\nlevel: fast\n"
    )
    result = call("plan", "q.yaml")
    assert result.exit_code == 0, result.output
    charges = [row for row in jobs_of(folder / "plan" / "q") if row["kind"] == "charges"]
    assert [row["job"] for row in charges] == [
        "charges of whole",
        "charges of slab",
        "charges of H",
    ]
    for row in charges:
        place = inputs_of(folder / "plan" / "q", row)
        incar, lattice = Incar.from_file(place / "INCAR"), Poscar.from_file(place / "POSCAR")
        assert incar["LAECHG"]
        assert incar["LCHARG"]
        assert (incar["NSW"], incar["IBRION"]) == (0, -1)
        spacing_A = np.array(lattice.structure.lattice.abc) / [incar[f"NG{a}F"] for a in "XYZ"]
        assert (spacing_A <= 0.06).all()


def test_a_guided_relaxation_is_planned_as_single_points(folder, call, without_vasp):
    (folder / "h.yaml").write_text(ADSORPTION.replace("engine: emt", "engine: vasp\nscreen: emt"))
    result = call("plan", "h.yaml")
    assert result.exit_code == 0, result.output
    relaxed = [row for row in jobs_of(folder / "plan" / "h") if row["kind"] == "relax"]
    vasp = [row for row in relaxed if row["engine"] == "vasp"]
    tags = {}
    for row in vasp:
        incar = Incar.from_file(inputs_of(folder / "plan" / "h", row) / "INCAR")
        tags.setdefault((incar["NSW"], incar["IBRION"]), []).append(row["job"])
    assert {"relax clean slab", "relax H at top"} <= set(tags[0, -1])
    assert "relax host" not in tags[0, -1]


@pytest.mark.parametrize(("version", "tags"), [("6.3.2", (0, 2)), ("6.4.1", (100, 8))])
def test_a_cell_is_planned_to_be_scaled_as_that_vasp_can(
    version, tags, folder, call, without_vasp, monkeypatch
):
    monkeypatch.setenv("DEFECTFLOW_VASP_VERSION", version)
    (folder / "cu.yaml").write_text(f"{BARRIER}host_cell: scale\n")
    assert call("plan", "cu.yaml", "--engine", "vasp").exit_code == 0
    host = jobs_of(folder / "plan" / "cu")[0]
    assert host["job"] == "relax host"
    incar = Incar.from_file(inputs_of(folder / "plan" / "cu", host) / "INCAR")
    assert (incar["NSW"], incar["ISIF"]) == tags


def test_a_band_of_vtst_has_vasps_folders(folder, call, without_vasp, monkeypatch):
    monkeypatch.setenv("DEFECTFLOW_VASP_VTST", "1")
    (folder / "cu.yaml").write_text(BARRIER + "guide: none\npath: dft\n")
    assert call("plan", "cu.yaml", "--engine", "vasp").exit_code == 0
    (row,) = [one for one in jobs_of(folder / "plan" / "cu") if one["kind"] == "band"]
    place = inputs_of(folder / "plan" / "cu", row)
    images = int(row["images"])
    incar = Incar.from_file(place / "INCAR")
    assert (incar["IMAGES"], incar["LCLIMB"], incar["IOPT"]) == (images, True, 1)
    numbers = [f"{number:02d}" for number in range(images + 2)]
    assert sorted(one.name for one in place.iterdir() if one.is_dir()) == numbers
    ends = [Poscar.from_file(place / one / "POSCAR").structure for one in numbers]
    steps = [
        a.lattice.get_all_distances(a.frac_coords, b.frac_coords).diagonal().max()
        for a, b in itertools.pairwise(ends)
    ]
    assert max(steps) < 1.3 * min(steps)
    assert min(steps) > 0.1


LAYERED = """\
quantity: migration_barrier
host: {prototype: 1T-TiS2}
species: Mg
limit: charged
path: dft
guide: none
"""


def test_a_plan_says_who_moves_the_images(folder, call, without_vasp, monkeypatch):
    def told(processes):
        monkeypatch.setenv("DEFECTFLOW_DFT_PROCESSES", str(processes))
        return call("plan", "cu.yaml", "--engine", "vasp", "--level", "balanced").stdout

    (folder / "cu.yaml").write_text(BARRIER + "guide: none\npath: dft\n")
    driven = "note: bands: defectflow moves the images, VASP runs once for each image and step"
    assert f"{driven}; VASP itself would with VTST" in told(3)
    monkeypatch.setenv("DEFECTFLOW_VASP_VTST", "1")
    assert "VASP relaxes all images at a time" in told(3)
    assert f"{driven}, because: engine vasp: a band of 3 images on 4 processes" in told(4)
    assert "multiple of the images" in (folder / "plan" / "cu" / "summary.txt").read_text()


def test_a_plan_says_that_layers_have_no_dispersion(folder, call, without_vasp):
    engine = "engine: {name: vasp}\n"
    (folder / "tis2.yaml").write_text(LAYERED + engine)
    told = call("plan", "tis2.yaml").stdout
    assert told.count("TiS2 is layered and has no dispersion correction") == 1
    assert "options: {dispersion: d3bj}" in told
    engine = "engine: {name: vasp, options: {dispersion: d3bj}}\n"
    (folder / "tis2.yaml").write_text(LAYERED + engine)
    assert "layered" not in call("plan", "tis2.yaml").stdout


def test_vibrations_displace_what_symmetry_does_not_tell(folder, call, without_vasp):
    assert call("plan", "h.yaml", "--engine", "vasp", "--level", "balanced").exit_code == 0
    (row, *_) = [
        one for one in jobs_of(folder / "plan" / "h") if one["job"].startswith("vibrations of H at")
    ]
    place = inputs_of(folder / "plan" / "h", row)
    rest = Poscar.from_file(place / "rest" / "POSCAR").structure
    moves = []
    for poscar in place.glob("atom-*/POSCAR"):
        moved = Poscar.from_file(poscar).structure
        difference = moved.frac_coords - rest.frac_coords
        difference = (difference - np.round(difference)) @ rest.lattice.matrix
        (atom,) = np.flatnonzero(np.abs(difference).max(axis=1) > 1e-6)
        assert rest[int(atom)].specie.symbol == "H"
        moves.append(np.round(difference[atom], 6).tolist())
    step = json.loads((place / "settings.json").read_text())["settings"]["displacement_A"]
    every = [[sign * step * (axis == n) for n in range(3)] for axis in range(3) for sign in (1, -1)]
    assert all(min(np.abs(np.subtract(every, move)).max(axis=1)) < 1e-6 for move in moves)
    assert len(np.unique(moves, axis=0)) == len(moves) < 6
    # Up and down are no mirror images at a surface, and nothing tells them from the rest.
    assert {round(move[2] / step) for move in moves} == {-1, 0, 1}


def test_inputs_of_pw_are_read_by_another_program(folder, call, tmp_path, monkeypatch):
    pseudos = tmp_path / "pseudo"
    pseudos.mkdir()
    header = '<UPF version="2.0.1">\n<PP_HEADER element="{}" pseudo_type="NC" '
    header += 'relativistic="scalar" functional="PBE" z_valence="11"/>\n</UPF>\n'
    (pseudos / "Cu.UPF").write_text(header.format("Cu"))
    monkeypatch.setenv(FOLDER_VARIABLE, str(pseudos))
    assert call("plan", "cu.yaml", "--engine", "espresso").exit_code == 0
    for row in jobs_of(folder / "plan" / "cu"):
        if row["state"] != "planned":
            continue
        for file in inputs_of(folder / "plan" / "cu", row).rglob("pw.in"):
            with file.open() as lines:
                assert len(read_espresso_in(lines)) == int(row["atoms"])
        assert float(row["electrons"]) == 11 * int(row["atoms"])


# --- nothing is taken for a result


def test_nothing_of_a_plan_can_be_taken_for_a_result(folder, call, without_vasp):
    for engine in ("vasp", "emt", "gpaw"):
        assert (
            call("plan", "cu.yaml", "h.yaml", "--engine", engine, "-o", f"p/{engine}").exit_code
            == 0
        )
    files = [path for path in (folder / "p").rglob("*") if path.is_file()]
    assert len(files) > 100
    for path in files:
        assert not RESULTS.search(path.name), path
        if path.name == "POTCAR.spec":  # names of potentials: no place for a comment
            assert "PAW" not in path.read_text()
            continue
        assert re.search(r"\bplan(ned)?\b", path.read_text(), re.IGNORECASE), path
    for path in (folder / "p").rglob("POSCAR"):
        assert path.read_text().startswith(WARNING)
    assert not (folder / ".defectflow").exists()  # no store came into being
    assert call("results").exit_code == 2


def test_a_plan_changes_no_store(folder, call):
    run(recipes.build(recipes.load(folder / "cu.yaml")), folder / "a.sqlite")
    with open_store("a.sqlite", create=False) as store:
        before = sorted(map(str, store.jobs.docs_store.query({})))
    (folder / "cu2.yaml").write_text(BARRIER.replace("distance_A: 5", "distance_A: 7"))
    assert call("plan", "cu.yaml", "cu2.yaml", "h.yaml", "--store", "a.sqlite").exit_code == 0
    with open_store("a.sqlite", create=False) as store:
        assert sorted(map(str, store.jobs.docs_store.query({}))) == before
        assert store.runs.all() == []


def test_a_folder_that_is_no_plan_is_left_alone(folder, call):
    (folder / "plan" / "cu").mkdir(parents=True)
    (folder / "plan" / "cu" / "thesis.tex").write_text("years of work")
    refused(call("plan", "cu.yaml"), "is not an earlier plan", "-o")
    assert (folder / "plan" / "cu" / "thesis.tex").read_text() == "years of work"
    assert call("plan", "cu.yaml", "-o", "other").exit_code == 0
    assert call("plan", "cu.yaml", "-o", "other").exit_code == 0  # a plan may be replaced


# --- what would fail on the cluster

QUEUE = "scheduler: slurm\nwall_time: '{}'\nmemory_per_node_MB: {}\n"


def fill(folder, seconds):
    """Make a store with the jobs of a run that took `seconds` each."""
    run(recipes.build(recipes.load(folder / "cu.yaml")), folder / "a.sqlite")
    with open_store("a.sqlite", create=False) as store:
        for one in store.jobs.docs_store.query({"output.wall_time_s": {"$gt": 0}}):
            one.pop("_id", None)
            one["output"]["wall_time_s"] = seconds
            store.file(one)
    (folder / "cu2.yaml").write_text(BARRIER.replace("distance_A: 5", "distance_A: 7"))


def test_a_wall_time_below_the_estimate_is_refused(folder, call):
    fill(folder, 7200.0)
    (folder / "q.yaml").write_text(QUEUE.format("01:00:00", 2000))
    words = ("plan", "cu2.yaml", "--store", "a.sqlite", "--queue", "q.yaml", "--check")
    refused(call(*words), "cu2, job", "wall time of default queue jobs 01:00:00", "steps: ")
    (folder / "q.yaml").write_text(QUEUE.format("90-00:00:00", 2000))
    assert call(*words).exit_code == 0


def test_memory_below_the_need_is_refused(folder, call):
    (folder / "q.yaml").write_text(QUEUE.format("01:00:00", 300))
    words = ("plan", "cu.yaml", "--queue", "q.yaml", "--check")
    refused(call(*words), "memory_per_node_MB = 300", "more memory")
    (folder / "q.yaml").write_text(QUEUE.format("01:00:00", 3000))
    assert call(*words).exit_code == 0


@pytest.mark.parametrize(
    ("line", "limit", "said"),
    [
        ("memory_per_node_MB: 300000", "memory_per_node_MB: 192000", "at most 192000"),
        ("nodes: 9", "nodes: 8", "at most 8"),
        ("processes_per_node: 40\nthreads_per_process: 4", "cores_per_node: 128", "at most 128"),
        ("steps: {band: {wall_time: '72:00:00'}}", "wall_time: '48:00:00'", "band: wall_time"),
    ],
)
def test_what_the_queue_forbids_is_refused(folder, call, line, limit, said):
    head = "scheduler: slurm\nwall_time: '24:00:00'\n"
    (folder / "q.yaml").write_text(f"{head}{line}\nlimits: {{{limit}}}\n")
    for verb in (("plan", "cu.yaml"), ("plan", "cu.yaml", "--check")):
        refused(call(*verb, "--queue", "q.yaml"), said, "ask for less")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("scheduler: slurm\nwall_time: '1:00:00'\nnode: 2\n", "did you mean nodes"),
        ("scheduler: slurm\nnodes: 2\n", "wall_time is missing"),
        ("scheduler: pbs\nwall_time: '1:00:00'\nqos: high\n", "qos is of Slurm"),
        ("scheduler: sge\nwall_time: '1:00:00'\nprocesses_per_node: 4\n", "parallel_environment"),
    ],
)
def test_a_wrong_queue_file_is_refused_before_anything_is_planned(folder, call, text, said):
    (folder / "q.yaml").write_text(text)
    refused(call("plan", "cu.yaml", "--queue", "q.yaml", "--check"), said)
    assert not (folder / "plan").exists()


def test_a_missing_pseudopotential_stops_a_check_and_not_a_plan(
    folder, call, tmp_path, monkeypatch
):
    pseudos = tmp_path / "pseudo"
    pseudos.mkdir()
    (pseudos / "H.UPF").write_text(
        '<UPF version="2.0.1">\n<PP_HEADER element="H" pseudo_type="NC" relativistic="scalar" '
        'functional="PBE" z_valence="1"/>\n</UPF>\n'
    )
    monkeypatch.setenv(FOLDER_VARIABLE, str(pseudos))
    words = ("plan", "cu.yaml", "--engine", "espresso")
    result = call(*words)
    assert result.exit_code == 0, result.output
    assert "missing here: engine espresso" in result.stderr
    missing = list((folder / "plan").rglob("MISSING.txt"))
    assert "no pseudopotential of Cu" in missing[0].read_text()
    refused(call(*words, "--check"), "cu.yaml", "engine espresso")


def test_a_missing_program_stops_a_check(folder, call, without_vasp):
    refused(call("plan", "cu.yaml", "--engine", "vasp", "--check"), "vasp_std is not found")
