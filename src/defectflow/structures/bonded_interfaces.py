"""Interfaces held together by a chemical bond, such as P-C, P-O-C and Sn-C.

The film is put so that one of its lowest atoms bonds to one of the uppermost atoms of the
substrate, at the sum of their covalent radii (B. Cordero et al., Dalton Trans. 2832 (2008)), or so
that an atom between them bonds to both.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.contacts import closeness, nearest_allowed_A
from defectflow.structures.joints import Pair, joined
from defectflow.structures.layers import BOND_FACTOR, covalent_radius_A
from defectflow.structures.stacking_faults import crystal_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell
    from defectflow.structures.joints import Joint

#: Atoms so far below the outermost one of their element still take part in bonds, Å.
_DEPTH_A: Final = 0.6
#: Contacts of other atoms down to this fraction of what is allowed are left to a relaxation.
_CLOSE: Final = 0.75
#: Angle at an atom between the two crystals, degrees: between those of ethers and of anhydrides.
_BRIDGE_DEG: Final = 125.0
_AZIMUTHS: Final = 12
#: Longer bonds, in sums of covalent radii, are none yet as built.
_FORMED: Final = 1.1
_SAME: Final = 1e-6


@dataclass(frozen=True, eq=False)
class _Bond:
    """A film put where it bonds.

    Attributes
    ----------
    closeness
        Of the nearest contact of atoms that are not bonded, in units of what is allowed.
    """

    cell: Cell
    closeness: float


def bonded(pairs: Sequence[Pair], joint: Joint) -> Iterator[Cell]:
    """Yield an interface for each pair of atoms that a bond may join, in each common cell.

    Raises
    ------
    StructureError
        If one of the elements is not there, or every bond brings other atoms too close.
    """
    first = pairs[0]
    elements = joint.bond or ("", "")
    for slab, symbol, name in zip(
        (first.upper, first.lower), elements, first.names[::-1], strict=True
    ):
        there = sorted({site.specie.symbol for site in slab})
        if symbol not in there:
            message = f"bond {joint.bond}: {name} holds no {symbol}; choose from {', '.join(there)}"
            raise StructureError(message)
    tried: list[_Bond] = []
    made = _allowed((one for pair in pairs for one in _bonds(pair, joint)), tried)
    start = next(made, None)
    if start is None:
        best = max(tried, key=lambda one: one.closeness)
        message = (
            f"{best.cell.name}: every such bond brings other atoms too close; the nearest possible "
            f"leaves a contact at {100 * best.closeness:.0f} % of the least distance allowed; "
            "choose another plane or termination, or stand the film on its edge"
        )
        raise StructureError(message)
    return itertools.chain([start], made)


def _allowed(bonds: Iterable[_Bond], tried: list[_Bond]) -> Iterator[Cell]:
    for one in bonds:
        if one.closeness >= _CLOSE:
            yield one.cell
        else:
            tried.append(one)


def _bonds(pair: Pair, joint: Joint) -> Iterator[_Bond]:
    """Yield the film with each of its lowest atoms on each of the uppermost of the substrate.

    Atoms that a lattice vector of their own crystal joins make the same interface: one each of
    those in the crystal's own cell is looked at.
    """
    if joint.bond is None:
        return
    plane = pair.plane(joint.strained)
    places, symbols = pair.places(plane), pair.symbols()
    own = len(pair.lower), len(pair.upper)
    above = _outermost(-places[1], symbols[1], joint.bond[0], own[1])
    below = _outermost(places[0], symbols[0], joint.bond[1], own[0])
    offset, link = _link(joint)
    for number, (j, i) in enumerate(itertools.product(below, above), start=1):
        wanted = places[0][j] + [0.0, 0.0, offset]
        shift = (wanted - places[1][i])[:2] @ np.linalg.inv(plane)
        gap = float(wanted[2] - places[1][i, 2] - places[0][:, 2].max())
        put = replace(joint, gap_A=gap, shift=(float(shift[0]), float(shift[1])))
        yield _judged(joined(pair, put), (j, i), joint, link, number)


def _outermost(places: np.ndarray, symbols: Sequence[str], symbol: str, own: int) -> list[int]:
    """Return the uppermost atoms of an element among the first `own`, which are of one cell."""
    heights = places[:own, 2]
    chosen = [k for k in range(own) if symbols[k] == symbol]
    top = max(heights[k] for k in chosen)
    return [k for k in chosen if heights[k] > top - _DEPTH_A]


def _link(joint: Joint) -> tuple[float, np.ndarray | None]:
    """Return how far apart the two atoms are, and where the atom between them is, sideways first.

    Without such an atom they bond; with one, the angle at it is 125°.
    """
    high, low = joint.bond or ("", "")
    radii = [covalent_radius_A(one) for one in (low, high)]
    if not joint.bridge:
        return sum(radii), None
    a, b = (one + covalent_radius_A(joint.bridge) for one in radii)
    angle = np.radians(_BRIDGE_DEG)
    apart = float(np.sqrt(a**2 + b**2 - 2 * a * b * np.cos(angle)))
    return apart, np.array([a * b * np.sin(angle) / apart, (a**2 + apart**2 - b**2) / (2 * apart)])


def _judged(
    cell: Cell, ends: tuple[int, int], joint: Joint, link: np.ndarray | None, number: int
) -> _Bond:
    """Return the interface with its bridging atom, its name, and how close other atoms come."""
    high, low = joint.bond or ("", "")
    structure = cell.structure
    first = cell.junction.film_from if cell.junction else 0
    if link is not None:
        structure = _bridged(structure, (ends[0], first + ends[1]), joint.bridge, link)
    distances = structure.distance_matrix[first:, :first]
    symbols = [site.specie.symbol for site in structure]
    radii = np.array([covalent_radius_A(one) for one in symbols])
    linking = {(high, low), (joint.bridge, low)} if joint.bridge else {(high, low)}
    may = np.array([[(a, b) in linking for b in symbols[:first]] for a in symbols[first:]])
    lengths = distances / (radii[first:, None] + radii[None, :first])
    held = may & (lengths < BOND_FACTOR)
    allowed = _allowed_A(symbols, first)
    nearest = float(np.where(held, np.inf, distances / allowed).min())
    kind = f"{high}-{joint.bridge}-{low}" if joint.bridge else f"{high}-{low}"
    bonds = int((may & (lengths < _FORMED)).sum())
    said = f"{cell.planar.said}; {bonds} bonds {kind}" if cell.planar else ""
    title = cell.name.replace(f"{len(cell.structure)} atoms", f"{len(structure)} atoms")
    made = replace(
        cell,
        structure=structure,
        name=f"{title}, {kind} {number}",
        planar=replace(cell.planar, said=said) if cell.planar else None,
    )
    return _Bond(made, nearest)


def _allowed_A(symbols: Sequence[str], first: int) -> np.ndarray:
    return np.array([[nearest_allowed_A(a, b) for b in symbols[:first]] for a in symbols[first:]])


def _bridged(
    structure: Structure, ends: tuple[int, int], bridge: str, link: np.ndarray
) -> Structure:
    """Return the interface with an atom between the two that are to bond, where it is freest."""
    matrix, places = structure.lattice.matrix, structure.cart_coords
    symbols = [site.specie.symbol for site in structure]
    rest = [k for k in range(len(structure)) if k not in ends]
    others = [symbols[k] for k in rest]
    best, widest = places[ends[0]], -1.0
    for angle in np.arange(_AZIMUTHS) * 2 * np.pi / _AZIMUTHS:
        step = np.array([link[0] * np.cos(angle), link[0] * np.sin(angle), link[1]])
        place = places[ends[0]] + step
        room = closeness(place[None], [bridge], places[rest], others, matrix)
        if room > widest + _SAME:
            best, widest = place, room
    return crystal_of(matrix, [*symbols, bridge], np.vstack([places, best]))
