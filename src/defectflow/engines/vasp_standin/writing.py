"""The output files of one folder, kept up to date after each ionic step as VASP does."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from defectflow.engines.vasp_standin import outcar, vasprun
from defectflow.engines.vasp_standin.marks import NOTICE, PROGRAM, VERSION, is_standin
from defectflow.engines.vasp_standin.motion import moves_cell
from defectflow.errors import EngineError, MissingData

if TYPE_CHECKING:
    from pathlib import Path

    from defectflow.engines.vasp_standin.computing import Computer
    from defectflow.engines.vasp_standin.inputs import Inputs
    from defectflow.engines.vasp_standin.steps import Ending, IonicStep

#: What a run writes, and clears away before it begins.
WRITTEN: Final = (
    "vasprun.xml",
    "OUTCAR",
    "OSZICAR",
    "CONTCAR",
    "XDATCAR",
    "CHGCAR",
    "WAVECAR",
    "LOCPOT",
    "AECCAR0",
    "AECCAR2",
)
#: Files that other programs want to see, by the tag that switches them off.
_PLACEHOLDERS: Final = {"LCHARG": "CHGCAR", "LWAVE": "WAVECAR"}
RECORD: Final = "standin.json"


def clear(folder: Path) -> None:
    """Remove the output of earlier runs, so that nothing old is taken for the output of this.

    Raises
    ------
    EngineError
        If there is output that the stand-in has not written; it stays.
    """
    try:
        foreign = not is_standin(folder)
    except MissingData:
        foreign = False
    if foreign:
        message = (
            f"{folder} holds output of VASP itself, which the stand-in does not overwrite; run it "
            "in a folder with input files only"
        )
        raise EngineError(message)
    for name in WRITTEN:
        (folder / name).unlink(missing_ok=True)


class Outputs:
    """The output files of one calculation.

    Parameters
    ----------
    folder
        Where they are written.
    inputs
        With the crystal of this folder.
    label
        Name of the engine that computes.
    """

    def __init__(self, folder: Path, inputs: Inputs, label: str) -> None:
        self.folder = folder
        self.inputs = inputs
        self.begun = time.monotonic()
        self.last: IonicStep | None = None
        clear(folder)
        self._append("vasprun.xml", vasprun.head(inputs, label))
        self._append("OUTCAR", outcar.head(inputs, label))

    def write(self, step: IonicStep) -> str:
        """Write `step` to every file and return its line for the standard output."""
        last_energy_eV = self.last.energy_eV if self.last else 0.0
        self._append("vasprun.xml", vasprun.calculation(step))
        self._append("OUTCAR", outcar.ionic_step(step, self.inputs))
        self._append("OSZICAR", outcar.oszicar_step(step, last_energy_eV, self.inputs))
        (self.folder / "CONTCAR").write_text(step.crystal.text(), "utf-8")
        self._append("XDATCAR", self._frame(step))
        self.last = step
        return outcar.summary(step, last_energy_eV, self.inputs)

    def close(self, ending: Ending, extra: str = "") -> None:
        """Finish the files; `extra` goes into vasprun.xml behind the last step."""
        if self.last is None:
            return
        self._append("vasprun.xml", extra + vasprun.tail(self.inputs, self.last.crystal))
        self._append("OUTCAR", outcar.tail(ending, time.monotonic() - self.begun))
        written = self._model_files()
        for tag, name in _PLACEHOLDERS.items():
            if self.inputs.incar.logical(tag, default=True) and name not in written:
                self._append(name, f"{PROGRAM}: a placeholder, {NOTICE}\n")

    def _model_files(self) -> set[str]:
        """Write potential and densities of the model, where they are asked for."""
        from defectflow.engines.vasp_standin import electrons

        files: dict[str, str] = {}
        if self.last is not None and self.inputs.has_potential:
            files["LOCPOT"] = electrons.potential_text(self.last.crystal)
        if self.last is not None and self.inputs.has_density:
            files |= electrons.density_texts(self.inputs, self.last.crystal)
        for name, text in files.items():
            self._append(name, text)
        return set(files)

    def _frame(self, step: IonicStep) -> str:
        first = self.last is None or moves_cell(self.inputs.incar.isif)
        positions = "\n".join(step.crystal.coordinates())
        title = f"Direct configuration= {step.number:5d}"
        return f"{step.crystal.head() if first else ''}{title}\n{positions}\n"

    def _append(self, name: str, text: str) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(text)


def earlier_runs(folder: Path) -> int:
    """Return how many times the stand-in has run in `folder`."""
    path = folder / RECORD
    return int(json.loads(path.read_text("utf-8"))["runs"]) if path.is_file() else 0


def write_record(folder: Path, runs: int, computer: Computer, inputs: Inputs) -> None:
    """Write what was computed with; task documents of emmet take it over."""
    record: dict[str, Any] = {
        "program": PROGRAM,
        "version": VERSION,
        "notice": NOTICE,
        "engine": computer.engine.stamp().model_dump(mode="json"),
        "runs": runs,
        "not_given": inputs.not_given(),
    }
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", "utf-8")
