"""Which sites an ion uses in a host, and which hops between them have to be computed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from monty.json import MSONable

from defectflow.analysis.percolation import Edge, percolation
from defectflow.errors import StructureError
from defectflow.flows.defect_cells import places_near_defect
from defectflow.structures.bands import waypoint_at
from defectflow.structures.endpoints import Stage, detours, displacement_from_A
from defectflow.structures.hops import Hop, distinct_hops
from defectflow.structures.moments import magnetic_orbit, moments_of
from defectflow.structures.orbits import orbit
from defectflow.structures.sites import insertion_sites
from defectflow.structures.symmetry import SAME_PLACE_A

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray
    from pymatgen.core import Structure

    from defectflow.documents.migration import Limit
    from defectflow.documents.steps import RelaxDocument
    from defectflow.structures.hosts import Host

#: Longest hop that is looked at when no cut-off is given, Å.
LONGEST_HOP_A = 8.0
#: An ion that ends farther than this from where it was put has left its site, Å.
LEFT_SITE_A = 0.8


@dataclass(frozen=True)
class Site(MSONable):
    """One symmetry-distinct site: name, fractional coordinates in the host's cell, orbit size."""

    label: str
    frac_coords: list[float]
    multiplicity: int


@dataclass(frozen=True)
class Scene(MSONable):
    """The relaxed host, its supercell and the ion: what all later steps share."""

    host: Structure
    matrix: list[list[int]]
    species: str
    limit: Limit

    def stage(self) -> Stage:
        """Build the supercell and its symmetry operations."""
        if self.limit == "given":
            message = "given end points have no host to build a supercell from"
            raise StructureError(message)
        return Stage.from_host(self.host, np.array(self.matrix), self.species, self.limit)

    def cartesian(self, frac_coords: Sequence[float]) -> NDArray[np.float64]:
        """Return the Cartesian point (Å) of fractional coordinates in the host's cell."""
        point: NDArray[np.float64] = self.host.lattice.get_cartesian_coords(frac_coords)
        return point

    def orbit(self, site: Site) -> NDArray[np.float64]:
        """Return all equivalent fractional coordinates in the host's cell, `site` first.

        Sites between different magnetic moments are not equivalent.
        """
        return magnetic_orbit(self.host, site.frac_coords)


def distinct_sites(
    host: Structure, species: str, limit: Limit, known: Sequence[Any] = ()
) -> tuple[Site, ...]:
    """Return the sites that the ion can take, one of each kind.

    Parameters
    ----------
    known
        Insertion sites of a prototype; if there are none they are searched for.

    Raises
    ------
    StructureError
        If the host has no site for the ion: no void is large enough, or there is no such ion to
        take out.
    """
    if limit == "discharged":
        return _occupied_sites(host, species)
    found = known or insertion_sites(host, species)
    if not found:
        message = (
            f"{host.reduced_formula} has no site for {species}: no void is large enough; "
            "expand the host's cell or give the sites"
        )
        raise StructureError(message)
    sites: dict[str, Site] = {}
    for site in found:
        label = _free_label(site.label, sites)
        places = orbit(host, site.frac_coords)
        sites[label] = Site(label, [float(x) for x in site.frac_coords], len(places))
    return tuple(sites.values())


def _occupied_sites(host: Structure, species: str) -> tuple[Site, ...]:
    sites: list[Site] = []
    covered: list[NDArray[np.float64]] = []
    for atom in host:
        if atom.species_string != species:
            continue
        known = np.vstack(covered) if covered else np.empty((0, 3))
        if (
            len(known)
            and host.lattice.get_all_distances(atom.frac_coords, known).min() < SAME_PLACE_A
        ):
            continue
        members = orbit(host, atom.frac_coords)
        covered.append(members)
        label = f"{species} site {len(sites) + 1}"
        sites.append(Site(label, [float(x) for x in atom.frac_coords], len(members)))
    if not sites:
        message = (
            f"{host.reduced_formula} holds no {species} to take out; "
            "the discharged limit needs the host with its ions in"
        )
        raise StructureError(message)
    return tuple(sites)


