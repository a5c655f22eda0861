"""Two ends of a hop whose files list like atoms in another order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from pymatgen.core import Structure

from defectflow.structures.bands import unwrapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: An atom that is displaced farther than this (Å) leaves its place.
FAR_A: Final = 1.0
#: Up to so many atoms that leave their places are a hop of several at once, in any order.
_FEW: Final = 3
#: Like atoms that only change places: up to so many, and the largest displacement (Å) if unnamed.
_RING: Final = 6
_AT_REST_A: Final = 0.5


def matched_ends(initial: Structure, final: Structure) -> tuple[Structure, str]:
    """Return the final end in the order of the initial one, and what to say of it.

    Like atoms are assigned to each other by the least sum of squared displacements, which leaves a
    row of atoms that follow each other as it is. The order given is kept unless more than three
    atoms leave their places in it, and at most half as many once assigned; it is also kept where up
    to six like atoms only change places, as in the ring mechanism.

    Parameters
    ----------
    initial, final
        The same atoms, elements in the same order, in one cell.

    Returns
    -------
    tuple
        The final structure, the properties of each atom with it; and a note, which may be empty.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> copper = hosts.load("fcc-Cu").structure * (2, 2, 2)
    >>> initial, final = (copper.copy().remove_sites([k]) for k in (0, 20))
    >>> matched_ends(initial, final)[1].partition(";")[0]
    'like atoms of both ends were matched'
    """
    given_A = np.linalg.norm(unwrapped(initial, final).cart_coords - initial.cart_coords, axis=1)
    far = int(np.sum(given_A > FAR_A))
    if far <= 1:
        return final, ""
    order, matched_A = _assigned(initial, final)
    fewer = int(np.sum(matched_A > FAR_A))
    ring = far <= _RING and matched_A.max() <= _AT_REST_A
    if 2 * fewer > far:
        return final, ""
    if far <= _FEW or ring:
        return final, (
            f"{far} atoms move more than {FAR_A:g} Å in the order given, {fewer} if like atoms "
            "were matched; the order was kept: list both ends in one order unless this is meant"
        )
    return _reordered(final, order), (
        f"like atoms of both ends were matched; in the order given {far} atoms would move more "
        f"than {FAR_A:g} Å, now {fewer}"
    )


def _assigned(initial: Structure, final: Structure) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return which atom of the final end each initial one becomes, and their distances, Å."""
    from scipy.optimize import linear_sum_assignment

    symbols = np.array([site.specie.symbol for site in initial])
    order, distances = np.arange(len(initial)), np.zeros(len(initial))
    for symbol in np.unique(symbols):
        mine = np.flatnonzero(symbols == symbol)
        between = initial.lattice.get_all_distances(
            initial.frac_coords[mine], final.frac_coords[mine]
        )
        rows, columns = linear_sum_assignment(between**2)
        order[mine[rows]] = mine[columns]
        distances[mine[rows]] = between[rows, columns]
    return order, distances


def _reordered(structure: Structure, order: NDArray[np.intp]) -> Structure:
    return Structure(
        structure.lattice,
        [structure.species[k] for k in order],
        structure.frac_coords[order],
        to_unit_cell=False,
        site_properties={
            name: [values[k] for k in order] for name, values in structure.site_properties.items()
        },
    )
