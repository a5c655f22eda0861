"""Which charge of a defect is stable at which Fermi level."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class TransitionLevel:
    """The Fermi level at which two charges of one defect have the same formation energy.

    Attributes
    ----------
    upper, lower
        The two charges, the more positive one first: it is the stable one of the two below the
        level.
    level_eV
        Above the valence band maximum.
    stable
        Whether no third charge has a lower energy there: only such levels bound a stable range.
    """

    upper: int
    lower: int
    level_eV: float
    stable: bool


def transition_levels(energies_eV: Mapping[int, float]) -> tuple[TransitionLevel, ...]:
    """Return the levels of all pairs of charges, lowest first.

    ε(q/q') = (E_q - E_q') / (q' - q), with both energies at a Fermi level of zero.

    C. Freysoldt et al., Rev. Mod. Phys. 86, 253 (2014), eq. 4.

    Parameters
    ----------
    energies_eV
        Formation energy by charge, with the Fermi level at the valence band maximum.

    Examples
    --------
    >>> [
    ...     (t.upper, t.lower, t.level_eV)
    ...     for t in transition_levels({0: 3.0, 1: 2.0, 2: 0.0})
    ...     if t.stable
    ... ]
    [(2, 0, 1.5)]
    """
    levels = []
    for lower, upper in combinations(sorted(energies_eV), 2):
        level = (energies_eV[upper] - energies_eV[lower]) / (lower - upper)
        height = energies_eV[upper] + upper * level
        lowest = min(energy + charge * level for charge, energy in energies_eV.items())
        # Equal but for rounding: the pair itself is among the energies.
        levels.append(TransitionLevel(upper, lower, level, height <= lowest + 1e-9))
    return tuple(sorted(levels, key=lambda one: (one.level_eV, -one.upper)))


def stable_charge(energies_eV: Mapping[int, float], fermi_eV: float) -> int:
    """Return the charge of lowest formation energy at a Fermi level; of equals the nearest to 0.

    Examples
    --------
    >>> stable_charge({0: 3.0, 1: 2.0, 2: 0.0}, 1.0), stable_charge({0: 3.0, 1: 2.0, 2: 0.0}, 2.0)
    (2, 0)
    """
    return min(energies_eV, key=lambda q: (energies_eV[q] + q * fermi_eV, abs(q)))


def lower_envelope(
    energies_eV: Mapping[int, float], gap_eV: float
) -> tuple[tuple[float, float, int], ...]:
    """Return the corners of the lowest formation energy across the gap.

    Returns
    -------
    tuple of (fermi_eV, energy_eV, charge)
        From the valence band maximum to the conduction band minimum; `charge` is the stable one
        above that Fermi level (at the last corner: below it).

    Examples
    --------
    >>> lower_envelope({0: 3.0, 2: 0.0}, 2.0)
    ((0.0, 0.0, 2), (1.5, 3.0, 0), (2.0, 3.0, 0))
    """
    inside = [
        one.level_eV
        for one in transition_levels(energies_eV)
        if one.stable and 0 < one.level_eV < gap_eV
    ]
    ends = [0.0, *sorted(set(inside)), gap_eV]
    middles = [(low + high) / 2 for low, high in pairwise(ends)]
    charges = [stable_charge(energies_eV, middle) for middle in middles]
    return tuple(
        (fermi, energies_eV[charge] + charge * fermi, charge)
        for fermi, charge in zip(ends, [*charges, charges[-1]], strict=True)
    )
