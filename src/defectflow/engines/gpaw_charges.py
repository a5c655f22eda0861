"""Charges of atoms with GPAW, from the density of all electrons."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.charges import Density, divided
from defectflow.engines.conversion import to_atoms, to_structure

if TYPE_CHECKING:
    from defectflow.engines.gpaw import Gpaw
    from defectflow.engines.request import Request

#: How much finer the grid of the all-electron density is than GPAW's own.
REFINEMENT: Final = 4


def charges(engine: Gpaw, request: Request) -> ChargesDocument:
    """Compute the electrons of `request` and return the charges of its atoms.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    """
    begun = time.monotonic()
    atoms = to_atoms(request.structure)
    calculator = engine.part(request)
    try:
        calculator.calculate(atoms, ["energy"])
        counted = calculator.all_electron_density_per_A3(REFINEMENT)
        calculator.finish()
    finally:
        calculator.close()
    density = Density(counted, counted, atoms.numbers.tolist(), cores=True)
    return ChargesDocument(
        **divided(density, request.structure, request.charge),
        structure=to_structure(atoms, request.structure),
        energy_eV=calculator.results["energy"],
        charge=request.charge,
        force_calls=1,
        wall_time_s=time.monotonic() - begun,
        inputs=calculator.inputs,
        repairs=tuple(calculator.repairs),
        engine=engine.stamp(),
    )
