"""Geometries beside a saddle: a molecule led along a mode, its bonds as long as before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.adsorbates import bonds_between
from defectflow.structures.whereabouts import in_one_piece

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

_STEPS: Final = 20
_ROUNDS: Final = 20


def led_along(
    structure: Structure, atoms: Sequence[int], mode: NDArray[np.float64], distance_A: float
) -> Structure:
    """Return a structure whose `atoms` are led along a mode.

    A straight displacement stretches bonds where a molecule turns, which costs far more than
    turning does. After each short step the bonds get their lengths again (J.-P. Ryckaert, G.
    Ciccotti, H. J. C. Berendsen, J. Comput. Phys. 23, 327 (1977)), atoms of less mass giving way.

    Parameters
    ----------
    mode
        Cartesian directions, one row for each of `atoms`; negative to go the other way.
    distance_A
        How far the atom goes that goes farthest, Å, along the arc if it turns.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> start = Structure(
    ...     Lattice.cubic(9), ["O", "H"], [[1, 1, 1], [1, 1, 1.97]], coords_are_cartesian=True
    ... )
    >>> turned = led_along(start, [0, 1], np.array([[0.0, 0, 0], [1, 0, 0]]), 0.5)
    >>> round(float(turned.get_distance(0, 1)), 3)
    0.97
    """
    start = in_one_piece(structure, atoms)
    species = [structure[index].specie.symbol for index in atoms]
    masses = np.array([float(structure[index].specie.atomic_mass) for index in atoms])
    lengths_A = {
        (i, j): float(np.linalg.norm(start[i] - start[j])) for i, j in bonds_between(species, start)
    }
    way = mode / np.linalg.norm(mode, axis=1).max()
    places = start.copy()
    for _ in range(_STEPS):
        places = _with_bonds(places + way * distance_A / _STEPS, lengths_A, masses)
    made = structure.copy()
    for index, move in zip(atoms, places - start, strict=True):
        made.translate_sites([index], move, frac_coords=False, to_unit_cell=False)
    return made


def _with_bonds(
    places: NDArray[np.float64],
    lengths_A: dict[tuple[int, int], float],
    masses: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the places nearest to these where bonds have their lengths."""
    for _ in range(_ROUNDS):
        for (i, j), length in lengths_A.items():
            gap = places[j] - places[i]
            excess = gap * (1 - length / np.linalg.norm(gap))
            places[i] += excess * masses[j] / (masses[i] + masses[j])
            places[j] -= excess * masses[i] / (masses[i] + masses[j])
    return places
