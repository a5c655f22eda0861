"""Operations that swap the ends of a band: one end and half of the path need not be computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from pymatgen.core import Lattice, Structure

from defectflow.structures.bands import moving_atom, unwrapped
from defectflow.structures.moments import moment_sign
from defectflow.structures.symmetry import operations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.structures.moments import Moments

Array = NDArray[np.float64]
#: Frozen atoms that are laid onto each other come this near, Å.
_HELD_A: Final = 1e-3


@dataclass(frozen=True)
class Exchange:
    """A symmetry operation that swaps the two ends of a band, in Cartesian coordinates.

    Atom i at x goes to atom ``permutation[i]`` at ``rotation @ x + shifts[i]``. Applied to image k
    of a path that it maps onto itself it gives image N-1-k. `sign` is -1 where it reverses all
    magnetic moments, which leaves energy and forces as they are.
    """

    rotation: Array
    shifts: Array
    permutation: NDArray[np.intp]
    sign: int = 1

    def positions(self, positions: Array) -> Array:
        """Map Cartesian coordinates (atoms, 3), Å."""
        mapped = np.empty_like(positions)
        mapped[self.permutation] = positions @ self.rotation.T + self.shifts
        return mapped

    def vectors(self, vectors: Array) -> Array:
        """Map forces or displacements (atoms, 3)."""
        mapped = np.empty_like(vectors)
        mapped[self.permutation] = vectors @ self.rotation.T
        return mapped

    def scalars(self, values: Array) -> Array:
        """Map collinear magnetic moments, one per atom."""
        mapped = np.empty_like(values)
        mapped[self.permutation] = self.sign * values
        return mapped

    def holding(self, positions: Array, frozen: NDArray[np.bool_]) -> Exchange | None:
        """Return the operation so shifted that frozen atoms come to lie on frozen ones.

        The shift is what the relaxation of the moving atom has put into the translation. None if
        the operation lays a free atom onto a frozen one, or frozen atoms beside each other.
        """
        if (frozen[self.permutation] != frozen).any():
            return None
        missed = (positions - self.positions(positions))[frozen]
        shift = missed.mean(axis=0) if len(missed) else np.zeros(3)
        if len(missed) and np.linalg.norm(missed - shift, axis=1).max() > _HELD_A:
            return None
        return replace(self, shifts=self.shifts + shift)


def exchanges(
    initial: Structure,
    final: Structure,
    moments_muB: tuple[Moments | None, Moments | None] = (None, None),
    tolerance_A: float = 0.1,
    frozen: Sequence[int] = (),
) -> tuple[Exchange, ...]:
    """Return the operations that map the initial end onto the final one and back.

    With one of them only one end has to be relaxed, and only one half of a path that it maps onto
    itself has to be computed. The search needs no space group: a rotation of the lattice and the
    demand that the moving atom changes places fix the translation.

    Parameters
    ----------
    moments_muB
        Of both ends, None without spin. Ends whose moments an operation neither maps onto each
        other nor onto their opposites differ in energy, however alike they look.
    tolerance_A
        Largest distance between an atom and the mapped one.
    frozen
        Indices of atoms that do not move; an operation that would move them is none of the band.

    Returns
    -------
    tuple of Exchange
        Mirrors first, then two-fold axes, then inversion: a plane between the ends leaves the
        middle of a path the freedom to bulge, an inversion centre pins it.
    """
    final = unwrapped(initial, final)
    atom = moving_atom(initial, final)
    found = [
        _try_exchange(initial, final, rotation, atom)
        for rotation in _lattice_rotations(initial.lattice)
    ]
    fitting = [pair[0] for pair in found if pair is not None and pair[1] < tolerance_A]
    held = np.zeros(len(initial), dtype=bool)
    held[list(frozen)] = True
    kept = [one.holding(initial.cart_coords, held) for one in fitting]
    signed = [
        replace(one, sign=sign)
        for one in kept
        if one is not None and (sign := _sign_both_ways(one, moments_muB)) != 0
    ]
    return tuple(sorted(signed, key=lambda item: -round(float(np.trace(item.rotation)), 3)))


def _sign_both_ways(one: Exchange, moments_muB: tuple[Moments | None, Moments | None]) -> int:
    """Return what an operation does to the moments of the first end, if the same to the last's."""
    first, last = moments_muB
    there = moment_sign(first, last, one.permutation)
    back = moment_sign(last, first, one.permutation)
    return there if there == back else 0


def exchange_of(
    band: Sequence[Structure], candidates: Sequence[Exchange], tolerance_A: float = 0.3
) -> Exchange | None:
    """Return the first operation that maps the whole band onto itself reversed, or None."""
    path = np.array([image.cart_coords for image in band])
    for exchange in candidates:
        mapped = np.array([exchange.positions(image) for image in path[::-1]])
        if np.linalg.norm(mapped - path, axis=-1).max() < tolerance_A:
            return exchange
    return None


def _lattice_rotations(lattice: Lattice) -> NDArray[np.int64]:
    """Return the rotations (fractional, shape (n, 3, 3)) that keep the lattice."""
    lone = Structure(lattice, ["H"], [[0.0, 0.0, 0.0]])
    return np.unique(operations(lone)[0], axis=0)


def _try_exchange(
    initial: Structure, final: Structure, rotation: NDArray[np.int64], atom: int
) -> tuple[Exchange, float] | None:
    a, b, matrix = initial.frac_coords, final.frac_coords, initial.lattice.matrix
    translation = b[atom] - rotation @ a[atom]
    mapped = a @ rotation.T + translation
    difference = b[None, :, :] - mapped[:, None, :]
    lattice_shift = np.round(difference)
    distance = np.linalg.norm((difference - lattice_shift) @ matrix, axis=-1)
    numbers = np.array(initial.atomic_numbers)
    distance[numbers[:, None] != numbers[None, :]] = np.inf
    permutation = distance.argmin(axis=1)
    if len(set(permutation.tolist())) < len(permutation):
        return None
    shift = lattice_shift[np.arange(len(a)), permutation]
    # Both ways together: else twice the operation is a translation, and a path creeps along it.
    missed = np.stack([b[permutation] - mapped, a[permutation] - b @ rotation.T - translation])
    missed -= shift
    centre = missed.mean(axis=(0, 1))
    cartesian = matrix.T @ rotation @ np.linalg.inv(matrix.T)
    exchange = Exchange(cartesian, (translation + shift + centre) @ matrix, permutation)
    return exchange, float(np.linalg.norm((missed - centre) @ matrix, axis=-1).max())
