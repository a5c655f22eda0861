"""One run of VASP in a folder: an atomate2 maker, custodian around it, and what came out."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pymatgen.core.structure import Structure

from defectflow.engines import programs
from defectflow.engines.deadline import time_left_s
from defectflow.engines.vasp_input import PER_KIND, poscar_order
from defectflow.engines.vasp_program import parallel_tags
from defectflow.engines.vasp_repairs import check_decisive, explained
from defectflow.engines.vasp_start import PID_FILE
from defectflow.errors import EngineError, MissingData

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atomate2.vasp.jobs.base import BaseVaspMaker
    from atomate2.vasp.sets.base import VaspInputGenerator
    from emmet.core.tasks import TaskDoc

    from defectflow.engines.electrons import ElectronicInput
    from defectflow.engines.vasp_potcars import Potcar
    from defectflow.engines.vasp_program import Program

#: Files of an earlier geometry that could be taken for the present one's.
_STALE: Final = (
    "vasprun.xml",
    "OUTCAR",
    "OSZICAR",
    "CONTCAR",
    "XDATCAR",
    "STOPCAR",
    "custodian.json",
)
#: What they report as errors is either repaired, and then said in the document, or raised.
_TALKATIVE: Final = ("custodian", "emmet.core", "atomate2", "VasprunXMLValidator")
_LAST_WORDS_S: Final = 10.0


@dataclass(frozen=True)
class VaspTask:
    """What a series of similar runs shares.

    Attributes
    ----------
    structure
        The crystal at the start, atoms in their own order.
    tags
        Of INCAR, without those of the ions' motion.
    potcars
        By element.
    potcar_set
        pymatgen's name of their set.
    standin
        Whether the stand-in is meant; the output must then be its own, and otherwise must not.
    folder
        Where VASP runs.
    frozen
        Atoms that keep their place.
    inputs
        What the document of the result says of the input.
    """

    structure: Structure
    electrons: ElectronicInput
    tags: dict[str, Any]
    potcars: Mapping[str, Potcar]
    potcar_set: str
    program: Program
    standin: bool
    folder: Path
    frozen: tuple[int, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def licensed(self) -> bool:
        """Whether the file of every potential is there."""
        return all(one.path for one in self.potcars.values())


def run(
    task: VaspTask, kind: type[BaseVaspMaker], structure: Structure, tags: Mapping[str, Any]
) -> TaskDoc:
    """Run VASP on `structure` in the folder of `task` and return emmet's document of it.

    Parameters
    ----------
    kind
        atomate2's maker of the job.
    structure
        Atoms in the order of POSCAR, as `to_poscar` returns them.
    tags
        Of INCAR, all of them.

    Raises
    ------
    NotConverged
        If the electrons do not converge, whatever custodian tried.
    OutOfTime
        If VASP was stopped before the end of the wall time; its files are kept.
    EngineError
        If VASP does not run, or custodian changed what decides the energy.
    """
    prepare(task.folder)
    static = not tags.get("NSW")
    maker = kind(
        input_set_generator=generator(task, tags),
        write_input_set_kwargs={
            "potcar_spec": not task.licensed,
            "apply_incar_updates": False,
        },
        run_vasp_kwargs=run_arguments(task, electronic=static),
        task_document_kwargs={"parse_dos": False, "parse_bandstructure": False},
        stop_children_kwargs={"handle_unsuccessful": False},
    )
    with inside(task):
        try:
            document: TaskDoc = type(maker).make.original(maker, structure).output  # type: ignore[attr-defined]
        except Exception as error:
            with contextlib.suppress(MissingData):
                check_origin(task)
            raise explained(error, task.folder) from error
    check_origin(task)
    check_decisive(task.folder, tags, task.electrons.kpoints)
    return document


def to_poscar(task: VaspTask, structure: Structure) -> Structure:
    """Return `structure` with its atoms in the order of POSCAR, moments and flags with them."""
    order = poscar_order(task.structure)
    moved = Structure(
        structure.lattice,
        [structure[index].specie.symbol for index in order],
        structure.frac_coords[order],
    )
    moments = task.electrons.magnetic_moments
    if moments is not None:
        moved.add_site_property("magmom", [moments[index] for index in order])
    if task.frozen:
        flags = [[index not in task.frozen] * 3 for index in order]
        moved.add_site_property("selective_dynamics", flags)
    return moved


def generator(task: VaspTask, tags: Mapping[str, Any]) -> VaspInputGenerator:
    """Return atomate2's generator of exactly these tags and those of how processes share the work.

    None of its own defaults remain.
    """
    from atomate2.vasp.sets.base import VaspInputGenerator
    from pymatgen.io.vasp.inputs import Kpoints

    kinds = list(task.potcars)
    mesh: Any = Kpoints.gamma_automatic(task.electrons.kpoints)
    special = {"MAGMOM", *PER_KIND}
    listed: dict[str, Any] = {"MAGMOM": {}} if "MAGMOM" in tags else {}
    for tag in PER_KIND:
        if tag in tags:
            listed[tag] = dict(zip(kinds, tags[tag], strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return VaspInputGenerator(
            config_dict={
                "INCAR": listed,
                "KPOINTS": {},
                "POTCAR": {kind: one.symbol for kind, one in task.potcars.items()},
                "POTCAR_FUNCTIONAL": task.potcar_set,
            },
            user_incar_settings={
                **{key: value for key, value in tags.items() if key not in special},
                **parallel_tags(task.electrons.kpoints),
            },
            user_kpoints_settings=mesh,
            auto_ismear=False,
            sort_structure=False,
            validate_magmom=False,
        )


def run_arguments(task: VaspTask, *, electronic: bool) -> dict[str, Any]:
    """Return the arguments of atomate2's `run_vasp`."""
    from defectflow.engines.vasp_handlers import WallTimeHandler, handlers

    pace = task.program.pace
    left_s = time_left_s()
    wall = None
    if left_s is not None:
        wall = WallTimeHandler(left_s, pace.closing_s, electronic=electronic)
    return {
        "vasp_cmd": task.program.started(),
        "vasp_gamma_cmd": task.program.started(gamma=True),
        "handlers": handlers(wall, standin=task.standin),
        "vasp_job_kwargs": {"backup": False},
        "custodian_kwargs": {
            "polling_time_step": pace.poll_s,
            "monitor_freq": pace.checks_every,
        },
    }


