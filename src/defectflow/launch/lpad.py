"""FireWorks' own `lpad` on the launchpad of a store whose password is in no file.

    DEFECTFLOW_STORE=mongodb://ada@host/db python -m defectflow.launch.lpad get_wflows

The password is taken from the environment or the keyring. Without one, `lpad -l my_launchpad.yaml`
does the same with the file that `defectflow init` writes.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Call lpad with the arguments of the command line; return the exit status."""
    from fireworks.scripts import lpad_run

    from defectflow.errors import DefectflowError
    from defectflow.launch.launchpads import open_launchpad
    from defectflow.settings import load_settings

    try:
        pad = open_launchpad(load_settings().store or "", create=False)
    except DefectflowError as error:
        print(f"lpad: {error}", file=sys.stderr)  # noqa: T201 - a program's own message
        return 2
    if pad is None:
        print("lpad: no launchpad there; defectflow submit makes it", file=sys.stderr)  # noqa: T201
        return 2
    lpad_run.get_lp = lambda _arguments: pad
    lpad_run.lpad()
    return 0


if __name__ == "__main__":
    sys.exit(main())
