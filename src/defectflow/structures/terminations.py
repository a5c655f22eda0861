"""Surfaces of a crystal: every distinct plane and termination, the polar ones named.

A slab consists of whole slices of the crystal, so that it always has the composition of the crystal
exactly. Whether its two faces are alike, and whether it has a dipole, follows from the symmetry and
the formal charges of the crystal, not from trial.
"""

from __future__ import annotations

import itertools
import math
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import Remark, StructureError
from defectflow.structures.cells import Cell, Planar
from defectflow.structures.oxidation import oxidation_states
from defectflow.structures.planes import SAME_PLANE_A, Stack, reduced_miller, stack_of, written
from defectflow.structures.stacking_faults import crystal_of, perfect, slices_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from pymatgen.core.structure import Structure

#: What to do with a polar termination: build it and say so, compensate it, or leave it out.
Polar = Literal["keep", "compensate", "skip"]

#: Least thickness of a slab and of the vacuum above it, Å.
THICKNESS_A: Final = 10.0
VACUUM_A: Final = 12.0
#: A slice with a dipole (e Å) above this is polar; ideal crystals have none or much more.
_DIPOLE: Final = 0.05
#: Surface cells side by side among which the atoms of a compensated face are shared out.
_MOST_CELLS: Final = 4
_WHOLE: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Termination:
    """One way to end a crystal at a plane.

    Attributes
    ----------
    stack
        The crystal as slices parallel to the plane.
    cut_A
        Height of the cut between two atomic planes.
    dipole_eA
        Of one slice that begins at the cut, along the normal, per cell of the plane: formal charges
        times heights.
    charged
        Whether atomic planes carry a charge.
    symmetric
        Whether an operation of the crystal maps one face of a slab onto the other.
    top, bottom
        Composition of the outermost atomic planes, e.g. ``O2``.
    """

    stack: Stack
    cut_A: float
    dipole_eA: float
    charged: bool
    symmetric: bool
    top: str
    bottom: str

    @property
    def polar(self) -> bool:
        """Whether a slab has a dipole that grows with its thickness."""
        return abs(self.dipole_eA) > _DIPOLE

    @property
    def tasker(self) -> int:
        """Type 1, 2 or 3 (P. W. Tasker, J. Phys. C 12, 4977 (1979)); 3 is polar."""
        return 3 if self.polar else 2 if self.charged else 1

    @property
    def faces(self) -> str:
        """The outermost planes in words."""
        both = f"{self.top} on both faces"
        return both if self.symmetric else f"{self.top} above, {self.bottom} below"

    @property
    def said(self) -> str:
        """What there is to say of the faces, in words."""
        faces = self.faces
        if not self.polar:
            return f"{faces}, Tasker {self.tasker}" if self.charged else faces
        return f"{faces}, polar (Tasker 3): {abs(self.dipole_eA):.2f} e Å per slice"


def terminations(
    structure: Structure, miller: Sequence[int], charges: Mapping[str, float] | None = None
) -> list[Termination]:
    """Return every distinct termination of a plane, the widest gap between atomic planes first.

    Parameters
    ----------
    charges
        Formal charges of elements; guessed for those that are missing.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> ceria = hosts.load("fluorite-CeO2").structure
    >>> [(one.top, one.bottom, one.tasker) for one in terminations(ceria, (1, 1, 1))]
    [('O', 'O', 2), ('Ce', 'O', 3)]
    """
    stack = stack_of(structure, miller)
    states = _charges(structure, charges)
    return [_termination(stack, cut, states) for cut in stack.cuts_A()]


def surfaces(
    structure: Structure,
    planes: Sequence[Sequence[int]],
    size: tuple[float, float] = (THICKNESS_A, VACUUM_A),
    polar: Polar = "keep",
    charges: Mapping[str, float] | None = None,
    wanted: tuple[Collection[str], int | None] = ((), None),
) -> Iterator[Cell]:
    """Yield a slab for each distinct termination of each plane.

    Parameters
    ----------
    size
        Least thickness of the slab, and height of the vacuum, Å.
    polar
        ``keep``: polar slabs as cut, and named so; ``compensate``: with so many atoms of one face
        moved to the other that the dipole is gone, and without those where none helps; ``skip``:
        none.
    wanted
        Planes and faces in words, e.g. ``(001) O above, Ti below``, all if empty; and how many of
        each plane at most, all for None.

    Raises
    ------
    StructureError
        If a plane is none, charges do not balance, or no slab could be compensated and none is
        left.

    Warns
    -----
    Remark
        Of each termination that is left out: skipped, or not to be compensated.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> cells = surfaces(hosts.load("rocksalt-MgO").structure, [(0, 0, 1), (1, 1, 1)])
    >>> [(cell.name, cell.note) for cell in cells]
    [('(001)', ''), ('(111)', 'polar')]
    """
    found = [
        (written(reduced_miller(one)), terminations(structure, one, charges)) for one in planes
    ]
    return _slabs(
        _wanted(found, wanted[0]), (*size, wanted[1]), polar, _charges(structure, charges)
    )


