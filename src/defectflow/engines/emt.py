"""Effective medium theory: an analytic stand-in for metals, in milliseconds, for tests.

Source: K. W. Jacobsen, P. Stoltze, J. K. Nørskov, Surf. Sci. 366, 394 (1996), as implemented in
ASE. Its numbers are not predictions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from defectflow.engines.calculators import BASIC, CalculatorEngine
from defectflow.engines.contract import Capability
from defectflow.engines.model import Model

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

#: Metals with published parameters; ASE also knows crude H, C, N and O.
_ELEMENTS = frozenset({"Al", "Ni", "Cu", "Pd", "Ag", "Pt", "Au", "H", "C", "N", "O"})


@dataclass(frozen=True)
class EMT(CalculatorEngine):
    """ASE's effective medium theory.

    Examples
    --------
    >>> EMT().stamp().fidelity
    'stand-in'
    """

    name: ClassVar[str] = "emt"
    declared: ClassVar[frozenset[Capability]] = BASIC | {Capability.STRESS}

    def model(self) -> Model:
        """Return the description of the parameter set."""
        return Model(
            name=None,
            functional=None,
            fidelity="stand-in",
            elements=_ELEMENTS,
            packages=("ase",),
        )

    def calculator(self) -> BaseCalculator:
        """Return ASE's EMT calculator."""
        from ase.calculators.emt import EMT as AseEMT  # noqa: N811

        return AseEMT()
