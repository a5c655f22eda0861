"""The layers of a generated cell along the normal of a plane, and the ways to end it there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.planes import plane_basis, reduced_miller, short_rows, written
from defectflow.structures.surfaces import SAME_LAYER_A
from defectflow.structures.surroundings import strange_atoms
from defectflow.structures.symmetry import primitive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

_SHOWN: Final = 12
#: Atoms within this many shortest distances of a dislocation belong to its core.
_CORE: Final = 2.0
_BONDS_A: Final = 6.0


@dataclass(frozen=True)
class End:
    """One way to end a cell at a plane.

    Attributes
    ----------
    name
        Composition of the uppermost layer, ``Mg4O4``; with a number where several have it.
    number
        Of the uppermost layer, among those of one period.
    above
        Layers above the middle of the planar defect, or of the glide plane, that is next below;
        None where the surface crosses it, or every layer has a part of it.
    gap_A
        Between the uppermost layer and the next one above in the cell.
    """

    name: str
    number: int
    above: int | None
    gap_A: float

    @property
    def composition(self) -> str:
        """Composition of the uppermost layer."""
        return self.name.partition(" ")[0]

    def __str__(self) -> str:
        """Return the name, and where the defect is."""
        return self.name if self.above is None else f"{self.name} ({self.above} above the defect)"


def ends_of(cell: Cell, miller: Sequence[int]) -> list[End]:
    """Return the ways to end a generated cell at a plane, those with the widest gap first.

    `miller` is in the vectors of the cell.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.stacking_faults import named_faults
    >>> fault = next(named_faults(hosts.load("fcc-Ag").structure, "intrinsic", 10.0))
    >>> [str(one) for one in ends_of(fault, (0, 0, 1))][:2]
    ['Ag 1 (5 above the defect)', 'Ag 2 (1 above the defect)']
    """
    told = defective_atoms(cell) if parallel(cell, miller) else []
    return ends(Stacked.along(cell, miller), told)


def parallel(cell: Cell, miller: Sequence[int]) -> bool:
    """Tell whether a plane of the cell is parallel to its planar defect, or to its glide plane."""
    index = reduced_miller(miller)
    return (cell.planar is not None and index == (0, 0, 1)) or (
        cell.line is not None and index == (0, 1, 0)
    )


def defective_atoms(cell: Cell) -> list[int]:
    """Return the atoms of a cell whose surroundings are not those of its perfect crystal.

    Of dislocations, whose strain reaches every atom, the atoms of the cores: those that are within
    two shortest distances of a line.
    """
    if cell.line is None:
        return [int(k) for k in strange_atoms(cell.structure, primitive(cell.pristine))]
    reach_A = _CORE * float(cell.pristine.get_neighbor_list(_BONDS_A)[3].min())
    plane = cell.structure.lattice.matrix[:2, :2]
    coords = cell.structure.cart_coords[:, :2]
    found: set[int] = set()
    for core in cell.line.cores_A:
        frac = (coords - np.array(core)) @ np.linalg.inv(plane)
        apart = np.linalg.norm((frac - np.round(frac)) @ plane, axis=1)
        found |= {int(k) for k in np.flatnonzero(apart < reach_A)}
    return sorted(found)


@dataclass(frozen=True, eq=False)
class Stacked:
    """The layers of one period of a cell along the normal of a plane, from the bottom."""

    layers: list[np.ndarray]
    images: np.ndarray
    heights_A: np.ndarray
    period: np.ndarray
    period_A: float
    symbols: list[str]
    rows: np.ndarray

    @classmethod
    def along(cls, cell: Cell, miller: Sequence[int]) -> Stacked:
        """Return the layers parallel to a plane with indices in the vectors of the cell."""
        rows = plane_basis(reduced_miller(miller))
        return cls.of(cell.structure, short_rows(rows, cell.structure.lattice.matrix))

    @classmethod
    def of(cls, structure: Structure, rows: np.ndarray) -> Stacked:
        """Return the layers parallel to two rows, of a period given by the third."""
        vectors = rows @ structure.lattice.matrix
        normal = np.cross(vectors[0], vectors[1])
        normal /= np.linalg.norm(normal)
        period_A = float(vectors[2] @ normal)
        inner = structure.frac_coords @ np.linalg.inv(rows)
        steps = -np.floor(inner + 1e-6).astype(int)
        heights = (inner + steps)[:, 2] * period_A
        order = np.argsort(heights.round(4), kind="stable")
        apart = np.diff(heights[order]) > SAME_LAYER_A
        groups = np.split(order, np.flatnonzero(apart) + 1)
        images = steps @ rows
        wraps = heights[groups[0]].min() + period_A - heights[groups[-1]].max()
        if len(groups) > 1 and wraps <= SAME_LAYER_A:  # one layer across the ends of the cell
            low = groups.pop(0)
            images[low] += rows[2]
            heights[low] += period_A
            groups[-1] = np.concatenate([groups[-1], low])
        symbols = [site.specie.symbol for site in structure]
        return cls(groups, images, heights, rows[2], period_A, symbols, rows)

    def gaps_A(self) -> np.ndarray:
        """Return the gap above each layer."""
        low = np.array([self.heights_A[one].min() for one in self.layers])
        high = np.array([self.heights_A[one].max() for one in self.layers])
        gaps: np.ndarray = np.append(low[1:], low[0] + self.period_A) - high
        return gaps

    def below(self, top: int, layers: int) -> tuple[list[int], list[list[int]], list[int]]:
        """Return atoms, images and layer numbers of that many layers, the last of them `top`."""
        atoms: list[int] = []
        images: list[list[int]] = []
        numbers: list[int] = []
        for number in range(layers):
            turn, layer = divmod(top - (layers - 1) + number, len(self.layers))
            for atom in self.layers[layer]:
                atoms.append(int(atom))
                images.append([int(one) for one in self.images[atom] + turn * self.period])
                numbers.append(number)
        return atoms, images, numbers

    def composition(self, layer: int) -> str:
        """Return the elements of a layer with their numbers: ``Mg4O4``."""
        symbols = [self.symbols[k] for k in self.layers[layer]]
        counts = {one: symbols.count(one) for one in sorted(set(symbols))}
        return "".join(one + (str(n) if n > 1 else "") for one, n in counts.items())


def ends(stacked: Stacked, defective: Sequence[int]) -> list[End]:
    """Return the ways to end a cell above each of its layers, the widest gap first."""
    count = len(stacked.layers)
    middles = _middles([bool(set(layer.tolist()) & set(defective)) for layer in stacked.layers])
    gaps = stacked.gaps_A()
    names = [stacked.composition(k) for k in range(count)]
    found: list[End] = []
    for top in sorted(range(count), key=lambda k: (-round(float(gaps[k]), 2), k)):
        above = min((math.ceil((top - one) % count) for one in middles), default=None)
        rank = sum(names[one.number] == names[top] for one in found) + 1
        several = names.count(names[top]) > 1
        name = f"{names[top]} {rank}" if several else names[top]
        found.append(End(name, top, above, float(gaps[top])))
    return found


def _middles(changed: Sequence[bool]) -> list[float]:
    """Return the middle (number of a layer, or halfway between two) of each run of changed layers.

    The layers repeat; where all or none are changed there is no middle.
    """
    count = len(changed)
    if all(changed):
        return []
    starts = [k for k in range(count) if changed[k] and not changed[k - 1]]
    lengths = [next(n for n in range(count) if not changed[(k + n) % count]) for k in starts]
    return [(k + (n - 1) / 2) % count for k, n in zip(starts, lengths, strict=True)]


def chosen_end(
    cell: Cell,
    index: Sequence[int],
    ends: Sequence[End],
    termination: str | None,
    above: int | None,
) -> End:
    """Return the end that is meant; of those that are not told apart, the one of the widest gap."""
    where = f"({written(index)}) of the cell {cell.name}"
    named = [one for one in ends if termination in {None, one.name, one.composition}]
    if not named:
        names = [one.name for one in ends]
        message = (
            f"{where}: no termination {termination!r}; {did_you_mean(str(termination), names)}"
        )
        raise StructureError(message)
    deep = [one for one in named if above in {None, one.above}]
    if not deep:
        depths = sorted({one.above for one in named if one.above is not None})
        said = f"choose from {', '.join(map(str, depths))}" if depths else "leave that out"
        message = f"{where}: no termination has {above} layers above the defect; {said}"
        raise StructureError(message)
    compound = len(cell.structure.elements) > 1
    if len({(compound and one.composition, one.above) for one in deep}) > 1:
        shown = "; ".join(map(str, deep[:_SHOWN])) + ("; ..." if len(deep) > _SHOWN else "")
        message = f"{where}: say by `termination` or `fault_below` which end is meant, of: {shown}"
        raise StructureError(message)
    return deep[0]