def _wanted(
    found: list[tuple[str, list[Termination]]], faces: Collection[str]
) -> Iterator[list[tuple[str, Termination]]]:
    """Yield the terminations of each plane that are wanted, with their names."""
    for plane, several in found:
        ranks = [""] if len(several) == 1 else [f"_{k}" for k in range(1, len(several) + 1)]
        yield [
            (f"({plane}){rank}", one)
            for rank, one in zip(ranks, several, strict=True)
            if not faces or f"({plane}) {one.faces}" in faces
        ]


def _slabs(
    found: Iterable[list[tuple[str, Termination]]],
    size: tuple[float, float, int | None],
    polar: Polar,
    charges: Mapping[str, float],
) -> Iterator[Cell]:
    left_out: list[StructureError] = []
    made = 0
    for several in found:
        cells = _of_plane(several, size[:2], polar, charges, left_out)
        for cell in itertools.islice(cells, size[2]):
            made += 1
            yield cell
    if left_out and not made and polar == "compensate":
        raise left_out[0]
    for error in left_out:
        warnings.warn(f"left out {str(error).rpartition(';')[0]}", Remark, stacklevel=2)


def _of_plane(
    several: list[tuple[str, Termination]],
    size: tuple[float, float],
    polar: Polar,
    charges: Mapping[str, float],
    left_out: list[StructureError],
) -> Iterator[Cell]:
    """Yield the slabs of a plane; why one is not among them is added to `left_out`."""
    for name, one in several:
        if one.polar and polar == "skip":
            left_out.append(StructureError(f"{name}, {one.faces}: polar; use `compensate`"))
            continue
        cell = slab_cell(one, size, name)
        try:
            cell = compensated(one, cell, charges) if one.polar and polar != "keep" else cell
        except StructureError as error:
            left_out.append(error)
            continue
        yield cell


def slab_cell(one: Termination, size: tuple[float, float], name: str) -> Cell:
    """Return a slab of whole slices; its `pristine` is the crystal in the same orientation."""
    block = perfect(one.stack, one.cut_A, slices_of(one.stack, size[0]))
    return Cell(
        structure=lifted(block, one.cut_A, size[1]),
        pristine=block,
        name=name,
        kind="surface",
        changed=(),
        multiplicity=one.stack.equivalent_planes(),
        note="polar" if one.polar else "",
        planar=Planar(one.stack.miller, one.stack.area_A2, 2, one.symmetric, said=one.said),
    )


def lifted(block: Structure, cut_A: float, vacuum_A: float) -> Structure:
    """Return a block of crystal, opened at a cut, with vacuum above; the atoms are in the middle.

    The third vector is along the normal.
    """
    matrix = block.lattice.matrix
    heights = (block.frac_coords[:, 2] - cut_A / matrix[2, 2]) % 1.0
    coords = np.column_stack([block.frac_coords[:, :2], heights])
    places = coords @ matrix
    thickness = float(np.ptp(places[:, 2]))
    places[:, 2] += vacuum_A / 2 - places[:, 2].min()
    upright = np.array([*matrix[:2], [0.0, 0.0, thickness + vacuum_A]])
    return crystal_of(upright, [site.specie.symbol for site in block], places)


def side_by_side(cell: Cell, repeat: Sequence[int]) -> Cell:
    """Return a slab with surface cells repeated along both vectors of the plane."""
    steps = [int(repeat[0]), int(repeat[1]), 1]
    planar = cell.planar
    if planar is not None:
        planar = replace(planar, area_A2=planar.area_A2 * steps[0] * steps[1])
    return replace(
        cell,
        structure=cell.structure.make_supercell(steps, in_place=False),
        pristine=cell.pristine.make_supercell(steps, in_place=False),
        planar=planar,
    )


def compensated(one: Termination, cell: Cell, charges: Mapping[str, float]) -> Cell:
    """Return a polar slab with part of one face moved to the other, so that its dipole vanishes.

    The atoms keep the places of the crystal, whole slab heights away; the composition stays. Both
    faces are then alike if the slab was cut between planes of equal charge.

    Raises
    ------
    StructureError
        If that takes more than the outermost plane, or a surface cell of more than four.
    """
    heights = _raised(one.stack, one.cut_A)
    for upper in (True, False):
        edge = heights.max() if upper else heights.min()
        outer = np.flatnonzero(np.abs(heights - edge) < SAME_PLANE_A)
        held = [charges[one.stack.symbols[k]] for k in outer]
        moment = sum(held) * one.stack.spacing_A * (1 if upper else -1)
        share = one.dipole_eA / moment if abs(moment) > _DIPOLE else math.inf
        for repeat in range(1, _MOST_CELLS + 1):
            moved = share * repeat * len(outer)
            if not (0 < share < 1 and abs(moved - round(moved)) < _WHOLE):
                continue
            wanted = _kinds_of(held * repeat, round(moved), share * repeat * sum(held))
            if wanted:
                return _moved(one, cell, charges, upper=upper, shares=(repeat, wanted))
    message = (
        f"{cell.name}: no part of an outermost plane ({one.top} or {one.bottom}) takes away the "
        "dipole when it is moved to the other face; choose another termination"
    )
    raise StructureError(message)


