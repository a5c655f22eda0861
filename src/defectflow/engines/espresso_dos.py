"""Density of states with pw.x and projwfc.x: scf, eigenvalues of more bands, projections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.documents.electronic import AtomDos, DosDocument, Orbital
from defectflow.engines import espresso_program as program
from defectflow.engines import programs
from defectflow.engines.dos import DosSettings, band_edges, broadened
from defectflow.engines.espresso_input import OUTPUT_FOLDER, PREFIX, RunControl
from defectflow.engines.espresso_output import failure, read_projections, read_result
from defectflow.engines.espresso_potential import potential_profile_eV
from defectflow.engines.once import once
from defectflow.engines.vacuum import has_vacuum, vacuum_document
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from defectflow.engines.espresso import Espresso
    from defectflow.engines.espresso_calculator import PwCalculator
    from defectflow.engines.espresso_output import Projection, PwResult
    from defectflow.engines.request import Request

    Array = NDArray[np.float64]

_ORBITALS: Final[tuple[Orbital, ...]] = ("s", "p", "d", "f")
_FEWEST_EMPTY: Final = 4
_REMEDY: Final = (
    "install it with Quantum ESPRESSO (Debian, Ubuntu: apt-get install quantum-espresso) or set "
    "DEFECTFLOW_PROJWFC_X_COMMAND"
)


_PROJECTIONS: Final = (
    f"&PROJWFC\n  prefix = '{PREFIX}'\n  outdir = './{OUTPUT_FOLDER}'\n"
    f"  filproj = '{PREFIX}'\n  filpdos = '{PREFIX}'\n/\n"
)


def input_files(engine: Espresso, request: Request) -> dict[str, str]:
    """Return the inputs of the three runs of a density of states by name; runs nothing."""
    inputs = engine.task(request).inputs
    electrons = inputs["neutral_valence_electrons"] - request.charge
    bands = _bands(electrons, request.settings["empty_bands_factor"])
    return {
        "pw.in": engine.input_text(request),
        "pw-nscf.in": engine.input_text(request, RunControl("nscf", bands=bands)),
        "projwfc.in": _PROJECTIONS,
    }


def density_of_states(engine: Espresso, request: Request) -> DosDocument:
    """Return the density of states of the structure as it is.

    The projections are on the orthonormalised atomic orbitals of the pseudopotentials. Dispersion
    has no part in it.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    EngineError
        If a program is missing or fails.
    """
    settings = DosSettings.of(request.settings)
    words = programs.command("projwfc.x", "-in", "projwfc.in", remedy=_REMEDY)
    symbols = [site.specie.symbol for site in request.structure]

    def look(calculator: PwCalculator) -> dict[str, Any]:
        levels = _eigenvalues(calculator, request.settings["empty_bands_factor"])
        projections = _projections(calculator, words, len(levels.levels_eV))
        vacuum = None
        if has_vacuum(request.structure):
            profile = potential_profile_eV(calculator.folder)
            vacuum = vacuum_document(
                profile,
                request.structure,
                levels.fermi_eV,
                corrected=calculator.task.electrons.dipole_correction,
            )
        return {
            **_curves(levels, projections, symbols, settings),
            "fermi_eV": levels.fermi_eV,
            "vacuum": vacuum,
            "width_eV": settings.width_eV,
            "magnetic_moments": calculator.results.get("magmoms"),
        }

    return DosDocument(**once(engine, engine.part(request), request, look))


def _bands(electrons: float, empty_factor: float) -> int:
    """Return the number of bands of which eigenvalues are wanted."""
    occupied = math.ceil(electrons / 2)
    return occupied + max(_FEWEST_EMPTY, math.ceil(occupied * empty_factor))


def _eigenvalues(calculator: PwCalculator, empty_factor: float) -> PwResult:
    """Return tightly converged levels, empty ones too, in the potential of the scf run."""
    bands = _bands(calculator.inputs["valence_electrons"], empty_factor)
    text, error = calculator.run_pw(RunControl("nscf", bands=bands))
    if "JOB DONE" not in text:
        message = f"pw.x (nscf) in {calculator.folder}: {failure(text, error)[1]}; look at pw.out"
        raise EngineError(message)
    calculator.inputs["bands"] = bands
    path = calculator.folder / OUTPUT_FOLDER / f"{PREFIX}.xml"
    return read_result(path, calculator.task.electrons.smearing)


def _projections(
    calculator: PwCalculator, words: Sequence[str], spins: int
) -> list[list[Projection]]:
    folder = calculator.folder
    (folder / "projwfc.in").write_text(_PROJECTIONS, encoding="utf-8")
    text, error, _ = program.run(words, folder, "projwfc", timeout_s=None)
    if "JOB DONE" not in text:
        message = f"projwfc.x in {folder}: {failure(text, error)[1]}; look at projwfc.out there"
        raise EngineError(message)
    names = ("up", "down")[:spins]
    return [read_projections(folder / f"{PREFIX}.projwfc_{name}") for name in names]


def _curves(
    levels: PwResult,
    projections: Sequence[Sequence[Projection]],
    symbols: Sequence[str],
    settings: DosSettings,
) -> dict[str, Any]:
    """Return the fields of a `DosDocument` that come from the eigenvalues."""
    grid = settings.grid()
    relative = levels.levels_eV - levels.fermi_eV
    per_level = 2.0 if len(relative) == 1 else 1.0
    weights = per_level * np.repeat(levels.weights[:, None], relative.shape[2], axis=1)

    def curve(spin: int, shares: Array) -> tuple[float, ...]:
        density = broadened(
            grid, relative[spin].ravel(), (weights * shares).ravel(), settings.width_eV
        )
        return tuple(density.tolist())

    spins = range(len(relative))
    atoms = []
    for place, symbol in enumerate(symbols):
        orbitals: dict[Orbital, tuple[tuple[float, ...], ...]] = {}
        for momentum, name in enumerate(_ORBITALS):
            shares = [_share(projections[spin], place, momentum) for spin in spins]
            if all(one is not None for one in shares):
                orbitals[name] = tuple(
                    curve(spin, one) for spin, one in enumerate(shares) if one is not None
                )
        atoms.append(AtomDos(symbol=symbol, orbitals=orbitals))
    edges = band_edges(relative)
    return {
        "energies_eV": tuple(grid.tolist()),
        "total": tuple(curve(spin, np.ones_like(weights)) for spin in spins),
        "atoms": tuple(atoms),
        "gap_eV": edges.gap_eV,
        "direct": edges.direct,
        "vbm_eV": edges.vbm_eV,
        "cbm_eV": edges.cbm_eV,
    }


def _share(projections: Sequence[Projection], atom: int, momentum: int) -> Array | None:
    """Return what part of each level belongs to an atom's orbitals of one angular momentum."""
    found = [one.shares for one in projections if one.atom == atom and one.l == momentum]
    return np.sum(found, axis=0) if found else None
