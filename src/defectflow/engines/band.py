"""Relax a nudged elastic band with as few force evaluations as possible.

What saves them: the ends are frozen; every image has its own calculator that remembers its last
geometry; a path that a symmetry operation maps onto itself is computed by half; several starting
paths race in a loose stage and only the lowest is finished; while one image climbs, images that
are good enough rest. A band that is interrupted goes on from its last step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from ase.utils.abc import Optimizable
from numpy.typing import NDArray

from defectflow.analysis.elastic_band import band_forces, largest_force
from defectflow.engines.quasi_newton import QuasiNewton

if TYPE_CHECKING:
    from defectflow.structures.exchanges import Exchange

Array = NDArray[np.float64]
#: Energy (eV) and forces (eV/Å) of the image with this index at these positions (Å).
Evaluate = Callable[[int, Array], tuple[float, Array]]
#: First guess of a band's Hessian.
_CURVATURE_EV_PER_A2: Final = 70.0


@dataclass(frozen=True)
class BandSettings:
    """Numbers that decide how well a band converges.

    Attributes
    ----------
    images
        Number of moving images; 0 to take `images_per_A` of the ion's way, at least `min_images`.
    fmax_eV_per_A
        Force on the climbing image at which the band is done.
    loose_fmax_eV_per_A
        Force on any image at which the first stage, without climbing, ends.
    band_fmax_factor
        The other images need only reach this multiple of `fmax_eV_per_A`: they shape the path,
        the climbing image gives the barrier.
    race_steps
        Steps that each starting path gets before the lowest is chosen.
    max_step_A
        Longest displacement of one atom in one step.
    patience
        Steps of BFGS with climbing after which the slower but steadier FIRE takes over.
    """

    images: int = 0
    images_per_A: float = 1.5
    min_images: int = 5
    fmax_eV_per_A: float = 0.05
    loose_fmax_eV_per_A: float = 0.2
    band_fmax_factor: float = 3.0
    spring_eV_per_A2: float = 1.0
    race_steps: int = 15
    max_steps: int = 200
    max_step_A: float = 0.1
    patience: int = 40

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> BandSettings:
        """Pick the numbers of a band from those of a step."""
        return cls(**{one.name: settings[one.name] for one in fields(cls) if one.name in settings})

    def inner_images(self, distance_A: float) -> int:
        """Return the number of moving images, odd so that one can sit in the middle."""
        if self.images:
            return self.images
        wanted = max(self.min_images, int(np.ceil(distance_A * self.images_per_A)))
        return wanted + (wanted + 1) % 2


@dataclass
class Band:
    """The state of one band: its images, their energies and forces, and how far it has come.

    Attributes
    ----------
    path
        Coordinates of all images, shape (images, atoms, 3), Å, continuous along the path.
    energies, forces
        Of all images; those of inner images are filled in as they are evaluated.
    evaluate
        Called only for images that have moved, with the index of the image.
    exchange
        Operation that maps the path onto itself reversed; then only the first half is free.
    pinned
        Free images that stay where they are.
    tightness
        Factor on all force thresholds.
    rests
        Whether images that are good enough rest while one climbs. It saves evaluations of a dear
        engine; where they cost nothing all images move, as what rests spoils quasi-Newton's
        curvatures.
    falls
        Whether, while one image climbs, the lowest one falls if it lies below both ends: it feels
        its whole force and no springs.
    """

    path: Array
    energies: Array
    forces: Array
    evaluate: Evaluate
    frozen: NDArray[np.bool_]
    settings: BandSettings
    exchange: Exchange | None = None
    climb: bool = False
    force_calls: int = 0
    climbing: int | None = None
    pinned: set[int] = field(default_factory=set)
    tightness: float = 1.0
    rests: bool = True
    falls: bool = False
    _stale: set[int] = field(default_factory=set)
    _projected: Array | None = None

    def __post_init__(self) -> None:
        last = len(self.path) - 1
        self.free = list(range(1, last // 2 + 1 if self.exchange else last))
        self._stale = set(self.free)
        self._mirror()

    def _mirror(self) -> None:
        """Make the second half of the path the image of the first."""
        if self.exchange is None:
            return
        last = len(self.path) - 1
        for index in self.free:
            partner = last - index
            mapped = self.exchange.positions(self.path[index])
            mapped[self.frozen] = self.path[index, self.frozen]
            if partner == index:
                self.path[index] = (self.path[index] + mapped) / 2
            else:
                self.path[partner] = mapped
                self.energies[partner] = self.energies[index]
                self.forces[partner] = self.exchange.vectors(self.forces[index])

    def refresh(self) -> Array:
        """Evaluate what has moved and return the projected forces of all images."""
        if self._projected is not None:
            return self._projected
        last = len(self.path) - 1
        for index in sorted(self._stale):
            energy, forces = self.evaluate(index, self.path[index])
            self.force_calls += 1
            if self.exchange is not None and last - index == index:
                forces = (forces + self.exchange.vectors(forces)) / 2
            forces = np.where(self.frozen[:, None], 0.0, forces)
            self.energies[index], self.forces[index] = energy, forces
        self._stale.clear()
        self._mirror()
        self.climbing = self._highest() if self.climb else None
        projected = band_forces(
            self.path,
            self.energies,
            self.forces,
            self.settings.spring_eV_per_A2,
            self.climbing,
        )
        if self.climb and self.falls and self.deepest is not None:
            projected[self.deepest] = self.forces[self.deepest]
        if not self.frozen.any():
            # the springs must not even out the path by shifting the whole crystal, which is free
            projected -= projected.mean(axis=1, keepdims=True)
        self._projected = projected
        return self._projected

    def _highest(self) -> int | None:
        """Return the highest image, in the free half; None where that is an end of the path."""
        top = int(self.energies.argmax())
        if self.exchange is not None and top > self.free[-1]:
            top = len(self.path) - 1 - top
        return top if top in self.free else None

    def image_fmax(self, index: int) -> float:
        """Return the largest projected force on an atom of one image, eV/Å."""
        return largest_force(self.refresh()[index])

    def fmax(self) -> float:
        """Return the largest projected force on an atom of any image that may move, eV/Å."""
        moving = [index for index in self.free if index not in self.pinned]
        return largest_force(self.refresh()[moving])

    def climbing_fmax(self) -> float:
        """Return the force on the climbing image, or on the band where nothing climbs, eV/Å."""
        self.refresh()
        return self.fmax() if self.climbing is None else self.image_fmax(self.climbing)

    def done(self) -> bool:
        """Tell whether the present stage has reached its threshold."""
        if not self.climb:
            return self.fmax() < self.settings.loose_fmax_eV_per_A * self.tightness
        tight = self.settings.fmax_eV_per_A * self.tightness
        return (
            all(self.image_fmax(index) < tight for index in self.decisive())
            and self.fmax() < tight * self.settings.band_fmax_factor
        )

    def is_held(self) -> bool:
        """Tell whether an image that would have to move for the stage to be done is pinned."""
        tight = self.settings.fmax_eV_per_A * self.tightness
        held = self.decisive() & self.pinned
        return self.climb and any(self.image_fmax(index) >= tight for index in held)

    @property
    def deepest(self) -> int | None:
        """The lowest image, if it lies below both ends."""
        lowest = int(self.energies[self.free].argmin()) + 1
        return lowest if self.energies[lowest] < min(self.energies[0], self.energies[-1]) else None

    def decisive(self) -> set[int]:
        """Return the images whose energies make the barrier: the highest and the lowest."""
        return {index for index in (self.climbing, self.deepest) if index is not None}

    def start_climbing(self) -> None:
        """Begin the second stage: the highest image goes up along the path."""
        self.climb = True
        self._projected = None

    def barrier_eV(self) -> float:
        """Return the highest energy of the band minus its lowest."""
        self.refresh()
        return float(self.energies.max() - self.energies.min())

    def move(self, x: Array) -> None:
        """Put the free images at flat coordinates `x`, save those that rest as good enough."""
        moved = x.reshape(len(self.free), -1, 3)
        resting = (self.resting() if self.rests else set()) | self.pinned
        for position, index in enumerate(self.free):
            if index not in resting:
                self.path[index] = moved[position]
                self._stale.add(index)
        self._projected = None
        self._mirror()

    def restore(self, path: Array) -> None:
        """Put all images back to where they were."""
        self.path[:] = path
        self._stale = set(self.free)
        self._projected = None
        self._mirror()

    def minimise(
        self,
        method: Literal["bfgs", "fire"],
        steps: int,
        observe: Callable[[], None] | None = None,
    ) -> None:
        """Move until the present stage is done, at most so many steps.

        Parameters
        ----------
        observe
            Called after each step.
        """
        from ase.optimize import FIRE

        if method == "bfgs":
            _quasi_newton(self, steps, observe)
            return
        optimizer = FIRE(BandCoordinates(self), logfile=None, maxstep=self.settings.max_step_A)
        if observe is not None:
            optimizer.attach(observe)
        optimizer.run(fmax=0.0, steps=steps)

    def resting(self) -> set[int]:
        """Return the images that do not decide the barrier and are good enough."""
        if not self.climb or self.climbing is None or self._projected is None:
            return set()
        enough = self.settings.fmax_eV_per_A * self.settings.band_fmax_factor * self.tightness
        decisive = self.decisive()
        return {i for i in self.free if i not in decisive and self.image_fmax(i) < enough}


def _quasi_newton(band: Band, steps: int, observe: Callable[[], None] | None) -> None:
    minimiser = QuasiNewton(_CURVATURE_EV_PER_A2, band.settings.max_step_A)
    for step in range(steps + 1):
        forces = band.refresh()[band.free]
        if observe is not None:
            observe()
        if step == steps or band.done() or band.is_held():
            return
        places = band.path[band.free]
        moves = minimiser.step(places.reshape(-1, 3), forces.reshape(-1, 3))
        band.move(places.ravel() + moves.ravel())


class BandCoordinates(Optimizable):
    """What an ASE optimiser sees of a band: the coordinates of its free images."""

    def __init__(self, band: Band) -> None:
        self.band = band

    def ndofs(self) -> int:
        """Return the number of free coordinates."""
        return len(self.band.free) * int(self.band.path[0].size)

    def get_x(self) -> Array:
        """Return the free coordinates, flat."""
        return self.band.path[self.band.free].ravel()

    def set_x(self, x: Array) -> None:
        """Move the free images."""
        self.band.move(x)

    def get_gradient(self) -> Array:
        """Return the negative projected forces on the free images, flat."""
        return -self.band.refresh()[self.band.free].ravel()

    def get_value(self) -> float:
        """Return the highest energy of the band, eV."""
        self.band.refresh()
        return float(self.band.energies.max())

    def iterimages(self) -> Iterator[Any]:
        """Yield nothing: the band keeps its own record."""
        return iter(())

    def converged(self, gradient: Array, fmax: float) -> bool:  # noqa: ARG002 - ASE's signature
        """Tell ASE's optimiser whether to stop."""
        return self.band.done() or self.band.is_held()
