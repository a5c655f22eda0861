"""Split interstitials: two atoms that share the place of one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, insertion, require_element, site_change
from defectflow.structures.placements import shortest_distance_A
from defectflow.structures.points import atom_orbits, require_present
from defectflow.structures.standard_cells import standard_vectors
from defectflow.structures.symmetry import (
    SYMPREC_A,
    cartesian_rotations,
    nearest_places,
    primitive,
    symmetry_maps,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.symmetry import SymmetryMap

#: Families of directions in the standard conventional cell, by the digits of their indices.
FAMILIES: Final = ("100", "110", "111")
#: Distance of the two atoms in units of the shortest distance in the host: a start, not a result.
SEPARATION: Final = 0.8
_PARALLEL: Final = 1e-4


def dumbbells(
    structure: Structure,
    species: str | None = None,
    host: str | None = None,
    families: Sequence[str] = FAMILIES,
    symprec: float = SYMPREC_A,
) -> Iterator[Cell]:
    """Yield a cell for each distinct pair of atoms on one site and in one direction.

    Directions are those of ⟨100⟩, ⟨110⟩ and ⟨111⟩ in the standard conventional cell of spglib; of
    all of them one is made for each orbit under the symmetry of the site. A pair of one element has
    no head; one of two elements has, and both of its senses are tried.

    Parameters
    ----------
    species
        Element that is added; that of the site by default.
    host
        Element whose sites are shared; every element by default.
    families
        Which directions: any of ``100``, ``110`` and ``111``.

    Raises
    ------
    StructureError
        If an element is none or not in the host, or a family is not known.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> cells = dumbbells(hosts.load("fcc-Cu").structure * (2, 2, 2))
    >>> [(cell.name, cell.multiplicity) for cell in cells]
    [('(Cu-Cu)_Cu[100]', 3), ('(Cu-Cu)_Cu[110]', 6), ('(Cu-Cu)_Cu[111]', 4)]
    """
    if species is not None:
        require_element(species)
    if host is not None:
        require_present(structure, host)
    unknown = [family for family in families if family not in FAMILIES]
    if unknown or not families:
        message = f"dumbbell along {', '.join(unknown)}: not known; choose of {', '.join(FAMILIES)}"
        raise StructureError(message)
    return _dumbbells(structure, species, host, families, symprec)


def _dumbbells(
    structure: Structure,
    species: str | None,
    host: str | None,
    families: Sequence[str],
    symprec: float,
) -> Iterator[Cell]:
    cell = primitive(structure, symprec)
    maps = symmetry_maps(cell, symprec)
    axes = _directions(cell, families, symprec)
    half_A = SEPARATION * shortest_distance_A(structure) / 2
    for element, orbits in sorted(atom_orbits(structure, symprec).items()):
        if host not in (None, element):
            continue
        added = species or element
        for rank, (index, size) in enumerate(orbits, start=1):
            number = f"_{rank}" if len(orbits) > 1 else ""
            turns = _turns(cell, structure[index].coords, maps)
            for (name, axis), count in _distinct(axes, turns, headless=added == element):
                yield _cell(
                    structure,
                    index,
                    (added, half_A * axis),
                    f"({added}-{element})_{element}{number}[{name}]",
                    count * size,
                )


def _cell(
    structure: Structure, index: int, pair: tuple[str, np.ndarray], name: str, multiplicity: int
) -> Cell:
    added, step_A = pair
    site = structure[index]
    step = structure.lattice.get_fractional_coords(step_A)
    last = len(structure) - 1
    changes = [
        site_change(structure, index, None),
        replace(insertion(structure, added, site.frac_coords + step), index=last),
        replace(insertion(structure, site.specie.symbol, site.frac_coords - step), index=last + 1),
    ]
    return Cell.from_changes(
        structure, changes, name=name, kind="dumbbell", multiplicity=multiplicity
    )


def _directions(
    cell: Structure, families: Sequence[str], symprec: float
) -> list[tuple[str, np.ndarray]]:
    """Return names and Cartesian unit vectors of directions of the conventional cell."""
    conventional, _ = standard_vectors(cell, symprec)
    found = []
    for indices in sorted(itertools.product((1, 0, -1), repeat=3), key=_simple):
        family = "".join(str(one) for one in sorted(map(abs, indices), reverse=True))
        if family in families:
            vector = np.array(indices) @ conventional
            name = "".join(str(one) for one in indices)
            found.append((name, vector / np.linalg.norm(vector)))
    return found


def _simple(indices: tuple[int, ...]) -> tuple[int, ...]:
    return (sum(map(abs, indices)), *(-one for one in indices))


def _turns(cell: Structure, place_A: np.ndarray, maps: Sequence[SymmetryMap]) -> np.ndarray:
    """Return the Cartesian rotations (n, 3, 3) of the operations that keep the atom at a place."""
    place = cell.lattice.get_fractional_coords(place_A)
    index, _, _ = nearest_places(place[None, :], cell.frac_coords, cell.lattice.matrix)
    kept = [one.rotation for one in maps if one.permutation[index[0]] == index[0]]
    return cartesian_rotations(cell.lattice.matrix, np.array(kept))


def _distinct(
    axes: Sequence[tuple[str, np.ndarray]], turns: np.ndarray, *, headless: bool
) -> Iterator[tuple[tuple[str, np.ndarray], int]]:
    """Yield one direction of each orbit with the number of directions in it."""
    taken = np.empty((0, 3))
    for name, axis in axes:
        images = turns @ axis
        if headless:
            images = np.vstack([images, -images])
        if len(taken) and np.linalg.norm(taken - axis, axis=1).min() < _PARALLEL:
            continue
        taken = np.vstack([taken, images])
        distinct = len(np.unique(images.round(4) + 0.0, axis=0))
        yield (name, axis), distinct // 2 if headless else distinct
