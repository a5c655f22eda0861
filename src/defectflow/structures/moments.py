"""What operations do to collinear magnetic moments.

Without spin-orbit coupling the energy stays as it is when all moments are reversed together, so an
operation of the crystal counts if it keeps all moments or reverses all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Moments = Sequence[float | None]

#: Moments that differ by less (Bohr magnetons) are one: atoms relaxed apart differ by less.
SAME_MOMENT_MUB: Final = 0.1


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
