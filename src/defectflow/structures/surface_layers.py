"""Vacancies, dopants and groups on a slab and below its surface, told apart by their layer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.cells import Cell, Change, edited, insertion, site_change
from defectflow.structures.contacts import closeness
from defectflow.structures.layers import BOND_FACTOR, covalent_radius_A
from defectflow.structures.planes import SAME_PLANE_A
from defectflow.structures.symmetry import symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymatgen.core.structure import Structure

Group = Literal["hydroxyl", "oxygen", "fluorine", "hydrogen", "carbonyl"]
Coverage = Literal["one", "full"]

#: Elements of a group from the surface outwards, and lengths of its inner bonds, Å.
_GROUPS: Final[dict[str, tuple[tuple[str, ...], float]]] = {
    "hydroxyl": (("O", "H"), 0.97),
    "oxygen": (("O",), 0.0),
    "fluorine": (("F",), 0.0),
    "hydrogen": (("H",), 0.0),
    "carbonyl": (("C", "O"), 1.15),
}
#: Angle at the oxygen of a hydroxyl group, degrees.
_HYDROXYL_ANGLE: Final = 110.0
#: A double bond C=O, as a carbonyl group on carbon has it, Å.
_CARBONYL_A: Final = 1.22


def layer_numbers(structure: Structure) -> np.ndarray:
    """Return the atomic layer (n,) of each atom of a slab, 1 for the uppermost."""
    heights = structure.cart_coords[:, 2]
    order = np.argsort(-heights, kind="stable")
    steps = -np.diff(heights[order]) > SAME_PLANE_A
    numbers = np.empty(len(heights), dtype=int)
    numbers[order] = 1 + np.concatenate([[0], np.cumsum(steps)])
    return numbers


def by_layer(cells: Iterable[Cell], deepest: int) -> Iterator[Cell]:
    """Yield those defects of one atom that have an equivalent in the uppermost layers.

    The defect is carried to the uppermost of its equivalent places, and the number of its layer,
    counted from the surface, becomes part of its name: ``V_O_2, layer 3``.

    Parameters
    ----------
    cells
        Vacancies or substitutions in a slab.
    deepest
        Last layer that counts; 1 is the surface.
    """
    maps, last = None, None
    for cell in cells:
        if last is not cell.pristine:
            maps, last = symmetry_maps(cell.pristine), cell.pristine
        numbers = layer_numbers(cell.pristine)
        change = cell.changed[0]
        places = sorted({int(one.permutation[change.index]) for one in maps or ()})
        best = min(places, key=lambda k: (numbers[k], k))
        if numbers[best] > deepest:
            continue
        moved = site_change(cell.pristine, best, change.after)
        yield replace(
            cell,
            structure=edited(cell.pristine, [moved]),
            changed=(moved,),
            name=f"{cell.name}, layer {numbers[best]}",
        )


def groups_on(slab: Cell, group: Group, on: str | None, coverage: Coverage) -> Iterator[Cell]:
    """Yield a slab with a group on each distinct atom of its upper face that lacks neighbours.

    A group stands where bonds of the crystal were cut: along the sum of the missing bonds, at the
    sum of the covalent radii.

    Parameters
    ----------
    slab
        From `terminations.surfaces`; its `pristine` says how many neighbours an atom should have.
    on
        Element that takes the group; all that lack neighbours by default.
    coverage
        ``one`` group per cell, or the ``full`` face: one on every equivalent atom.

    Raises
    ------
    StructureError
        If no atom of the upper face lacks a neighbour, or the group touches other atoms.
    """
    surface = slab.structure
    atoms = _open_atoms(slab, on)
    if not atoms:
        symbols = {site.specie.symbol for site in surface}
        hint = did_you_mean(on, symbols) if on and on not in symbols else "choose another face"
        message = f"{slab.name}: no {on or 'atom'} of the upper face lacks a neighbour; {hint}"
        raise StructureError(message)
    return _grouped(slab, group, atoms, coverage)


def _grouped(
    slab: Cell, group: Group, atoms: dict[int, np.ndarray], coverage: Coverage
) -> Iterator[Cell]:
    surface = slab.structure
    maps = symmetry_maps(surface)
    seen: set[int] = set()
    for atom in sorted(atoms):
        if atom in seen:
            continue
        orbit = sorted({int(one.permutation[atom]) for one in maps} & set(atoms))
        seen |= set(orbit)
        chosen = orbit if coverage == "full" else [atom]
        placed = [_placed(surface, group, k, atoms[k]) for k in chosen]
        changes = [insertion(surface, symbol, place) for one in placed for symbol, place in one]
        if _touching(surface, changes, chosen):
            continue
        symbol = surface[atom].specie.symbol
        stem = "".join(_GROUPS[group][0])
        name = f"{slab.name} {stem} on {symbol}, layer {layer_numbers(surface)[atom]}"
        yield Cell(
            structure=edited(surface, changes),
            pristine=surface,
            name=name if coverage == "one" else f"{name}, full",
            kind="surface_group",
            changed=tuple(changes),
            multiplicity=len(orbit),
            planar=slab.planar,
        )


def _open_atoms(slab: Cell, on: str | None) -> dict[int, np.ndarray]:
    """Return the atoms of the upper face that lack neighbours, with the direction of these."""
    whole, cut = slab.pristine, slab.structure
    ideal = _bonds(whole)
    found = {}
    numbers = layer_numbers(cut)
    for k, bonds in _bonds(cut).items():
        symbol = cut[k].specie.symbol
        if (on is not None and symbol != on) or numbers[k] > numbers.max() / 2:
            continue
        most = max(len(ideal[i]) for i, site in enumerate(whole) if site.specie.symbol == symbol)
        direction = -np.sum([b / np.linalg.norm(b) for b in bonds], axis=0) if bonds else None
        if direction is None or np.linalg.norm(direction) < 0.1:  # noqa: PLR2004 - no side is open
            direction = np.array([0.0, 0.0, 1.0])
        direction = direction / np.linalg.norm(direction)
        if len(bonds) < most and direction[2] > 0.1:  # noqa: PLR2004 - upwards
            found[k] = direction
    return found


def _bonds(structure: Structure) -> dict[int, list[np.ndarray]]:
    radii = np.array([covalent_radius_A(site.specie.symbol) for site in structure])
    first, second, images, lengths = structure.get_neighbor_list(2 * BOND_FACTOR * radii.max())
    bonded = lengths < BOND_FACTOR * (radii[first] + radii[second])
    unlike = np.array([site.specie.X for site in structure])
    if len({site.specie.symbol for site in structure}) > 1:  # like ions are no neighbours
        bonded &= np.abs(unlike[first] - unlike[second]) > 0.1  # noqa: PLR2004 - another element
    coords, matrix = structure.frac_coords, structure.lattice.matrix
    vectors = (coords[second] + images - coords[first]) @ matrix
    found: dict[int, list[np.ndarray]] = {k: [] for k in range(len(structure))}
    for i, vector in zip(first[bonded], vectors[bonded], strict=True):
        found[int(i)].append(vector)
    return found


def _placed(
    surface: Structure, group: Group, atom: int, direction: np.ndarray
) -> list[tuple[str, np.ndarray]]:
    """Return elements and fractional coordinates of a group on an atom."""
    symbols, inner_A = _GROUPS[group]
    symbol = surface[atom].specie.symbol
    if group == "carbonyl" and symbol == "C":
        symbols = ("O",)
    length = covalent_radius_A(symbol) + covalent_radius_A(symbols[0])
    if group == "carbonyl" and symbol == "C":
        length = _CARBONYL_A
    first = surface[atom].coords + length * direction
    places = [first]
    if len(symbols) > 1:
        places.append(first + inner_A * _outwards(group, direction))
    lattice = surface.lattice
    return [(s, lattice.get_fractional_coords(p)) for s, p in zip(symbols, places, strict=True)]


def _outwards(group: Group, direction: np.ndarray) -> np.ndarray:
    """Return the direction of the outer bond of a group."""
    if group != "hydroxyl":
        return direction
    side = np.cross(direction, [0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0])  # noqa: PLR2004
    angle = np.radians(180.0 - _HYDROXYL_ANGLE)
    tilted: np.ndarray = np.cos(angle) * direction + np.sin(angle) * side / np.linalg.norm(side)
    return tilted


def _touching(surface: Structure, changes: Sequence[Change], bonded: Sequence[int]) -> bool:
    """Tell whether atoms put in are too close to others than those they are bonded to."""
    matrix = surface.lattice.matrix
    added = np.array([change.frac_coords for change in changes]) @ matrix
    rest = [k for k in range(len(surface)) if k not in set(bonded)]
    symbols = [surface[k].specie.symbol for k in rest]
    return (
        closeness(
            added, [str(one.after) for one in changes], surface.cart_coords[rest], symbols, matrix
        )
        < 0.8  # noqa: PLR2004 - a relaxation sorts out what is a little close
    )
