"""Density of states with VASP: one SCF on a dense mesh, its levels and their projections."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from defectflow.documents.electronic import AtomDos, DosDocument, VacuumDocument
from defectflow.engines.dos import DosSettings, band_edges, broadened
from defectflow.engines.once import once_with_vasp
from defectflow.engines.vacuum import NORMAL, has_vacuum, vacuum_document
from defectflow.engines.vasp_input import poscar_order
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from defectflow.engines.request import Request
    from defectflow.engines.vasp import Vasp
    from defectflow.engines.vasp_output import VaspResult
    from defectflow.engines.vasp_run import VaspTask

Array = NDArray[np.float64]
#: Columns of VASP's projections (LORBIT = 11) by shell.
_SHELLS: Final = {"s": slice(0, 1), "p": slice(1, 4), "d": slice(4, 9), "f": slice(9, 16)}
_SYMPREC_A: Final = 1e-4


def density_of_states(engine: Vasp, request: Request) -> DosDocument:
    """Compute the electrons of `request` and return their density of states.

    Raises
    ------
    NotConverged
        If the SCF does not converge.
    EngineError
        If VASP fails.
    """
    settings = DosSettings.of(request.settings)

    def look(task: VaspTask, result: VaspResult) -> dict[str, Any]:
        curves = _curves(task, settings)
        return {
            **curves,
            "energies_eV": tuple(settings.grid().tolist()),
            "vacuum": _vacuum(task, curves["fermi_eV"]),
            "width_eV": settings.width_eV,
            "magnetic_moments": result.moments,
        }

    return DosDocument(**once_with_vasp(engine, request, "dos", look))


def _vacuum(task: VaspTask, fermi_eV: float) -> VacuumDocument | None:
    """Return the vacuum levels above the Fermi level, from LOCPOT; None of a cell without."""
    from pymatgen.io.vasp.outputs import Locpot

    if not has_vacuum(task.structure):
        return None
    path = task.folder / "LOCPOT"
    if not path.is_file():
        message = f"{path}: VASP left no potential; LVHAR = .TRUE. asks for it"
        raise EngineError(message)
    written: Any = Locpot.from_file(path)
    profile = written.get_average_along_axis(NORMAL)
    corrected = task.electrons.dipole_correction
    return vacuum_document(profile, task.structure, fermi_eV, corrected=corrected)


def _curves(task: VaspTask, settings: DosSettings) -> dict[str, Any]:
    """Return the fields of the document that vasprun.xml holds."""
    from pymatgen.io.vasp.outputs import Vasprun

    structure, path = task.structure, task.folder / "vasprun.xml"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written: Any = Vasprun(path, parse_potcar_file=False, parse_projected_eigen=True)
        fermi_eV = float(written.calculate_efermi())
    spins = sorted(written.eigenvalues, key=int, reverse=True)
    levels = np.array([written.eigenvalues[spin][..., 0] for spin in spins]) - fermi_eV
    projected = np.array([written.projected_eigenvalues[spin] for spin in spins])
    order = poscar_order(structure)
    own = np.empty_like(projected)
    own[:, :, :, order] = projected
    own = symmetrised(own, equivalent_atoms(structure, task.electrons.magnetic_moments))
    weights = np.array(written.actual_kpoints_weights) / sum(written.actual_kpoints_weights)
    edges = band_edges(levels)
    return {
        "total": density(levels, np.ones((*levels.shape, 1)), weights, settings)[0],
        "atoms": tuple(
            AtomDos(
                symbol=site.specie.symbol,
                orbitals=_orbitals(levels, own[:, :, :, index], weights, settings),
            )
            for index, site in enumerate(structure)
        ),
        "fermi_eV": fermi_eV,
        "gap_eV": edges.gap_eV,
        "direct": edges.direct,
        "vbm_eV": edges.vbm_eV,
        "cbm_eV": edges.cbm_eV,
    }


def _orbitals(levels: Array, parts: Array, weights: Array, settings: DosSettings) -> dict[str, Any]:
    """Return the curves of one atom by shell; `parts` has one column per orbital."""
    shells = {
        name: parts[..., columns].sum(axis=-1, keepdims=True)
        for name, columns in _SHELLS.items()
        if parts.shape[-1] >= columns.stop
    }
    return {name: density(levels, part, weights, settings)[0] for name, part in shells.items()}


def density(
    levels: Array, parts: Array, weights: Array, settings: DosSettings
) -> list[tuple[tuple[float, ...], ...]]:
    """Return densities of states, one per column of `parts`, each with one curve per spin.

    Parameters
    ----------
    levels
        Relative to the Fermi level, shape (spins, k-points, bands); one spin stands for both.
    parts
        Share of each level, shape (spins, k-points, bands, columns).
    weights
        Of the k-points, sum 1.
    """
    electrons = 2.0 / len(levels)
    grid = settings.grid()
    shares = parts * weights[None, :, None, None] * electrons
    return [
        tuple(
            tuple(
                broadened(
                    grid, levels[spin].ravel(), shares[spin, ..., column].ravel(), settings.width_eV
                ).tolist()
            )
            for spin in range(len(levels))
        )
        for column in range(parts.shape[-1])
    ]


def equivalent_atoms(structure: Structure, moments: tuple[float, ...] | None) -> NDArray[np.int_]:
    """Return for each atom the first one that a symmetry operation maps it onto."""
    import spglib

    kinds = [(site.specie.Z, moments[i] if moments else 0.0) for i, site in enumerate(structure)]
    numbers = [sorted(set(kinds)).index(kind) + 1 for kind in kinds]
    cell: Any = (structure.lattice.matrix, structure.frac_coords, numbers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = spglib.get_symmetry_dataset(cell, symprec=_SYMPREC_A)
    if found is None:
        return np.arange(len(structure))
    return np.asarray(found.equivalent_atoms)


def symmetrised(parts: Array, equivalent: NDArray[np.int_]) -> Array:
    """Return projections averaged over equivalent atoms.

    VASP projects at the irreducible k-points alone. Over the star of such a point, equivalent atoms
    exchange their shares of a shell, so that each has the mean.

    Parameters
    ----------
    parts
        Shape (spins, k-points, bands, atoms, orbitals).
    """
    averaged = parts.copy()
    for first in set(equivalent.tolist()):
        members = np.flatnonzero(equivalent == first)
        averaged[:, :, :, members] = parts[:, :, :, members].mean(axis=3, keepdims=True)
    return averaged
