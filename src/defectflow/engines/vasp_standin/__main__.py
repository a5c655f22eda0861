"""The executable: run it in a folder as VASP is run, without arguments."""

from __future__ import annotations

import sys
from pathlib import Path

from defectflow.engines.vasp_standin.marks import PROGRAM
from defectflow.engines.vasp_standin.running import Run
from defectflow.errors import DefectflowError


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> int:
    """Compute in the working directory; return 0, or 1 if the request is refused."""
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
