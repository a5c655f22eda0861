"""One run of a code on a structure as it is, and what every document of its electrons says."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from defectflow.engines.conversion import to_atoms, to_structure

if TYPE_CHECKING:
    from collections.abc import Callable

    from defectflow.engines.calculators import CalculatorEngine
    from defectflow.engines.request import Request
    from defectflow.engines.vasp import Vasp
    from defectflow.engines.vasp_output import VaspResult
    from defectflow.engines.vasp_run import VaspTask


def once(
    engine: CalculatorEngine,
    calculator: Any,
    request: Request,
    look: Callable[[Any], dict[str, Any]],
) -> dict[str, Any]:
    """Evaluate the structure of a request, and return the fields of a document.

    Parameters
    ----------
    calculator
        New, of the engine.
    look
        Takes the fields that the quantity has of its own out of the calculator, while its code
        still holds the electrons.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    EngineError
        If a program is missing or fails.
    """
    begun = time.monotonic()
    atoms = to_atoms(request.structure)
    try:
        calculator.calculate(atoms, ["energy"])
        own = look(calculator)
        calculator.finish()
    finally:
        calculator.close()
    return {
        **own,
        "structure": to_structure(atoms, request.structure),
        "energy_eV": calculator.results["energy"],
        "inputs": calculator.inputs,
        "repairs": tuple(calculator.repairs),
        **_about_the_run(engine, request, begun),
    }


def _about_the_run(engine: CalculatorEngine, request: Request, begun: float) -> dict[str, Any]:
    return {
        "charge": request.charge,
        "force_calls": 1,
        "wall_time_s": time.monotonic() - begun,
        "engine": engine.stamp(),
    }


def once_with_vasp(
    engine: Vasp,
    request: Request,
    step: str,
    look: Callable[[VaspTask, VaspResult], dict[str, Any]],
) -> dict[str, Any]:
    """Run VASP on the structure of a request, and return the fields of a document.

    Parameters
    ----------
    step
        Whose tags are added to those of the electrons.
    look
        Takes the fields that the quantity has of its own out of VASP's files.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    OutOfTime
        If VASP had to stop before the end of the wall time.
    EngineError
        If VASP fails.
    """
    from atomate2.vasp.jobs.core import StaticMaker

    from defectflow.engines.vasp_files import step_tags
    from defectflow.engines.vasp_output import read
    from defectflow.engines.vasp_repairs import corrections, in_words, out_of_time
    from defectflow.engines.vasp_run import run, to_poscar

    begun = time.monotonic()
    structure = request.structure
    engine.check({element.symbol for element in structure.elements})
    task = engine.task(request)
    tags = task.tags | step_tags(task, request.settings, step)
    found = run(task, StaticMaker, to_poscar(task, structure), tags)
    result = read(task, structure, found)
    if result.stopped:
        raise out_of_time(task.folder)
    fields = {
        **look(task, result),
        "structure": structure,
        "energy_eV": result.energy_eV,
        "inputs": task.inputs | {"incar": tags, "version": result.version},
        "repairs": tuple(in_words(corrections(task.folder))),
        **_about_the_run(engine, request, begun),
    }
    engine.part(request).finish()
    return fields
