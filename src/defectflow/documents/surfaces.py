"""Results about surfaces and interfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from defectflow.documents.base import Document, ResultDocument
from defectflow.documents.steps import RelaxDocument
from defectflow.words import HostCell

if TYPE_CHECKING:
    from collections.abc import Iterable


class SurfaceTermination(Document):
    """One slab.

    Attributes
    ----------
    miller
        In the standard conventional cell.
    said
        What is on its faces, and whether it is polar, in words.
    equivalent
        Whether both faces are images of each other.
    energy_J_per_m2
        Mean of both faces; None where it did not converge.
    unrelaxed_J_per_m2
        As cut from the crystal: half the energy of cleaving. Only of slabs with unlike faces.
    top_J_per_m2, bottom_J_per_m2
        Of each of two unlike faces, from the pair of slabs in which one half was relaxed and the
        other kept, the energy of cleaving shared evenly.
    """

    name: str
    miller: tuple[int, int, int]
    said: str
    area_A2: float
    equivalent: bool
    energy_J_per_m2: float | None
    unrelaxed_J_per_m2: float | None = None
    top_J_per_m2: float | None = None
    bottom_J_per_m2: float | None = None
    relaxed: tuple[RelaxDocument, ...]


def lowest_of_each_plane(
    surfaces: Iterable[SurfaceTermination],
) -> dict[tuple[int, int, int], float]:
    """Return the energy of the lowest termination of each plane, J/m²; without those unknown."""
    lowest: dict[tuple[int, int, int], float] = {}
    for one in surfaces:
        if one.energy_J_per_m2 is not None:
            energy = one.energy_J_per_m2
            lowest[one.miller] = min(energy, lowest.get(one.miller, energy))
    return lowest


class SurfaceEnergyDocument(ResultDocument):
    """Surface energy, J/m²; positive where the surface costs energy. `value` is the lowest.

    γ = (E(slab) - N/N₀ E(crystal)) / 2A, where N/N₀ is the ratio of the numbers of atoms: the slab
    has the composition of the crystal.

    Attributes
    ----------
    wulff
        Share of each family of planes on the equilibrium shape, by its indices, e.g. ``111``;
        None where only one plane was computed.
    """

    quantity: Literal["surface_energy"] = "surface_energy"
    unit: Literal["J/m2"] = "J/m2"
    host_formula: str
    prototype: str | None = None
    host_cell: HostCell
    atoms: Literal["relaxed", "fixed"]
    relaxed_host: RelaxDocument
    crystal: RelaxDocument
    surfaces: tuple[SurfaceTermination, ...]
    wulff: dict[str, float] | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()


class InterfaceEnergyDocument(ResultDocument):
    """Energy of an interface, J/m².

    Work of adhesion: W = (E(substrate) + E(film) - E(both)) / A, all three in the strained common
    cell; positive where the two hold together.

    Interface formation energy: γ = (E(superlattice) - Σ N E(crystal) / N₀) / 2A, against the
    crystals at rest, so that the strain of the film counts; positive where it costs energy.

    Attributes
    ----------
    host, film
        The substrate and the film.
    principal_strains
        Of the one that is strained, as built.
    gap_built_A, gap_relaxed_A
        Between the outermost atoms of both.
    parts
        What was subtracted: substrate and film alone, or both crystals.
    """

    quantity: Literal["work_of_adhesion", "interface_formation_energy"]
    unit: Literal["J/m2"] = "J/m2"
    host_formula: str
    prototype: str | None = None
    host_cell: HostCell
    film: str
    film_formula: str
    said: str
    area_A2: float
    principal_strains: tuple[float, ...]
    twist_deg: float
    gap_built_A: float
    gap_relaxed_A: float
    relaxed: RelaxDocument
    parts: tuple[RelaxDocument, RelaxDocument]
    relaxed_host: RelaxDocument
    relaxed_film: RelaxDocument
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
