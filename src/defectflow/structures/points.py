"""Point defects, one cell for each symmetry-inequivalent place.

Every generator yields the defect in the very cell it was given; make that a supercell first where
a defect has to be alone. Multiplicities are per primitive cell, so they do not depend on the cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.cells import Cell, insertion, require_element, site_change
from defectflow.structures.layers import BOND_FACTOR, covalent_radius_A
from defectflow.structures.oxidation import is_metal
from defectflow.structures.sites import insertion_sites
from defectflow.structures.symmetry import SYMPREC_A, nearest_places, primitive, symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.sites import InsertionSite

#: An interstitial nearer to an atom than this part of their bond is left out unless asked for.
MIN_CONTACT: Final = 0.7
#: Neighbours whose distances tell inequivalent atoms of one element apart, for a stable order.
_FINGERPRINT_ATOMS = 16


def vacancies(
    structure: Structure, species: str | None = None, symprec: float = SYMPREC_A
) -> Iterator[Cell]:
    """Yield one cell for each inequivalent atom taken away: of `species`, or of any element.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> [cell.name for cell in vacancies(hosts.load("alpha-V2O5").structure)]
    ['V_O_1', 'V_O_2', 'V_O_3', 'V_V']
    """
    elements = _elements(structure)
    if species is not None:
        require_present(structure, species)
        elements = [species]
    return _exchanges(structure, {symbol: [None] for symbol in elements}, "vacancy", symprec)


def substitutions(
    structure: Structure,
    mapping: Mapping[str, str | Sequence[str]],
    symprec: float = SYMPREC_A,
) -> Iterator[Cell]:
    """Yield one cell for each inequivalent atom of a key of `mapping` exchanged for its value.

    Parameters
    ----------
    mapping
        Element of the host: dopant, or several dopants, e.g. ``{"Ti": ["Nb", "V"]}``.
    """
    exchanges: dict[str, list[str | None]] = {}
    for host, dopants in mapping.items():
        require_present(structure, host)
        exchanges[host] = [dopants] if isinstance(dopants, str) else list(dopants)
        for dopant in exchanges[host]:
            _require_dopant(host, dopant)
    return _exchanges(structure, exchanges, "substitution", symprec)


def antisites(
    structure: Structure,
    between: Collection[str] | None = None,
    symprec: float = SYMPREC_A,
) -> Iterator[Cell]:
    """Yield one cell for each inequivalent atom replaced by another element of the host.

    Parameters
    ----------
    between
        Elements that may trade places, e.g. ``{"Li", "Ni"}``; all by default, which in an ionic
        crystal includes anions on cation sites.
    """
    elements = _elements(structure)
    if between is not None:
        for symbol in between:
            require_present(structure, symbol)
        elements = [symbol for symbol in elements if symbol in between]
    exchanges: dict[str, list[str | None]] = {
        host: [other for other in elements if other != host] for host in elements
    }
    return _exchanges(structure, exchanges, "antisite", symprec)


def interstitials(
    structure: Structure,
    species: str | None = None,
    symprec: float = SYMPREC_A,
    *,
    min_contact: float = MIN_CONTACT,
    every_vertex: bool = False,
) -> Iterator[Cell]:
    """Yield one cell for each symmetry-distinct void filled, widest void first.

    Beside a sheet or slab, the places on its surface count too.

    Parameters
    ----------
    species
        Element to put in; each element of the host by default.
    min_contact
        Voids are left out in which the atom is nearer to another one than this part of their bond:
        that of the host, or the sum of the covalent radii of elements that have none there. Two
        metals in a host that is not one have no bond. Zero takes every void.
    every_vertex
        Take narrower places than voids, too: see `insertion_sites`.
    """
    elements = _elements(structure)
    if species is not None:
        require_element(species)
        elements = [species]
    return _filled_voids(structure, elements, symprec, min_contact, every_vertex=every_vertex)


def _filled_voids(
    structure: Structure,
    elements: Sequence[str],
    symprec: float,
    min_contact: float,
    *,
    every_vertex: bool,
) -> Iterator[Cell]:
    cell = primitive(structure, symprec)
    sites = insertion_sites(cell, elements[0], symprec=symprec, every_vertex=every_vertex)
    for species in elements:
        # Voids are the same for every ion; places beside a sheet depend on its size.
        if species != elements[0] and any(site.coordination is None for site in sites):
            sites = insertion_sites(cell, species, symprec=symprec, every_vertex=every_vertex)
        bonds = {one: bond_A(cell, species, one) for one in _elements(cell)}
        wide = [site for site in sites if _contact(cell, site, bonds) >= min_contact]
        for rank, site in enumerate(wide, start=1):
            place = cell.lattice.get_cartesian_coords(site.frac_coords)
            coords = structure.lattice.get_fractional_coords(place).round(10) % 1.0
            yield Cell.from_changes(
                structure,
                [insertion(structure, species, coords)],
                name=_name(f"{species}_i", rank, len(wide)),
                kind="interstitial",
                multiplicity=site.multiplicity or 1,
            )


def bond_A(structure: Structure, one: str, other: str) -> float:
    """Return the length (Å) of the bond between two elements in a host; 0 if they form none.

    It is their shortest distance in the host if that is at most 1.25 times the sum of their
    covalent radii, or else that sum; two metals in a host that is not one form none.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("rocksalt-MgO").structure
    >>> [round(bond_A(host, *pair.split()), 3) for pair in ("Mg O", "Li O", "Mg Mg")]
    [2.106, 1.94, 0.0]
    """
    from pymatgen.core.periodic_table import Element

    radii_A = covalent_radius_A(one) + covalent_radius_A(other)
    centres, ends, _, distances = structure.get_neighbor_list(BOND_FACTOR * radii_A)
    symbols = np.array([site.specie.symbol for site in structure])
    pair = (symbols[centres] == one) & (symbols[ends] == other)
    if Element(one).is_metal and Element(other).is_metal and not is_metal(structure):
        return 0.0
    return float(distances[pair].min()) if pair.any() else radii_A


def _contact(cell: Structure, site: InsertionSite, bonds: Mapping[str, float]) -> float:
    """Return the distance of a void from an atom in units of their bond, the least of all."""
    place = cell.lattice.get_cartesian_coords(site.frac_coords)
    near = cell.get_sites_in_sphere(place, max(bonds.values()) + 1e-6)
    return min(
        (
            float(atom.nn_distance) / bonds[atom.specie.symbol]
            for atom in near
            if bonds[atom.specie.symbol] > 0
        ),
        default=1.0,
    )


def _exchanges(
    structure: Structure,
    exchanges: Mapping[str, Sequence[str | None]],
    kind: str,
    symprec: float,
) -> Iterator[Cell]:
    """Yield the cells of a family that changes one atom: host element to each of its successors."""
    orbits = atom_orbits(structure, symprec)
    for host in sorted(exchanges):
        for after in exchanges[host]:
            for rank, (index, multiplicity) in enumerate(orbits[host], start=1):
                yield Cell.from_changes(
                    structure,
                    [site_change(structure, index, after)],
                    name=_name(exchange_name(host, after), rank, len(orbits[host])),
                    kind=kind,
                    multiplicity=multiplicity,
                )


def exchange_name(host: str, after: str | None) -> str:
    """Return what an atom of `host` that `after` has replaced is called; None for a vacancy.

    Examples
    --------
    >>> exchange_name("Ti", None), exchange_name("Ti", "Nb"), exchange_name("Ti", "V")
    ('V_Ti', 'Nb_Ti', 'Ti->V')
    """
    # V_Ti is a vacancy to everyone, so that vanadium on titanium is written otherwise.
    return f"{host}->V" if after == "V" else f"{after or 'V'}_{host}"


def atom_orbits(
    structure: Structure, symprec: float = SYMPREC_A
) -> dict[str, list[tuple[int, int]]]:
    """Return, per element, one atom of each orbit and the orbit's size per primitive cell.

    Orbits are those of the crystal's space group, also where the cell given breaks some of its
    symmetry. Rare ones come first; those of one size are told apart by their neighbours'
    distances: no choice of the cell alters the order.
    """
    cell = primitive(structure, symprec)
    permutations = np.array([item.permutation for item in symmetry_maps(cell, symprec)])
    places = cell.lattice.get_fractional_coords(structure.cart_coords)
    owners, _, _ = nearest_places(places, cell.frac_coords, cell.lattice.matrix)
    labels = permutations.min(axis=0)
    found: dict[str, list[tuple[int, int]]] = {}
    for label in np.unique(labels):
        size = int(np.sum(labels == label))
        index = int(np.flatnonzero(labels[owners] == label)[0])
        found.setdefault(structure[index].specie.symbol, []).append((index, size))
    for orbits in found.values():
        if len(orbits) > 1:
            orbits.sort(key=lambda orbit: (orbit[1], _fingerprint(structure, orbit[0])))
    return found


def _fingerprint(structure: Structure, index: int) -> tuple[float, ...]:
    """Return the distances (Å, rounded) of the nearest atoms of an atom."""
    reach = 4.0
    near = structure.get_neighbors(structure[index], reach)
    while len(near) < _FINGERPRINT_ATOMS:
        reach *= 1.5
        near = structure.get_neighbors(structure[index], reach)
    distances = sorted(site.nn_distance for site in near)[:_FINGERPRINT_ATOMS]
    return tuple(round(float(distance), 2) for distance in distances)


def _name(stem: str, rank: int, count: int) -> str:
    return stem if count == 1 else f"{stem}_{rank}"


def _elements(structure: Structure) -> list[str]:
    return sorted({site.specie.symbol for site in structure})


def require_present(structure: Structure, symbol: str) -> None:
    """Raise StructureError unless `symbol` is an element of `structure`."""
    require_element(symbol)
    elements = _elements(structure)
    if symbol not in elements:
        message = f"{structure.reduced_formula} has no {symbol}; {did_you_mean(symbol, elements)}"
        raise StructureError(message)


def _require_dopant(host: str, dopant: str | None) -> None:
    require_element(str(dopant))
    if dopant == host:
        message = f"substitution of {host} by {dopant}: nothing changes; give another element"
        raise StructureError(message)
