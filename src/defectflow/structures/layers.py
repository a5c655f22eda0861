"""Whether a crystal consists of layers that only dispersion holds together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pymatgen.core.structure import Structure

#: Atoms within this factor of the sum of their covalent radii are bonded.
BOND_FACTOR: Final = 1.25
_LAYER: Final = 2
#: Layers whose shortest contact is a bond by `BOND_FACTOR` (V-O across VOPO4, Sb-Sb across grey
#: antimony) are layers if it is longer than their own longest bond by at least this factor, lengths
#: in units of the covalent radii: 1.27 in VOPO4 and 1.15 in antimony, but 1.11 in GeTe, 1.10 in
#: cadmium, and 1.03 between slices of olivine. The criterion, a range of bond factors that gives
#: layers, is that of P. M. Larsen et al., Phys. Rev. Mater. 3, 034003 (2019).
_WEAKER: Final = 1.13
#: Bond factors at which a narrower range may begin.
_FACTORS: Final = tuple(k / 100 for k in range(110, 80, -1))


def dimensions(structure: Structure, factor: float = BOND_FACTOR) -> int:
    """Return along how many directions the best connected piece of a crystal is bonded.

    0 for molecules, 1 for chains, 2 for layers, 3 for everything held together by bonds. Two atoms
    are bonded if their distance is below `factor` times the sum of their covalent radii
    (B. Cordero et al., Dalton Trans. 2832 (2008)).

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> [dimensions(hosts.load(name).structure) for name in ("1T-TiS2", "anatase-TiO2", "fcc-Cu")]
    [2, 3, 3]
    """
    return max((piece.dimensions for piece in pieces(structure, factor)), default=0)


@dataclass(frozen=True, eq=False)
class Piece:
    """Atoms that bonds hold together, without the crossing of anything unbonded.

    Attributes
    ----------
    atoms
        Indices, (n,).
    images
        (n, 3) Lattice vectors to add to each atom so that the piece is connected.
    loops
        (m, 3) Lattice vectors along which the piece is bonded to its own images; may be empty.
    """

    atoms: np.ndarray
    images: np.ndarray
    loops: np.ndarray

    @property
    def dimensions(self) -> int:
        """Along how many directions the piece goes on for ever."""
        return int(np.linalg.matrix_rank(self.loops)) if len(self.loops) else 0


def pieces(
    structure: Structure, factor: float = BOND_FACTOR, ignored: Collection[str] = ()
) -> list[Piece]:
    """Return the connected pieces of a crystal; atoms of `ignored` elements belong to none."""
    symbols = [site.specie.symbol for site in structure]
    radii = np.array([0.0 if s in ignored else covalent_radius_A(s) for s in symbols])
    first, second, images, distances = structure.get_neighbor_list(2 * factor * radii.max())
    bonded = distances < factor * (radii[first] + radii[second])
    bonded &= (radii[first] > 0) & (radii[second] > 0)
    bonds: dict[int, list[tuple[int, np.ndarray]]] = {int(k): [] for k in np.flatnonzero(radii > 0)}
    for i, j, image in zip(first[bonded], second[bonded], images[bonded], strict=True):
        bonds[int(i)].append((int(j), np.asarray(image, dtype=int)))
    found, seen = [], set[int]()
    for start in bonds:
        if start not in seen:
            places, loops = _walk(start, bonds)
            seen |= set(places)
            found.append(
                Piece(
                    np.array(list(places)),
                    np.array(list(places.values())),
                    np.array(loops).reshape(-1, 3),
                )
            )
    return found


def layer_pieces(structure: Structure, guests: Collection[str] = ()) -> list[Piece]:
    """Return the pieces of a crystal that is made of layers, else nothing.

    Parameters
    ----------
    guests
        Elements between the layers, which belong to none.
    """
    found = pieces(structure, BOND_FACTOR, guests)
    if _are_flat(found):
        return found
    for factor in _FACTORS:
        found = pieces(structure, factor, guests)
        if _are_flat(found) and _are_flat(pieces(structure, _WEAKER * factor, guests)):
            return found
        if all(piece.dimensions < _LAYER for piece in found):
            break
    return []


def is_layered(structure: Structure) -> bool:
    """Tell whether a crystal consists of layers, with no bond from one to the next.

    Molecules may lie between them.
    """
    return dimensions(structure) == _LAYER or bool(layer_pieces(structure))


def _are_flat(found: Sequence[Piece]) -> bool:
    return bool(found) and all(piece.dimensions == _LAYER for piece in found)


def covalent_radius_A(symbol: str) -> float:
    """Return the covalent radius of an element, Å."""
    from ase.data import atomic_numbers, covalent_radii

    return float(covalent_radii[atomic_numbers[symbol]])


def _walk(
    start: int, bonds: dict[int, list[tuple[int, np.ndarray]]]
) -> tuple[dict[int, np.ndarray], list[np.ndarray]]:
    """Return the atoms of a piece with the cell each was met in, and the closed lattice loops."""
    places = {start: np.zeros(3, dtype=int)}
    loops: list[np.ndarray] = []
    todo = [start]
    while todo:
        atom = todo.pop()
        for other, image in bonds[atom]:
            there = places[atom] + image
            if other not in places:
                places[other] = there
                todo.append(other)
            elif np.any(there != places[other]):
                loops.append(there - places[other])
    return places, loops
