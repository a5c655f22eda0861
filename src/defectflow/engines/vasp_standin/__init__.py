"""A stand-in for the VASP executable: its inputs, its outputs, and another way to compute.

With it the road from input sets over custodian to task documents can be tested without a licence.
Energies and forces come from EMT or a machine-learned potential; there are no electrons. Each file
that it writes says so. A density of states and a potential are those of a model without physics,
there only so that they can be read; whatever else needs electrons is refused. `is_standin`
recognises its output.

Environment
-----------
DEFECTFLOW_STANDIN_ENGINE
    Engine that computes, ``name`` or ``name:model`` (``sevennet:7net-mf-0``); without it ``emt`` if
    it knows all elements, else ``chgnet``.
DEFECTFLOW_STANDIN_FAIL
    ``scf:N``: no electronic convergence in the first N runs of a folder. ``walltime:N``: the first
    run of a folder stops after N ionic steps, as if STOPCAR had said ``LSTOP = .TRUE.``.
"""

from __future__ import annotations

import shlex
import sys

from defectflow.engines.vasp_standin.marks import PROGRAM, VERSION, is_standin

__all__ = ["PROGRAM", "VERSION", "command", "is_standin"]


def command() -> str:
    """Return the shell command that runs the stand-in with this Python, installed or not."""
    return shlex.join([sys.executable, "-m", __name__])
