"""Relaxation with few evaluations of a dear engine, along a surface that a cheap one suggests."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.analysis.elastic_band import largest_force
from defectflow.documents.base import LIMITS, content_key
from defectflow.documents.steps import Guidance, RelaxDocument
from defectflow.engines.checkpoint import Checkpoint
from defectflow.engines.contract import Capability
from defectflow.engines.deadline import Deadline
from defectflow.engines.guided_surface import TRUST_A, Evaluator, GuidedSurface, Measured
from defectflow.engines.relax import RelaxSettings, progress
from defectflow.structures.symmetry import apply_vectors, symmetry_maps, without_noise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.engines.calculators import CalculatorEngine
    from defectflow.engines.request import Request
    from defectflow.structures.symmetry import SymmetryMap

#: The surface is relaxed to this fraction of the threshold, so that its remainder does not count.
TIGHTER = 1 / 3
#: By how much a potential leaves atoms beside their symmetric places, Å, and how far from equal
#: forces on equivalent atoms may be, eV/Å.
_NOISE_A: Final = 0.05
_NOISE_EV_PER_A: Final = 0.02


class GuidedRelaxation:
    """A relaxation under way: the surface, and the points measured on it.

    Parameters
    ----------
    request
        To the dear engine.
    dear, guide
        Both engines; the guide is asked without charge and moments.
    frozen
        Atoms that keep their place.
    from_start
        Whether the dear engine is asked at the start first, not at the guide's minimum near it.
    """

    def __init__(
        self,
        request: Request,
        dear: CalculatorEngine,
        guide: CalculatorEngine,
        frozen: Sequence[int] = (),
        *,
        from_start: bool = False,
    ) -> None:
        self.request, self.dear, self.guide = request, dear, guide
        self.from_start = from_start
        self.settings = RelaxSettings.of(request.settings)
        self.frozen = tuple(frozen)
        fixed = np.zeros(len(request.structure), dtype=bool)
        fixed[list(frozen)] = True
        plain = replace(request, settings={}, charge=0, magnetic_moments=None)
        self.surface = GuidedSurface(
            Evaluator(request.structure, dear.caching_calculator(request), fixed),
            Evaluator(request.structure, guide.caching_calculator(plain), fixed),
        )
        # An operation that lays free atoms onto frozen ones would move these.
        self.maps = [
            one
            for one in symmetry_maps(request.structure)
            if (fixed[one.permutation] == fixed).all()
        ]
        self.earlier = 0
        self.begun = time.monotonic()

    def checkpoint(self) -> Checkpoint:
        """Return the file of the measured points."""
        request = self.request
        key = content_key(
            "guided relax",
            [self.dear.stamp(), self.guide.stamp()],
            [request.structure, dict(request.settings), request.charge, request.moments],
            list(self.frozen),
            without=LIMITS,
        )
        return Checkpoint(request.folder / "relax.checkpoint.json", key)

    def run(self) -> RelaxDocument:
        """Measure, learn and step until the dear forces vanish or the steps are used up."""
        checkpoint = self.checkpoint()
        self._resume(checkpoint)
        threshold = self.settings.fmax_eV_per_A
        deadline = Deadline(f"relaxing {self.request.structure.composition.formula}")
        while not self._done() and len(self.surface.measured) < self.settings.max_steps:
            if self.surface.measured and deadline.near():
                raise deadline.stop()
            point = self.surface.measure(self._even(self._next(threshold * TIGHTER)))
            checkpoint.save({"measured": [one.to_dict() for one in self.surface.measured]})
            progress.info(
                "%s: dear step %d, largest force %.3f eV/Å",
                deadline.what,
                len(self.surface.measured),
                largest_force(point.forces),
            )
        document = self._document()
        self.surface.finish()
        if document.converged:
            checkpoint.clear()
        return document

    def _next(self, threshold: float) -> np.ndarray:
        """Return where the dear engine is asked next."""
        if self.surface.measured:
            return self.surface.minimum(self._best().positions, threshold, self._trust_A())
        start: np.ndarray = self.request.structure.cart_coords
        return start if self.from_start else self.surface.minimum(start, threshold)

    def _even(self, positions: np.ndarray) -> np.ndarray:
        """Return positions with the symmetry that the start and the dear forces have.

        The guide's noise would take it from them, and a code with k-points then pays for a crystal
        without symmetry. Where more than noise is in the way, positions stay as they are.
        """
        start, lattice = self.request.structure.cart_coords, self.request.structure.lattice.matrix
        maps = [one for one in self.maps if self._forces_keep(one)]
        even: np.ndarray = start + without_noise(positions - start, maps, lattice, _NOISE_A)
        return even

    def _forces_keep(self, one: SymmetryMap) -> bool:
        """Tell whether the dear forces have a symmetry, which magnetism may have broken."""
        lattice = self.request.structure.lattice.matrix
        return all(
            largest_force(apply_vectors(one, lattice, point.forces) - point.forces)
            < _NOISE_EV_PER_A
            for point in self.surface.measured
        )

    def close(self) -> None:
        """End the programs of both engines."""
        self.surface.close()

    def _resume(self, checkpoint: Checkpoint) -> None:
        for saved in (checkpoint.load() or {}).get("measured", []):
            point = Measured.from_dict(saved)
            self.surface.learn(point)
            self.surface.measured.append(point)
        self.earlier = len(self.surface.measured)

    def _best(self) -> Measured:
        """Return the point from which to go on: the latest, unless an earlier one lies lower."""
        last = self.surface.measured[-1]
        lowest = min(self.surface.measured, key=lambda point: point.energy)
        return lowest if last.energy > lowest.energy + 0.05 else last

    def _trust_A(self) -> float:
        """Return how far to step: half as far for each point since the lowest one."""
        energies = [point.energy for point in self.surface.measured]
        return float(TRUST_A / 2 ** (len(energies) - 1 - int(np.argmin(energies))))

    def _done(self) -> bool:
        measured = self.surface.measured
        return bool(measured) and (largest_force(measured[-1].forces) < self.settings.fmax_eV_per_A)

    def _document(self) -> RelaxDocument:
        surface, point = self.surface, self.surface.measured[-1]
        calculator = surface.dear.calculator
        return RelaxDocument(
            structure=placed(self.request.structure, point),
            energy_eV=point.energy,
            forces_eV_per_A=tuple(map(tuple, point.forces.tolist())),
            fmax_eV_per_A=largest_force(point.forces),
            force_threshold_eV_per_A=self.settings.fmax_eV_per_A,
            converged=self._done(),
            steps=len(surface.measured) - 1,
            force_calls=len(surface.measured),
            wall_time_s=time.monotonic() - self.begun,
            cell="fixed",
            frozen=self.frozen,
            magnetic_moments=point.moments,
            site_potentials_V=self._site_potentials_V(point),
            charge=self.request.charge,
            inputs=calculator.inputs,
            repairs=calculator.repairs,
            guidance=Guidance(
                path="refined",
                engine=self.guide.stamp(),
                guide_calls=surface.guide.calls,
                shift_range_eV=surface.shift_range_eV,
                error_eV=downhill_eV(surface, point, self.settings.fmax_eV_per_A),
            ),
            engine=self.dear.stamp(),
        )

    def _site_potentials_V(self, point: Measured) -> tuple[float, ...] | None:
        """Return the potential at each atom at the last point; None if the engine tells none.

        A run that finds all its points on disk asks the dear engine once more for it.
        """
        dear = self.surface.dear
        if not dear.calls:
            if Capability.SITE_POTENTIALS not in self.dear.capabilities():
                return None
            dear(point.positions)
        return dear.calculator.site_potentials_V()


def downhill_eV(surface: GuidedSurface, point: Measured, threshold_eV_per_A: float) -> float:
    """Return how far below a measured point the surface predicts its minimum to be, eV."""
    energy, _ = surface(surface.minimum(point.positions, threshold_eV_per_A * TIGHTER))
    return max(0.0, surface(point.positions)[0] - energy)


def placed(structure: Structure, point: Measured) -> Structure:
    """Return the structure with its atoms at a measured point, and the moments found there."""
    moved: Structure = structure.copy()
    for index, position in enumerate(point.positions):
        moved[index].coords = position
    if point.moments is not None:
        moved.add_site_property("magmom", list(point.moments))
    return moved
