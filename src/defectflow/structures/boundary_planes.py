"""Which boundary is meant: rotation, plane, and how the axis lies to it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.coincidence import low_angle, rotation_of, shared_plane
from defectflow.structures.grains import grain_of
from defectflow.structures.planes import reduced_miller, written

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.structures.coincidence import Lattices, Rotation, SharedPlane
    from defectflow.structures.grains import Grain
    from defectflow.structures.planes import Miller

#: How the axis lies to the plane: in it, along its normal, or neither.
Character = Literal["tilt", "twist", "mixed"]

#: Planes up to these indices, and those turned by half of the rotation, are looked at.
_LOW: Final = 2
_MOST_STRAIN: Final = 0.05
_SAME: Final = 1e-6


@dataclass(frozen=True, eq=False)
class Boundary:
    """Which boundary: rotation, plane, and the two grains.

    Attributes
    ----------
    miller
        Of the plane, in the first grain.
    other_miller
        Of the plane, in the second grain.
    character
        ``tilt``, ``twist`` or ``mixed``.
    strain
        Largest strain of the second grain that makes the two planes fit; 0 for cubic crystals.
    """

    rotation: Rotation
    miller: Miller
    other_miller: Miller
    character: Character
    area_A2: float
    strain: float
    lower: Grain
    upper: Grain

    @property
    def name(self) -> str:
        """As it is written: ``Σ5(310)[001]``."""
        plane, axis = written(self.miller), written(self.rotation.axis)
        return f"Σ{self.rotation.sigma}({plane})[{axis}]"


@dataclass(frozen=True)
class BoundaryChoice:
    """Which boundary is asked for.

    Attributes
    ----------
    axis
        Of the rotation, in vectors of the standard conventional cell.
    sigma, angle_deg
        At least one of them: Σ with its smallest angle or the one given, or, of an angle alone,
        the least Σ that is within half a degree.
    miller
        Of the plane in the lower grain; None for the smallest symmetric tilt boundary, or the
        plane along the normal for a twist.
    character
        None: what the plane makes it, tilt or twist; a plane that is neither has to be asked for
        as mixed.
    """

    axis: tuple[int, int, int]
    sigma: int | None = None
    miller: tuple[int, ...] | None = None
    angle_deg: float | None = None
    character: Character | None = None


def boundary(lattices: Lattices, choice: BoundaryChoice) -> Boundary:
    """Return the boundary asked for, in the sense of rotation that gives the smaller cell.

    Raises
    ------
    StructureError
        If the axis has no such Σ, or the plane does not lie to the axis as it should.
    """
    if choice.sigma is not None:
        turn = rotation_of(lattices, choice.axis, choice.sigma, choice.angle_deg)
    elif choice.angle_deg is not None:
        turn = low_angle(lattices, choice.axis, choice.angle_deg)
    else:
        message = f"grain boundary about {choice.axis}: give Σ, or an angle"
        raise StructureError(message)
    if choice.miller is not None:
        miller = reduced_miller(choice.miller)
    elif choice.character == "twist":
        miller = normal_plane(lattices, turn.axis)
    elif choice.character == "mixed":
        message = "a mixed boundary: has no plane of its own; give the plane as well"
        raise StructureError(message)
    else:
        miller = tilt_planes(lattices, turn)[0][0]
    character = _character(lattices, turn, miller, choice.character)
    index = lattices.plane(miller)
    turn, plane = min(
        ((one, shared_plane(lattices, one, index)) for one in (turn, turn.reverse)),
        key=lambda pair: round(pair[1].area_A2, 4),
    )
    return _made(lattices, turn, miller, character, plane)


def normal_plane(lattices: Lattices, axis: Sequence[int]) -> Miller:
    """Return the plane whose normal is a direction of the conventional cell."""
    parts = lattices.metric @ np.array([Fraction(int(one)) for one in axis])
    factor = math.lcm(*(Fraction(one).denominator for one in parts))
    return reduced_miller([int(one * factor) for one in parts])


def tilt_planes(lattices: Lattices, turn: Rotation) -> list[tuple[Miller, bool, float]]:
    """Return planes that contain the axis: Miller indices, whether symmetric, area of the cell.

    Symmetric ones are equivalent planes of both grains: a low-index plane turned by half of the
    rotation. They come first, then those with small cells.
    """
    low = [
        miller
        for miller in itertools.product(range(-_LOW, _LOW + 1), repeat=3)
        if math.gcd(*miller) == 1 and np.dot(miller, turn.axis) == 0
    ]
    halves = [
        one.bisected(miller, lattices.metric) for one in (turn, turn.reverse) for miller in low
    ]
    found = []
    for miller in dict.fromkeys(_positive(one) for one in [*halves, *low]):
        index = lattices.plane(miller)
        plane = min(
            (shared_plane(lattices, one, index) for one in (turn, turn.reverse)),
            key=lambda one: round(one.area_A2, 4),
        )
        symmetric = _equivalent(lattices, plane.index, plane.other_index)
        found.append((miller, symmetric, plane.area_A2))
    found.sort(key=_rank)
    return found


def _positive(index: Sequence[int]) -> Miller:
    """Return indices with the sign that makes most of them, and the first, positive."""
    h, k, l = index  # noqa: E741 - Miller indices
    opposite = (-h, -k, -l)
    return max((h, k, l), opposite, key=lambda one: (sum(np.sign(one)), one))


def _rank(plane: tuple[Miller, bool, float]) -> tuple[bool, float, int, tuple[int, ...]]:
    """Return what orders planes: symmetric, small, with few negative and falling indices."""
    miller, symmetric, area = plane
    return (not symmetric, round(area, 4), sum(k < 0 for k in miller), tuple(-k for k in miller))


def _equivalent(lattices: Lattices, one: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    images = np.array(one) @ lattices.points
    signed = np.vstack([images, -images])
    return bool(np.any(np.all(signed == other, axis=1)))


def _character(
    lattices: Lattices, turn: Rotation, miller: Miller, wanted: Character | None
) -> Character:
    """Return how the axis lies to the plane, if that is what is wanted."""
    found: Character = "mixed"
    if np.dot(miller, turn.axis) == 0:
        found = "tilt"
    elif miller in (one := normal_plane(lattices, turn.axis), tuple(-k for k in one)):
        found = "twist"
    if found == wanted or (wanted is None and found != "mixed"):
        return found
    plane, axis = written(miller), written(turn.axis)
    if wanted == "twist":
        hint = f"the plane of a twist is ({written(normal_plane(lattices, turn.axis))})"
    elif wanted == "mixed":
        hint = f"it is a {found} boundary; leave out the character"
    else:
        near = sorted(
            tilt_planes(lattices, turn)[:8], key=lambda one: _angle(lattices, one, miller)
        )
        said = " and ".join(f"({written(one[0])})" for one in near[:2])
        hint = f"the nearest that do are {said}; for this one give the character mixed"
    lacks = "is not normal to" if wanted == "twist" else "does not contain"
    lacks = "is no mixed plane of" if wanted == "mixed" else lacks
    message = f"plane ({plane}): {lacks} the axis [{axis}]; {hint}"
    raise StructureError(message)


def _angle(lattices: Lattices, one: tuple[Miller, bool, float], miller: Miller) -> float:
    """Return the angle between two planes, radians."""
    back = np.linalg.inv(lattices.whole.lattice.matrix)
    a, b = back @ np.array(one[0]), back @ np.array(miller)
    return float(np.arccos(min(1.0, abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b))))


def _made(
    lattices: Lattices, turn: Rotation, miller: Miller, character: Character, plane: SharedPlane
) -> Boundary:
    lower = grain_of(lattices.cell, plane.rows, plane.index)
    upper = grain_of(lattices.cell, plane.turned, plane.other_index)
    fit = np.linalg.solve(upper.matrix[:2, :2], lower.matrix[:2, :2])
    strain = float(np.max(np.abs(np.linalg.svd(fit, compute_uv=False) - 1)))
    if strain > _MOST_STRAIN:
        message = (
            f"Σ{turn.sigma}({written(miller)}): the grains fit only with a strain of {strain:.1%}; "
            "choose another Σ"
        )
        raise StructureError(message)
    return Boundary(
        rotation=turn,
        miller=miller,
        other_miller=lattices.miller(plane.other_index),
        character=character,
        area_A2=plane.area_A2,
        strain=strain if strain > _SAME else 0.0,
        lower=lower,
        upper=upper.fitted(fit),
    )
