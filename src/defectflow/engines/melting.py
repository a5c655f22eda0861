"""Melting and quenching of part of a crystal by molecular dynamics with a cheap engine.

Langevin dynamics at constant volume: the free atoms are held at the temperature of the melt and
then cooled linearly. A ceiling throws atoms back that are about to evaporate into a vacuum.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jobflow.core.job import Job, job
from jobflow.core.maker import Maker

from defectflow.documents.melting import MeltDocument
from defectflow.engines.conversion import to_atoms, to_structure
from defectflow.engines.deadline import Deadline
from defectflow.engines.request import Request
from defectflow.errors import EngineError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from pymatgen.core.structure import Structure

    from defectflow.engines.contract import Engine

#: Family of engines whose forces are cheap enough for ten thousand steps.
_CHEAP: Final = "potential"
#: Atoms may rise so far above the uppermost one before they are thrown back, Å.
_HEADROOM_A: Final = 1.5


@dataclass(frozen=True)
class Schedule:
    """How long and how hot.

    Attributes
    ----------
    melt_K, end_K
        Temperature of the melt, and that at which the quench ends.
    melt_ps, quench_ps
        Time at the first, and time of the linear cooling.
    timestep_fs, friction_per_ps
        Of the dynamics.
    seed
        Of the random forces: the same seed gives the same glass.
    """

    melt_K: float
    end_K: float = 300.0
    melt_ps: float = 2.0
    quench_ps: float = 5.0
    timestep_fs: float = 2.0
    friction_per_ps: float = 10.0
    seed: int = 42

    @property
    def steps(self) -> tuple[int, int]:
        """Numbers of steps at the melt's temperature and of cooling."""
        per_ps = 1000.0 / self.timestep_fs
        return max(1, round(self.melt_ps * per_ps)), max(1, round(self.quench_ps * per_ps))

    @property
    def quench_K_per_ps(self) -> float:
        """Rate of the cooling; 1 K/ps is 10^12 K/s."""
        return (self.melt_K - self.end_K) / self.quench_ps

    def temperature_K(self, step: int) -> float:
        """Return the temperature after so many steps."""
        hot, cooling = self.steps
        done = min(1.0, max(0, step - hot) / cooling)
        return self.melt_K + (self.end_K - self.melt_K) * done


@dataclass
class MeltQuenchMaker(Maker):
    """Makes the job that melts and quenches the atoms that are not frozen.

    Attributes
    ----------
    schedule
        Fields of `Schedule`.
    """

    engine: Engine
    schedule: dict[str, Any] = field(default_factory=dict)
    name: str = "melt and quench"

    def make(self, structure: Structure, frozen: Sequence[int] = ()) -> Job:
        """Return the job; its output is a `MeltDocument`.

        Raises
        ------
        EngineError
            If the forces of the engine are too dear for molecular dynamics.
        """
        check_cheap(self.engine)
        self.engine.check_request(structure, frozen)
        return self.calculate(structure, frozen)

    @job(output_schema=MeltDocument)
    def calculate(self, structure: Structure, frozen: Sequence[int]) -> MeltDocument:
        """Do what the job does: melt and quench."""
        return melted(structure, self.engine, Schedule(**self.schedule), frozen)


def check_cheap(engine: Engine) -> None:
    """Refuse an engine of which molecular dynamics is too dear."""
    if getattr(engine, "family", "") != _CHEAP:
        message = (
            f"engine {engine.name}: melting takes thousands of evaluations; name a potential such "
            "as sevennet, chgnet or eam, and compute the quenched structure with this engine"
        )
        raise EngineError(message)


def melted(
    structure: Structure, engine: Any, schedule: Schedule, frozen: Sequence[int] = ()
) -> MeltDocument:
    """Return the structure after melting and quenching all atoms but the frozen ones.

    Raises
    ------
    RecipeError
        If the steps are too long for the temperature: atoms fly apart.
    OutOfTime
        If the job's wall time ends; the dynamics starts anew then.
    """
    from ase import units
    from ase.md.langevin import Langevin

    begun = time.monotonic()
    atoms = to_atoms(structure, frozen)
    atoms.calc = calculator = engine.caching_calculator(Request(structure))
    random = np.random.RandomState(schedule.seed)
    thermal = np.sqrt(atoms.get_masses() * units.kB * schedule.melt_K)
    atoms.set_momenta(thermal[:, None] * random.standard_normal((len(atoms), 3)))
    dynamics = Langevin(
        atoms,
        schedule.timestep_fs * units.fs,
        temperature_K=schedule.melt_K,
        friction=schedule.friction_per_ps / (1000 * units.fs),
        rng=random,
    )
    ceiling = float(atoms.positions[:, 2].max()) + _HEADROOM_A
    deadline = Deadline(f"melt of {structure.composition.formula}")
    total = sum(schedule.steps)
    try:
        for step in range(total):
            dynamics.set_temperature(temperature_K=schedule.temperature_K(step))
            dynamics.run(1)
            _thrown_back(atoms, ceiling)
            if deadline.near() and step < total - 1:
                raise deadline.stop()
    finally:
        calculator.close()
    _require_together(atoms, schedule)
    return MeltDocument(
        structure=to_structure(atoms, structure),
        energy_eV=float(atoms.get_potential_energy()),
        steps=total,
        force_calls=calculator.evaluations,
        wall_time_s=time.monotonic() - begun,
        frozen=tuple(frozen),
        engine=engine.stamp(),
    )


def _thrown_back(atoms: Atoms, ceiling: float) -> None:
    momenta = atoms.get_momenta()
    rising = (atoms.positions[:, 2] > ceiling) & (momenta[:, 2] > 0)
    if rising.any():
        momenta[rising, 2] *= -1
        atoms.set_momenta(momenta)


def _require_together(atoms: Atoms, schedule: Schedule) -> None:
    lost = not np.all(np.isfinite(atoms.positions))
    if lost or atoms.get_temperature() > 3 * schedule.melt_K:
        message = (
            f"{atoms.get_chemical_formula()}: atoms flew apart at {schedule.melt_K:g} K with steps "
            f"of {schedule.timestep_fs:g} fs; shorten `timestep_fs`"
        )
        raise RecipeError(message)
