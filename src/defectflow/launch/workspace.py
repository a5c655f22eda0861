"""The folder in which a job runs.

Its name comes from the job's content, so what an interrupted job has left there (checkpoints) is
found again by the same job of a later run. The folder is locked by its run; a second process that
computes the same job at the same time gets a folder of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

#: Where the traceback of a failed job is kept.
ERROR_FILE: Final = "error.txt"
_NAME_LENGTH: Final = 16


@dataclass(frozen=True)
class Workspace:
    """A locked folder.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Workspace.open(Path(tempfile.mkdtemp()), "0123456789abcdef0123")
    >>> folder.path.name
    '0123456789abcdef'
    >>> folder.discard()
    >>> folder.path.exists()
    False
    """

    path: Path
    lock: int

    @classmethod
    def open(cls, root: Path, name: str, *, empty: bool = False) -> Workspace:
        """Make and lock the folder for the job `name` below ``root/jobs``.

        Parameters
        ----------
        empty
            Whether to remove what an earlier run has left.

        Raises
        ------
        StoreError
            If the folder cannot be made.
        """
        path = root.absolute() / "jobs" / name[:_NAME_LENGTH]
        try:
            made = _locked(path) or _locked(path.with_name(f"{path.name}-{os.getpid()}"))
            if made is None:
                message = f"{path}: locked by another run; wait for it or end it"
                raise StoreError(message)
            _tidy(made.path, everything=empty)
        except OSError as error:
            message = f"{path}: cannot make the job's folder: {error.strerror}; free or change it"
            raise StoreError(message) from error
        return made

    def discard(self) -> None:
        """Delete the folder and release it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self.lock)

    def keep(self, trace: str = "") -> None:
        """Release the folder and leave it, with the traceback if there is one."""
        if trace:
            # On a full disk the traceback is lost; the run reports the error itself.
            with contextlib.suppress(OSError):
                (self.path / ERROR_FILE).write_text(trace)
        os.close(self.lock)


def _locked(path: Path) -> Workspace | None:
    """Make and lock the folder at `path`; None if another run holds it."""
    while True:
        path.mkdir(parents=True, exist_ok=True)
        try:
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            continue  # deleted in between by the run that held it
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(lock).st_ino:
                return Workspace(path=path, lock=lock)
        os.close(lock)


def _tidy(path: Path, *, everything: bool) -> None:
    if everything:
        for child in path.iterdir():
            if child.is_dir() and not child.is_symlink():
                shutil.rmtree(child)
            else:
                child.unlink()
    (path / ERROR_FILE).unlink(missing_ok=True)
