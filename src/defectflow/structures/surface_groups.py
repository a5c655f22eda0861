"""Groups on the atoms of a face that lack neighbours: hydroxyl to carbonate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.cells import Cell, Change, edited, insertion
from defectflow.structures.contacts import closeness
from defectflow.structures.layers import BOND_FACTOR, covalent_radius_A
from defectflow.structures.surface_layers import layer_numbers
from defectflow.structures.symmetry import symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

Group = Literal["hydroxyl", "oxygen", "fluorine", "hydrogen", "carbonyl", "carbonate"]
Coverage = Literal["one", "full"]
#: Element, and its place (Å): along the missing bond, counted from the first atom of the group, and
#: aside.
Template = tuple[tuple[str, float, float], ...]

#: Length of the bond O-H, and the angle at the oxygen of a hydroxyl group, degrees.
_HYDROXYL_A: Final = 0.97
_HYDROXYL_ANGLE: Final = 110.0
#: C=O as a carbonyl group on carbon has it, and CO on a metal, Å.
_CARBONYL_A: Final = 1.22
_CARBON_MONOXIDE_A: Final = 1.15
#: C-O of the carbonate ion, which is flat with angles of 120° (calcite; D. L. Graf, Am. Mineral.
#: 46, 1283 (1961)), Å.
_CARBONATE_A: Final = 1.28
#: How names of cells write the groups.
_STEMS: Final[dict[str, str]] = {
    "hydroxyl": "OH",
    "oxygen": "O",
    "fluorine": "F",
    "hydrogen": "H",
    "carbonyl": "CO",
    "carbonate": "CO3",
}
#: Directions that a bent group may point to.
_AZIMUTHS: Final = 12


def _template(group: Group, on: str) -> Template:
    """Return the atoms of a group on an element, the bonded one first.

    A carbonate on a metal is a whole CO3 bound by one oxygen; on an oxygen of the surface it is
    the CO2 that makes a CO3 of it.
    """
    across, along = _CARBONATE_A * np.sqrt(0.75), _CARBONATE_A / 2
    if group == "hydroxyl":
        bend = np.radians(180.0 - _HYDROXYL_ANGLE)
        place = _HYDROXYL_A * np.cos(bend), _HYDROXYL_A * np.sin(bend)
        return (("O", 0.0, 0.0), ("H", *place))
    if group == "carbonyl":
        if on == "C":
            return (("O", 0.0, 0.0),)
        return (("C", 0.0, 0.0), ("O", _CARBON_MONOXIDE_A, 0.0))
    if group == "carbonate":
        if on == "O":
            return (("C", 0.0, 0.0), ("O", along, across), ("O", along, -across))
        return (
            ("O", 0.0, 0.0),
            ("C", along, across),
            ("O", along + _CARBONATE_A, across),
            ("O", 0.0, 2 * across),
        )
    return (({"oxygen": "O", "fluorine": "F", "hydrogen": "H"}[group], 0.0, 0.0),)


def _bond_A(group: Group, on: str, first: str) -> float:
    """Return the length of the bond to the surface."""
    if group == "carbonyl" and on == "C":
        return _CARBONYL_A
    if group == "carbonate" and on == "O":
        return _CARBONATE_A
    return covalent_radius_A(on) + covalent_radius_A(first)


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
        stem = _STEMS[group]
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
    """Return elements and fractional coordinates of a group on an atom.

    Of bent groups the side is taken on which they are farthest from other atoms.
    """
    on = surface[atom].specie.symbol
    template = _template(group, on)
    symbols = [symbol for symbol, _, _ in template]
    first = surface[atom].coords + _bond_A(group, on, symbols[0]) * direction
    choices = [
        np.array([first + along * direction + aside * side for _, along, aside in template])
        for side in _sides(direction)
    ]
    places = choices[0]
    if any(aside for _, _, aside in template):
        rest = [k for k in range(len(surface)) if k != atom]
        others = surface.cart_coords[rest], [surface[k].specie.symbol for k in rest]
        matrix = surface.lattice.matrix
        room = [round(closeness(one, symbols, *others, matrix), 3) for one in choices]
        places = choices[int(np.argmax(room))]
    lattice = surface.lattice
    return [(s, lattice.get_fractional_coords(p)) for s, p in zip(symbols, places, strict=True)]


def _sides(direction: np.ndarray) -> list[np.ndarray]:
    """Return unit vectors all around a direction."""
    x = np.cross(direction, [0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0])  # noqa: PLR2004
    x = x / np.linalg.norm(x)
    y = np.cross(direction, x)
    angles = 2 * np.pi * np.arange(_AZIMUTHS) / _AZIMUTHS
    return [np.cos(angle) * x + np.sin(angle) * y for angle in angles]


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
