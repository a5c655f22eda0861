"""The distinct ways to put an adsorbate on a surface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.errors import StructureError
from defectflow.structures.adsorption import named_site, top_height_A
from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.symmetry import upward_operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.adsorbates import Adsorbate, Pose
    from defectflow.structures.adsorption import SurfaceSite
    from defectflow.structures.surfaces import Slab

#: Turns about the surface normal that are tried, degrees. They begin off the mirror planes of dense
#: surfaces: a molecule on a mirror plane would never be turned out of it by its forces.
AZIMUTH_STEP_DEG: Final = 60.0
_FIRST_DEG: Final = 10.0
_TURN_DEG: Final = 360.0
#: Places closer than this (Å) are one.
_SAME_A: Final = 0.1
#: Atoms closer than this fraction of their bond length overlap.
_OVERLAP: Final = 0.75


@dataclass(frozen=True)
class Placement(MSONable):
    """A site, a pose and a turn about the surface normal.

    Attributes
    ----------
    label
        ``fcc`` for an atom, else e.g. ``fcc tilted 70``.
    site
        Label of the site.
    pose
        Index of the pose.
    """

    label: str
    site: str
    pose: int = 0
    azimuth_deg: float = 0.0


def placements(
    slab: Slab,
    sites: Sequence[SurfaceSite],
    adsorbate: Adsorbate,
    azimuth_step_deg: float = AZIMUTH_STEP_DEG,
) -> tuple[Placement, ...]:
    """Return the placements of an adsorbate on some sites, each distinct one once.

    Two are the same if an operation of the slab that keeps its top side up carries one onto the
    other. Placements in which atoms overlap are left out.

    Raises
    ------
    StructureError
        If atoms overlap in all of them.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.adsorbates import adsorbate
    >>> from defectflow.structures.adsorption import surface_sites
    >>> from defectflow.structures.surfaces import slab_of
    >>> slab = slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), layers=4, repeat=(2, 2))
    >>> one = adsorbate("OH")
    >>> sites = surface_sites(slab, "O")
    >>> [one.label for one in placements(slab, sites, one) if one.site == "fcc"]
    ['fcc tilted 10', 'fcc tilted 70', 'fcc up']
    """
    kept: list[Placement] = []
    seen: list[np.ndarray] = []
    crowded = 0
    flat = list(zip(*upward_operations(slab.structure), strict=True))
    inverse = np.linalg.inv(slab.structure.lattice.matrix)
    for placement in _all(sites, adsorbate, azimuth_step_deg):
        structure = placed(slab, slab.structure, sites, adsorbate, placement)
        atoms = structure[-len(adsorbate.species) :]
        if overlapping(structure, len(adsorbate.species)) is not None:
            crowded += 1
            continue
        frac = np.array([atom.coords for atom in atoms]) @ inverse
        if not any(_same(frac, other, flat, adsorbate.species, slab.structure) for other in seen):
            seen.append(frac)
            kept.append(placement)
    if not kept:
        message = (
            f"{adsorbate.name} on ({''.join(map(str, slab.miller))}): atoms overlap in all "
            f"{crowded} placements; give the slab a larger `repeat`"
        )
        raise StructureError(message)
    return tuple(kept)


def placed(
    slab: Slab,
    clean: Structure,
    sites: Sequence[SurfaceSite],
    adsorbate: Adsorbate,
    placement: Placement,
) -> Structure:
    """Return a slab with an adsorbate above the first place of a site; its atoms come last.

    Parameters
    ----------
    clean
        The slab as it is, perhaps relaxed; atoms in the order of `slab`.
    """
    site = named_site(sites, placement.site)
    x, y = site.places_A[0]
    origin = np.array([x, y, top_height_A(slab, clean) + site.height_A])
    structure = clean.copy()
    properties = {"magmom": 0.0} if "magmom" in clean.site_properties else {}
    turned = _turned(adsorbate.poses[placement.pose], placement.azimuth_deg)
    for symbol, place in zip(adsorbate.species, origin + turned, strict=True):
        structure.append(symbol, place, coords_are_cartesian=True, properties=properties)
    return structure


def overlapping(structure: Structure, atoms: int) -> tuple[int, int] | None:
    """Return two atoms that overlap, one of them among the last `atoms`; None if none do.

    Two atoms overlap if they are closer than three quarters of the sum of their covalent radii, an
    atom and its own periodic image included.
    """
    radii = np.array([covalent_radius_A(site.specie.symbol) for site in structure])
    first = len(structure) - atoms
    reach = 2 * _OVERLAP * radii.max()
    ours, others, _, distances = structure.get_neighbor_list(reach, sites=list(structure[first:]))
    limits = _OVERLAP * (radii[ours + first] + radii[others])
    near = np.flatnonzero((distances < limits) & (distances > 1e-6))  # noqa: PLR2004 - itself
    return None if not len(near) else (int(ours[near[0]]) + first, int(others[near[0]]))


def _all(
    sites: Sequence[SurfaceSite], adsorbate: Adsorbate, step_deg: float
) -> Iterator[Placement]:
    for site in sites:
        for number, pose in enumerate(adsorbate.poses):
            name = f"{site.label} {pose.name}".strip()
            if pose.round:
                yield Placement(name, site.label, number)
                continue
            for turn in np.arange(_FIRST_DEG, _TURN_DEG + _FIRST_DEG - 1e-6, step_deg):
                yield Placement(f"{name} {turn:g}", site.label, number, float(turn))


def _turned(pose: Pose, azimuth_deg: float) -> np.ndarray:
    angle = np.radians(azimuth_deg)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, -sine, 0.0], [sine, cosine, 0.0], [0.0, 0.0, 1.0]])
    places: np.ndarray = np.array(pose.places_A) @ turn.T
    return places


def _same(
    one: np.ndarray,
    other: np.ndarray,
    operations: Sequence[tuple[np.ndarray, np.ndarray]],
    species: Sequence[str],
    structure: Structure,
) -> bool:
    """Tell whether an operation carries one set of atoms onto the other, in any order."""
    matrix = structure.lattice.matrix
    alike = np.array([[a == b for b in species] for a in species])
    for rotation, shift in operations:
        gap = (one @ rotation.T + shift)[:, None, :] - other[None, :, :]
        near = np.linalg.norm((gap - np.round(gap)) @ matrix, axis=2) < _SAME_A
        if np.all((near & alike).any(axis=1)) and np.all((near & alike).any(axis=0)):
            return True
    return False
