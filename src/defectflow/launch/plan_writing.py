"""A plan as a folder that nobody takes for results: inputs, graph, table of jobs, summary."""

from __future__ import annotations

import csv
import io
import re
import shutil
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import EngineError, RecipeError
from defectflow.launch.drawing import graph_svg
from defectflow.launch.input_writing import WARNING, files_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from defectflow.launch.planning import Plan, Row

#: Marks a folder as one that a new plan may replace.
MARK: Final = "THIS_IS_A_PLAN.txt"
#: Letters of the name of a plan's folder.
_LONGEST: Final = 120
_STATES: Final = {
    "compute": "planned",
    "stored": "in the store",
    "shared": "computed by another job",
    "light": "arranges structures",
}


def folder_names(recipes: Sequence[str]) -> list[str]:
    """Return the name of a folder for the plan of each recipe: one level deep, no two alike.

    Examples
    --------
    >>> folder_names(["cu", "../../H/Pt(111)", "cu", ".."])
    ['cu', 'H-Pt(111)', 'cu-2', 'recipe']
    """
    given: list[str] = []
    taken: set[str] = set()
    for recipe in recipes:
        plain = re.sub(r"[/\\\x00-\x1f]+", "-", recipe)[:_LONGEST].strip("-. ") or "recipe"
        name, number = plain, 1
        while name.casefold() in taken:
            number += 1
            name = f"{plain}-{number}"
        taken.add(name.casefold())
        given.append(name)
    return given


def write_plan(plan: Plan, folder: Path) -> None:
    """Write input files, job table and drawing; replace an earlier plan, and nothing else.

    Raises
    ------
    RecipeError
        If the folder holds something that is no plan, or cannot be written.
    """
    if folder.exists():
        if not folder.is_dir() or (not (folder / MARK).is_file() and any(folder.iterdir())):
            message = f"{folder}: is not an earlier plan; name another folder with -o"
            raise RecipeError(message)
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True)
        (folder / MARK).write_text(f"{WARNING}.\n", encoding="utf-8")
        (folder / "planned_jobs.csv").write_text(table(plan), encoding="utf-8")
        drawing = graph_svg([row.planned for row in plan.rows], plan.recipe)
        (folder / "graph.svg").write_text(drawing, encoding="utf-8")
        summary = "\n".join([WARNING, *plan.summary()])
        (folder / "summary.txt").write_text(summary + "\n", encoding="utf-8")
        for row in plan.rows:
            if row.planned.kind != "light":
                _write_inputs(row, folder / "inputs" / _slug(row))
    except OSError as error:
        message = f"{folder}: the plan cannot be written ({error.strerror}); name a folder with -o"
        raise RecipeError(message) from error


def _slug(row: Row) -> str:
    name = re.sub(r"[^A-Za-z0-9]+", "-", row.planned.job.name).strip("-").lower()
    return f"{row.planned.number:03d}-{name}"


def _write_inputs(row: Row, folder: Path) -> None:
    try:
        files = files_of(row.planned.job, row.planned.kind)
    except EngineError as error:
        files = {"MISSING.txt": f"{WARNING}\nno input: {error}\n"}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def table(plan: Plan) -> str:
    """Return the job table as CSV."""
    text = io.StringIO()
    rows = [cells(row) for row in plan.rows]
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["job"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def cells(row: Row) -> dict[str, Any]:
    """Return the line of a job in the table; empty where there is no such thing."""
    job, size, cost = row.planned, row.size, row.estimate
    known: dict[str, Any] = {
        "number": job.number,
        "job": job.job.name,
        "kind": job.kind,
        "engine": row.engine,
        "state": _STATES[job.state],
        "waits for": " ".join(map(str, job.parents)),
        "atoms": size and size.atoms,
        "electrons": size and size.electrons,
        "k-points": "x".join(map(str, size.mesh)) if size and size.mesh else None,
        "irreducible": size and size.kpoints,
        "images": size and size.images,
        "processes": row.given.processes if size else None,
        "threads": row.given.threads_per_process if size else None,
        "memory needed MB": None if row.memory_MB is None else round(row.memory_MB),
        "memory factor": None if row.memory_factor is None else f"{row.memory_factor:.1f}",
        "memory given MB": row.given.memory_per_node_MB if row.queued else None,
        "wall time given": row.given.wall_time if row.queued else None,
        "wall time s": None if row.seconds is None else round(row.seconds),
        "core-hours": None if row.core_hours is None else f"{row.core_hours:.2g}",
        "error factor": cost and f"{cost.factor:.1f}",
    }
    return {name: "" if value is None else value for name, value in known.items()}