def prepare(folder: Path) -> None:
    """Make the folder ready: nobody else computes there, and no result of before is left."""
    folder.mkdir(parents=True, exist_ok=True)
    _end_orphan(folder)
    for name in _STALE:
        (folder / name).unlink(missing_ok=True)
    for path in folder.glob("error.*.tar.gz"):
        path.unlink()
    wave = folder / "WAVECAR"
    if wave.is_file() and wave.stat().st_size == 0:
        wave.unlink()


def _end_orphan(folder: Path) -> None:
    """End a VASP that a killed run has left in `folder`."""
    try:
        number = int((folder / PID_FILE).read_text(encoding="utf-8"))
        if Path(f"/proc/{number}/cwd").resolve() != folder.resolve():
            return
        end = time.monotonic() + _LAST_WORDS_S
        os.kill(number, signal.SIGTERM)
        while time.monotonic() < end and Path(f"/proc/{number}/cwd").resolve() == folder.resolve():
            time.sleep(0.05)
        os.kill(number, signal.SIGKILL)
    except (OSError, ValueError):
        return


@contextlib.contextmanager
def inside(task: VaspTask) -> Iterator[None]:
    """Work in the folder of `task`, with the environment of VASP, and end VASP with an exception.

    atomate2's compression of the files is off: the next run reads them.
    """
    import atomate2

    loggers = {one: one.level for one in map(logging.getLogger, _TALKATIVE)}
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    wanted = {**programs.environment(), **task.program.environment}
    changed = {key: value for key, value in wanted.items() if os.environ.get(key) != value}
    changed["DEFECTFLOW_PARENT"] = str(os.getpid())
    before = {key: os.environ.get(key) for key in changed}
    zipped = atomate2.SETTINGS.VASP_ZIP_FILES
    os.environ.update(changed)
    atomate2.SETTINGS.VASP_ZIP_FILES = False
    try:
        with contextlib.chdir(task.folder), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except BaseException:
        _end_orphan(task.folder)
        raise
    finally:
        for logger, level in loggers.items():
            logger.setLevel(level)
        atomate2.SETTINGS.VASP_ZIP_FILES = zipped
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


def check_origin(task: VaspTask) -> None:
    """Refuse output of the stand-in in the name of VASP, and the other way round.

    Raises
    ------
    EngineError
        If the output is not that of the program that was asked.
    """
    from defectflow.engines.vasp_standin import is_standin

    if is_standin(task.folder) == task.standin:
        return
    asked, ran = ("the stand-in", "VASP") if task.standin else ("VASP", "the stand-in for VASP")
    remedy = "unset" if task.standin else "set"
    message = (
        f"{task.folder}: written by {ran}, {asked} was asked; {remedy} "
        "DEFECTFLOW_VASP_STD_COMMAND, or name the engine vasp-standin"
    )
    shutil.rmtree(task.folder, ignore_errors=True)
    raise EngineError(message)
