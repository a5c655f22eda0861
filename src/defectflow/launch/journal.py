"""The output of a job, written into its folder before the store is asked to take it.

A run that dies between the end of a job and its filing, or whose store has no room, leaves this
file; the next run files what it says and does not compute again.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from defectflow.launch.inputs import unconverged
from defectflow.store.rows import decode, encode

if TYPE_CHECKING:
    from pathlib import Path

    from defectflow.launch.execution import Outcome

#: Name of the file in the job's folder.
FILE: Final = "finished.json"


def note(folder: Path, key: str, outcome: Outcome) -> None:
    """Write the output of a job down, whole or not at all, if it may stand in for the job later.

    On a disk without room nothing is written: the store has the last word.
    """
    if outcome.document is None or not outcome.plain or unconverged(outcome.document):
        return
    half = folder / f".{FILE}.{os.getpid()}"
    try:
        half.write_text(encode({"job_key": key, "document": outcome.document}))
        half.replace(folder / FILE)
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)


def noted(folder: Path, key: str) -> dict[str, Any] | None:
    """Return the output that was written down for a job; None if there is none, or not a whole one.

    Nothing that the file names is imported: it is filed as it is, and guarded like any output.
    """
    try:
        found: Any = decode((folder / FILE).read_text())
    except (OSError, ValueError):
        return None
    whole = isinstance(found, dict) and found.get("job_key") == key
    document = found.get("document") if whole else None
    fields = {"uuid", "index", "output"}
    return document if isinstance(document, dict) and fields <= document.keys() else None
