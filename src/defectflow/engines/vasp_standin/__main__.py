"""The executable: run it in a folder as VASP is run, without arguments."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

from defectflow.engines.vasp_standin.marks import PROGRAM
from defectflow.engines.vasp_standin.running import Run
from defectflow.engines.vasp_start import end_with_parent
from defectflow.errors import DefectflowError

#: How Open MPI, MPICH and its kin number the processes of a calculation.
_RANKS: Final = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK")


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """Compute in the working directory; return 0, or 1 if the request is refused.

    Of several processes that MPI has started the first computes, the others have nothing to do. As
    with a program that is linked to MPI, it does not outlive what has started them.
    """
    if any(os.environ.get(name, "0") != "0" for name in _RANKS):
        return 0
    if sys.platform == "linux" and any(name in os.environ for name in _RANKS):
        end_with_parent(signal.SIGKILL)
    try:
        Run(Path.cwd(), _say).execute()
    except DefectflowError as error:
        message = f" {PROGRAM}: {error}\n"
        _say(message)
        sys.stderr.write(message)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
