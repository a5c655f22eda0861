"""Equilibrium shape of a crystal from its surface energies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

Miller = tuple[int, int, int]


def area_fractions(
    lattice: np.ndarray, energies_J_per_m2: Mapping[Miller, float]
) -> dict[Miller, float]:
    """Return which share of the surface of Wulff's shape each family of planes has.

    G. Wulff, Z. Kristallogr. 34, 449 (1901); the construction is pymatgen's, with the point group
    of the lattice.

    Parameters
    ----------
    lattice
        (3, 3) Rows: vectors of the conventional cell, which the indices refer to.
    energies_J_per_m2
        Of one plane per family, all above zero.

    Raises
    ------
    StructureError
        If an energy is not above zero, or the planes enclose no volume.

    Examples
    --------
    >>> import numpy as np
    >>> area_fractions(np.eye(3), {(1, 0, 0): 1.0, (1, 1, 1): 2.0})
    {(1, 0, 0): 1.0, (1, 1, 1): 0.0}
    """
    from pymatgen.analysis.wulff import WulffShape
    from pymatgen.core.lattice import Lattice

    for miller, energy in energies_J_per_m2.items():
        if energy <= 0:
            message = (
                f"surface {miller}: energy {energy:.3g} J/m² is not above zero; no shape has it"
            )
            raise StructureError(message)
    planes = list(energies_J_per_m2)
    try:
        shape = WulffShape(Lattice(lattice), planes, [energies_J_per_m2[one] for one in planes])
    except Exception as error:  # scipy's qhull says it in its own way
        message = f"surfaces {planes}: enclose no volume; add planes of other directions"
        raise StructureError(message) from error
    found = {tuple(key): float(value) for key, value in shape.area_fraction_dict.items()}
    return {one: round(found[one], 12) for one in planes}
