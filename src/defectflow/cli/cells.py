"""Cells as files: one CIF each and a table, all of them or none."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.structures import Cell, Change

#: Columns of ``cells.csv``.
FIELDS: Final = (
    "name",
    "kind",
    "file",
    "host",
    "formula",
    "atoms",
    "multiplicity",
    "charge",
    "changes",
)


def rows_of(cells: Sequence[Cell], host: str) -> list[dict[str, object]]:
    """Return one flat record per cell, with a file name that no other cell has."""
    rows: list[dict[str, object]] = []
    taken: set[str] = set()
    for cell in cells:
        stem = base = re.sub(r"[^\w.+-]+", "_", cell.name).strip("._") or cell.kind
        count = 1
        while stem in taken:
            count += 1
            stem = f"{base}_{count}"
        taken.add(stem)
        rows.append(
            {
                "name": cell.name,
                "kind": cell.kind,
                "file": f"{stem}.cif",
                "host": host,
                "formula": cell.structure.composition.formula.replace(" ", ""),
                "atoms": len(cell.structure),
                "multiplicity": cell.multiplicity,
                "charge": cell.charge,
                "changes": "; ".join(_said(change) for change in cell.changed),
            }
        )
    return rows


def write(cells: Sequence[Cell], rows: Sequence[dict[str, object]], folder: Path) -> None:
    """Write all files into a new folder; it appears complete or not at all.

    Raises
    ------
    RecipeError
        If the folder holds something already, or cannot be written.
    """
    from defectflow.report import to_csv

    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        message = f"-o {folder}: is there already and not empty; name another or remove it"
        raise RecipeError(message)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        for cell, row in zip(cells, rows, strict=True):
            cell.structure.to(str(draft / str(row["file"])), fmt="cif")
        (draft / "cells.csv").write_text(to_csv(rows, FIELDS) + "\n", encoding="utf-8")
        draft.chmod(0o755)  # temporary folders are closed to others
        draft.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _unwritable(folder: Path, error: OSError) -> RecipeError:
    return RecipeError(f"-o {folder}: cannot be written ({error.strerror}); name another folder")


def _said(change: Change) -> str:
    """Return a change in words, e.g. ``Ti to Nb at 0 0 0.5``."""
    place = " ".join(f"{value:.4g}" for value in change.frac_coords)
    if change.after is None:
        return f"{change.before} removed at {place}"
    if change.before is None:
        return f"{change.after} inserted at {place}"
    return f"{change.before} to {change.after} at {place}"
