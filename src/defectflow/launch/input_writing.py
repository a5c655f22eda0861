"""The input files of a planned job: from the engines' own pure functions, nothing is started."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.engines.displacements import Displacements
from defectflow.engines.request import Request
from defectflow.launch.sizes import Size, size_of_request
from defectflow.launch.stand_in import StandIn, argument

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

#: What every file begins with, or lies beside: nobody shall take a plan for a result.
WARNING: Final = "PLAN: nothing was computed; positions that follow from a calculation are guesses"
#: Names of the steps in the numbers of VASP.
_VASP_STEPS: Final = {"relax": "relax", "static": "static", "dos": "dos", "band": "neb"}


def engine_of(job: Job) -> Any:
    """Return the engine of a job; of a guided one, the dear engine."""
    engine = job.function.__self__.engine  # type: ignore[attr-defined]
    return getattr(engine, "dear", None) or engine


def requests_of(job: Job, kind: str) -> dict[str, Request]:
    """Return what a job asks its engine for, by the name of a folder; one alone has none.

    Of a band there is one request for each moving image, of vibrations one for each displaced
    geometry.
    """
    maker: Any = job.function.__self__  # type: ignore[attr-defined]
    if kind == "band":
        images = StandIn().document(job, kind).images[1:-1]
        made = [
            Request(one.structure, maker.settings, one.charge, one.magnetic_moments)
            for one in images
        ]
        return {f"{number:02d}": one for number, one in enumerate(made, start=1)}
    if kind == "melt":
        return {"": Request(job.function_args[0], {})}
    structure, places, charge, moments = (*job.function_args, None, None, None)[:4]
    given = tuple(float(one) for one in moments) if moments is not None else None
    if kind == "vibrations":
        rest = Request(structure, maker.settings, charge or 0, given)
        return {name: replace(rest, structure=moved) for name, moved in _displaced(rest, places)}
    stress = getattr(maker, "cell", "fixed") != "fixed" or bool(maker.settings.get("stress"))
    return {"": Request(structure, maker.settings, charge or 0, given, stress)}


def _displaced(rest: Request, atoms: Sequence[int]) -> list[tuple[str, Structure]]:
    found = [("rest", rest.structure)]
    for one in Displacements(rest.structure, atoms, rest.moments).needed:
        moved, atom = rest.structure.copy(), int(atoms[one.atom])
        shift_A = rest.settings["displacement_A"] * one.direction
        moved.translate_sites([atom], shift_A, frac_coords=False, to_unit_cell=False)
        sign = "plus" if one.sign > 0 else "minus"
        found.append((f"atom-{atom:03d}-{'xyz'[one.axis]}-{sign}", moved))
    return found


def size_of(job: Job, kind: str) -> Size:
    """Return the size of a job."""
    requests = requests_of(job, kind)
    known = {"vibrations": len(requests), "static": 1, "dos": 1}.get(kind)
    if kind == "melt":
        from defectflow.engines.melting import Schedule

        melting, cooling = Schedule(**job.function.__self__.schedule).steps  # type: ignore[attr-defined]
        known = melting + cooling
    images = len(requests) if kind == "band" else 1
    first = next(iter(requests.values()))
    guided = engine_of(job) is not job.function.__self__.engine  # type: ignore[attr-defined]
    more = {"images": images, "evaluations": known, "guided": guided}
    return size_of_request(engine_of(job), first, **more)


def files_of(job: Job, kind: str) -> dict[str, str]:
    """Return the text of every input file of a job by its name below the job's folder.

    Raises
    ------
    EngineError
        If a pseudopotential is missing without which there is no input.
    """
    maker: Any = job.function.__self__  # type: ignore[attr-defined]
    engine, requests = engine_of(job), requests_of(job, kind)
    note = {"note": WARNING, "engine": engine.name, "level": engine.level}
    given = maker.schedule if kind == "melt" else maker.settings
    files = {"settings.json": _json({**note, "settings": given})}
    if kind == "band" and _native(job):
        return files | _native_band(job, requests)
    frozen = job.function_args[1] if kind in {"relax", "static", "dos"} else ()
    for folder, request in requests.items():
        place = f"{folder}/" if folder else ""
        texts = _texts(engine, request, (kind, getattr(maker, "cell", "fixed")), frozen or ())
        files |= {f"{place}{name}": text for name, text in texts.items()}
    return files


def _texts(
    engine: Any, request: Request, step: tuple[str, Any], frozen: Sequence[int]
) -> Mapping[str, str]:
    kind, cell = step
    if engine.family == "vasp":
        from defectflow.engines.vasp_files import input_files

        task = engine.task(request, tuple(frozen))
        made = input_files(task, request.settings, _VASP_STEPS.get(kind, "static"), cell)
        return _marked(made)
    if engine.family == "espresso":
        from defectflow.engines import espresso_dos

        if kind == "dos":
            runs = espresso_dos.input_files(engine, request)
        else:
            runs = {"pw.in": engine.input_text(request)}
        return {name: f"! {WARNING}\n{text}" for name, text in runs.items()}
    if engine.family == "gpaw":
        task = engine.dos_task(request) if kind == "dos" else engine.task(request)
        data = {"note": WARNING, "gpaw": task.keywords, "magnetic_moments": task.moments}
        return {"gpaw.json": _json(data), "POSCAR": poscar(request.structure)}
    return {"POSCAR": poscar(request.structure)}


def _native(job: Job) -> bool:
    """Tell whether VASP itself relaxes the band."""
    return type(job.function.__self__).__name__ == "VaspBandMaker"  # type: ignore[attr-defined]


def _native_band(job: Job, requests: Mapping[str, Request]) -> dict[str, str]:
    """Return the folders of a band that VASP relaxes: inputs above, images below."""
    from defectflow.engines.vasp_files import input_files
    from defectflow.engines.vasp_run import to_poscar

    first = next(iter(requests.values()))
    task = engine_of(job).task(first, tuple(argument(job, 3, "frozen") or ()))
    made = input_files(task, {**first.settings, "images": len(requests)}, "vtst")
    files = {name: text for name, text in _marked(made).items() if name != "POSCAR"}
    images = StandIn().document(job, "band").images
    return files | {
        f"{number:02d}/POSCAR": _poscar(to_poscar(task, one.structure))
        for number, one in enumerate(images)
    }


def _marked(files: Mapping[str, str]) -> dict[str, str]:
    """Return VASP's files with the warning where VASP has place for a comment."""
    marked = {name: text for name, text in files.items() if name == "POTCAR.spec"}
    marked["INCAR"] = f"# {WARNING}\n{files['INCAR'].rstrip()}\n"
    for name in ("POSCAR", "KPOINTS"):
        _, _, rest = files[name].partition("\n")
        marked[name] = f"{WARNING}\n{rest}"
    return marked


def poscar(structure: Structure) -> str:
    """Return cell and atoms as VASP reads them, with the warning as the comment."""
    bare = structure.copy()
    for name in list(bare.site_properties):
        bare.remove_site_property(name)
    return _poscar(bare)


def _poscar(structure: Structure) -> str:
    from pymatgen.io.vasp import Poscar

    made = Poscar(structure, comment=WARNING, sort_structure=False)
    return made.get_str(significant_figures=10)


def _json(value: Any) -> str:
    return json.dumps(_plain(value), indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
