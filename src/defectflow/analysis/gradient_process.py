"""A Gaussian process of a function of many coordinates, learnt from values and gradients.

The covariance of two values is s² exp(-r²/2l²), with one length l for all coordinates; those of
gradients follow by differentiation (E. Solak et al., Adv. Neural Inf. Process. Syst. 15 (2002);
for atoms: O.-P. Koistinen et al., J. Chem. Phys. 147, 152720 (2017)). As the covariance depends on
distances alone, gradients across the space that the known points span do not mix with those along
it. n points of any dimension therefore need matrices of n² and n numbers a side, not of n times the
dimension: hundreds of atoms cost no more than ten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Array = NDArray[np.float64]
#: Directions in which the points differ less than this (Å) count as the same point.
_FLAT: Final = 1e-6
_JITTER: Final = 1e-8


@dataclass(frozen=True)
class Noise:
    """How exact the known numbers are.

    Attributes
    ----------
    value
        Standard deviation of a value, e.g. eV.
    gradient
        Standard deviation of each component of a gradient, e.g. eV/Å.
    """

    value: float = 1e-3
    gradient: float = 5e-3


class GradientProcess:
    """The process that best explains the known values and gradients.

    Parameters
    ----------
    points
        Where the function is known, shape (n, dimension).
    values, gradients
        Of the function there, shapes (n,) and (n, dimension).
    length
        l in the covariance, in the unit of the coordinates.
    noise
        How exact values and gradients are.

    Attributes
    ----------
    amplitude
        s of the covariance: its most likely value.
    mean
        Of the function far from all points: its most likely value.
    log_likelihood
        Of the data, up to a constant; compares processes of different length on the same data.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [2.0]])
    >>> process = GradientProcess(x, np.sin(x[:, 0]), np.cos(x), length=1.0)
    >>> value, gradient = process.predict(np.array([0.5]))
    >>> bool(abs(value - np.sin(0.5)) < 0.01 and abs(gradient[0] - np.cos(0.5)) < 0.02)
    True
    """

    def __init__(
        self,
        points: Array,
        values: Array,
        gradients: Array,
        length: float,
        noise: Noise | None = None,
    ) -> None:
        self.points, self.length = points, length
        self.basis = _basis(points)
        noise = noise or Noise()
        guess = _amplitude_guess(values, gradients, length)
        count, inside = len(points), self.basis.shape[1]
        self._along = cho_factor(self._covariance(noise, guess), lower=True)
        across = self._values_covariance(points, points) / length**2
        across += (noise.gradient / guess) ** 2 * np.eye(count) + _JITTER * np.eye(count)
        self._across = cho_factor(across, lower=True)

        ones = np.zeros(count * (1 + inside))
        ones[:count] = 1.0
        observed = np.concatenate([values, (gradients @ self.basis).ravel()])
        weights = cho_solve(self._along, ones)
        self.mean = float(weights @ observed / (weights @ ones))
        observed[:count] -= self.mean
        alpha = cho_solve(self._along, observed)
        rest = gradients - gradients @ self.basis @ self.basis.T
        beta = cho_solve(self._across, rest)
        self._value_weights = alpha[:count]
        self._gradient_weights = alpha[count:].reshape(count, inside) @ self.basis.T + beta
        self._fit(float(observed @ alpha) + float(np.sum(rest * beta)), points.shape[1] - inside)

    def _fit(self, misfit: float, outside: int) -> None:
        """Find the most likely amplitude, and how likely the data are with it."""
        size = len(self._along[0]) + len(self.points) * outside
        self.amplitude = float(np.sqrt(max(misfit, 1e-12) / size))
        log_det = 2 * np.log(np.diag(self._along[0])).sum()
        log_det += 2 * outside * np.log(np.diag(self._across[0])).sum()
        self.log_likelihood = float(-size * np.log(self.amplitude) - log_det / 2)

    def predict(self, point: Array) -> tuple[float, Array]:
        """Return value and gradient at a point."""
        away = point - self.points
        near = np.exp(-(away**2).sum(axis=1) / (2 * self.length**2))
        slopes = (away * self._gradient_weights).sum(axis=1)
        square = self.length**2
        value = self.mean + near @ self._value_weights + near @ slopes / square
        pull = near * (self._value_weights / square + slopes / square**2)
        gradient = (near / square) @ self._gradient_weights - pull @ away
        return float(value), gradient

    def deviation(self, point: Array) -> float:
        """Return the standard deviation of the predicted value."""
        away = point - self.points
        near = np.exp(-(away**2).sum(axis=1) / (2 * self.length**2))
        inside = away @ self.basis
        known = np.concatenate([near, (near[:, None] * inside).ravel() / self.length**2])
        explained = known @ cho_solve(self._along, known)
        height = float((away[0] ** 2).sum() - (inside[0] ** 2).sum())
        explained += height / self.length**4 * (near @ cho_solve(self._across, near))
        return float(self.amplitude * np.sqrt(max(0.0, 1.0 - explained)))

    def _covariance(self, noise: Noise, amplitude: float) -> Array:
        """Return the covariance of values and of gradients along the points' own space."""
        inside = self.points @ self.basis
        count, size = inside.shape
        near = self._values_covariance(inside, inside)
        away = inside[:, None, :] - inside[None, :, :]
        square = self.length**2
        mixed = near[:, :, None] * away / square
        full = np.empty((count * (1 + size),) * 2)
        full[:count, :count] = near
        full[:count, count:] = mixed.reshape(count, count * size)
        full[count:, :count] = full[:count, count:].T
        block = (
            np.eye(size)[None, None] / square - away[..., :, None] * away[..., None, :] / square**2
        )
        block = block * near[..., None, None]
        full[count:, count:] = block.transpose(0, 2, 1, 3).reshape(count * size, count * size)
        diagonal = np.full(count, (noise.value / amplitude) ** 2)
        slopes = np.full(count * size, (noise.gradient / amplitude) ** 2)
        full[np.diag_indices_from(full)] += np.concatenate([diagonal, slopes]) + _JITTER
        return full

    def _values_covariance(self, first: Array, second: Array) -> Array:
        square = ((first[:, None, :] - second[None, :, :]) ** 2).sum(axis=2)
        near: Array = np.exp(-square / (2 * self.length**2))
        return near


def most_likely(
    points: Array,
    values: Array,
    gradients: Array,
    lengths: tuple[float, ...],
    noise: Noise | None = None,
) -> GradientProcess:
    """Return the process of the most likely of `lengths`."""
    processes = (GradientProcess(points, values, gradients, one, noise) for one in lengths)
    return max(processes, key=lambda process: process.log_likelihood)


def _basis(points: Array) -> Array:
    """Return an orthonormal basis (columns) of the space that the points span around the first."""
    offsets = points[1:] - points[0]
    if not len(offsets):
        return np.zeros((points.shape[1], 0))
    _, sizes, rows = np.linalg.svd(offsets, full_matrices=False)
    basis: Array = rows[sizes > _FLAT].T
    return basis


def _amplitude_guess(values: Array, gradients: Array, length: float) -> float:
    """Return a first amplitude, to weigh the noise with."""
    slope = float(np.sqrt((gradients**2).mean()))
    return max(slope * length, float(np.std(values)), 1e-3)
