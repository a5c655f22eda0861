"""The folder in which a job runs.

Its name comes from the job's content, so what an interrupted job has left there (checkpoints) is
found again by the same job of a later run. The folder is locked by its run; a second process that
computes the same job at the same time gets a folder of its own. Emptied folders are renamed for
the next job, because to delete one can take longer than all else that a trivial job costs.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from defectflow.errors import StoreError
from defectflow.launch import job_log

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Where the traceback of a failed job is kept.
ERROR_FILE: Final = "error.txt"
_NAME_LENGTH: Final = 16
_SPARE: Final = ".spare-"
_ONCE: Final = "once-"
#: What a file system says that has no locks; then runs go without.
_NO_LOCKS: Final = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL})


def name_once(uuid: str) -> str:
    """Return the name of the folder of a job without a key: no later run can find it again."""
    return f"{_ONCE}{uuid.replace('-', '')}"


@dataclass
class Workspace:
    """A locked folder; `lock` is the open descriptor that holds the lock, None when released."""

    path: Path
    lock: int | None

    def release(self) -> None:
        """Let other runs have the folder."""
        if self.lock is not None:
            os.close(self.lock)
        self.lock = None

    def keep(self, trace: str = "") -> None:
        """Release the folder and leave it, with the traceback if there is one."""
        if trace:
            # On a full disk the traceback is lost; the run reports the error itself.
            with contextlib.suppress(OSError):
                (self.path / ERROR_FILE).write_text(trace)
        self.release()


class Workspaces:
    """Makes the folders of one run, below ``root/jobs``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folders = Workspaces(Path(tempfile.mkdtemp()))
    >>> folder = folders.open("0123456789abcdef0123")
    >>> folder.path.name
    '0123456789abcdef'
    >>> folders.discard(folder)
    >>> folder.path.exists()
    False
    >>> folders.close()
    """

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._jobs = self._root / "jobs"
        self._spares: list[Workspace] = []
        self._given: dict[Path, Workspace] = {}
        self._gate: int | None = None

    def open(self, name: str, *, empty: bool = False) -> Workspace:
        """Make and lock the folder of the job `name`, or one beside it if another run holds it.

        Parameters
        ----------
        empty
            Whether to remove what an earlier run has left.

        Raises
        ------
        StoreError
            If the folder cannot be made.
        """
        path = self._jobs / name[:_NAME_LENGTH]
        made = self._made(path, empty=empty)
        made = made or self._made(path.with_name(f"{path.name}-{os.getpid()}"), empty=empty)
        if made is None:
            message = f"{path}: locked by another run; wait for it or end it"
            raise StoreError(message)
        return made

    def claim(self, name: str) -> Workspace | None:
        """Make and lock the folder of the job `name`; None while another run holds it.

        Raises
        ------
        StoreError
            If the folder cannot be made.
        """
        return self._made(self._jobs / name[:_NAME_LENGTH], empty=False)

    def discard(self, folder: Workspace, job: str = "") -> None:
        """Empty the folder and take it away; the log of `job` is kept among the logs."""
        spare = self._jobs / f"{_SPARE}{os.getpid()}-{len(self._spares)}"
        self._given.pop(folder.path, None)
        self._keep_log(folder.path, job)
        try:
            _empty(folder.path)
            with self._alone():
                folder.path.rename(spare)
        except OSError:  # something in it cannot be deleted; nothing needs it any more
            shutil.rmtree(folder.path, ignore_errors=True)
            folder.release()
        else:
            self._spares.append(Workspace(spare, folder.lock))
            folder.lock = None

    def close(self) -> None:
        """Release all folders; delete the emptied ones, also those of runs that were killed."""
        for folder in (*self._spares, *self._given.values()):
            folder.release()
        self._spares.clear()
        self._given.clear()
        if self._gate is None:
            return
        with contextlib.suppress(OSError), self._alone():
            for path in (*self._jobs.glob(f"{_SPARE}*"), *self._jobs.glob(f"{_ONCE}*")):
                left = None if (path / ERROR_FILE).exists() else _locked(path)
                if left is not None:
                    shutil.rmtree(path)
                    left.release()
        os.close(self._gate)
        self._gate = None

    def _made(self, path: Path, *, empty: bool) -> Workspace | None:
        try:
            with self._alone():
                made = self._taken(path)
            if made is not None:
                self._given[path] = made
                if empty:
                    _empty(made.path)
                (made.path / ERROR_FILE).unlink(missing_ok=True)
        except OSError as error:
            message = f"{path}: cannot make the job's folder: {error.strerror}; free or change it"
            raise StoreError(message) from error
        return made

    def _keep_log(self, path: Path, job: str) -> None:
        log, logs = path / job_log.FILE, self._root / "logs"
        if job and log.exists():
            with contextlib.suppress(OSError):
                logs.mkdir(exist_ok=True)
                log.replace(logs / job_log.kept_name(job, path.name))

    def _taken(self, path: Path) -> Workspace | None:
        """Return the folder at `path`, locked; None if another run holds it."""
        if path.exists():
            return _locked(path)
        if self._spares:
            spare = self._spares.pop()
            spare.path.rename(path)
            return Workspace(path, spare.lock)
        path.mkdir()
        return _locked(path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other runs from making, renaming or deleting folders for the moment."""
        if self._gate is None:
            self._jobs.mkdir(parents=True, exist_ok=True)
            self._gate = os.open(self._root / "jobs.lock", os.O_RDWR | os.O_CREAT, 0o666)
        _lock(self._gate, fcntl.LOCK_EX)
        try:
            yield
        finally:
            _lock(self._gate, fcntl.LOCK_UN)


def _locked(path: Path) -> Workspace | None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return Workspace(path=path, lock=descriptor)


def _lock(descriptor: int, operation: int) -> None:
    try:
        fcntl.flock(descriptor, operation)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _empty(path: Path) -> None:
    for child in path.iterdir():
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        else:
            child.unlink()
