"""An engine whose calculator keeps a file for an interrupted run, as codes with electrons do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import pytest
from ase.calculators.emt import EMT as AseEMT  # noqa: N811

from defectflow.engines.contract import Capability
from defectflow.engines.emt import EMT

if TYPE_CHECKING:
    from pathlib import Path

    from defectflow.engines.request import Request


class KeepingCalculator(AseEMT):
    """Effective medium theory with a state on disk, and a potential at each atom."""

    repairs = ()

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.inputs = {"cutoff_eV": 400.0}
        self.kept = folder / "kept.state"

    def calculate(self, *args, **kwargs):
        """Evaluate, and keep the state."""
        super().calculate(*args, **kwargs)
        self.kept.parent.mkdir(exist_ok=True)
        self.kept.write_text("of this geometry")

    def site_potentials_V(self):
        """Return numbers that tell the geometry."""
        assert self.kept.is_file()
        return tuple(self.atoms.positions[:, 0].tolist())

    def finish(self):
        """Remove the state."""
        self.kept.unlink(missing_ok=True)


@dataclass(frozen=True)
class Keeping(EMT):
    """The engine of it."""

    name: ClassVar[str] = "keeping"
    declared: ClassVar[frozenset[Capability]] = EMT.declared | {Capability.SITE_POTENTIALS}

    def part(self, request: Request) -> KeepingCalculator:
        """Return a new calculator."""
        return KeepingCalculator(request.folder)


@pytest.fixture
def keeping() -> Keeping:
    """Return an engine whose calculator keeps a file until it is told that it has finished."""
    return Keeping()
