"""Results about dislocations."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, ResultDocument
from defectflow.documents.steps import RelaxDocument
from defectflow.words import HostCell

#: What became of a line: still one, split up over much of the cell, or gone.
Outcome = Literal["kept", "spread", "annihilated"]


class DislocationCore(Document):
    """One start of the core, and where it ended.

    Attributes
    ----------
    cores_A
        x and y of both lines, as built.
    energy_eV_per_A
        Excess energy of one line per length in this cell, the elastic energy of the array
        included; None where it did not converge or the lines annihilated.
    above_lowest_eV_per_A
        The same against the lowest of all, which is a difference of cores alone.
    outcome
        What a Frank circuit around the place of the line shows after the relaxation.
    """

    name: str
    cores_A: tuple[tuple[float, float], tuple[float, float]]
    energy_eV_per_A: float | None
    above_lowest_eV_per_A: float | None = None
    outcome: Outcome
    relaxed: RelaxDocument


class DislocationCoreDocument(ResultDocument):
    """Energy of the next core above the lowest, eV per Å of line; zero or positive.

    ΔE = (E(cell of one) - E(cell of the other)) / 2L: both cells have the same lines in the same
    array, so that their elastic energies cancel. `value` is zero where all starts relax into one
    core.

    Attributes
    ----------
    line_energy_eV_per_A
        Excess energy of the lowest per length of one line, (E(cell) - E(perfect cell)) / 2L. It
        contains the elastic energy of the array and grows with the logarithm of its size.
    """

    quantity: Literal["dislocation_core_energy"] = "dislocation_core_energy"
    unit: Literal["eV/A"] = "eV/A"
    host_formula: str
    prototype: str | None = None
    host_cell: HostCell
    character: str
    burgers_A: tuple[float, float, float]
    length_A: float
    separation_A: float
    line_energy_eV_per_A: float | None
    relaxed_host: RelaxDocument
    perfect: RelaxDocument
    cores: tuple[DislocationCore, ...]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
