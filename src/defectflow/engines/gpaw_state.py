"""Density and wave functions of an unfinished calculation, kept in its folder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from defectflow.engines.checkpoint import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

#: Writing takes at most this part of the time.
_SHARE: Final = 0.05
#: A first evaluation that is cheaper than this is cheaper to repeat than to keep.
_WORTH_KEEPING_S: Final = 10.0


class SavedState:
    """The file of the wave functions, and beside it the mark of whose they are.

    Parameters
    ----------
    folder
        Of the calculation.
    key
        Its content key; the state of another calculation is removed, not read.
    write
        Writes the file, given its path.

    Attributes
    ----------
    stale
        Whether something was computed since the file was written.
    """

    def __init__(self, folder: Path, key: str, write: Callable[[Path], object]) -> None:
        self.file = folder / "gpaw.restart.gpw"
        self.stale = False
        self._mark = Checkpoint(folder / "gpaw.restart.json", key)
        self._write = write
        self._written_at = time.monotonic()
        self._writing_s = 0.0

    def open(self) -> Path | None:
        """Claim the folder; return the file of an earlier run of the same calculation, if any."""
        known = self._mark.load() is not None and self.file.is_file()
        if not known:
            self.file.unlink(missing_ok=True)
        self._mark.save({"file": self.file.name})
        return self.file if known else None

    def computed(self, evaluation_s: float) -> None:
        """Say that there is something new; write it if that takes little of the time it saves."""
        self.stale = True
        passed_s = time.monotonic() - self._written_at
        first = self._writing_s == 0.0 and evaluation_s > _WORTH_KEEPING_S
        if first or 0.0 < self._writing_s < _SHARE * passed_s:
            self.write()

    def write(self) -> None:
        """Write the file, unless it is new enough."""
        if not self.stale:
            return
        begun = time.monotonic()
        self._write(self.file)
        self._written_at = time.monotonic()
        self._writing_s = self._written_at - begun
        self.stale = False

    def remove(self) -> None:
        """Remove both files: the calculation is finished."""
        self.file.unlink(missing_ok=True)
        self._mark.clear()
        self.stale = False
