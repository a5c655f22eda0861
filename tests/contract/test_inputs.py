"""What every engine is given, beside snapshots: by step and level, and by recipe and level.

A job is run up to the first calculation that it asks its engine for, and the input of that one is
written out. No program has to be installed; the pseudopotentials' valences are made up.

Where a change of the inputs is meant, rewrite the snapshots and read their differences:

    DEFECTFLOW_REWRITE_SNAPSHOTS=1 python -m pytest tests/contract/test_inputs.py
"""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobflow import Flow
from jobflow.core.reference import find_and_get_references

from defectflow import paths
from defectflow.documents.steps import Image
from defectflow.engines import engine_names, gpaw, levels
from defectflow.engines.calculators import CalculatorEngine
from defectflow.engines.espresso import Espresso
from defectflow.engines.gpaw import Gpaw
from defectflow.engines.guided import GuidedEngine
from defectflow.engines.request import InputStep
from defectflow.engines.vasp import Vasp
from defectflow.engines.vasp_program import Facts, Program
from defectflow.errors import DefectflowError
from defectflow.recipes import build, load

if TYPE_CHECKING:
    from pymatgen.core import Structure

SNAPSHOTS = Path(__file__).parent / "snapshots"
REWRITE = "DEFECTFLOW_REWRITE_SNAPSHOTS"
#: Step of each snapshot, and what of the job is not as by default.
STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "static": ("static", {}),
    "relax": ("relax", {}),
    "relax-cell": ("relax", {"cell": "relax"}),
    "image": ("neb", {}),
    "vibrations": ("vibrations", {}),
    "dos": ("dos", {}),
    "band-vtst": ("neb", {}),
    "everything": ("relax", {"charge": -2, "moments": True, "frozen": (1,)}),
}
#: Options of the snapshot called everything.
EVERYTHING = {"functional": "PBE+U", "dispersion": "d3bj"}
#: Cases of which each engine has snapshots of steps. A potential takes no input but its settings;
#: that of the case `eam` knows copper alone, not the crystal of the snapshots.
ENGINES = ("emt", "chgnet", "chgnet-d3", "sevennet", "ase-lj", "guided")
ENGINES += ("gpaw", "espresso", "vasp", "vasp-standin")
RECIPES = {Path(one).stem for one in paths.listing("workflows", "*.yaml")}
#: The engine `ase` needs the path of a class, and `eam` a file, which no recipe here has.
RECIPE_ENGINES = tuple(one for one in engine_names() if one not in {"ase", "eam"})


def steps_of(name: str) -> list[str]:
    """Return the snapshots of an engine: all that it can be asked for."""
    if name == "guided":
        return ["relax"]
    wanted = ["static", "relax", "relax-cell", "image", "vibrations"]
    if name in {"gpaw", "espresso", "vasp"}:
        wanted.append("dos")
    if name in {"gpaw", "espresso", "vasp", "vasp-standin"}:
        wanted.append("everything")
    return [*wanted, "band-vtst"] if name == "vasp" else wanted


class Asked(Exception):
    """The first calculation that a job asks its engine for."""

    def __init__(self, engine, request, frozen) -> None:
        super().__init__()
        self.engine, self.request, self.frozen = engine, request, frozen


@pytest.fixture
def first_request(any_machine, monkeypatch):
    """Run a job up to its first calculation, or to the jobs that it makes."""

    def stop(engine, request, frozen=()):
        raise Asked(engine, request, tuple(frozen))

    def run(job):
        with monkeypatch.context() as patch:
            for kind in (Gpaw, Espresso, Vasp):
                patch.setattr(kind, "task", stop)
            patch.setattr(CalculatorEngine, "part", stop)
            maker, verb = job.maker, job.function.__name__
            function = getattr(type(maker), verb).original
            return function(maker, *job.function_args, **job.function_kwargs)

    return run


def ends(pair: tuple[Structure, Structure], charge: int = 0) -> list[Image]:
    return [
        Image(structure=one, energy_eV=0.0, forces_eV_per_A=[[0, 0, 0]] * len(one), charge=charge)
        for one in pair
    ]


