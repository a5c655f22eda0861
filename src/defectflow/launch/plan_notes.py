"""What a person should know of a plan before it costs anything: layers, bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from defectflow.engines.contract import Capability
from defectflow.engines.vasp_band import too_few_processes
from defectflow.flows.host import lacks_dispersion
from defectflow.launch.stand_in import engine_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.launch.planning import Row


def plan_notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Return what is to be known of planned jobs, each once."""
    found = [note for row in rows if row.planned.kind != "light" for note in _notes(row)]
    return tuple(dict.fromkeys(found))


def _notes(row: Row) -> list[str]:
    job = row.planned.job
    notes = []
    if not row.planned.parents and row.planned.kind != "band" and job.function_args:
        notes.append(_layers(engine_of(job), job.function_args[0]))
    if row.planned.kind == "band":
        notes.append(_band(row))
    return [note for note in notes if note]


def _layers(engine: Any, crystal: Structure) -> str:
    """Return that a layered crystal has no dispersion correction; empty if that is not so."""
    if not lacks_dispersion(engine, crystal):
        return ""
    able = Capability.DISPERSION in engine.capabilities()
    remedy = "ask for one: options: {dispersion: d3bj}" if able else f"{engine.name} has none"
    return (
        f"{crystal.composition.reduced_formula} is layered and has no dispersion correction: the "
        f"distance of its layers will be unreliable; {remedy}"
    )


def _band(row: Row) -> str:
    """Return who moves the images of a band of VASP, which depends on how that was built."""
    maker: Any = row.planned.job.function.__self__  # type: ignore[attr-defined]
    if row.family != "vasp" or engine_of(row.planned.job) is not maker.engine or row.size is None:
        return ""
    driven = "bands: defectflow moves the images, VASP runs once for each image and step"
    if not maker.engine.native_bands():
        return f"{driven}; VASP itself would with VTST (DEFECTFLOW_VASP_VTST=1 says it is there)"
    problem = too_few_processes(maker.engine, row.size.images, row.processes)
    if problem is None:
        return "bands: VASP relaxes all images at a time, and the highest climbs (VTST)"
    if maker.engine.options["band"] == "vtst":
        return f"bands: will be refused: {problem}"
    return f"{driven}, because: {problem}"
