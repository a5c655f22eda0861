"""Heterointerfaces and superlattices: a film stretched onto a substrate."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, Junction, Planar
from defectflow.structures.lattice_matching import Match, matches
from defectflow.structures.layers import is_layered
from defectflow.structures.planes import SAME_PLANE_A, stack_of, written
from defectflow.structures.stacking_faults import crystal_of, perfect
from defectflow.structures.terminations import VACUUM_A, Termination, lifted, terminations

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

#: Which of two crystals takes the strain.
Strained = Literal["film", "substrate", "both"]

#: Least thickness (Å) of a crystal that is not layered.
THICKNESS_A: Final = 8.0
_SHARE: Final[dict[str, float]] = {"film": 0.0, "both": 0.5, "substrate": 1.0}


@dataclass(frozen=True)
class Side:
    """One of the two crystals.

    Attributes
    ----------
    crystal
        Any cell of it.
    miller
        The plane that meets the other crystal.
    slices
        How many slices between lattice planes; for None, one layer of a layered crystal that is
        cut between its layers, and at least 8 Å of another.
    termination
        Number of the termination, from `terminations.terminations`, counted from 1.
    flipped
        Whether the crystal stands on its head: the other face meets the other crystal.
    """

    crystal: Structure
    miller: Sequence[int]
    slices: int | None = None
    termination: int = 1
    flipped: bool = False


@dataclass(frozen=True)
class Joint:
    """How the two meet.

    Attributes
    ----------
    gap_A
        From the uppermost atom of the substrate to the lowest of the film.
    vacuum_A
        Above the film; 0 for a superlattice, in which the same gap is above the film.
    max_area_A2, max_strain
        Of the common cell: area, and largest principal strain.
    strained
        The ``film``, the ``substrate``, or ``both`` by half.
    shift
        Of the film along the vectors of the common cell, fractions.
    """

    gap_A: float = 2.5
    vacuum_A: float = 12.0
    max_area_A2: float = 200.0
    max_strain: float = 0.03
    strained: Strained = "film"
    shift: tuple[float, float] = (0.0, 0.0)


def interfaces(substrate: Side, film: Side, joint: Joint | None = None) -> Iterator[Cell]:
    """Yield the interface in each common cell of the two planes, the smallest first.

    The substrate is below and its atoms come first; `pristine` is the substrate alone in the cell.

    Raises
    ------
    StructureError
        If a plane or termination does not exist, or no cell fits within the strain; the nearest is
        named.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> sulfide, graphene = hosts.load("2H-MoS2").structure, hosts.load("graphene").structure
    >>> joint = Joint(gap_A=3.3, max_area_A2=80)
    >>> cell = next(interfaces(Side(graphene, (0, 0, 1)), Side(sulfide, (0, 0, 1)), joint))
    >>> cell.structure.formula, round(100 * cell.junction.largest_strain, 1)
    ('Mo4 C18 S8', 2.7)
    """
    joint = joint or Joint()
    lower, upper = _block(substrate), _block(film)
    above, below = (one.lattice.matrix[:2, :2] for one in (upper, lower))
    found = matches(above, below, joint.max_area_A2, joint.max_strain)
    names = [f"{one.crystal.reduced_formula}({written(_miller(one))})" for one in (film, substrate)]
    return (_joined(lower, upper, match, joint, names) for match in found)


def _joined(
    lower: Structure, upper: Structure, match: Match, joint: Joint, names: Sequence[str]
) -> Cell:
    plane = _plane(lower, upper, match, _SHARE[joint.strained])
    below = _spread(lower, match.substrate, plane)
    above = _spread(upper, match.film, plane) + np.array([*(np.array(joint.shift) @ plane), 0.0])
    below[:, 2] -= below[:, 2].min()
    above[:, 2] += below[:, 2].max() + joint.gap_A - above[:, 2].min()
    height = float(above[:, 2].max()) + (joint.vacuum_A or joint.gap_A)
    matrix = np.array([[*plane[0], 0.0], [*plane[1], 0.0], [0.0, 0.0, height]])
    lift = np.array([0.0, 0.0, (joint.vacuum_A or joint.gap_A) / 2])
    symbols = [_symbols(one, m) for one, m in ((lower, match.substrate), (upper, match.film))]
    whole = crystal_of(matrix, symbols[0] + symbols[1], np.vstack([below, above]) + lift)
    alone = crystal_of(matrix, symbols[0], below + lift)
    said = (
        f"{names[0]} on {names[1]}: strain {100 * match.largest:.2f} % of the {joint.strained}, "
        f"twist {match.twist_deg:.1f}°, {match.area_A2:.1f} Å²"
    )
    return Cell(
        structure=whole,
        pristine=alone,
        name=f"{names[0]}/{names[1]} {len(whole)} atoms, {100 * match.largest:.2f} %",
        kind="interface",
        changed=(),
        multiplicity=1,
        planar=Planar(
            miller=(0, 0, 1),
            area_A2=abs(float(np.linalg.det(plane))),
            count=1 if joint.vacuum_A else 2,
            equivalent=False,
            said=said,
        ),
        junction=Junction(
            film_from=len(alone),
            gap_A=joint.gap_A,
            strain=tuple(float(x) for x in np.linalg.eigvalsh(match.strain)),
            twist_deg=match.twist_deg,
            strained=joint.strained,
        ),
    )


def _plane(lower: Structure, upper: Structure, match: Match, share: float) -> np.ndarray:
    """Return the vectors (2, 2) of the common cell, Å, the first along x."""
    given = match.substrate @ lower.lattice.matrix[:2, :2]
    own = match.film @ upper.lattice.matrix[:2, :2]
    angle = np.radians(match.twist_deg)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    plane = (1 - share) * given + share * (own @ turn)
    x = plane[0] / np.linalg.norm(plane[0])
    flat: np.ndarray = plane @ np.array([x, [-x[1], x[0]]]).T
    return flat


def _spread(block: Structure, form: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return the atoms (n, 3), Å, of a slab in a larger cell of its plane, strained to `plane`."""
    points = _points(form)
    coords = (block.frac_coords[None, :, :2] + points[:, None, :]) @ np.linalg.inv(form)
    flat = coords.reshape(-1, 2) @ plane
    heights = np.tile(block.cart_coords[:, 2], len(points))
    return np.column_stack([flat, heights])


