"""Energies, forces and stresses from one of our engines."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from defectflow.engines.calculators import CalculatorEngine
from defectflow.engines.contract import Capability
from defectflow.engines.registry import engine
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection

    from ase import Atoms

Array = NDArray[np.float64]

VARIABLE = "DEFECTFLOW_STANDIN_ENGINE"


@dataclass(frozen=True)
class Evaluation:
    """One geometry and what the engine says about it.

    Attributes
    ----------
    cell, positions
        Å, rows are vectors.
    energy_eV
        Potential energy of the cell.
    forces
        eV/Å, shape (atoms, 3), without constraints.
    stress
        eV/Å³, shape (3, 3), positive where the cell is stretched; None if the engine has none.
    """

    cell: Array
    positions: Array
    energy_eV: float
    forces: Array
    stress: Array | None


@dataclass(frozen=True)
class Computer:
    """The engine that computes in the place of VASP."""

    engine: CalculatorEngine

    @classmethod
    def for_elements(cls, elements: Collection[str]) -> Computer:
        """Return the engine that the environment names, or the default for `elements`.

        Raises
        ------
        EngineError
            If the engine is none of a calculator, is not installed, or lacks an element.
        """
        wanted = os.environ.get(VARIABLE, "")
        if not wanted:
            known = getattr(named("emt").model(), "elements", None) or frozenset()
            wanted = "emt" if set(elements) <= known else "chgnet"
        chosen = named(wanted)
        chosen.check(elements)
        return cls(chosen)

    @property
    def label(self) -> str:
        """Name and model of the engine."""
        stamp = self.engine.stamp()
        return f"{stamp.name} ({stamp.model})" if stamp.model else stamp.name

    @property
    def has_stress(self) -> bool:
        """Whether the engine has a stress."""
        return Capability.STRESS in self.engine.capabilities()

    def attach(self, atoms: Atoms) -> None:
        """Give `atoms` the calculator of this engine."""
        atoms.calc = self.engine.shared_calculator()

    def evaluate(self, atoms: Atoms) -> Evaluation:
        """Return energy, forces and stress of `atoms`, to which the engine is attached."""
        stress = None
        if self.has_stress:
            stress = np.array(atoms.get_stress(voigt=False, apply_constraint=False))
        return Evaluation(
            cell=np.array(atoms.cell),
            positions=atoms.positions.copy(),
            energy_eV=float(atoms.get_potential_energy()),
            forces=np.array(atoms.get_forces(apply_constraint=False)),
            stress=stress,
        )


def named(text: str) -> CalculatorEngine:
    """Return the engine that `text` names: ``name`` or ``name:model``.

    Raises
    ------
    RecipeError
        If there is no such engine or model.
    EngineError
        If it does not compute in this process.
    """
    name, _, model = text.partition(":")
    options: dict[str, Any] = {}
    if model:
        options = {"calculator" if name == "ase" else "model": model}
    found = engine(name, **options)
    if not isinstance(found, CalculatorEngine):
        message = (
            f"{VARIABLE} = {name}: the stand-in for VASP needs an engine that computes in this "
            "process; take emt, chgnet, sevennet or ase:MODULE:CLASS"
        )
        raise EngineError(message)
    return found
