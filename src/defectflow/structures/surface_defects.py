"""Defects in the top layer of a slab, and slabs that cannot stand for a surface."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.cells import Cell, Change, edited, site_change
from defectflow.structures.open_surfaces import neighbour_counts, shortest_distances_A
from defectflow.structures.surfaces import SAME_LAYER_A, layers_of
from defectflow.structures.symmetry import symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.surfaces import Slab
    from defectflow.structures.symmetry import SymmetryMap

#: What tells inequivalent defects of one name apart.
_NUMBER: Final = re.compile(r"_\d+$")
#: Neighbours are what lies within this many shortest distances of the crystal.
_NEIGHBOURS: Final = 1.2
#: Dipole per area (e/Å) of formal charges above which a slab counts as polar.
_POLAR_E_PER_A: Final = 0.02


def in_top_layer(slab: Slab, cells: Iterable[Cell], label: str | None = None) -> Cell:
    """Return the cell whose atoms taken away or exchanged lie in the top layer.

    Atoms that are added lie in that layer or below it, such as the metal of Co-N4 in graphene and a
    ligand on its far side. A defect that a generator put on the other side of the slab is carried
    over by an operation of the slab, if there is one. Names are numbered anew among those of the
    top layer.

    Raises
    ------
    StructureError
        If there is no such defect, or several and no `label` says which.
    """
    maps = symmetry_maps(slab.structure)
    found: list[Cell] = []
    for cell in cells:
        if len(cell.pristine) != len(slab.structure):
            continue
        moved = (_carried(slab, cell, one) for one in maps)
        changes = next((one for one in moved if one is not None), None)
        if changes is not None:
            made = edited(slab.structure, changes)
            found.append(
                replace(cell, structure=made, pristine=slab.structure, changed=tuple(changes))
            )
    return _one_of(slab, _numbered(found), label)


def _carried(slab: Slab, cell: Cell, operation: SymmetryMap) -> list[Change] | None:
    """Return the changes of a cell after an operation; None if they are not in the top layer."""
    top = set(slab.top())
    ceiling_A = slab.structure.cart_coords[sorted(top), 2].max() + SAME_LAYER_A
    changes: list[Change] = []
    for change in cell.changed:
        if change.before is not None:
            index = int(operation.permutation[change.index])
            if index not in top:
                return None
            changes.append(site_change(slab.structure, index, change.after))
            continue
        frac = operation.rotation @ np.array(change.frac_coords) + operation.translation
        x, y, z = (float(one) for one in frac % 1.0)
        if z * slab.structure.lattice.c > ceiling_A:
            return None
        changes.append(replace(change, frac_coords=(x, y, z)))
    return changes


def _numbered(cells: Sequence[Cell]) -> dict[str, Cell]:
    """Return the cells by names that are numbered among themselves alone."""
    plain = [_NUMBER.sub("", cell.name) for cell in cells]
    named = {}
    for k, (name, cell) in enumerate(zip(plain, cells, strict=True)):
        number = f"_{plain[: k + 1].count(name)}" if plain.count(name) > 1 else ""
        named[name + number] = replace(cell, name=name + number)
    return named


def _one_of(slab: Slab, found: dict[str, Cell], label: str | None) -> Cell:
    where = f"{slab.structure.reduced_formula} ({''.join(map(str, slab.miller))})"
    if not found:
        message = (
            f"{where}: no such defect lies in the top layer; vacancies, dopants and antisites of "
            "its elements do"
        )
        raise StructureError(message)
    if label is None and len(found) > 1:
        message = f"{where}: several defects fit: {', '.join(found)}; say which with `label`"
        raise StructureError(message)
    chosen = label or next(iter(found))
    if chosen not in found:
        message = f"{where}: no {chosen} in the top layer; {did_you_mean(chosen, found)}"
        raise StructureError(message)
    return found[chosen]


def with_defect(slab: Slab, name: str, changes: Sequence[Change]) -> Slab:
    """Return a slab with atoms of its top layer taken away, exchanged or added; places are marked.

    Examples
    --------
    >>> from defectflow.structures import hosts, vacancies
    >>> from defectflow.structures.surfaces import slab_of
    >>> slab = slab_of(hosts.load("fcc-Pt").structure, (1, 1, 1), layers=4, repeat=(2, 2))
    >>> cell = in_top_layer(slab, vacancies(slab.structure, "Pt"))
    >>> len(with_defect(slab, cell.name, cell.changed).top())
    3
    """
    made = edited(slab.structure, changes)
    lattice = slab.structure.lattice
    places = [lattice.get_cartesian_coords(change.frac_coords) for change in changes]
    marks = tuple((name, float(place[0]), float(place[1])) for place in places)
    gone = {change.index for change in changes if change.after is None}
    layer = tuple(number for k, number in enumerate(slab.layer) if k not in gone)
    if len(layer) < len(made):
        order, numbers = layers_of(made.cart_coords[:, 2])
        layer = tuple(int(one) for one in numbers[np.argsort(order)])
    return replace(slab, structure=made, layer=layer, marks=(*slab.marks, *marks))


def faulted(slab: Slab, above: int) -> Slab:
    """Return a close-packed slab with an intrinsic stacking fault below its `above` top layers.

    These layers glide together by the partial Burgers vector that puts the lowest of them straight
    above the atoms two layers further down: ABCABC becomes ABCACA for two.

    Raises
    ------
    StructureError
        If there are too few layers, or the glide brings atoms nearer to each other: the surface is
        not close-packed.
    """
    name = f"{slab.structure.reduced_formula} ({''.join(map(str, slab.miller))})"
    first = slab.layers - above
    if above < 1 or first < 2:  # noqa: PLR2004 - two layers below tell where to
        message = f"{name}: no fault below {above} of {slab.layers} layers; two have to be below it"
        raise StructureError(message)
    coords = slab.structure.cart_coords
    layers = np.array(slab.layer)
    start = coords[np.flatnonzero(layers == first)[0]]
    gaps = coords[layers == first - 2] - start
    frac = gaps @ np.linalg.inv(slab.structure.lattice.matrix)
    frac[:, :2] -= np.round(frac[:, :2])
    flat = (frac @ slab.structure.lattice.matrix)[:, :2]
    glide = flat[np.linalg.norm(flat, axis=1).argmin()]
    moved = slab.structure.copy()
    indices = [int(k) for k in np.flatnonzero(layers >= first)]
    moved.translate_sites(indices, [*glide, 0.0], frac_coords=False, to_unit_cell=True)
    if _nearest_A(moved) < _nearest_A(slab.structure) - 1e-3 or np.linalg.norm(glide) < 1e-3:  # noqa: PLR2004
        message = f"{name}: not a close-packed stack of three layers; it has no such fault"
        raise StructureError(message)
    return replace(slab, structure=moved)


def _nearest_A(structure: Structure) -> float:
    apart = structure.distance_matrix
    return float(apart[apart > 1e-3].min())  # noqa: PLR2004 - itself


def check_slab(slab: Slab, host: Structure) -> list[str]:
    """Return what a reader has to know about a slab of a crystal.

    Raises
    ------
    StructureError
        If the slab is polar: its energy then depends on its thickness.
    """
    dipole = dipole_e_per_A(slab.structure)
    name = f"{slab.structure.reduced_formula} ({''.join(map(str, slab.miller))})"
    if dipole is not None and abs(dipole) > _POLAR_E_PER_A:
        message = (
            f"{name}: the slab is polar, {dipole:+.2f} e/Å by its formal charges; take another "
            "surface or number of layers, or give a reconstructed slab as a file"
        )
        raise StructureError(message)
    for symbol, number in _most_neighbours(host, host).items():
        found = _most_neighbours(slab.structure, host).get(symbol, number)
        if found < number:
            note = (
                f"the slab of {slab.layers} layers is thin: no {symbol} atom has the {number} "
                f"neighbours of the bulk, at most {found}; compare with more layers"
            )
            return [note]
    return []


def _most_neighbours(structure: Structure, host: Structure) -> dict[str, int]:
    """Return the largest number of neighbours of an atom, by element.

    Neighbours are within 1.2 times the shortest distance from an atom of that element in the host.
    """
    shortest = shortest_distances_A(host)
    if not shortest:
        return {}
    counts: dict[str, int] = {}
    for site, number in zip(
        structure, neighbour_counts(structure, shortest, _NEIGHBOURS), strict=True
    ):
        symbol = site.specie.symbol
        counts[symbol] = max(counts.get(symbol, 0), int(number))
    return counts


def dipole_e_per_A(slab: Structure) -> float | None:
    """Return the dipole per area along z of formal charges; None where they cannot be guessed."""
    if len(slab.elements) == 1:
        return 0.0
    guesses = slab.composition.reduced_composition.oxi_state_guesses()
    if not guesses:
        return None
    charges = np.array([guesses[0][site.specie.symbol] for site in slab])
    heights = slab.cart_coords[:, 2]
    area_A2 = slab.volume / slab.lattice.c
    return float(charges @ (heights - heights.mean()) / area_A2)
