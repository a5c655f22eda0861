"""From a VASP document of emmet to numbers in Å, eV and the atoms' own order."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.core.lattice import Lattice
from pymatgen.core.structure import Structure

from defectflow.engines.vasp_input import poscar_order
from defectflow.engines.vasp_repairs import stopped_for_time
from defectflow.errors import NotConverged
from defectflow.units import GPA_PER_EV_A3

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from emmet.core.tasks import TaskDoc

    from defectflow.engines.vasp_run import VaspTask

Array = NDArray[np.float64]
_KBAR_PER_EV_A3: Final = 10.0 * GPA_PER_EV_A3


@dataclass(frozen=True)
class VaspResult:
    """The last geometry that a run has evaluated, atoms in their own order.

    Attributes
    ----------
    structure
        Not wrapped into the cell: each atom is where it went from the run's start.
    energy_eV
        Extrapolated to zero width of the smearing (E0), with VASP's own dispersion.
    free_energy_eV
        Whose derivatives the forces are (TOTEN).
    stress_eV_per_A3
        3x3, positive where the crystal wants to shrink; VASP's sign and unit turned round.
    moments
        Of each atom inside its sphere, Bohr magnetons; None without spin.
    site_potentials_V
        Electrostatic potential at each atom, V; None if OUTCAR does not list it.
    steps
        Number of geometries that were evaluated.
    stopped
        Whether STOPCAR ended the run.
    """

    structure: Structure
    energy_eV: float
    free_energy_eV: float
    forces_eV_per_A: Array
    stress_eV_per_A3: Array | None
    moments: tuple[float, ...] | None
    site_potentials_V: tuple[float, ...] | None
    steps: int
    scf_steps: int
    stopped: bool
    version: str


def read(task: VaspTask, start: Structure, found: TaskDoc) -> VaspResult:
    """Return what `defectflow.engines.vasp_run.run` has found.

    Parameters
    ----------
    start
        What the run was given, atoms in their own order.

    Raises
    ------
    NotConverged
        If the electrons of the last geometry did not converge.
    """
    calculation: Any = found.calcs_reversed[0]  # type: ignore[index]
    last, outcar = calculation.output.ionic_steps[-1], calculation.output.outcar or {}
    scf_steps = len(last.electronic_steps)
    stopped = bool(outcar.get("is_stopped")) or stopped_for_time(task.folder)
    if scf_steps >= task.tags["NELM"] and not stopped:
        message = (
            f"VASP in {task.folder}: the SCF did not converge in {scf_steps} steps; raise "
            "max_scf_steps or smearing_eV, or give better starting moments"
        )
        raise NotConverged(message)
    order = poscar_order(task.structure)
    stress = last.stress
    return VaspResult(
        structure=to_own_order(task, start, last.structure),
        energy_eV=float(found.output.energy),  # type: ignore[union-attr, arg-type]
        free_energy_eV=float(last.e_fr_energy),
        forces_eV_per_A=_own(np.array(last.forces, dtype=float), order),
        stress_eV_per_A3=None if stress is None else -np.array(stress) / _KBAR_PER_EV_A3,
        moments=moments_of_atoms(task, outcar.get("magnetization"), order),
        site_potentials_V=_site_potentials_V(outcar.get("electrostatic_potential"), order),
        steps=len(calculation.output.ionic_steps),
        scf_steps=scf_steps,
        stopped=stopped,
        version=str(calculation.vasp_version),
    )


def to_own_order(task: VaspTask, start: Structure, computed: Structure) -> Structure:
    """Return `start` with cell and positions of `computed`, whose atoms are in POSCAR's order.

    VASP wraps positions into the cell; each atom is put back to the image nearest to its start.
    Atoms that keep their place keep it to the last digit.
    """
    places = _own(np.array(computed.frac_coords), poscar_order(task.structure))
    places -= np.round(places - start.frac_coords)
    held = list(task.frozen)
    places[held] = start.frac_coords[held]
    return Structure(
        Lattice(computed.lattice.matrix, pbc=start.lattice.pbc),
        start.species_and_occu,
        places,
        site_properties=start.site_properties,
        labels=start.labels,
    )


def evaluations(folder: Path) -> int:
    """Return the number of geometries that VASP has evaluated, failed attempts included.

    Custodian keeps the files of attempts that it repaired in ``error.N.tar.gz``.
    """
    texts = []
    if (folder / "OSZICAR").is_file():
        texts.append((folder / "OSZICAR").read_text(encoding="utf-8", errors="replace"))
    for path in folder.glob("error.*.tar.gz"):
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member) if member.name.endswith("OSZICAR") else None
                if file is not None:
                    texts.append(io.TextIOWrapper(file, errors="replace").read())
    return sum(len(re.findall(r"^\s*\d+ F=", text, re.MULTILINE)) for text in texts)


def _own(rows: Array, order: list[int]) -> Array:
    back = np.empty_like(rows)
    back[order] = rows
    return back


def _site_potentials_V(
    listed: Sequence[float] | None, order: list[int]
) -> tuple[float, ...] | None:
    """Return potentials at the atoms, positive near positive charges, in the atoms' own order.

    VASP lists the potential energy of an electron, averaged over a test charge at each core.
    """
    if listed is None or len(listed) != len(order):
        return None
    return tuple((-_own(np.array(listed, dtype=float), order)).tolist())


def moments_of_atoms(
    task: VaspTask, listed: Sequence[Mapping[str, Any]] | None, order: list[int]
) -> tuple[float, ...] | None:
    """Return what OUTCAR says of the moments, atoms in their own order; None without spin."""
    if not task.electrons.spin or not listed or len(listed) != len(order):
        return None
    totals = np.array([float(one["tot"]) for one in listed])
    return tuple(_own(totals, order).tolist())
