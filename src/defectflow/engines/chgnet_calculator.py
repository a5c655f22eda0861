"""CHGNet as an ASE calculator that computes no more than it is asked for.

The package's own calculator always computes the stress and the magnetic moments; without them an
evaluation takes about half the time. This module imports torch.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from ase.calculators.calculator import Calculator, all_changes
from chgnet.model.dynamics import CHGNetCalculator
from chgnet.model.model import CHGNet

from defectflow.errors import EngineError

if TYPE_CHECKING:
    from ase import Atoms
    from chgnet import PredTask


class LeanCHGNetCalculator(CHGNetCalculator):
    """CHGNet with energy and forces, and the stress only if it is among the properties asked."""

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] | None = None,
        task: PredTask | None = None,
    ) -> None:
        """Evaluate `atoms`.

        Raises
        ------
        EngineError
            If an atom has no neighbour within the cut-off: the model knows no free atoms.
        """
        wanted = list(properties or ("energy", "forces"))
        task = task or ("efs" if "stress" in wanted else "ef")
        changes = list(system_changes or all_changes)
        try:
            with warnings.catch_warnings():
                # torch deprecates a conversion in chgnet.model.
                warnings.filterwarnings("ignore", message="Converting a tensor", module="chgnet")
                super().calculate(atoms, wanted, changes, task=task)
        except ValueError as error:
            if "isolated" not in str(error):
                raise
            formula = atoms.get_chemical_formula() if atoms else "no atoms"
            message = f"engine chgnet cannot compute {formula}: {error}"
            raise EngineError(message) from error


def load(version: str, device: str) -> Calculator:
    """Return the calculator of a shipped version of the weights."""
    model = CHGNet.load(model_name=version, use_device=device, verbose=False)
    return LeanCHGNetCalculator(model=model, use_device=device, on_isolated_atoms="error")