def settled_sites(scene: Scene, sites: Sequence[Site]) -> list[Site]:
    """Return the distinct sites where their ions are in the relaxed host; voids stay.

    At a grain boundary an ion moves by half an Å when the host relaxes: the places of before are
    then no places of ions, and no operation of the host leads from one to another. Where the host
    has become more symmetric, one is left of sites that are now alike. Where its magnetic moments
    make sites differ that the atoms alone do not, there is one of each.
    """
    lattice = scene.host.lattice
    ions = np.array([one.frac_coords for one in scene.host if one.species_string == scene.species])
    found: list[Site] = []
    covered = np.empty((0, 3))
    for site in sites:
        place = np.array(site.frac_coords)
        if scene.limit == "discharged":
            place = ions[lattice.get_all_distances(place, ions)[0].argmin()]
        label = site.label
        for one in _alike_but_for_moments(scene.host, place):
            if len(covered) and lattice.get_all_distances(one, covered).min() < SAME_PLACE_A:
                continue
            moved = replace(site, label=label, frac_coords=[float(x) for x in one])
            members = scene.orbit(moved)
            found.append(replace(moved, multiplicity=len(members)))
            covered = np.vstack([covered, members])
            label = _free_label(site.label, [known.label for known in found])
    return found


def _alike_but_for_moments(host: Structure, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the places that are equivalent to one where moments are not looked at, it first."""
    return place[None] if moments_of(host) is None else orbit(host, place)


def stays(scene: Scene, site: Site, relaxed: Structure) -> bool:
    """Tell whether a relaxed ion is still at the site where it was put; a vacancy always is."""
    if scene.limit == "discharged":
        return True
    return displacement_from_A(relaxed, scene.cartesian(site.frac_coords)) < LEFT_SITE_A


def sites_near_defect(host: Host, sites: Sequence[Site], within_A: float) -> tuple[Site, ...]:
    """Return the sites near the defect of a generated host; all of them for 0 Å.

    Raises
    ------
    StructureError
        If the host is a perfect crystal, or no site is that near.
    """
    if not within_A:
        return tuple(sites)
    points = host.structure.lattice.get_cartesian_coords([site.frac_coords for site in sites])
    return tuple(sites[k] for k in places_near_defect(host, points, within_A))


def hops_among(scene: Scene, sites: Sequence[Site], cutoff_A: float | None) -> tuple[Hop, ...]:
    """Return the distinct hops between sites, whose orbits are numbered one after the other.

    Up to `cutoff_A`, or without one the shortest that together lead across the crystal.

    Raises
    ------
    StructureError
        If no hop is short enough.
    """
    places = np.vstack([scene.orbit(site) for site in sites])
    labels = " and ".join(site.label for site in sites)
    hops = distinct_hops(scene.host, places, cutoff_A or LONGEST_HOP_A)
    if not hops:
        message = (
            f"no two {labels} sites of {scene.host.reduced_formula} are within "
            f"{cutoff_A or LONGEST_HOP_A:g} Å; give a larger cutoff_A"
        )
        raise StructureError(message)
    if cutoff_A is not None:
        return hops
    edges = [
        Edge(start, end, image, hop.distance_A, hop.label)
        for hop in hops
        for start, end, image in hop.edges
    ]
    across = percolation(edges, len(places))
    if across is None:
        return hops
    return tuple(hop for hop in hops if hop.label in across.kinds)


def waypoints(
    scene: Scene, site: Site, others: Sequence[Site], relaxed: Sequence[RelaxDocument], hop: Hop
) -> dict[str, Structure]:
    """Return the structures through which the band of a hop is also sent, by label.

    In the charged limit these are the other sites, with the ion as relaxed there (as placed, if it
    did not stay); in the discharged limit the voids of the empty host.
    """
    stage = scene.stage()
    start, end = scene.cartesian(hop.start), scene.cartesian(hop.end)
    ends = stage.ends(start, end)
    found: dict[str, Structure] = {}
    for other, document in zip(others, relaxed, strict=True):
        if scene.limit == "discharged" or other.label == site.label:
            continue
        for point in detours(start, end, scene.orbit(other), scene.host.lattice.matrix):
            ideal = stage.state(scene.cartesian(other.frac_coords))
            state = stage.state(point)
            label = _free_label(f"through {other.label}", found)
            if stays(scene, other, document.structure):
                forces = np.array(document.forces_eV_per_A)
                found[label] = stage.carried(state, ideal, document.structure, forces)[0]
            else:
                found[label] = waypoint_at(ends[0], ends[1], point)
    if scene.limit == "discharged":
        empty = scene.host.copy()
        empty.remove_species([scene.species])
        for void in insertion_sites(empty, scene.species) if len(empty) else ():
            places = orbit(empty, void.frac_coords)
            for point in detours(start, end, places, scene.host.lattice.matrix):
                label = _free_label(f"through {void.label}", found)
                found[label] = waypoint_at(ends[0], ends[1], point)
    return found


def _free_label(label: str, taken: Collection[str]) -> str:
    """Return the label, numbered if it is taken: voids of one kind differ in their coordinates."""
    number = sum(1 for known in taken if known.startswith(label))
    return label if not number else f"{label} ({number + 1})"
