"""Minimisation by the BFGS method, with the curvature kept where it has been measured.

After k steps the Hessian differs from the first guess, a multiple of the unit matrix, in at most 2k
directions. A basis of these and the matrix in it say all that the whole matrix would, and a step
costs no more for a band of a thousand atoms than the few hundred directions do.

Measured with CHGNet on endpoints of eight published migration hops (39-63 atoms), evaluations until
no force exceeds 0.05 / 0.03 eV/Å, summed:

=============================================  ===========
this method, first curvature 40 eV/Å²           85 / 131
the same, first curvature 70 eV/Å² (ASE)       104 / 129
BFGS with line search                           86 / 136
=============================================  ===========

One of the eight, LiMn2O4, ends in different minima of its Jahn-Teller distortion; without it the
last column is 89, 114 and 87. On five of them limited-memory BFGS with the exponential
preconditioner took 65 / 113 and BFGS that starts from that preconditioner 84 / 94, against 60 / 93;
on three FIRE2 took 104 / 123 against 37 / 69.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

#: Shorter displacements (Å) tell nothing about the curvature.
_STILL_A: Final = 1e-7
#: A direction has no part outside a basis if that is shorter than this share of it.
_SPANNED: Final = 1e-10


@dataclass
class QuasiNewton:
    """Steps towards a minimum, learning the curvature from the forces seen on the way.

    Source: J. Nocedal, S. J. Wright, Numerical Optimization (2006), eq. 6.19; eigenvalues are
    taken by their absolute value, so that a step always goes downhill.

    Attributes
    ----------
    curvature_eV_per_A2
        The first guess of the Hessian, times the unit matrix.
    max_step_A
        No atom moves farther in one step; longer steps are scaled down as a whole.

    Examples
    --------
    >>> minimiser = QuasiNewton(curvature_eV_per_A2=2.0, max_step_A=1.0)
    >>> position = np.array([[0.6, 0.0, 0.0]])
    >>> position + minimiser.step(position, -2.0 * position)
    array([[0., 0., 0.]])
    """

    curvature_eV_per_A2: float
    max_step_A: float
    _basis: Array = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    _inside: Array = field(default_factory=lambda: np.empty((0, 0)), repr=False)
    _last: tuple[Array, Array] | None = field(default=None, repr=False)

    def learn(self, positions: Array, forces: Array) -> None:
        """Take in the forces (eV/Å) at positions (Å), both of shape (atoms, 3)."""
        x, gradient = positions.ravel(), -forces.ravel()
        if self._last is None:
            self._basis = np.empty((0, x.size))
        else:
            self._update(x - self._last[0], gradient - self._last[1])
        self._last = (x.copy(), gradient.copy())

    def _update(self, moved: Array, change: Array) -> None:
        """Put the measured curvature along `moved` into the Hessian."""
        work = float(moved @ change)
        if np.abs(moved).max() < _STILL_A or abs(work) < _STILL_A**2:
            return
        self._reach(moved)
        self._reach(change)
        along, bent = self._basis @ moved, self._basis @ change
        curved = self._inside @ along
        self._inside += np.outer(bent, bent) / work - np.outer(curved, curved) / (along @ curved)

    def _reach(self, direction: Array) -> None:
        """Add to the basis what a direction has outside of it."""
        rest = direction / np.linalg.norm(direction)
        for _ in range(2):  # once more, as the first pass leaves rounding errors
            rest = rest - (self._basis @ rest) @ self._basis
        left = np.linalg.norm(rest)
        if left > _SPANNED:
            self._basis = np.vstack([self._basis, rest / left])
            size = len(self._inside) + 1
            larger = self.curvature_eV_per_A2 * np.eye(size)
            larger[:-1, :-1] = self._inside
            self._inside = larger

    def step(self, positions: Array, forces: Array) -> Array:
        """Return the next displacements (Å), shape (atoms, 3)."""
        self.learn(positions, forces)
        push = forces.ravel()
        known = self._basis @ push
        curvatures, modes = np.linalg.eigh(self._inside)
        inside = modes @ ((known @ modes) / np.abs(curvatures))
        step = (push - known @ self._basis) / self.curvature_eV_per_A2 + inside @ self._basis
        moves: Array = step.reshape(positions.shape)
        longest = float(np.linalg.norm(moves, axis=1).max())
        return moves * min(1.0, self.max_step_A / longest) if longest > 0 else moves
