"""Metal atoms of a layered host that have moved into the layer of the mobile ions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.complexes import Member, Neighbourhood, complexes
from defectflow.structures.galleries import layering
from defectflow.structures.points import interstitials, substitutions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell
    from defectflow.structures.galleries import Layering

#: What is left where the metal atom came from: nothing, the ion whose place it took, or another
#: metal atom (none has left: the host holds one metal atom too many).
Left = Literal["vacancy", "ion", "metal"]
_IN_LAYER_A: Final = 0.7


def layer_migrations(
    structure: Structure,
    metal: str,
    ion: str | None = None,
    left: Left = "vacancy",
    shells: int = 1,
) -> Iterator[Cell]:
    """Yield one cell for each distinct way in which a metal atom sits between the layers.

    With `ion` the metal takes the place of one of these, which is lost (``vacancy``), goes to the
    metal's place (``ion``: exchange) or is all that changes (``metal``). Without, it takes a void
    of the empty gallery.

    Parameters
    ----------
    shells
        Places in so many shells around the metal's own place count, where one is left.

    Raises
    ------
    StructureError
        If the host has no layers, lacks an element, or is too small for a shell.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("O3-LiNiO2").structure * (3, 3, 1)
    >>> [cell.name for cell in layer_migrations(host, "Ni", "Li")]
    ['V_Ni+Ni_Li']
    """
    found = layering(structure, () if ion is None else (ion,))
    if left == "ion" and ion is None:
        message = "left: ion needs the ion that trades places with the metal; name it, e.g. Li"
        raise StructureError(message)
    if left == "metal":
        cells = substitutions(structure, {ion: metal}) if ion else interstitials(structure, metal)
    else:
        place = Member("i" if ion is None else ion, metal)
        origin = Member(metal, ion if left == "ion" else None)
        cells = complexes(structure, [origin, place], Neighbourhood(shells, within=True))
    kept = (replace(cell, kind="layer_migration") for cell in cells)
    return kept if ion else (cell for cell in kept if _is_between(found, cell, metal))


def _is_between(found: Layering, cell: Cell, metal: str) -> bool:
    """Tell whether the inserted atom is away from the planes of the metal."""
    period = found.spacing_A * len(found.layers)
    metals = [k for k, site in enumerate(found.structure) if site.specie.symbol == metal]
    planes = found.heights_A()[metals]
    (place,) = (change.frac_coords for change in cell.changed if change.before is None)
    height = float(cell.pristine.lattice.get_cartesian_coords(place) @ found.normal)
    gaps = planes - height
    gaps -= np.round(gaps / period) * period
    return bool(np.abs(gaps).min() > _IN_LAYER_A)
