"""Starting pw.x and projwfc.x: their version, one run, and no process that outlives ours."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from defectflow.engines import programs
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

REMEDY: Final = (
    "install Quantum ESPRESSO (Debian, Ubuntu: apt-get install quantum-espresso) or set "
    "DEFECTFLOW_PW_X_COMMAND"
)
_VERSION: Final = re.compile(r"Program PWSCF\s+v\.?\s*(\d+)\.(\d+)([\w.]*)")
#: The order that a crystal's symmetry can have: so many times fewer k-points are computed.
_MOST_SYMMETRY: Final = 48
_PATIENCE_S: Final = 120.0
_LAST_WORDS_S: Final = 10.0
_PR_SET_PDEATHSIG: Final = 1


def check_programs() -> None:
    """Raise `EngineError` if pw.x, or what starts MPI, is not found."""
    programs.command("pw.x", remedy=REMEDY)


def pw_version() -> str:
    """Return the version of pw.x, e.g. ``6.7MaX``; asks the program once in a process.

    Raises
    ------
    EngineError
        If pw.x, or MPI, cannot be started.
    """
    words = programs.command("pw.x", remedy=REMEDY)
    return _asked_version(tuple(words), shutil.which(words[-1]))


@functools.lru_cache(maxsize=8)
def _asked_version(words: tuple[str, ...], _file: str | None) -> str:
    # pw.x names itself before it finds that there is no input.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        out, error, _ = run([*words, "-in", "/dev/null"], Path(folder), "version")
    found = _VERSION.search(out)
    if found is None:
        lines = [line.strip() for line in (out + error).splitlines() if line.strip(" -*=%")]
        message = (
            f"{' '.join(words)} does not start as pw.x ({lines[0] if lines else 'no output'}); "
            f"check DEFECTFLOW_DFT_PROCESSES and DEFECTFLOW_MPI_COMMAND, or {REMEDY}"
        )
        raise EngineError(message)
    return f"{found[1]}.{found[2]}{found[3]}"


def version_numbers(version: str) -> tuple[int, int]:
    """Return the two numbers that the syntax of the input depends on.

    Examples
    --------
    >>> version_numbers("6.7MaX")
    (6, 7)
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None:
        message = f"pw.x {version}: unknown form of a version; {REMEDY}"
        raise EngineError(message)
    return int(found[1]), int(found[2])


def pool_words(mesh: tuple[int, int, int]) -> list[str]:
    """Return the option that spreads k-points over the MPI processes, if there surely are enough.

    A pool without a k-point is an error of pw.x, and how many there are depends on the symmetry.
    """
    processes = programs.processes()
    sure = max(1, math.prod(mesh) // _MOST_SYMMETRY)
    pools = max(
        count for count in range(1, processes + 1) if processes % count == 0 and count <= sure
    )
    return ["-nk", str(pools)] if pools > 1 else []


def run(
    words: Sequence[str], folder: Path, name: str, *, timeout_s: float | None = _PATIENCE_S
) -> tuple[str, str, int]:
    """Run a program in `folder`; return its output, its error stream and its exit status.

    Both streams go to ``<name>.out`` and ``<name>.err`` in `folder`. The program ends with us,
    however we end: two programs must not write into one folder.

    Raises
    ------
    EngineError
        If it cannot be started, or takes longer than `timeout_s`.
    """
    out, error = folder / f"{name}.out", folder / f"{name}.err"
    try:
        with out.open("wb") as out_file, error.open("wb") as error_file:
            process = subprocess.Popen(  # noqa: S603 - the command is the user's
                list(words),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=out_file,
                stderr=error_file,
                env=programs.environment(),
                preexec_fn=_ends_with(os.getpid()),  # noqa: PLW1509 - one call of libc, no Python locks
            )
            try:
                status = process.wait(timeout_s)
            except BaseException:
                _end(process)
                raise
    except (OSError, subprocess.SubprocessError) as problem:
        message = f"{' '.join(words)}: {problem}; check DEFECTFLOW_MPI_COMMAND, or {REMEDY}"
        raise EngineError(message) from problem
    texts = (path.read_text(encoding="utf-8", errors="replace") for path in (out, error))
    return (*texts, status)  # type: ignore[return-value]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _ends_with(parent: int) -> Callable[[], None]:
    """Return what asks Linux to end a process when `parent` is gone, even if that was killed."""

    def ask() -> None:
        if sys.platform == "linux":
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGTERM)

    return ask
