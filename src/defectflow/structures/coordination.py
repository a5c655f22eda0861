"""What surrounds a place in a crystal: number and arrangement of its nearest atoms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

#: Atoms within this factor of the nearest one belong to the first shell.
SHELL_FACTOR: Final = 1.25
_ANION: Final = 2.5
_TETRAHEDRON: Final = 4
_SIX: Final = 6
#: Angles (degrees) between neighbours: an antipodal pair, and the largest one in a tetrahedron.
_ANTIPODAL: Final = 150.0
_TETRAHEDRAL: Final = (80.0, 140.0)
_NAMES: Final = {
    2: "linear",
    3: "threefold",
    5: "fivefold",
    7: "sevenfold",
    8: "eightfold",
    12: "twelvefold",
}


def coordination(
    structure: Structure, frac_coords: Sequence[float] | np.ndarray
) -> tuple[int, str]:
    """Return the number of anions in the first shell around a place, and the shell's name.

    The shell holds all anions within 1.25 times the distance of the nearest one; anions are the
    elements of an electronegativity above 2.5 (Pauling), or all atoms where there is none. Four
    are called tetrahedral if all angles lie between 80 and 140 degrees; six are octahedral if they
    form three opposite pairs and prismatic if they form none. Others are counted (``fivefold``).
    """
    vectors = _first_shell(structure, frac_coords)
    number = len(vectors)
    return number, _name(number, _angles(vectors))


def _first_shell(structure: Structure, frac_coords: Sequence[float] | np.ndarray) -> np.ndarray:
    """Return unit vectors (n, 3) to the atoms of the first shell."""
    centre = structure.lattice.get_cartesian_coords(frac_coords)
    anions = [site.specie.symbol for site in structure if site.specie.X > _ANION]
    counted = set(anions or (site.specie.symbol for site in structure))
    places = [k for k, site in enumerate(structure) if site.specie.symbol in counted]
    nearest = structure.lattice.get_all_distances(
        structure.frac_coords[places], np.asarray(frac_coords)
    ).min()
    sites = [
        site
        for site in structure.get_sites_in_sphere(centre, SHELL_FACTOR * nearest + 1e-6)
        if site.specie.symbol in counted
    ]
    vectors = np.array([site.coords for site in sites]) - centre
    units: np.ndarray = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    return units


def _angles(vectors: np.ndarray) -> np.ndarray:
    """Return the angles (degrees) of all pairs."""
    i, j = np.triu_indices(len(vectors), k=1)
    cosines = np.sum(vectors[i] * vectors[j], axis=1)
    angles: np.ndarray = np.degrees(np.arccos(np.clip(cosines, -1.0, 1.0)))
    return angles


def _name(number: int, angles: np.ndarray) -> str:
    opposite = int(np.sum(angles > _ANTIPODAL))
    if number == _TETRAHEDRON:
        low, high = _TETRAHEDRAL
        return "tetrahedral" if np.all((angles > low) & (angles < high)) else "fourfold"
    if number == _SIX:
        return {3: "octahedral", 0: "prismatic"}.get(opposite, "sixfold")
    return _NAMES.get(number, f"{number}-fold")
