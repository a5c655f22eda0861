"""What an engine would hand back, made up: so that a flow can be rehearsed without computing.

Nothing moves and no number means anything. Energies rise with the square of the change of volume
per atom from the first crystal of that composition, so that a fit through volumes has its minimum;
a band has its top in the middle. Every document carries a stamp of fidelity ``stand-in``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.documents.electronic import AtomDos, ChargesDocument, DosDocument
from defectflow.documents.melting import MeltDocument
from defectflow.documents.steps import BandDocument, Image, RelaxDocument
from defectflow.documents.vibrations import VibrationsDocument
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jobflow.core.job import Job
    from pymatgen.core import Structure

_BULK_eV: Final = 20.0
_TOP_eV: Final = 0.5
_MODE_eV: Final = 0.05
_HEIGHTS: Final = 24


@dataclass
class StandIn:
    """Makes documents for the jobs of one rehearsal.

    Attributes
    ----------
    volumes_A3
        Volume per atom of the first crystal of each composition.
    """

    volumes_A3: dict[str, float] = field(default_factory=dict)

    def document(self, job: Job, kind: str) -> Any:
        """Return what a job of an engine would hand back.

        Raises
        ------
        EngineError
            If the kind of job is not known.
        """
        makers: dict[str, Callable[[Job], Any]] = {
            "relax": self._relaxed,
            "static": self._relaxed,
            "band": self._band,
            "vibrations": self._vibrations,
            "dos": self._dos,
            "charges": self._charges,
            "melt": self._melted,
        }
        if kind not in makers:
            message = f"job {job.name}: a rehearsal knows no {kind} jobs"
            raise EngineError(message)
        return makers[kind](job)

    def energy_eV(self, structure: Structure) -> float:
        """Return an energy that depends on atoms and volume alone."""
        volume = structure.volume / len(structure)
        rest = self.volumes_A3.setdefault(structure.composition.reduced_formula, volume)
        return float(len(structure) * (-3.0 + 0.5 * _BULK_eV * (volume / rest - 1) ** 2))

    def _relaxed(self, job: Job) -> RelaxDocument:
        structure = job.function_args[0]
        maker: Any = job.function.__self__  # type: ignore[attr-defined]
        count = len(structure)
        moments = structure.site_properties.get("magmom")
        return RelaxDocument(
            structure=structure,
            energy_eV=self.energy_eV(structure),
            forces_eV_per_A=((0.0, 0.0, 0.0),) * count,
            stress_eV_per_A3=((0.0, 0.0, 0.0),) * 3,
            fmax_eV_per_A=0.0,
            force_threshold_eV_per_A=float(maker.settings.get("fmax_eV_per_A", 0.0)),
            converged=True,
            steps=0,
            cell=getattr(maker, "cell", "fixed"),
            frozen=tuple(argument(job, 1, "frozen") or ()),
            charge=argument(job, 2, "charge") or 0,
            magnetic_moments=moments if moments and None not in moments else None,
            site_potentials_V=(0.0,) * count,
            **_common(engine_of(job)),
        )

    def _band(self, job: Job) -> BandDocument:
        from defectflow.engines.band import BandSettings

        initial, final = job.function_args[:2]
        maker: Any = job.function.__self__  # type: ignore[attr-defined]
        start, end = initial.structure, final.structure
        moves = _shortest(start, end)
        length = float(np.linalg.norm(moves))
        farthest = float(np.linalg.norm(moves, axis=1).max())
        inner = BandSettings.of(maker.settings).inner_images(farthest)
        images, fractions = [], np.linspace(0.0, 1.0, inner + 2)
        for fraction in fractions:
            moved = start.copy()
            for index, move in enumerate(moves):
                moved.translate_sites(
                    [index], fraction * move, frac_coords=False, to_unit_cell=False
                )
            shifted = initial.energy_eV + fraction * (final.energy_eV - initial.energy_eV)
            energy = shifted + _TOP_eV * float(np.sin(np.pi * fraction)) ** 2
            forces = ((0.0, 0.0, 0.0),) * len(start)
            images.append(
                Image(
                    structure=moved, energy_eV=energy, forces_eV_per_A=forces, charge=initial.charge
                )
            )
        return BandDocument(
            images=tuple(images),
            distances_A=tuple(float(f) * length for f in fractions),
            climbing_index=(inner + 1) // 2,
            climbing_fmax_eV_per_A=0.0,
            band_fmax_eV_per_A=0.0,
            force_threshold_eV_per_A=0.0,
            converged=True,
            mirrored=False,
            chosen="straight",
            steps=0,
            **_common(maker.engine),
        )

    def _melted(self, job: Job) -> MeltDocument:
        structure = job.function_args[0]
        return MeltDocument(
            structure=structure,
            energy_eV=self.energy_eV(structure),
            steps=0,
            frozen=tuple(argument(job, 1, "frozen") or ()),
            **_common(engine_of(job)),
        )

    def _vibrations(self, job: Job) -> VibrationsDocument:
        structure = job.function_args[0]
        atoms = tuple(int(n) for n in job.function_args[1])
        size = 3 * len(atoms)
        return VibrationsDocument(
            structure=structure,
            atoms=atoms,
            hessian_eV_per_A2=tuple(map(tuple, np.eye(size).tolist())),
            asymmetry_eV_per_A2=0.0,
            energies_eV=(_MODE_eV,) * size,
            energy_eV=self.energy_eV(structure),
            fmax_eV_per_A=0.0,
            displacement_A=0.01,
            **_common(engine_of(job)),
        )

    def _dos(self, job: Job) -> DosDocument:
        structure = job.function_args[0]
        grid = tuple(np.linspace(-10.0, 10.0, 81).tolist())
        curve = tuple(0.0 if abs(energy) < 1.0 else 1.0 for energy in grid)
        atoms = tuple(
            AtomDos(symbol=site.specie.symbol, orbitals=dict.fromkeys("spdf", (curve,)))
            for site in structure
        )
        return DosDocument(
            structure=structure,
            energy_eV=self.energy_eV(structure),
            energies_eV=grid,
            total=(curve,),
            atoms=atoms,
            fermi_eV=0.0,
            width_eV=0.1,
            gap_eV=2.0,
            direct=True,
            vbm_eV=-1.0,
            cbm_eV=1.0,
            **_common(engine_of(job)),
        )

    def _charges(self, job: Job) -> ChargesDocument:
        structure = job.function_args[0]
        return ChargesDocument(
            structure=structure,
            charges_e=(0.0,) * len(structure),
            grid=(_HEIGHTS,) * 3,
            lost_electrons=0.0,
            elsewhere_electrons=0.0,
            profile_per_A=(0.0,) * _HEIGHTS,
            energy_eV=self.energy_eV(structure),
            charge=argument(job, 2, "charge") or 0,
            **_common(engine_of(job)),
        )


def argument(job: Job, place: int, name: str) -> Any:
    """Return an argument of a job, given by place or by name; None if it was not given."""
    given = job.function_args[place] if len(job.function_args) > place else None
    return job.function_kwargs.get(name, given)


def engine_of(job: Job) -> Any:
    """Return the engine of a job; of a guided one, the dear engine."""
    engine = job.function.__self__.engine  # type: ignore[attr-defined]
    return getattr(engine, "dear", None) or engine


def _common(engine: Any) -> dict[str, Any]:
    """Return what every document has; a guided engine signs its bands alone with guide and path."""
    stamp = engine.stamp().model_copy(update={"fidelity": "stand-in"})
    return {"force_calls": 0, "wall_time_s": 0.0, "engine": stamp}


def _shortest(start: Structure, end: Structure) -> np.ndarray:
    """Return the shortest way of each atom from `start` to `end`, Å."""
    difference = end.frac_coords - start.frac_coords
    difference -= np.round(difference)
    return np.asarray(difference @ start.lattice.matrix)
