"""Charges of atoms with GPAW, from the density of all electrons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.charges import Density, divided
from defectflow.engines.once import once

if TYPE_CHECKING:
    from defectflow.engines.gpaw import Gpaw
    from defectflow.engines.gpaw_calculator import GpawCalculator
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

    def look(calculator: GpawCalculator) -> dict[str, Any]:
        counted = calculator.all_electron_density_per_A3(REFINEMENT)
        numbers = [site.specie.Z for site in request.structure]
        density = Density(counted, counted, numbers, cores=True)
        return divided(density, request.structure, request.charge)

    return ChargesDocument(**once(engine, engine.part(request), request, look))
