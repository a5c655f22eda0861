"""What a quasi-Newton step of a band costs beside the forces, against ASE's BFGS.

Both minimise the same model from the same start: a chain of coordinates joined by springs of 1 to
80 eV/Å², stiffer the longer they are. Its forces cost next to nothing.

    python benchmarks/band_steps.py [--steps 60] [--images 7]
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.optimize import BFGS
from ase.utils.abc import Optimizable

from defectflow.engines.quasi_newton import QuasiNewton

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ATOMS = (20, 50, 85, 150)
CURVATURE_EV_PER_A2, MAX_STEP_A = 70.0, 0.1


class Springs(Optimizable):
    """A chain of coordinates, as an ASE optimiser sees it."""

    def __init__(self, size: int) -> None:
        random = np.random.default_rng(size)
        self.x = random.normal(scale=0.3, size=size)
        self.stiffness = random.uniform(1.0, 80.0, size=size)

    def ndofs(self) -> int:
        """Return the number of coordinates."""
        return len(self.x)

    def get_x(self) -> Array:
        """Return the coordinates."""
        return self.x.copy()

    def set_x(self, x: Array) -> None:
        """Move."""
        self.x = x.copy()

    def get_gradient(self) -> Array:
        """Return the gradient: each spring pulls at its coordinate and the one before."""
        stretched = self.x - 0.5 * np.roll(self.x, 1)
        pull = self.stiffness * (stretched + stretched**3)
        return pull - 0.5 * np.roll(pull, -1)

    def get_value(self) -> float:
        """Return nothing of use: BFGS asks for no energy."""
        return 0.0

    def iterimages(self) -> Iterator[Any]:
        """Yield nothing."""
        return iter(())

    def converged(self, gradient: Array, fmax: float) -> bool:  # noqa: ARG002 - ASE's signature
        """Never stop."""
        return False


def ours(model: Springs, steps: int) -> Array:
    """Return where our steps lead."""
    minimiser = QuasiNewton(CURVATURE_EV_PER_A2, MAX_STEP_A)
    for _ in range(steps):
        forces = -model.get_gradient().reshape(-1, 3)
        moves = minimiser.step(model.x.reshape(-1, 3), forces)
        model.set_x(model.x + moves.ravel())
    return model.x


def theirs(model: Springs, steps: int) -> Array:
    """Return where ASE's steps lead."""
    optimizer = BFGS(model, logfile=None, maxstep=MAX_STEP_A, alpha=CURVATURE_EV_PER_A2)  # type: ignore[arg-type]
    optimizer.run(fmax=0.0, steps=steps)
    return model.x


def timed(minimise: Any, size: int, steps: int) -> tuple[Array, float]:
    """Return where a minimiser ends, and its seconds."""
    begun = time.perf_counter()
    end = minimise(Springs(size), steps)
    return end, time.perf_counter() - begun


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--images", type=int, default=7)
    asked = parser.parse_args()
    for atoms in ATOMS:
        size = 3 * atoms * asked.images
        end, own_s = timed(ours, size, asked.steps)
        peer_end, peer_s = timed(theirs, size, asked.steps)
        print(
            f"{atoms:4d} atoms, {asked.images} images: "
            f"{1000 * own_s / asked.steps:7.2f} ms a step, "
            f"ASE {1000 * peer_s / asked.steps:8.1f} ms ({peer_s / own_s:6.0f} x), "
            f"ends {np.abs(end - peer_end).max():.0e} Å apart"
        )


if __name__ == "__main__":
    main()
