"""How the programs of density functional codes are started: where and how, never what.

Environment variables, each with a default:

``DEFECTFLOW_DFT_PROCESSES``
    MPI processes of one calculation; 1 starts the program without MPI.
``DEFECTFLOW_MPI_COMMAND``
    What starts them; ``{n}`` is their number. Default ``mpiexec -n {n}``.
``DEFECTFLOW_<PROGRAM>_COMMAND``
    Full command of one program, e.g. ``DEFECTFLOW_VASP_STD_COMMAND="srun vasp_std"``; replaces all
    of the above for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from defectflow.errors import EngineError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MPI: Final = "mpiexec -n {n}"
_EXCUSED: ContextVar[list[str] | None] = ContextVar("excused", default=None)


@contextlib.contextmanager
def only_planned(*, strict: bool = False) -> Iterator[list[str]]:
    """Let checks pass where a program or its data is missing: nothing will be started here.

    Parameters
    ----------
    strict
        Let nothing pass.

    Yields
    ------
    list of str
        What was found missing, each once.
    """
    missing: list[str] = []
    token = _EXCUSED.set(None if strict else missing)
    try:
        yield missing
    finally:
        _EXCUSED.reset(token)


def excused(problem: EngineError) -> bool:
    """Tell whether a missing program is no problem now, and remember it."""
    missing = _EXCUSED.get()
    if missing is None:
        return False
    if str(problem) not in missing:
        missing.append(str(problem))
    return True


def processes() -> int:
    """Return the number of MPI processes of one calculation.

    Raises
    ------
    RecipeError
        If the environment variable holds no positive number.
    """
    text = os.environ.get("DEFECTFLOW_DFT_PROCESSES") or "1"
    if not text.isdigit() or int(text) < 1:
        message = f"environment variable DEFECTFLOW_DFT_PROCESSES={text}: give a number from 1 up"
        raise RecipeError(message)
    return int(text)


def command(program: str, *arguments: str, remedy: str, name: str | None = None) -> list[str]:
    """Return what starts `program`, as a list of words.

    Parameters
    ----------
    remedy
        What to do if the program is missing; ends the error message.
    name
        How the environment variable calls it, if not by its file's name.

    Raises
    ------
    EngineError
        If the program, or the one that starts MPI, is not found.
    """
    variable = f"DEFECTFLOW_{re.sub(r'[^A-Z0-9]', '_', (name or program).upper())}_COMMAND"
    given = os.environ.get(variable)
    words = shlex.split(given) if given else [*_mpi_words(), program]
    for word in {words[0], *([] if given else [program])}:
        if shutil.which(word) is None:
            origin = f" (from {variable})" if given else ""
            message = f"program {word}{origin} is not found; {remedy}"
            raise EngineError(message)
    return [*words, *arguments]


def under_mpi(words: list[str]) -> list[str]:
    """Return a command with what starts it on all processes of a calculation."""
    return [*_mpi_words(), *words]


def _mpi_words() -> list[str]:
    count = processes()
    if count == 1:
        return []
    return shlex.split(os.environ.get("DEFECTFLOW_MPI_COMMAND", _MPI).format(n=count))


def environment() -> dict[str, str]:
    """Return the environment for a program: one thread per process unless it says otherwise."""
    return {"OMP_NUM_THREADS": "1", **os.environ}
