"""Charges of atoms with Quantum ESPRESSO: pp.x writes the density of pw.x."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from defectflow.documents.electronic import ChargesDocument
from defectflow.engines.charges import Density, divided
from defectflow.engines.espresso_potential import ALL_ELECTRON_CHARGE, CHARGE, grid_of, input_text
from defectflow.engines.once import once
from defectflow.units import BOHR_A

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from defectflow.engines.espresso import Espresso
    from defectflow.engines.espresso_calculator import PwCalculator, PwTask
    from defectflow.engines.request import Request

#: Names of pp.x's files: the electrons that are counted, and those with the cores.
_COUNTED: Final = "charge"
_CORES: Final = "all-electron"


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
    pseudos = calculator.task.pseudos
    found = {
        name: grid_of(calculator.folder, quantity, name) / BOHR_A**3
        for name, quantity in _densities(calculator.task).items()
    }
    counted = found[_COUNTED]
    neutral = [pseudos[site.specie.symbol].valence for site in structure]
    return Density(counted, found.get(_CORES, counted), neutral, cores=_CORES in found)


def _densities(task: PwTask) -> dict[str, int]:
    """Return the densities that pp.x is asked for by name: PAW data alone have the cores."""
    cores = all(one.kind == "PAW" for one in task.pseudos.values())
    return {_COUNTED: CHARGE} | ({_CORES: ALL_ELECTRON_CHARGE} if cores else {})


def input_files(engine: Espresso, request: Request) -> dict[str, str]:
    """Return the inputs of pw.x and pp.x by name; runs nothing."""
    asked = _densities(engine.task(request))
    files = {f"{name}.in": input_text(quantity, name) for name, quantity in asked.items()}
    return {"pw.in": engine.input_text(request), **files}
