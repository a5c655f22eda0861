"""Charges of atoms with Quantum ESPRESSO: pp.x writes the density of pw.x."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.charges import Density, divided
from defectflow.engines.conversion import to_atoms, to_structure
from defectflow.engines.espresso_potential import ALL_ELECTRON_CHARGE, CHARGE, grid_of
from defectflow.units import BOHR_A

if TYPE_CHECKING:
    from pathlib import Path

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
    begun = time.monotonic()
    atoms = to_atoms(request.structure)
    calculator = engine.part(request)
    try:
        calculator.calculate(atoms, ["energy"])
        density = _density(calculator, request.structure, calculator.folder)
        calculator.finish()
    finally:
        calculator.close()
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


def _density(calculator: PwCalculator, structure: Structure, folder: Path) -> Density:
    counted = grid_of(folder, CHARGE, "charge") / BOHR_A**3
    pseudos = calculator.task.pseudos
    cores = all(one.kind == "PAW" for one in pseudos.values())
    reference = counted
    if cores:
        reference = grid_of(folder, ALL_ELECTRON_CHARGE, "all-electron") / BOHR_A**3
    neutral = [pseudos[site.specie.symbol].valence for site in structure]
    return Density(counted, reference, neutral, cores=cores)
