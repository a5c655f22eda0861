"""Ordered metal layers of layered oxides: honeycomb, rows and ribbons, and how they stack.

In a layer of the triangular lattice a fraction of the metal atoms is exchanged in a pattern that
repeats by a sublattice of the layer. Each further layer carries the same pattern, displaced by some
vector of the layer's lattice; which displacements there are makes the stackings.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.cells import Cell, require_element, site_change
from defectflow.structures.galleries import layering, plane_supercell
from defectflow.structures.ordering import EMPTY
from defectflow.structures.symmetry import SYMPREC_A, primitive, symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.galleries import Layering

#: Pattern: one metal atom in so many is exchanged, and whether the exchanged ones stand in rows.
#: ``honeycomb`` (1/3) leaves hexagons of the host's metal around each exchanged atom, as around Li
#: in Li2MnO3; ``ribbon`` (1/5) leaves ribbons four atoms wide between rows of exchanged ones, the
#: composition of Na0.6[Li0.2Mn0.8]O2; ``row`` (1/2) alternates rows; ``mesh`` (1/4) is the 2 x 2
#: cell.
PATTERNS: Final = {
    "honeycomb": (3, False),
    "ribbon": (5, True),
    "row": (2, True),
    "mesh": (4, False),
}
_MOST_STACKINGS: Final = 5000


@dataclass(frozen=True, eq=False)
class _Sheet:
    """The metal atoms of a layered crystal as points of the layer's lattice.

    Attributes
    ----------
    found
        The layered primitive cell.
    origins
        (l, 3) Fractional coordinates of the one metal atom of each layer.
    pattern
        (2, 2) integers: rows span the sublattice of exchanged atoms.
    """

    found: Layering
    origins: np.ndarray
    pattern: np.ndarray

    @property
    def size(self) -> int:
        """One atom in so many is exchanged."""
        return round(abs(float(np.linalg.det(self.pattern))))

    def displacements(self) -> list[tuple[int, int]]:
        """Return the displacements of the pattern that differ."""
        chosen: list[tuple[int, int]] = []
        for i, j in itertools.product(range(self.size), repeat=2):
            if all(not self.covers(np.subtract((i, j), other)) for other in chosen):
                chosen.append((i, j))
        return chosen

    def covers(self, step: np.ndarray) -> bool:
        """Tell whether a lattice vector of the layer belongs to the pattern's sublattice."""
        turns = step @ np.linalg.inv(self.pattern)
        return bool(np.all(np.abs(turns - np.round(turns)) < 1e-6))  # noqa: PLR2004 - rounding

    def place(self, cart_coords: np.ndarray) -> tuple[np.ndarray, int, int]:
        """Return of a metal atom: its vector in the layer, its layer, and the cell across."""
        coords = self.found.structure.lattice.get_fractional_coords(cart_coords)
        gaps = coords - self.origins
        layer = int(np.argmin(np.abs(gaps - np.round(gaps)).sum(axis=1)))
        steps = np.round(gaps[layer]).astype(int)
        return steps[:2], layer, int(steps[2])


@dataclass(frozen=True)
class _Stacking:
    """How the pattern goes on from layer to layer.

    Attributes
    ----------
    registers
        Displacement of the pattern in each layer of the period; the first is at (0, 0).
    step
        Displacement from one period to the next.
    periods
        Primitive cells across in one period.
    """

    registers: tuple[tuple[int, int], ...]
    step: tuple[int, int]
    periods: int

    def exchanged(self, sheet: _Sheet, cart_coords: np.ndarray) -> bool:
        """Tell whether the metal atom at a place is exchanged."""
        vector, layer, across = sheet.place(cart_coords)
        layers = len(sheet.origins)
        turns, rest = divmod(across, self.periods)
        register = self.registers[rest * layers + layer]
        return sheet.covers(vector - turns * np.array(self.step) - np.array(register))


