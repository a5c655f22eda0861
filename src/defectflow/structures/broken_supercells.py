"""Crystals that nearly repeat within their cell: supercells with a defect already in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

#: Atoms this near (Å) to where a translation puts another of their element are taken for its image,
#: also where a defect has displaced them.
_DISPLACED_A: Final = 0.5
#: A translation that keeps at least this share of the atoms, but not all, is one of the crystal
#: that was broken. A defect and its image spoil two atoms of each; of an ordered mixture or an
#: antisite order a translation of the mean lattice exchanges whole sublattices, far more.
_KEPT: Final = 0.9
#: Smaller cells are no supercells in which one defect would be one in ten atoms.
_FEWEST: Final = 20
#: A rarer element than this share of the atoms is the defect, not the crystal.
_OWN: Final = 0.05
#: So many translations are tried from each of two atoms; those of the crystal are short.
_TRIED: Final = 24


def nearly_repeats(structure: Structure) -> float | None:
    """Return the share of atoms that a translation within the cell repeats, if not quite all.

    None for a crystal that repeats exactly or not at all.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> crystal = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    >>> nearly_repeats(crystal) is None
    True
    >>> broken = crystal.copy().remove_sites([5])
    >>> round(nearly_repeats(broken), 3)
    0.984
    """
    if len(structure) < _FEWEST:
        return None
    numbers = np.array(structure.atomic_numbers)
    counts = {one: int((numbers == one).sum()) for one in set(numbers.tolist())}
    # One of the crystal's own elements, not of the defect.
    common = [one for one in counts if counts[one] > _OWN * len(numbers)] or list(counts)
    element = min(common, key=lambda one: counts[one])
    own = structure.frac_coords[numbers == element]
    # The first or the last atom may itself be the defect.
    shifts = [shift for start in (own[0], own[-1]) for shift in _near(structure, own, start)]
    best = max((_kept(structure, numbers, shift) for shift in shifts), default=0.0)
    return best if _KEPT <= best < 1.0 else None


def _near(structure: Structure, own: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Return the shortest ways (fractions) from an atom to others of its element."""
    apart_A = structure.lattice.get_all_distances(start, own)[0]
    shifts: np.ndarray = own[np.argsort(apart_A)[1 : 1 + _TRIED]] - start
    return shifts


def _kept(structure: Structure, numbers: np.ndarray, shift: np.ndarray) -> float:
    """Return the share of atoms that lie, moved by `shift`, on another of their element."""
    kept = 0
    for number in np.unique(numbers):
        own = structure.frac_coords[numbers == number]
        apart_A = structure.lattice.get_all_distances(own + shift, own)
        kept += int((apart_A.min(axis=1) < _DISPLACED_A).sum())
    return kept / len(numbers)
