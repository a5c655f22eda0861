"""Collinear magnetic moments, and what operations do to them.

Without spin-orbit coupling the energy stays as it is when all moments are reversed together, so an
operation of the crystal counts if it keeps all moments or reverses all.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.structures.orbits import orbit
from defectflow.structures.symmetry import SYMPREC_A, images, operations, symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    from defectflow.structures.symmetry import SymmetryMap

    Moments = Sequence[float | None]

#: Moments that differ by less (Bohr magnetons) are one: atoms relaxed apart differ by less.
SAME_MOMENT_MUB: Final = 0.1
_ROUNDING_MUB: Final = 1e-6


def moments_of(structure: Structure) -> tuple[float | None, ...] | None:
    """Return the site property ``magmom`` of each atom, Bohr magnetons; None if no atom has one."""
    found = [site.properties.get("magmom") for site in structure]
    if all(moment is None for moment in found):
        return None
    return tuple(None if moment is None else float(moment) for moment in found)


def moment_sign(
    before: Moments | None,
    after: Moments | None,
    permutation: NDArray[np.intp],
    tolerance_muB: float = SAME_MOMENT_MUB,
) -> int:
    """Return what an operation does to the moments.

    Parameters
    ----------
    before, after
        Of the structure that it is applied to and of the one that it leads to, Bohr magnetons;
        None where nothing is known. A single moment that is not known is like no other moment,
        and not known after a reversal either.
    permutation
        Atom k goes to the place of atom ``permutation[k]``.

    Returns
    -------
    int
        1: it keeps all moments; -1: it reverses all; 0: neither.

    Examples
    --------
    >>> swap = np.array([1, 0])
    >>> [moment_sign(pair, pair, swap) for pair in ([2.0, 2.0], [2.0, -2.0], [2.0, 1.0])]
    [1, -1, 0]
    """
    if before is None and after is None:
        return 1
    if before is None or after is None:
        return 0
    old, new = np.array(before, dtype=float), np.array(after, dtype=float)[permutation]
    unknown = np.isnan(old) & np.isnan(new)
    if (unknown | (np.abs(new - old) <= tolerance_muB)).all():
        return 1
    return -1 if (np.abs(new + old) <= tolerance_muB).all() else 0


def magnetic_maps(structure: Structure, symprec: float = SYMPREC_A) -> tuple[SymmetryMap, ...]:
    """Return the operations of a crystal, as `symmetry_maps`, that keep or reverse all moments.

    All of them where the atoms have no site property ``magmom``.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> chain = Structure(Lattice.tetragonal(3, 6), ["Fe", "Fe"], [[0, 0, 0], [0, 0, 0.5]])
    >>> for moments in ([2.0, 2.0], [2.0, -2.0], [2.0, 1.0]):
    ...     maps = magnetic_maps(chain.copy().add_site_property("magmom", moments))
    ...     print(len(maps), sum(one.sign < 0 for one in maps))
    32 0
    32 16
    16 0
    """
    maps, moments = symmetry_maps(structure, symprec), _levelled(structure)
    signs = [moment_sign(moments, moments, one.permutation, _ROUNDING_MUB) for one in maps]
    return tuple(
        replace(one, sign=sign) for one, sign in zip(maps, signs, strict=True) if sign != 0
    )


def magnetic_operations(
    structure: Structure, symprec: float = SYMPREC_A
) -> tuple[np.ndarray, np.ndarray]:
    """Return those operations of the cell, as `operations`, that keep or reverse all moments."""
    if moments_of(structure) is None:
        return operations(structure, symprec)
    maps = magnetic_maps(structure, symprec)
    return np.array([one.rotation for one in maps]), np.array([one.translation for one in maps])


def magnetic_orbit(structure: Structure, frac_coords: Any) -> np.ndarray:
    """Return all places equivalent to `frac_coords`, as `orbit`, moments looked at.

    With moments those of the cell given, without them those of the crystal.
    """
    if moments_of(structure) is None:
        return orbit(structure, frac_coords)
    return images(frac_coords, *magnetic_operations(structure), structure.lattice.matrix)


def _levelled(structure: Structure) -> list[float] | None:
    """Return the moments of atoms with those of an element that are nearly alike made equal.

    Which operations keep them is then no matter of a threshold: they form a group.
    """
    found = moments_of(structure)
    if found is None:
        return None
    moments = np.array(found, dtype=float)
    even = moments.copy()
    numbers = np.array(structure.atomic_numbers)
    for number in np.unique(numbers):
        known = (numbers == number) & ~np.isnan(moments)
        both = np.sort(np.concatenate([moments[known], -moments[known]]))
        for group in np.split(both, np.flatnonzero(np.diff(both) > SAME_MOMENT_MUB) + 1):
            if len(group):
                inside = known & (moments >= group[0]) & (moments <= group[-1])
                even[inside] = group.mean()
    return [float(one) for one in even]