def superlattices(
    structure: Structure,
    exchange: tuple[str, str],
    pattern: str = "honeycomb",
    *,
    between: Collection[str] = (),
    periods: int = 1,
    symprec: float = SYMPREC_A,
) -> Iterator[Cell]:
    """Yield one cell for each distinct stacking of a layer pattern.

    `pristine` is the host in the cell of the superlattice; the multiplicity is the number of
    equivalent stackings that repeat with it.

    Parameters
    ----------
    exchange
        Metal of the layers, and what takes the place of the pattern's atoms (``vacancy`` for
        nothing).
    pattern
        One of `PATTERNS`.
    between
        Ions between the layers, e.g. Na.
    periods
        Primitive cells across the layers after which the stacking repeats.

    Raises
    ------
    StructureError
        If the host has no layers with one such metal atom per cell each, or there are too many
        stackings.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("O3-NaCoO2").structure
    >>> [cell.name for cell in superlattices(host, ("Co", "Li"), between=["Na"])]
    ['Li_Co(1/3)_honeycomb']
    """
    if pattern not in PATTERNS:
        message = f"pattern {pattern!r}: not known; {did_you_mean(pattern, PATTERNS)}"
        raise StructureError(message)
    metal, species = exchange
    if species != EMPTY:
        require_element(species)
    sheet = _sheet(primitive(structure, symprec), metal, pattern, between)
    stackings = sheet.size ** (periods * len(sheet.origins))
    if periods < 1 or stackings > _MOST_STACKINGS:
        message = (
            f"{pattern} over {periods} periods of {len(sheet.origins)} layers: {stackings} "
            f"stackings; give 1 or more periods with at most {_MOST_STACKINGS}"
        )
        raise StructureError(message)
    name = f"{'V' if species == EMPTY else species}_{metal}(1/{sheet.size})_{pattern}"
    return _cells(sheet, metal, species, periods, name)


def _cells(sheet: _Sheet, metal: str, species: str, periods: int, name: str) -> Iterator[Cell]:
    found = list(_distinct(sheet, metal, periods))
    for rank, (stacking, equivalents) in enumerate(found, start=1):
        rows = np.zeros((3, 3), dtype=int)
        rows[:2, :2], rows[2] = sheet.pattern, (*stacking.step, periods)
        pristine = sheet.found.structure.make_supercell(rows, in_place=False, to_unit_cell=False)
        changes = [
            site_change(pristine, k, None if species == EMPTY else species)
            for k, site in enumerate(pristine)
            if site.specie.symbol == metal and stacking.exchanged(sheet, site.coords)
        ]
        yield Cell.from_changes(
            pristine,
            changes,
            name=f"{name}_{rank}" if len(found) > 1 else name,
            kind="superlattice",
            multiplicity=equivalents,
        )


def _distinct(sheet: _Sheet, metal: str, periods: int) -> Iterator[tuple[_Stacking, int]]:
    """Yield one stacking of each set of equivalent ones, and how many these are.

    All of them fit into one cell, whose operations tell which are equivalent.
    """
    rows = np.zeros((3, 3), dtype=int)
    rows[:2, :2], rows[2, 2] = sheet.pattern, sheet.size * periods
    whole = sheet.found.structure.make_supercell(rows, in_place=False, to_unit_cell=False)
    metals = [k for k, site in enumerate(whole) if site.specie.symbol == metal]
    moves = np.unique([item.permutation for item in symmetry_maps(whole)], axis=0)
    displacements = sheet.displacements()
    layers = periods * len(sheet.origins)
    seen: dict[frozenset[int], _Stacking] = {}
    orbits: dict[_Stacking, int] = {}
    for step in displacements:
        for others in itertools.product(displacements, repeat=layers - 1):
            stacking = _Stacking(((0, 0), *others), step, periods)
            held = [k for k in metals if stacking.exchanged(sheet, whole[k].coords)]
            key = frozenset(held)
            if key not in seen:
                for image in moves[:, held]:
                    seen.setdefault(frozenset(image.tolist()), stacking)
            orbits[seen[key]] = orbits.get(seen[key], 0) + 1
    yield from orbits.items()


def _sheet(structure: Structure, metal: str, pattern: str, between: Collection[str]) -> _Sheet:
    found = layering(structure, between)
    symbols = [site.specie.symbol for site in found.structure]
    origins = []
    for layer in found.layers:
        metals = [k for k in layer if symbols[k] == metal]
        if len(metals) != 1:
            message = (
                f"{structure.reduced_formula}: a layer has {len(metals)} {metal} per cell; a "
                "pattern needs one, as in NaCoO2 or TiS2"
            )
            raise StructureError(message)
        origins.append(found.structure.frac_coords[metals[0]])
    size, rows = PATTERNS[pattern]
    form = np.array([[1, 0], [0, size]]) if rows else plane_supercell(found, size)[:2, :2]
    return _Sheet(found, np.array(origins), form)
