"""Starts a program that ends with the process that started it, even if that one is killed.

Run as a script with the program's command as arguments; imports the standard library alone. The
program takes the place of this process, whose number is left in ``vasp.pid``.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import Final

PID_FILE: Final = "vasp.pid"
_PR_SET_PDEATHSIG: Final = 1


def end_with_parent(how: signal.Signals) -> None:
    """Let the kernel send a signal to this process when the one that started it ends."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, how)


def main(words: list[str]) -> None:
    """Become the program `words`."""
    parent = os.environ.pop("DEFECTFLOW_PARENT", "")
    if sys.platform == "linux":
        end_with_parent(signal.SIGTERM)
        if parent and parent != str(os.getppid()):
            sys.exit(f"process {parent}, which wanted this run, is gone")
    Path(PID_FILE).write_text(str(os.getpid()), encoding="utf-8")
    try:
        os.execvp(words[0], words)  # noqa: S606 - the command is the user's
    except OSError as error:
        sys.exit(f"{words[0]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
