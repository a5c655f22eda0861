"""Charges of atoms with Quantum ESPRESSO: pp.x writes the density of pw.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.charges import Density, divided
from defectflow.engines.espresso_potential import ALL_ELECTRON_CHARGE, CHARGE, grid_of
from defectflow.engines.once import once
from defectflow.units import BOHR_A

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from defectflow.engines.espresso import Espresso
    from defectflow.engines.espresso_calculator import PwCalculator
    from defectflow.engines.request import Request


def charges(engine: Espresso, request: Request) -> ChargesDocument:
    """Compute the electrons of `request` and return the charges of its atoms.

    With PAW data the density with the cores tells the atoms apart, else that of the valence
    electrons, which the document says.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    EngineError
        If a program is missing or fails.
    """

    def look(calculator: PwCalculator) -> dict[str, Any]:
        density = _density(calculator, request.structure)
        return divided(density, request.structure, request.charge)

    return ChargesDocument(**once(engine, engine.part(request), request, look))


def _density(calculator: PwCalculator, structure: Structure) -> Density:
    folder = calculator.folder
    counted = grid_of(folder, CHARGE, "charge") / BOHR_A**3
    pseudos = calculator.task.pseudos
    cores = all(one.kind == "PAW" for one in pseudos.values())
    reference = counted
    if cores:
        reference = grid_of(folder, ALL_ELECTRON_CHARGE, "all-electron") / BOHR_A**3
    neutral = [pseudos[site.specie.symbol].valence for site in structure]
    return Density(counted, reference, neutral, cores=cores)