def _symbols(block: Structure, form: np.ndarray) -> list[str]:
    return [site.specie.symbol for site in block] * len(_points(form))


def _points(form: np.ndarray) -> np.ndarray:
    """Return the integer points (det, 2) in the cell whose rows are `form`."""
    corners = np.array(list(itertools.product((0, 1), repeat=2))) @ form
    ranges = [
        range(low, high + 1) for low, high in zip(corners.min(0), corners.max(0), strict=True)
    ]
    grid = np.array(list(itertools.product(*ranges)))
    coords = grid @ np.linalg.inv(form)
    inside: np.ndarray = grid[np.all((coords > -1e-9) & (coords < 1 - 1e-9), axis=1)]  # noqa: PLR2004
    return inside


def _block(side: Side) -> Structure:
    """Return the slab of one crystal, opened at its termination."""
    found = terminations(side.crystal, side.miller)
    if not 1 <= side.termination <= len(found):
        said = "; ".join(f"{k}: {one.said}" for k, one in enumerate(found, start=1))
        message = (
            f"{side.crystal.reduced_formula}({written(_miller(side))}): no termination "
            f"{side.termination}; choose from {said}"
        )
        raise StructureError(message)
    one = found[side.termination - 1]
    sheets = is_layered(side.crystal) and side.termination == 1
    slices = side.slices or (1 if sheets else _slices(one))
    slab = lifted(perfect(one.stack, one.cut_A, slices), one.cut_A, VACUUM_A)
    if sheets and side.slices is None:
        slab = _lowest_sheet(slab, one)
    return _on_its_head(slab) if side.flipped else slab


def _slices(one: Termination) -> int:
    return max(1, math.ceil(THICKNESS_A / one.stack.spacing_A - 1e-9))


def _lowest_sheet(slab: Structure, one: Termination) -> Structure:
    """Return the atoms below the first gap that is as wide as the one that was cut."""
    heights = np.sort(slab.cart_coords[:, 2])
    cut = np.sort(one.stack.places[:, 2] % one.stack.spacing_A)
    widest = float(np.diff(np.append(cut, cut[0] + one.stack.spacing_A)).max())
    wide = np.flatnonzero(np.diff(heights) > widest - SAME_PLANE_A)
    if not len(wide):
        return slab
    top = heights[wide[0]] + SAME_PLANE_A / 2
    return slab.__class__.from_sites([site for site in slab if site.coords[2] <= top])


def _on_its_head(slab: Structure) -> Structure:
    """Return a slab turned by half a turn about its first vector."""
    turn = np.diag([1.0, -1.0, -1.0])
    matrix = slab.lattice.matrix @ turn
    matrix[2] *= -1.0
    matrix[1] *= -1.0
    places = slab.cart_coords @ turn + matrix[2]
    return crystal_of(matrix, [site.specie.symbol for site in slab], places)


def _miller(side: Side) -> tuple[int, int, int]:
    return stack_of(side.crystal, side.miller).miller
