"""The log of a job: what it and the libraries that it calls print, warn and report.

It lies in the job's folder as ``job.log``; when the job is done it moves to ``logs`` beside the
folders of jobs. A job that says nothing leaves no log.
"""

from __future__ import annotations

import contextlib
import io
import logging
import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Name of the file in the job's folder.
FILE: Final = "job.log"
_NAME_LENGTH: Final = 60


def kept_name(job: str, folder: str) -> str:
    """Return the name of the log of a finished job.

    Examples
    --------
    >>> kept_name("relax host (Mg)", "0123456789abcdef")
    'relax-host-Mg-0123456789abcdef.log'
    """
    words = re.sub(r"[^A-Za-z0-9._+]+", "-", job).strip("-.")
    return f"{words[:_NAME_LENGTH]}-{folder}.log"


@contextmanager
def logged(directory: Path) -> Iterator[None]:
    """Send what is printed in this block, and our own log records, to the log in `directory`."""
    log = _Log(directory / FILE)
    handler = logging.StreamHandler(log)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("defectflow")
    ours.addHandler(handler)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
    finally:
        ours.removeHandler(handler)
        log.close()


class _Log(io.TextIOBase):
    """A text file that is made when the first word is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: TextIO | None = None

    def writable(self) -> bool:
        """Say that this can be written to."""
        return True

    def write(self, text: str) -> int:
        """Append `text`; where that is impossible (a full disk) the words are lost, not the job."""
        with contextlib.suppress(OSError, ValueError):
            if self._file is None:
                self._file = self._path.open("a", encoding="utf-8", errors="replace", buffering=1)
                self._file.write(f"# {datetime.now(UTC).isoformat(timespec='seconds')}\n")
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Write out what is held back."""
        with contextlib.suppress(OSError, ValueError):
            if self._file is not None:
                self._file.flush()

    def close(self) -> None:
        """Close the file if there is one."""
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()
        super().close()

    def __getattr__(self, name: str) -> Any:
        # Libraries ask a stream for its encoding and the like.
        if name == "encoding":
            return "utf-8"
        raise AttributeError(name)
