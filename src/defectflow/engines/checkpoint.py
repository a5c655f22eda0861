"""The state of an unfinished calculation, in a JSON file of the job's folder.

A file is replaced in one move, so that a killed job leaves either the old state or the new one.
It is read again only by a calculation with the same content key.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

#: Seconds between two writings of the same file, so that cheap steps stay cheap.
INTERVAL_S: Final = 1.0


@dataclass
class Checkpoint:
    """One file, for one calculation.

    Attributes
    ----------
    path
        The file; a relative one lies in the job's folder.
    key
        Content key of the calculation; the state of another calculation is not read.
    interval_s
        Least time between two writings.
    """

    path: Path
    key: str
    interval_s: float = INTERVAL_S
    _written: float = field(default_factory=time.monotonic)

    def load(self) -> dict[str, Any] | None:
        """Return the state of an earlier run of the same calculation, or None."""
        try:
            record = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("%s cannot be read and is ignored: %s", self.path, error)
            return None
        if not isinstance(record, dict) or record.get("key") != self.key:
            return None
        state = record.get("state")
        return state if isinstance(state, dict) else None

    def due(self) -> bool:
        """Tell whether enough time has passed for the next writing."""
        return time.monotonic() - self._written >= self.interval_s

    def save(self, state: dict[str, Any]) -> None:
        """Replace the file by `state`, which must consist of plain JSON types."""
        text = json.dumps({"key": self.key, "state": state})
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            fresh.write_text(text, encoding="utf-8")
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
        self._written = time.monotonic()

    def clear(self) -> None:
        """Remove the file: the calculation is finished."""
        self.path.unlink(missing_ok=True)
