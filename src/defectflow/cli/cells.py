"""Cells as files: one CIF each and a table, all of them or none, written as they are made."""

from __future__ import annotations

import csv
import re
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from defectflow.structures import Cell, Change

    Record = tuple[Cell, dict[str, Any]]

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
    "note",
)

#: Kinds of which a cell holds two, which may be images of each other or not.
_TWO: Final = {
    "grain_boundary": "boundaries",
    "twin": "boundaries",
    "kink": "walls",
    "surface": "faces",
}


def records(cells: Iterable[Cell], host: str) -> Iterator[Record]:
    """Yield each cell with its flat record, in which it has a file name that no other cell has."""
    counts: dict[str, int] = {}
    for cell in cells:
        stem = _file_stem(cell, counts)
        yield (
            cell,
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
                "note": _note(cell),
            },
        )


def _note(cell: Cell) -> str:
    """Return what there is to say of a cell: its note, and what its generator had to say."""
    planar = cell.planar
    parts = [cell.note]
    if planar is not None:
        parts += [planar.said, _shift(planar.shift_A)]
        if planar.count == 2 and cell.kind in _TWO:  # noqa: PLR2004 - a pair
            two = _TWO[cell.kind]
            parts.append(f"{two} {'alike' if planar.equivalent else 'differ'}")
    said = [part for k, part in enumerate(parts) if part and part not in " ".join(parts[k + 1 :])]
    return "; ".join(said)


def _shift(shift_A: tuple[float, float, float]) -> str:
    """Return a displacement in words; nothing where there is none."""
    rounded = [round(one, 2) + 0.0 for one in shift_A]
    return f"shift {' '.join(f'{one:g}' for one in rounded)} Å" if any(rounded) else ""


def _file_stem(cell: Cell, taken: dict[str, int]) -> str:
    """Return a file name, and note it in `taken`: how often each stem was asked for."""
    stem = base = re.sub(r"[^\w.+-]+", "_", cell.name).strip("._") or cell.kind
    while stem in taken:
        taken[base] += 1
        stem = f"{base}_{taken[base]}"
    taken[stem] = 1
    return stem


@contextmanager
def written(made: Iterable[Record], folder: Path) -> Iterator[Iterator[Record]]:
    """Write each cell that is drawn from the iterator into a new folder.

    The folder appears when the block ends without an error, or not at all.

    Raises
    ------
    RecipeError
        If the folder holds something already, or cannot be written.
    """
    draft = _draft(folder)
    try:
        with (draft / "cells.csv").open("w", encoding="utf-8") as table:
            yield _writing(made, draft, table)
        draft.chmod(0o755)  # temporary folders are closed to others
        draft.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _draft(folder: Path) -> Path:
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        message = f"-o {folder}: is there already and not empty; name another or remove it"
        raise RecipeError(message)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from error


def _writing(made: Iterable[Record], draft: Path, table: TextIO) -> Iterator[Record]:
    writer = csv.DictWriter(table, FIELDS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for cell, row in made:
        cell.structure.to(str(draft / str(row["file"])), fmt="cif")
        writer.writerow(row)
        yield cell, row


def _unwritable(folder: Path, error: OSError) -> RecipeError:
    return RecipeError(f"-o {folder}: cannot be written ({error.strerror}); name another folder")


def _said(change: Change) -> str:
    """Return a change in words, e.g. ``Ti to Nb at 0 0 0.5``."""
    place = " ".join(_fraction(value) for value in change.frac_coords)
    if change.after is None:
        return f"{change.before} removed at {place}"
    if change.before is None:
        return f"{change.after} inserted at {place}"
    return f"{change.before} to {change.after} at {place}"


def _fraction(value: float) -> str:
    """Return a fractional coordinate in [0, 1), four decimals at most."""
    return f"{round(value % 1.0, 4) % 1.0:.4f}".rstrip("0").rstrip(".")