def _kinds_of(held: Sequence[float], count: int, wanted: float) -> list[float] | None:
    """Return the charges of `count` atoms of a plane that add up to `wanted`; None if none do.

    Of ions of unlike charge in one plane, not any `count` of them take away the dipole.
    """
    kinds = sorted(set(held))
    ranges = [range(held.count(kind) + 1) for kind in kinds]
    fitting = [
        numbers
        for numbers in itertools.product(*ranges)
        if sum(numbers) == count and abs(np.dot(numbers, kinds) - wanted) < _DIPOLE
    ]
    if not fitting:
        return None
    return [kind for kind, number in zip(kinds, fitting[0], strict=True) for _ in range(number)]


def _moved(
    one: Termination,
    cell: Cell,
    charges: Mapping[str, float],
    *,
    upper: bool,
    shares: tuple[int, list[float]],
) -> Cell:
    """Return the slab of `repeat` cells side by side in which ions of such charges changed faces.

    Those of each charge are taken evenly from all of the plane.
    """
    repeat, wanted = shares
    block = cell.pristine.make_supercell([repeat, 1, 1], in_place=False)
    vacuum = float(cell.structure.lattice.matrix[2, 2] - np.ptp(cell.structure.cart_coords[:, 2]))
    slab = lifted(block, one.cut_A, vacuum)
    places, symbols = slab.cart_coords, [site.specie.symbol for site in slab]
    edge = places[:, 2].max() if upper else places[:, 2].min()
    outer = np.flatnonzero(np.abs(places[:, 2] - edge) < SAME_PLANE_A)
    ranked = outer[np.lexsort((places[outer, 1].round(3), places[outer, 0].round(3)))]
    chosen: list[int] = []
    for kind in sorted(set(wanted)):
        alike = [int(k) for k in ranked if charges[symbols[k]] == kind]
        number = wanted.count(kind)
        chosen += alike[:: len(alike) // number][:number]
    places[chosen] += cell.pristine.lattice.matrix[2] * (-1.0 if upper else 1.0)
    matrix = slab.lattice.matrix.copy()
    matrix[2, 2] = float(np.ptp(places[:, 2])) + vacuum
    places[:, 2] += vacuum / 2 - places[:, 2].min()
    face = one.top if upper else one.bottom
    moved = f"{len(chosen)} of {len(outer)} atoms of the plane {face} moved to the other face"
    said = f"{one.said}; {moved}"
    return Cell(
        structure=crystal_of(matrix, symbols, places),
        pristine=block,
        name=f"{cell.name} compensated",
        kind="surface",
        changed=(),
        multiplicity=cell.multiplicity,
        note="compensated",
        planar=Planar(one.stack.miller, one.stack.area_A2 * repeat, 2, equivalent=False, said=said),
    )


def _termination(stack: Stack, cut_A: float, charges: Mapping[str, float]) -> Termination:
    places = _raised(stack, cut_A)
    order = np.argsort(places, kind="stable")
    planes = np.concatenate([[0], np.cumsum(np.diff(places[order]) > SAME_PLANE_A)])
    q = np.array([charges[symbol] for symbol in stack.symbols])[order]
    sums = [float(q[planes == k].sum()) for k in range(planes[-1] + 1)]
    symbols = [stack.symbols[k] for k in order]
    faces = [
        "".join(_counted([s for s, p in zip(symbols, planes, strict=True) if p == face]))
        for face in (planes[-1], 0)
    ]
    return Termination(
        stack=stack,
        cut_A=cut_A,
        dipole_eA=float(q @ places[order]),
        charged=max(abs(one) for one in sums) > _DIPOLE,
        symmetric=bool(np.any(stack.keeping(cut_A)[1] < 0)),
        top=faces[0],
        bottom=faces[1],
    )


def _raised(stack: Stack, cut_A: float) -> np.ndarray:
    """Return the heights (n,) of the atoms of the slice that begins at a cut."""
    heights = stack.places[:, 2] % stack.spacing_A
    raised: np.ndarray = np.where(
        heights < cut_A % stack.spacing_A - 1e-9, heights + stack.spacing_A, heights
    )
    return raised


def _counted(symbols: Sequence[str]) -> list[str]:
    counts = {symbol: symbols.count(symbol) for symbol in sorted(set(symbols))}
    return [symbol + (str(count) if count > 1 else "") for symbol, count in counts.items()]


def _charges(structure: Structure, known: Mapping[str, float] | None) -> dict[str, float]:
    """Return formal charges; none at all where no oxidation states balance the formula."""
    try:
        return oxidation_states(structure, known)
    except StructureError:
        if known:
            raise
        return {element.symbol: 0.0 for element in structure.elements}
