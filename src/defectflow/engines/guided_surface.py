"""The energy surface of a dear engine, as a cheap one and a few dear points tell it.

The surface is the guide's energy plus a Gaussian process of the difference, learnt from energies
and forces of both at the measured points. Potentials and density functional theory differ smoothly,
so that two or three points near a minimum or a saddle are enough to step onto it. Machine learning
of bands from scratch is described by O.-P. Koistinen et al., J. Chem. Phys. 147, 152720 (2017), and
J. A. Garrido Torres et al., Phys. Rev. Lett. 122, 156001 (2019); here the process starts from a
potential, not from nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from defectflow.analysis.elastic_band import largest_force
from defectflow.analysis.gradient_process import GradientProcess, Noise, most_likely
from defectflow.engines.conversion import to_atoms
from defectflow.engines.quasi_newton import QuasiNewton

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from defectflow.engines.calculators import CachingCalculator
    from defectflow.structures.exchanges import Exchange

Array = NDArray[np.float64]

#: Lengths (Å, over all coordinates) among which the likeliest is taken.
LENGTHS_A: Final = (0.4, 0.7, 1.2, 2.0, 3.5)
#: Scatter of dear energies (eV) and forces (eV/Å): what a self-consistent field leaves.
NOISE: Final = Noise(value=1e-3, gradient=5e-3)
#: The process is trusted this far (Å, of any atom) from where a minimisation began.
TRUST_A: Final = 0.3
#: A point nearer (Å) to its mirror image than this is its own mirror image.
_SAME_A: Final = 0.05
_CURVATURE_EV_PER_A2: Final = 40.0
_MAX_STEP_A: Final = 0.2
_MAX_STEPS: Final = 200


class Evaluator:
    """Energy and forces of one crystal at any positions, from one calculator.

    Attributes
    ----------
    calls
        Evaluations so far.
    """

    def __init__(
        self, structure: Structure, calculator: CachingCalculator, frozen: NDArray[np.bool_]
    ) -> None:
        self.atoms = to_atoms(structure)
        self.atoms.calc = self.calculator = calculator
        self.frozen = frozen

    @property
    def calls(self) -> int:
        """Evaluations so far."""
        return self.calculator.evaluations

    @property
    def moments(self) -> tuple[float, ...] | None:
        """Magnetic moments at the last positions, Bohr magnetons."""
        found = self.calculator.results.get("magmoms")
        return None if found is None else tuple(np.asarray(found).tolist())

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Return the energy (eV) and the forces (eV/Å; none on frozen atoms)."""
        self.atoms.set_positions(positions)
        forces = self.atoms.get_forces()
        return float(self.atoms.get_potential_energy()), np.where(self.frozen[:, None], 0.0, forces)


