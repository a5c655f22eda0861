"""Where an ion can sit in a host whose insertion sites are not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from defectflow.structures.cells import FracCoords


@dataclass(frozen=True)
class InsertionSite:
    """A place that an ion can take in a host, one representative of its orbit.

    Attributes
    ----------
    label
        E.g. ``8a tetrahedral``.
    frac_coords
        Fractional coordinates in the cell of the host.
    species
        Ions that are known to take this site; empty where it is not known.
    coordination
        Number of nearest host neighbours; None if not determined.
    multiplicity
        Number of equivalent places per primitive cell; None if not determined.
    """

    label: str
    frac_coords: FracCoords
    species: tuple[str, ...] = ()
    coordination: int | None = None
    multiplicity: int | None = None
