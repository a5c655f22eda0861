"""The input files of a planned job, and its size: from the engines' own pure functions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.engines.request import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jobflow.core.job import Job
    from pymatgen.core import Structure

#: What every file begins with, or lies beside: nobody shall take a plan for a result.
WARNING: Final = "PLAN: nothing was computed; positions that follow from a calculation are guesses"
_STEPS: Final = {"band": "neb", "relax": "relax", "static": "static", "dos": "dos"}


@dataclass(frozen=True)
class Size:
    """What decides the cost of a job; None where the engine has no such thing."""

    atoms: int
    electrons: float | None = None
    kpoints: int | None = None
    images: int = 1


def requests_of(job: Job, kind: str) -> list[Request]:
    """Return what a job would ask its engine for: one request, or one for each image of a band."""
    from defectflow.launch.stand_in import StandIn

    maker: Any = job.function.__self__  # type: ignore[attr-defined]
    if kind == "band":
        band = StandIn().document(job, kind)
        return [
            Request(one.structure, maker.settings, one.charge, one.magnetic_moments)
            for one in band.images[1:-1]
        ]
    structure, _, charge, moments = (*job.function_args, None, None, None)[:4]
    stress = getattr(maker, "cell", "fixed") != "fixed" or bool(maker.settings.get("stress"))
    given = tuple(float(one) for one in moments) if moments is not None else None
    return [Request(structure, maker.settings, charge or 0, given, stress)]


def size_of(job: Job, kind: str) -> Size:
    """Return the size of a job.

    Raises
    ------
    DefectflowError
        If the engine cannot serve the request: a pseudopotential is missing, for instance.
    """
    requests = requests_of(job, kind)
    facts = _facts(_engine(job), requests[0])
    return Size(len(requests[0].structure), *facts, images=len(requests))


def files_of(job: Job, kind: str) -> dict[str, str]:
    """Return the text of every input file of a job by its name below the job's folder.

    Raises
    ------
    DefectflowError
        If the engine cannot serve the request.
    """
    maker: Any = job.function.__self__  # type: ignore[attr-defined]
    requests = requests_of(job, kind)
    files = {"settings.json": json.dumps(_plain(maker.settings), indent=1) + "\n"}
    frozen = job.function_args[1] if kind in {"relax", "static", "dos"} else ()
    for number, request in enumerate(requests, start=1):
        place = f"image-{number:02d}/" if len(requests) > 1 else ""
        for name, text in _code_files(job, request, kind, tuple(frozen or ())).items():
            files[f"{place}{name}"] = text
    return files


def _engine(job: Job) -> Any:
    engine = job.function.__self__.engine  # type: ignore[attr-defined]
    return getattr(engine, "dear", None) or engine


def _code_files(
    job: Job, request: Request, kind: str, frozen: tuple[int, ...]
) -> Mapping[str, str]:
    engine = _engine(job)
    if engine.family == "vasp":
        from defectflow.engines.vasp_files import input_files

        cell: Any = getattr(job.function.__self__, "cell", "fixed")  # type: ignore[attr-defined]
        step = _STEPS.get(kind, "static")
        return input_files(engine.task(request, frozen), request.settings, step, cell)
    if engine.family == "espresso":
        return {"pw.in": f"! {WARNING}\n{engine.input_text(request)}"}
    if engine.family == "gpaw":
        task = engine.task(request)
        keywords = {"gpaw": task.keywords, "magnetic_moments": task.moments, "note": WARNING}
        text = json.dumps(_plain(keywords), indent=1) + "\n"
        return {"gpaw.json": text, "POSCAR": poscar(request.structure)}
    return {"POSCAR": poscar(request.structure)}


def poscar(structure: Structure) -> str:
    """Return a structure as VASP reads it, with the warning as its comment."""
    from pymatgen.io.vasp import Poscar

    bare = structure.copy()
    for name in list(bare.site_properties):
        bare.remove_site_property(name)
    return Poscar(bare, comment=WARNING, sort_structure=False).get_str()


def _facts(engine: Any, request: Request) -> tuple[float | None, int | None]:
    """Return electrons and k-points (before symmetry) of a request."""
    if engine.family == "potential":
        return None, None
    known = engine.task(request).inputs
    electrons = known.get("valence_electrons")
    if electrons is None and "neutral_valence_electrons" in known:
        electrons = known["neutral_valence_electrons"] - request.charge
    mesh = known.get("kpoints") or known.get("kpoint_mesh")
    count = int(np.prod(mesh)) if isinstance(mesh, (list, tuple)) else None
    return (None if electrons is None else float(electrons)), count


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