def job_of(engine, step: str, wishes: dict[str, Any], pair: tuple[Structure, Structure]):
    """Return the job of a step."""
    structure = pair[0]
    if step == "neb":
        return engine.band_maker(images=1).make(*ends(pair))
    if step == "vibrations":
        return engine.vibrations_maker().make(structure, displaced=[6])
    fields: dict[str, Any] = {key: wishes[key] for key in ("charge", "frozen") if key in wishes}
    if "moments" in wishes:
        fields["magnetic_moments"] = [0.0, 2.0, 0.0, -2.0, 0.0, 0.0, 2.0]
    if step == "relax":
        return engine.relax_maker(wishes.get("cell", "fixed")).make(structure, **fields)
    return getattr(engine, f"{step}_maker")().make(structure, **fields)


# --- writing


def lines(value: Any, name: str) -> list[str]:
    """Return nested data as lines ``a.b = value``."""
    if isinstance(value, dict) and value:
        parts = sorted(value.items()) if name.startswith("settings") else value.items()
        return [line for key, part in parts for line in lines(part, f"{name}.{key}")]
    if isinstance(value, (list, tuple)) and any(isinstance(part, dict) for part in value):
        parts = enumerate(value, start=1)
        return [line for number, part in parts for line in lines(part, f"{name}.{number}")]
    return [f"{name} = {_short(value)}"]


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_short, value))}]"
    return str(value)


def code_input(asked: Asked, step: str, cell: str, *, atoms: bool) -> list[str]:
    """Return what the program is given; `atoms`: with cell and positions."""
    engine, request = asked.engine, asked.request
    if isinstance(engine, Gpaw):
        task = engine.task(request)
        if step == "dos":
            task.keywords["nbands"] = gpaw._bands(task, request.settings)
        return [*lines(task.keywords, "gpaw"), f"moments = {_short(task.moments)}"]
    if isinstance(engine, Espresso):
        text = engine.input_files(request)["pw.in"].splitlines()
        text = ["  pseudo_dir = ..." if "pseudo_dir" in line else line for line in text]
        return text if atoms else _without_atoms(text)
    if isinstance(engine, Vasp):
        files = engine.input_files(request, InputStep(step, cell, asked.frozen))
        kept = [name for name in files if atoms or name != "POSCAR"]
        return [line for name in kept for line in (f"# {name}", *files[name].strip().splitlines())]
    return [f"model = {engine.model().name}", *lines(engine.options, "options")]


def _without_atoms(text: list[str]) -> list[str]:
    kept, inside = [], False
    for line in text:
        if not line.startswith((" ", "/")):
            inside = line.startswith(("CELL_PARAMETERS", "ATOMIC_POSITIONS"))
        if not inside:
            kept.append(line)
    return kept


def described(asked: Asked, step: str, cell: str = "fixed", *, atoms: bool) -> list[str]:
    """Return the whole request in lines."""
    request = asked.request
    place = request.folder
    return [
        f"structure = {request.structure.composition.formula}",
        f"charge = {request.charge}, moments = {_short(request.moments)}",
        f"stress = {request.stress}, dispersion = {asked.engine.options['dispersion']}",
        f"frozen = {list(asked.frozen)}, folder = {place.name if place != Path.cwd() else '.'}",
        *lines(dict(request.settings), "settings"),
        *code_input(asked, step, cell, atoms=atoms),
    ]


def changes(old: list[str], new: list[str]) -> list[str]:
    """Return the lines that differ, those of `old` with a minus, those of `new` with a plus."""
    found = list(difflib.unified_diff(old, new, n=0, lineterm=""))[2:]
    return [line for line in found if not line.startswith("@@")]


def levelled(by_level: dict[str, list[str]]) -> str:
    """Return the balanced level in full, and of the others what differs from it."""
    balanced = by_level["balanced"]
    text = ["== balanced", *balanced]
    for level, other in by_level.items():
        if level != "balanced":
            text += [f"== {level}, where it differs", *changes(balanced, other)]
    return "\n".join(line.rstrip() for line in text) + "\n"


