"""Where one ion can be put: in a pristine supercell, and around a defect in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, frac_tuple, insertion
from defectflow.structures.orbits import orbit
from defectflow.structures.points import MIN_CONTACT, bond_A
from defectflow.structures.sites import MIN_DISTANCE_A, insertion_sites

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.hosts import Host
    from defectflow.structures.sites import InsertionSite

#: Places whose distances from the defect agree within this (Å) are taken for one kind.
_SAME_A: Final = 0.05


@dataclass(frozen=True)
class IonPlace:
    """A cell with one ion.

    Attributes
    ----------
    label
        Of the site: as in the host, or the name of the missing atom's site, e.g. ``V_Ti``.
    from_defect_A
        Distance from the nearest site that the defect changed; None without a defect.
    """

    label: str
    cell: Cell
    from_defect_A: float | None = None


def places_in(host: Host, whole: Structure, ion: str) -> list[IonPlace]:
    """Return one cell for each distinct site of the ion in the pristine supercell.

    Known sites of the host if it has any for this ion, else its voids that are wide enough for it,
    and the places beside a sheet.

    Parameters
    ----------
    whole
        Supercell of the host.

    Raises
    ------
    StructureError
        If there is no site.
    """
    placed = []
    for site in _sites(host, ion):
        place = frac_tuple(_in_supercell(site, host.structure, whole))
        cell = Cell.from_changes(
            whole,
            [insertion(whole, ion, place)],
            name=f"{ion}_i",
            kind="interstitial",
            multiplicity=site.multiplicity or 1,
        )
        placed.append(IonPlace(site.label, cell))
    return placed


def places_at(host: Host, defect: Cell, ion: str, reach_A: float) -> list[IonPlace]:
    """Return one cell for each kind of place of the ion within reach of a defect.

    Each site that the defect left empty, and of each kind of the host's own sites those at distinct
    distances from the nearest changed site. The distances tell kinds apart; equivalent places of a
    defect of low symmetry may be missed among equally distant ones.

    Raises
    ------
    StructureError
        If there is no place within reach.
    """
    lattice = defect.pristine.lattice
    changed = np.array([change.frac_coords for change in defect.changed])
    places: list[tuple[str, np.ndarray, float]] = [
        (f"V_{change.before}", np.array(change.frac_coords), 0.0)
        for change in defect.changed
        if change.after is None
    ]
    for site in _sites(host, ion):
        start = _in_supercell(site, host.structure, defect.pristine)
        everywhere = orbit(defect.pristine, start)
        distances = lattice.get_all_distances(everywhere, changed).min(axis=1)
        places += [
            (site.label, everywhere[index], float(distances[index]))
            for index in _kinds(distances, reach_A)
        ]
    free = [one for one in places if _is_free(defect.structure, one[1])]
    if not free:
        message = (
            f"{defect.name}: no place for {ion} within {reach_A:g} Å of the defect; raise `reach_A`"
        )
        raise StructureError(message)
    return [_at(defect, ion, *one) for one in _distinct(free, defect)]


def _at(defect: Cell, ion: str, label: str, place: np.ndarray, distance_A: float) -> IonPlace:
    added = insertion(defect.pristine, ion, frac_tuple(place))
    cell = Cell.from_changes(
        defect.pristine,
        [*defect.changed, added],
        name=f"{ion} at {defect.name}",
        kind="complex",
        multiplicity=defect.multiplicity,
    )
    return IonPlace(label, cell, distance_A)


def _sites(host: Host, ion: str) -> Sequence[InsertionSite]:
    known = [site for site in host.sites if not site.species or ion in site.species]
    if known:
        return known
    voids = insertion_sites(host.structure, ion)
    bonds = {one.symbol: bond_A(host.structure, ion, one.symbol) for one in host.structure.elements}
    found = [site for site in voids if _is_wide(host.structure, site, bonds)]
    if not found:
        message = f"{host.formula} has no void that {ion} could enter; give a more open host"
        raise StructureError(message)
    return found


def _is_wide(unit: Structure, site: InsertionSite, bonds_A: dict[str, float]) -> bool:
    """Return whether no atom is nearer than `MIN_CONTACT` of its bond with the ion."""
    place = unit.lattice.get_cartesian_coords(site.frac_coords)
    near = unit.get_sites_in_sphere(place, MIN_CONTACT * max(bonds_A.values()))
    return all(atom.nn_distance >= MIN_CONTACT * bonds_A[atom.specie.symbol] for atom in near)


def _in_supercell(site: InsertionSite, unit: Structure, whole: Structure) -> np.ndarray:
    place = unit.lattice.get_cartesian_coords(site.frac_coords)
    found: np.ndarray = whole.lattice.get_fractional_coords(place) % 1.0
    return found


def _kinds(distances_A: np.ndarray, reach_A: float) -> list[int]:
    """Return one index for each distinct distance within reach, nearest first."""
    kept: list[int] = []
    for index in np.argsort(distances_A, kind="stable"):
        if distances_A[index] > reach_A:
            break
        if not kept or distances_A[index] - distances_A[kept[-1]] > _SAME_A:
            kept.append(int(index))
    return kept


def _is_free(structure: Structure, place: np.ndarray) -> bool:
    distances = structure.lattice.get_all_distances(place[None], structure.frac_coords)
    return bool(distances.min() > MIN_DISTANCE_A)


def _distinct(
    places: Sequence[tuple[str, np.ndarray, float]], defect: Cell
) -> list[tuple[str, np.ndarray, float]]:
    """Return places without those so near to an earlier one that they are the same void."""
    kept: list[tuple[str, np.ndarray, float]] = []
    for one in places:
        near = [
            other
            for other in kept
            if defect.pristine.lattice.get_all_distances(one[1], other[1]).min() < MIN_DISTANCE_A
        ]
        if not near:
            kept.append(one)
    return kept
