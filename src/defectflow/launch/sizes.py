"""How large a job is: what decides its time and its memory, planned or finished."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobflow.core.job import Job
    from numpy.typing import NDArray

    from defectflow.engines.request import Request

    Array = NDArray[np.float64]

#: 2m/ħ² in 1/(eV Å²): the square of a wave vector by its kinetic energy.
_WAVE_VECTOR2: Final = 0.26246840
_SYMMETRY_A: Final = 1e-3
_BYTES: Final = 16  # of a complex number
_MB: Final = 1e6
#: What a process takes before it has a crystal: GPAW brings Python, a potential also torch.
_EMPTY_MB: Final = {"potential": 700.0, "gpaw": 200.0, "espresso": 100.0, "vasp": 100.0}
#: The process that starts the others and waits for them.
_WORKER_MB: Final = 150.0
#: Copies of the wave functions of one k-point that an eigensolver works with, beside them.
_WORKING_COPIES: Final = 3
#: Real functions on the dense grid: densities, potentials, their history in mixing, FFT buffers.
_GRID_FUNCTIONS: Final = 30
#: Memory of a potential's edges and their gradients, by atom.
_POTENTIAL_MB_PER_ATOM: Final = 3.0


@dataclass(frozen=True)
class Size:
    """What decides the cost of a job; None where the engine has no such thing.

    Attributes
    ----------
    electrons
        Valence electrons of the cell, its charge taken off.
    mesh
        Divisions of the k-point mesh.
    kpoints
        Points of the mesh that differ by symmetry.
    plane_waves
        Plane waves of one state: V (2mE)^(3/2) / (6π²ħ³), E the cutoff.
    spins
        1, or 2 if the two spins are computed apart.
    images
        Images of a band that are computed.
    evaluations
        Evaluations of energy and forces, where their number is known beforehand.
    guided
        Whether a potential shows an engine with electrons the way.
    """

    atoms: int
    electrons: float | None = None
    mesh: tuple[int, int, int] | None = None
    kpoints: int | None = None
    plane_waves: float | None = None
    spins: int = 1
    images: int = 1
    evaluations: int | None = None
    guided: bool = False

    @property
    def work(self) -> float | None:
        """What the time of one evaluation grows with; None if that is not known.

        For a potential the number of atoms. For a code with plane waves k-points times spins times
        electrons² times plane waves, the operations that make states orthogonal.
        """
        if self.mesh is None:
            return float(self.atoms)
        if self.electrons is None or self.plane_waves is None or self.kpoints is None:
            return None
        return self.kpoints * self.spins * self.electrons**2 * self.plane_waves

    def memory_MB(self, family: str, processes: int) -> float | None:
        """Return the memory that a calculation takes, MB, of all processes, to a factor of two."""
        parts = self.parts_MB(family, processes)
        return None if parts is None else sum(parts)

    def parts_MB(self, family: str, processes: int) -> tuple[float, float] | None:
        """Return the memory of programs, and what grows with the crystal; None if not known.

        States of all k-points are kept, beside what an eigensolver works with at one of them and
        functions on the dense grid; each process has its program and its own grids, beside the
        worker that starts them. A guide is a potential in the worker.
        """
        potential_MB = (_EMPTY_MB["potential"], _POTENTIAL_MB_PER_ATOM * self.atoms)
        if self.mesh is None:
            return potential_MB
        if self.electrons is None or self.plane_waves is None or self.kpoints is None:
            return None
        bands = 0.6 * self.electrons + 4
        state_MB = self.plane_waves * bands * _BYTES / _MB
        copies = self.kpoints * self.spins + _WORKING_COPIES * processes
        # The density has twice the wave vectors: 8 times the volume, in a box 6/π times the sphere.
        grid_MB = self.plane_waves * 8 * 6 / math.pi * 8 / _MB * _GRID_FUNCTIONS
        programs_MB = _WORKER_MB + processes * _EMPTY_MB.get(family, _EMPTY_MB["vasp"])
        grown_MB = copies * state_MB + grid_MB
        if self.guided:
            return programs_MB + potential_MB[0], grown_MB + potential_MB[1]
        return programs_MB, grown_MB


def size_of_input(
    cell: tuple[Array, Array, Sequence[int]], inputs: Mapping[str, Any], **more: Any
) -> Size:
    """Return the size of a job from its crystal and what its code was or will be given.

    Parameters
    ----------
    cell
        Lattice vectors (Å, rows), fractional coordinates and atomic numbers.
    inputs
        The `inputs` of a document, or of an engine's task; empty for a potential.
    """
    mesh = inputs.get("kpoints")
    atoms = len(cell[2])
    if not mesh:
        return Size(atoms, **more)
    mesh = (int(mesh[0]), int(mesh[1]), int(mesh[2]))
    volume_A3 = abs(float(np.linalg.det(cell[0])))
    waves = volume_A3 * (inputs["cutoff_eV"] * _WAVE_VECTOR2) ** 1.5 / (6 * np.pi**2)
    return Size(
        atoms,
        electrons=_electrons(inputs),
        mesh=mesh,
        kpoints=irreducible(cell, mesh),
        plane_waves=waves,
        spins=2 if inputs.get("magnetic_moments") else 1,
        **more,
    )


def size_of_request(engine: Any, request: Request, **more: Any) -> Size:
    """Return the size of what an engine is asked for.

    Without the code's pseudopotentials the number of electrons is not known.

    Raises
    ------
    EngineError
        If a pseudopotential is missing and must not be.
    """
    from defectflow.engines import programs
    from defectflow.engines.electrons import electronic_input
    from defectflow.errors import EngineError

    structure = request.structure
    cell = (
        structure.lattice.matrix,
        structure.frac_coords,
        [site.specie.Z for site in structure],
    )
    if engine.family == "potential":
        return size_of_input(cell, {}, **more)
    try:
        inputs = engine.task(request).inputs
    except EngineError as error:
        if not programs.excused(error):
            raise
        inputs = electronic_input(engine.options, request).record()
    return size_of_input(cell, inputs, **more)


def irreducible(cell: tuple[Array, Array, Sequence[int]], mesh: tuple[int, int, int]) -> int:
    """Return how many points of a Gamma-centred mesh differ by symmetry or time reversal.

    Examples
    --------
    >>> cubic = (np.eye(3) * 3.0, np.zeros((1, 3)), [29])
    >>> irreducible(cubic, (4, 4, 4))
    10
    """
    import warnings

    import spglib

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = spglib.get_ir_reciprocal_mesh(list(mesh), cell, symprec=_SYMMETRY_A)  # type: ignore[arg-type]
    if found is None:  # atoms too close for a symmetry search
        return math.prod(mesh)
    return len(set(found[0].tolist()))


def _electrons(inputs: Mapping[str, Any]) -> float | None:
    known = inputs.get("valence_electrons")
    if known is not None:
        return float(known)
    neutral = inputs.get("neutral_valence_electrons")
    return None if neutral is None else float(neutral - (inputs.get("charge") or 0))


def processes_of(job: Job) -> int:
    """Return how many processes compute a job: those of a program; a potential has one."""
    engine: Any = getattr(getattr(job.function, "__self__", None), "engine", None)
    family = getattr(getattr(engine, "dear", None) or engine, "family", "potential")
    from defectflow.engines import programs

    return 1 if family == "potential" else programs.processes()


def cores_of(job: Job) -> int:
    """Return how many cores a job computes on: a program's processes, times their threads."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")
    return processes_of(job) * (int(threads) if threads.isdigit() else 1)
