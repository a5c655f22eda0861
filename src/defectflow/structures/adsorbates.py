"""Adsorbates: their atoms, how they start on a surface, and which bonds hold them together.

Bond lengths and angles are rounded ones of the molecules; they are starting values, every engine
relaxes its own.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.layers import BOND_FACTOR, covalent_radius_A

if TYPE_CHECKING:
    from collections.abc import Sequence

Place = tuple[float, float, float]


@dataclass(frozen=True)
class Pose(MSONable):
    """One way in which an adsorbate stands on a site.

    Attributes
    ----------
    name
        E.g. ``H up``; empty for an atom.
    places_A
        Coordinates of the atoms, z away from the surface; the atom that binds is the first and at
        the origin.
    """

    name: str
    places_A: tuple[Place, ...]

    @property
    def round(self) -> bool:
        """Whether a turn about the surface normal changes nothing."""
        return bool(np.abs(np.array(self.places_A)[:, :2]).max() < 1e-6)  # noqa: PLR2004 - rounding


@dataclass(frozen=True)
class Adsorbate(MSONable):
    """An atom or a molecule that is put on a surface.

    Attributes
    ----------
    name
        As it is written without the star: ``OOH``.
    species
        Symbols, the atom that binds first.
    poses
        Starting geometries.

    Examples
    --------
    >>> one = adsorbate("OOH")
    >>> one.species, [pose.name for pose in one.poses], sorted(one.bonds())
    (('O', 'O', 'H'), ['H up', 'H down'], [(0, 1), (1, 2)])
    """

    name: str
    species: tuple[str, ...]
    poses: tuple[Pose, ...]

    def bonds(self) -> frozenset[tuple[int, int]]:
        """Return the pairs of atoms (indices within the adsorbate) that are bonded."""
        return bonds_between(self.species, np.array(self.poses[0].places_A))


def bonds_between(
    species: Sequence[str], places_A: np.ndarray, factor: float = BOND_FACTOR
) -> frozenset[tuple[int, int]]:
    """Return the bonded pairs of some atoms that lie in one piece.

    Two atoms are bonded if they are closer than `factor` times the sum of their covalent radii.
    """
    radii = [covalent_radius_A(symbol) for symbol in species]
    pairs = [(i, j) for j in range(len(species)) for i in range(j)]
    return frozenset(
        (i, j)
        for i, j in pairs
        if np.linalg.norm(places_A[i] - places_A[j]) < factor * (radii[i] + radii[j])
    )


def adsorbate(name: str) -> Adsorbate:
    """Return the adsorbate of that name; a star at its end is left away.

    Raises
    ------
    StructureError
        If it is not known.
    """
    known = _adsorbates()
    key = name.rstrip("*")
    if key not in known:
        message = f"adsorbate {name!r} is not known; {did_you_mean(key, known)}"
        raise StructureError(message)
    return known[key]


def adsorbates() -> tuple[str, ...]:
    """Return the names of all adsorbates that are known."""
    return tuple(_adsorbates())


def _at(bond_A: float, polar_deg: float, azimuth_deg: float = 0.0) -> np.ndarray:
    """Return a vector by its length, its angle to the surface normal and its direction."""
    polar, azimuth = np.radians([polar_deg, azimuth_deg])
    flat = np.sin(polar)
    return bond_A * np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.cos(polar)])


def _pose(name: str, *others: np.ndarray) -> Pose:
    places = [np.zeros(3), *others]
    return Pose(name, tuple((float(x), float(y), float(z)) for x, y, z in places))


def _chain(name: str, bend: tuple[float, float], hydrogen: tuple[float, float]) -> Pose:
    """Return A-B-H: B at a bond length and angle from A, then H from B in the same plane."""
    second = _at(*bend)
    return _pose(name, second, second + _at(*hydrogen))


def _carboxyl(name: str, hydrogen_deg: float) -> Pose:
    hydroxyl, carbonyl = _at(1.34, 60), _at(1.21, -62)
    return _pose(name, carbonyl, hydroxyl, hydroxyl + _at(0.98, hydrogen_deg))


_ATOMS: Final = ("H", "C", "N", "O", "F", "S", "Cl", "Li", "Na", "K", "Mg")


@functools.cache
def _adsorbates() -> dict[str, Adsorbate]:
    atoms = [Adsorbate(symbol, (symbol,), (_pose(""),)) for symbol in _ATOMS]
    # A turn about the normal by a third and two thirds of a circle.
    third = (0, 120, 240)
    molecules = [
        Adsorbate("OH", ("O", "H"), (_pose("tilted", _at(0.98, 65)), _pose("up", _at(0.98, 0)))),
        # Angle O-O-H is 102 degrees; H ends above the second O or below it.
        Adsorbate(
            "OOH",
            ("O", "O", "H"),
            (
                _chain("H up", (1.45, 60), (0.98, -18)),
                _chain("H down", (1.45, 50), (0.98, 128)),
            ),
        ),
        Adsorbate("O2", ("O", "O"), (_pose("flat", _at(1.33, 90)), _pose("tilted", _at(1.28, 45)))),
        Adsorbate("H2O", ("O", "H", "H"), (_pose("flat", _at(0.97, 80, 52), _at(0.97, 80, -52)),)),
        Adsorbate("CO", ("C", "O"), (_pose("up", _at(1.16, 0)),)),
        # Angle C-O-H is 107 degrees.
        Adsorbate("COOH", ("C", "O", "O", "H"), (_carboxyl("H up", -13), _carboxyl("H down", 133))),
        Adsorbate("CHO", ("C", "O", "H"), (_pose("up", _at(1.21, -55), _at(1.10, 65)),)),
        Adsorbate("COH", ("C", "O", "H"), (_chain("up", (1.33, 0), (0.98, 71)),)),
        Adsorbate("N2", ("N", "N"), (_pose("up", _at(1.12, 0)), _pose("flat", _at(1.15, 90)))),
        Adsorbate("N2H", ("N", "N", "H"), (_chain("up", (1.20, 15), (1.03, 77)),)),
        Adsorbate("NH", ("N", "H"), (_pose("up", _at(1.03, 0)),)),
        Adsorbate("NH2", ("N", "H", "H"), (_pose("up", _at(1.02, 55), _at(1.02, -55)),)),
        Adsorbate(
            "NH3", ("N", "H", "H", "H"), (_pose("up", *(_at(1.02, 68, turn) for turn in third)),)
        ),
    ]
    return {one.name: one for one in (*atoms, *molecules)}