def check_file(path: Path, text: str) -> None:
    if os.environ.get(REWRITE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    name = path.relative_to(SNAPSHOTS)
    assert path.is_file(), f"no snapshot {name}: {REWRITE}=1 writes it"
    old = path.read_text(encoding="utf-8")
    differences = "\n".join(changes(old.splitlines(), text.splitlines())[:12])
    assert old == text, f"{name}: built now; if meant, set {REWRITE}=1:\n{differences}"


def tidy(folder: Path, wanted: set[str]) -> None:
    """Refuse files and folders that belong to nothing any more."""
    found = {path.name for path in folder.iterdir()}
    if os.environ.get(REWRITE):
        for name in found - wanted:
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        found &= wanted
    orphans = sorted(found - wanted)
    assert orphans == [], f"{folder.name}: belongs to nothing; {REWRITE}=1 removes it"


# --- steps


@pytest.mark.parametrize(
    ("name", "label"), [(name, label) for name in ENGINES for label in steps_of(name)]
)
def test_input_of_each_step_at_each_level(
    name, label, make_engine, first_request, nickel_hop, monkeypatch
):
    step, wishes = STEPS[label]
    files = step
    if label == "band-vtst":
        files = "vtst"
        program = Program(("vasp_std",), ("vasp_gam",), {}, Facts("6.4.2", vtst=True))
        monkeypatch.setattr(Vasp, "program", lambda engine: program)
        monkeypatch.setenv("DEFECTFLOW_VASP_STD_COMMAND", "vasp_std")
    by_level = {}
    for level in ("balanced", "fast", "stringent"):
        engine = make_engine(name, level, **(EVERYTHING if label == "everything" else {}))
        with pytest.raises(Asked) as caught:
            first_request(job_of(engine, step, wishes, nickel_hop))
        cell = wishes.get("cell", "fixed")
        by_level[level] = described(caught.value, files, cell, atoms=True)
    check_file(SNAPSHOTS / "steps" / name / f"{label}.txt", levelled(by_level))


def test_no_snapshot_of_a_step_is_an_orphan():
    tidy(SNAPSHOTS, {"steps", "recipes"})
    tidy(SNAPSHOTS / "steps", set(ENGINES))
    for name in ENGINES:
        tidy(SNAPSHOTS / "steps" / name, {f"{label}.txt" for label in steps_of(name)})


def test_every_step_with_numbers_has_a_snapshot():
    covered = {step for step, _ in STEPS.values()}
    for family in ("potential", "gpaw", "espresso", "vasp"):
        assert set(levels.steps(family)) - {levels.ELECTRONS} <= covered


# --- recipes


def jobs_in(flow: Flow) -> list[Any]:
    return [job for one in flow.jobs for job in (jobs_in(one) if isinstance(one, Flow) else [one])]


def plan(flow: Flow, first_request, indent: str = "") -> list[str]:
    """Return the jobs of a flow, with the input of those that can start at once.

    Of the second job of a kind and later ones, what differs from the one before.
    """
    text: list[str] = []
    before: dict[str, list[str]] = {}
    for job in jobs_in(flow):
        kind = type(job.maker).__name__
        title = f"{indent}-- {job.name}: {kind}"
        if find_and_get_references([job.function_args, job.function_kwargs]):
            text.append(f"{title}, waits")
            continue
        cell = getattr(job.maker, "cell", "fixed")
        text.append(f"{title}, cell {cell}" if "Relax" in kind else title)
        step = {"dos": "dos", "static": "static", "band": "neb"}.get(
            getattr(job.maker, "name", ""), "relax" if "Relax" in kind else "static"
        )
        try:
            made = first_request(job)
        except Asked as asked:
            body = described(asked, step, cell, atoms=False)
            known = before.get(kind)
            before[kind] = body
            text += [indent + line for line in (changes(known, body) if known else body)]
        else:
            text += plan(made.replace, first_request, f"{indent}  ")
    return text


def recipe_files(recipe, first_request) -> dict[str, str]:
    """Return the snapshot of each engine that can, and who cannot, and why."""
    files, refused = {}, []
    for name in RECIPE_ENGINES:
        by_level = {}
        try:
            for level in ("balanced", "fast", "stringent"):
                flow = build(recipe.changed(engine=name, level=level))
                by_level[level] = plan(flow, first_request)
        except DefectflowError as error:
            refused.append(f"{type(error).__name__}: {error}")
        else:
            files[f"{name}.txt"] = levelled(by_level)
    return files | ({"refused.txt": "\n".join(refused) + "\n"} if refused else {})


@pytest.mark.parametrize("stem", sorted(RECIPES))
def test_first_inputs_of_each_recipe_with_each_engine_at_each_level(stem, first_request):
    files = recipe_files(load(stem), first_request)
    folder = SNAPSHOTS / "recipes" / stem
    for name, text in files.items():
        check_file(folder / name, text)
    tidy(folder, set(files))


def test_no_snapshot_of_a_recipe_is_an_orphan():
    tidy(SNAPSHOTS / "recipes", RECIPES)


@pytest.mark.parametrize("name", ["gpaw", "espresso", "vasp", "vasp-standin"])
def test_a_guide_changes_nothing_of_what_the_dear_engine_is_asked(
    name, make_engine, first_request, nickel_oxide
):
    dear, moments = make_engine(name), [0.0, 2.0, 0.0, -2.0, 0.0, 0.0, 2.0]
    asked = []
    for engine in (dear, GuidedEngine.of(dear, make_engine("ase-lj"))):
        job = engine.relax_maker().make(nickel_oxide, charge=-1, magnetic_moments=moments)
        with pytest.raises(Asked) as caught:
            first_request(job)
        asked.append(caught.value)
    assert asked[0].engine == asked[1].engine == dear
    assert asked[0].request == asked[1].request


@pytest.mark.parametrize("name", ["gpaw", "espresso", "vasp", "vasp-standin"])
def test_charge_and_moments_reach_every_step(name, make_engine, first_request, nickel_hop):
    engine, start = make_engine(name), nickel_hop[0]
    moments = [0.0, 2.0, 0.0, -2.0, 0.0, 0.5, 2.0]
    jobs = [engine.relax_maker(), engine.relax_maker("relax"), engine.static_maker()]
    jobs += [engine.dos_maker()] if "dos" in engine.capabilities() else []
    jobs = [maker.make(start, charge=-2, magnetic_moments=moments) for maker in jobs]
    jobs.append(engine.vibrations_maker().make(start, [6], -2, moments))
    images = [
        one.model_copy(update={"magnetic_moments": tuple(moments)}) for one in ends(nickel_hop, -2)
    ]
    jobs.append(engine.band_maker(images=1).make(*images))
    known = start.copy(site_properties={"magmom": moments})
    jobs.append(engine.static_maker().make(known, charge=-2))
    for job in jobs:
        with pytest.raises(Asked) as caught:
            first_request(job)
        request = caught.value.request
        assert (request.charge, request.moments) == (-2, tuple(moments)), job.name
        task = engine.task(request)
        assert task.inputs["charge"] == -2
        assert task.inputs["magnetic_moments"] == tuple(moments)


@pytest.mark.parametrize("charge", [2, 1, 0, -1, -2])
def test_a_charge_takes_its_electrons_from_the_written_input(
    charge, make_engine, first_request, nickel_oxide
):
    """Charges count in e: +1 is one electron less."""
    neutral = 3 * 16 + 4 * 6  # Ni_pv and O of VASP's usual set
    found = {}
    for name in ("gpaw", "espresso", "vasp", "vasp-standin"):
        for maker in (make_engine(name).relax_maker(), make_engine(name).static_maker()):
            with pytest.raises(Asked) as caught:
                first_request(maker.make(nickel_oxide, charge=charge))
            text = code_input(caught.value, "static", "fixed", atoms=True)
            wanted = ("gpaw.charge", "  tot_charge", "NELECT")
            found[name] = [line for line in text if line.startswith(wanted)]
            document = caught.value.engine.task(caught.value.request).inputs
            assert document["charge"] == charge
    if charge == 0:
        assert not any(found.values())
        return
    assert found["gpaw"] == [f"gpaw.charge = {charge}"]
    assert found["espresso"] == [f"  tot_charge = {charge}"]
    assert found["vasp"] == found["vasp-standin"] == [f"NELECT = {float(neutral - charge)}"]
