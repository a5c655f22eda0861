"""How near two atoms may be, and how near the atoms of two groups are in a periodic crystal."""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.layers import covalent_radius_A

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Two atoms of which one is a metal may come this near, in sums of their covalent radii
#: (B. Cordero et al., Dalton Trans. 2832 (2008)); Mg-O bonds are at 1.0.
METAL_CONTACT: Final = 0.85
#: Two atoms that are not metals, in sums of their van der Waals radii (S. Alvarez, Dalton Trans.
#: 42, 8617 (2013)); a hydrogen bond H...O is at 0.7.
CONTACT: Final = 0.7
_SHIFTS: Final = np.array(list(itertools.product((-1, 0, 1), repeat=3)))


@functools.cache
def nearest_allowed_A(first: str, second: str) -> float:
    """Return the distance (Å) below which two unbonded atoms are too close.

    Examples
    --------
    >>> [round(nearest_allowed_A(*pair.split()), 2) for pair in ("H O", "Mg O", "O S")]
    [1.89, 1.76, 2.37]
    """
    from pymatgen.core.periodic_table import Element

    if Element(first).is_metal or Element(second).is_metal:
        return METAL_CONTACT * (covalent_radius_A(first) + covalent_radius_A(second))
    return CONTACT * (_van_der_Waals_A(first) + _van_der_Waals_A(second))


def closeness(
    places_A: np.ndarray,
    species: Sequence[str],
    other_places_A: np.ndarray,
    other_species: Sequence[str],
    lattice: np.ndarray,
) -> float:
    """Return the least distance between two groups in units of what is allowed; below 1 too close.

    Every periodic image counts. Rows of `lattice` are the cell's vectors; places are Cartesian.
    """
    allowed = np.array([[nearest_allowed_A(a, b) for b in other_species] for a in species])
    gaps = np.asarray(places_A)[:, None, :] - np.asarray(other_places_A)[None, :, :]
    return float((_nearest_A(gaps, lattice) / allowed).min())


def own_closeness(
    groups_A: Sequence[np.ndarray], species: Sequence[str], lattice: np.ndarray
) -> float:
    """Return the same among molecules of one kind, and between each and its own images."""
    closest = np.inf
    allowed = np.array([[nearest_allowed_A(a, b) for b in species] for a in species])
    for rank, group in enumerate(groups_A):
        for other in groups_A[rank + 1 :]:
            distances = _nearest_A(group[:, None, :] - other[None, :, :], lattice)
            closest = min(closest, float((distances / allowed).min()))
        apart = group[:, None, :] - group[None, :, :]
        images = _images_A(apart, lattice)
        # The molecule itself is the image at no lattice vector: its bonds are no contacts.
        closest = min(closest, float((np.linalg.norm(images, axis=-1) / allowed[..., None]).min()))
    return closest


def _images_A(gaps: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return the gaps to all images but the one at no lattice vector."""
    heights = 1 / np.linalg.norm(np.linalg.inv(lattice), axis=0)
    reach = np.ceil((6.0 + np.linalg.norm(gaps, axis=-1).max()) / heights).astype(int)
    steps = np.array(list(itertools.product(*(range(-n, n + 1) for n in reach))))
    steps = steps[np.any(steps != 0, axis=1)]
    images: np.ndarray = gaps[..., None, :] + steps @ lattice
    return images


def _nearest_A(gaps: np.ndarray, lattice: np.ndarray) -> np.ndarray:
    """Return the lengths of the shortest periodic images of Cartesian vectors, (..., 3)."""
    from defectflow.structures.lattices import reduction

    basis = reduction(lattice) @ lattice
    fractional = gaps @ np.linalg.inv(basis)
    fractional -= np.round(fractional)
    best = np.full(gaps.shape[:-1], np.inf)
    for shift in _SHIFTS:
        best = np.minimum(best, np.linalg.norm((fractional + shift) @ basis, axis=-1))
    return best


def _van_der_Waals_A(symbol: str) -> float:
    from ase.data import atomic_numbers
    from ase.data.vdw_alvarez import vdw_radii

    return float(vdw_radii[atomic_numbers[symbol]])
