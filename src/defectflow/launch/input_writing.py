"""The input files of a planned job: from the engines' own pure functions, nothing is started."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.engines.displacements import Displacements
from defectflow.engines.request import InputStep, Request
from defectflow.launch.sizes import Size, size_of_request
from defectflow.launch.stand_in import StandIn, argument, engine_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

#: What every file begins with, or lies beside: nobody shall take a plan for a result.
WARNING: Final = "PLAN: nothing was computed; positions that follow from a calculation are guesses"


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
    for one in Displacements.of(rest, atoms).needed:
        moved, atom = rest.structure.copy(), int(atoms[one.atom])
        shift_A = rest.settings["displacement_A"] * one.direction
        moved.translate_sites([atom], shift_A, frac_coords=False, to_unit_cell=False)
        sign = "plus" if one.sign > 0 else "minus"
        found.append((f"atom-{atom:03d}-{'xyz'[one.axis]}-{sign}", moved))
    return found


def size_of(job: Job, kind: str) -> Size:
    """Return the size of a job."""
    requests = requests_of(job, kind)
    known = {"vibrations": len(requests), "static": 1, "dos": 1, "charges": 1}.get(kind)
    if kind == "melt":
        from defectflow.engines.melting import Schedule

        melting, cooling = Schedule(**job.function.__self__.schedule).steps  # type: ignore[attr-defined]
        known = melting + cooling
    images = len(requests) if kind == "band" else 1
    first = next(iter(requests.values()))
    more = {"images": images, "evaluations": known, "guided": _guided(job)}
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
    frozen = job.function_args[1] if kind in {"relax", "static", "dos", "charges"} else ()
    name = {"band": "neb", "melt": "static"}.get(kind, kind)
    step = InputStep(name, getattr(maker, "cell", "fixed"), tuple(frozen or ()))
    if kind == "relax" and _guided(job):  # the guide moves the atoms, between single points
        step = InputStep("static")
    for folder, request in requests.items():
        place = f"{folder}/" if folder else ""
        made = engine.input_files(request, step)
        files |= {f"{place}{name}": _marked(name, text) for name, text in made.items()}
    return files


def _guided(job: Job) -> bool:
    """Tell whether a potential shows a dear engine the way."""
    return engine_of(job) is not job.function.__self__.engine  # type: ignore[attr-defined]


def _native(job: Job) -> bool:
    """Tell whether VASP itself relaxes the band."""
    return type(job.function.__self__).__name__ == "VaspBandMaker"  # type: ignore[attr-defined]


def _native_band(job: Job, requests: Mapping[str, Request]) -> dict[str, str]:
    """Return the folders of a band that VASP relaxes: inputs above, images below."""
    first = next(iter(requests.values()))
    first = replace(first, settings={**first.settings, "images": len(requests)})
    frozen = tuple(argument(job, 3, "frozen") or ())
    images = tuple(one.structure for one in StandIn().document(job, "band").images)
    files = engine_of(job).input_files(first, InputStep("vtst", frozen=frozen, images=images))
    return {name: _marked(name, text) for name, text in files.items()}


def _marked(name: str, text: str) -> str:
    """Return a file with the warning, where its format has a place for a comment."""
    if Path(name).name in {"POSCAR", "KPOINTS"}:  # the first line is one
        return f"{WARNING}\n{text.partition(chr(10))[2]}"
    if name == "INCAR":
        return f"# {WARNING}\n{text.rstrip()}\n"
    if name.endswith(".in"):
        return f"! {WARNING}\n{text}"
    if name.endswith(".json"):
        return _json({"note": WARNING, **json.loads(text)})
    return text


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