@dataclass
class Measured:
    """One point where the dear engine was asked: Å, eV, eV/Å, Bohr magnetons."""

    positions: Array
    energy: float
    forces: Array
    moments: tuple[float | None, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the point in plain JSON types."""
        return {
            "positions": self.positions.tolist(),
            "energy": self.energy,
            "forces": self.forces.tolist(),
            "moments": self.moments,
        }

    @classmethod
    def from_dict(cls, saved: dict[str, Any]) -> Measured:
        """Rebuild a point from plain JSON types."""
        return cls(
            np.array(saved["positions"]),
            float(saved["energy"]),
            np.array(saved["forces"]),
            None if saved["moments"] is None else tuple(saved["moments"]),
        )


@dataclass
class GuidedSurface:
    """What is known of the dear engine's surface.

    Attributes
    ----------
    dear, guide
        Evaluators of the same atoms in the same order.
    exchange
        Symmetry operation that maps the surface's band onto itself; every measured point then
        tells of its mirror image too.
    """

    dear: Evaluator
    guide: Evaluator
    exchange: Exchange | None = None
    measured: list[Measured] = field(default_factory=list)
    _points: list[Array] = field(default_factory=list)
    _shifts: list[float] = field(default_factory=list)
    _slopes: list[Array] = field(default_factory=list)
    _process: GradientProcess | None = None
    _surprises: list[float] = field(default_factory=list)

    def measure(self, positions: Array) -> Measured:
        """Ask the dear engine, and learn."""
        energy, forces = self.dear(positions)
        point = Measured(positions.copy(), energy, forces, self.dear.moments)
        self.learn(point)
        self.measured.append(point)
        return point

    def learn(self, point: Measured) -> None:
        """Take in what the dear engine said somewhere."""
        energy, forces = self.guide(point.positions)
        shift, slopes = point.energy - energy, forces - point.forces
        self._compare(point.positions, shift)
        self._add(point.positions, shift, slopes)
        if self.exchange is not None:
            mirrored = self.exchange.positions(point.positions)
            if np.linalg.norm(mirrored - point.positions) > _SAME_A:
                self._add(mirrored, shift, self.exchange.vectors(slopes))
        self._process = most_likely(
            np.array(self._points),
            np.array(self._shifts),
            np.array(self._slopes),
            LENGTHS_A,
            NOISE,
        )

    def forget(self) -> None:
        """Know nothing but the guide."""
        known = (self.measured, self._points, self._shifts, self._slopes, self._surprises)
        for one in known:
            one.clear()
        self._process = None

    def _compare(self, positions: Array, shift: float) -> None:
        """Note how wrong the prediction was, in units of what the process thought it might be."""
        if self._process is not None:
            predicted, _ = self._process.predict(positions.ravel())
            thought = np.hypot(self._process.deviation(positions.ravel()), NOISE.value)
            self._surprises.append(float((predicted - shift) / thought))

    def _add(self, positions: Array, shift: float, slopes: Array) -> None:
        self._points.append(positions.ravel().copy())
        self._shifts.append(shift)
        self._slopes.append(slopes.ravel())

    def __call__(self, positions: Array) -> tuple[float, Array]:
        """Return the predicted energy (eV) and forces (eV/Å)."""
        energy, forces = self.guide(positions)
        if self._process is None:
            return energy, forces
        shift, slopes = self._process.predict(positions.ravel())
        slopes = np.where(self.guide.frozen[:, None], 0.0, slopes.reshape(-1, 3))
        return energy + shift, forces - slopes

    def deviation_eV(self, positions: Array) -> float:
        """Return how uncertain the predicted energy is (one standard deviation).

        The process has one amplitude for all directions, most of which no atom moves along, and so
        thinks too well of itself. Deviations beyond the scatter of dear energies are therefore
        multiplied by how wrong it has proved to be at the points measured so far (root mean square
        of error over deviation), at least by one.
        """
        if self._process is None:
            return 0.0
        deviation = self._process.deviation(positions.ravel())
        if deviation <= NOISE.value or not self._surprises:
            return deviation
        proved = max(1.0, float(np.sqrt(np.mean(np.square(self._surprises)))))
        beyond = proved * np.sqrt(deviation**2 - NOISE.value**2)
        return float(np.hypot(NOISE.value, beyond))

    def minimum(self, start: Array, fmax_eV_per_A: float, trust_A: float = TRUST_A) -> Array:
        """Return the predicted minimum near `start`, not farther than is trusted."""
        minimiser = QuasiNewton(_CURVATURE_EV_PER_A2, _MAX_STEP_A)
        positions = start.copy()
        for _ in range(_MAX_STEPS):
            _, forces = self(positions)
            if largest_force(forces) < fmax_eV_per_A:
                break
            moved = positions + minimiser.step(positions, forces)
            if np.linalg.norm(moved - start, axis=1).max() > trust_A and self.measured:
                break
            positions = moved
        return positions

    def finish(self) -> None:
        """Remove what only an interrupted run of either engine would need."""
        self.dear.calculator.finish()
        self.guide.calculator.finish()

    def close(self) -> None:
        """End the programs of both engines."""
        self.dear.calculator.close()
        self.guide.calculator.close()

    @property
    def shift_range_eV(self) -> float:
        """Largest change of the difference between the engines over the measured points."""
        return float(np.ptp(self._shifts)) if self._shifts else 0.0
