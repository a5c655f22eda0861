"""Slip systems: a Burgers vector, the line of a dislocation and its glide plane."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.elastic_field import (
    elastic_field,
    isotropic,
    stiffness_of,
    turned,
)
from defectflow.structures.planes import Stack, fractions_said, stack_of, written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.elastic_field import ElasticField

_SAME: Final = 1e-4
#: Products of unit vectors that differ by less are the same; a lattice is only so symmetric.
_SAME_DIRECTION: Final = 0.01
_RIGHT_ANGLE: Final = 90.0


@dataclass(frozen=True, eq=False)
class SlipSystem:
    """A Burgers vector, a line and the glide plane of both, in the frame of the dislocation.

    Attributes
    ----------
    stack
        The crystal as slices parallel to the glide plane.
    frame
        (3, 3) Rows in the frame of the stack: x across the line in the plane, y its normal, z along
        the line.
    burgers_A
        (3,) In the frame of the dislocation.
    vectors
        (3, 3) Lattice vectors that span a primitive cell, in that frame, Å: one across the line in
        the plane, one out of the plane, and the shortest one along the line.
    """

    stack: Stack
    frame: np.ndarray
    burgers_A: np.ndarray
    vectors: np.ndarray

    @property
    def angle_deg(self) -> float:
        """Angle between Burgers vector and line: 0 for a screw, 90 for an edge dislocation."""
        cosine = abs(self.burgers_A[2]) / np.linalg.norm(self.burgers_A)
        return float(np.degrees(np.arccos(min(1.0, cosine))))

    @property
    def character(self) -> str:
        """``edge``, ``screw``, or the angle of a mixed dislocation, e.g. ``60°``."""
        angle = self.angle_deg
        if angle < 0.01:  # noqa: PLR2004 - rounding
            return "screw"
        return "edge" if abs(angle - _RIGHT_ANGLE) < 0.01 else f"{angle:.3g}°"  # noqa: PLR2004

    @property
    def name(self) -> str:
        """Name in the notation of the field: ``edge 1/2 -1/2 0 (111)``."""
        burgers = fractions_said(self.stack.to_standard(self.burgers_A @ self.frame))
        return f"{self.character}[{burgers}]({written(self.stack.miller)})"

    def field(self, elastic: Mapping[str, float] | None) -> ElasticField:
        """Return the elastic field; of an isotropic crystal for None.

        Constants refer to x along a, z along the part of c across a, and y = z x x, of the standard
        conventional cell.

        Raises
        ------
        StructureError
            If the crystal cannot have such constants, or they are not all given.
        """
        a, _, c = self.stack.standard
        x = a / np.linalg.norm(a)
        z = c - (c @ x) * x
        z /= np.linalg.norm(z)
        crystal = np.array([x, np.cross(z, x), z])
        if elastic is None:
            return elastic_field(isotropic(), self.burgers_A)
        stiffness = stiffness_of(elastic, crystal @ self.stack.rotations @ crystal.T)
        return elastic_field(turned(stiffness, self.frame @ crystal.T), self.burgers_A)

    def equivalent(self) -> int:
        """Return how many slip systems the crystal's symmetry makes of this one.

        Told apart by Burgers vector, line and glide plane: a screw may glide in several planes.
        Signs do not count, but that of the Burgers vector against the line.
        """
        rotations = self.stack.rotations
        lines, normals = rotations @ self.frame[2], rotations @ self.frame[1]
        burgers = rotations @ (self.burgers_A @ self.frame) / np.linalg.norm(self.burgers_A)
        pairs = np.einsum("oi,oj->oij", lines, burgers).reshape(-1, 9)
        planes = np.einsum("oi,oj->oij", normals, normals).reshape(-1, 9)
        found: list[int] = []
        for one in range(len(rotations)):
            turned = np.minimum(
                np.abs(pairs[found] - pairs[one]).max(axis=1, initial=0.0),
                np.abs(pairs[found] + pairs[one]).max(axis=1, initial=0.0),
            )
            moved = np.abs(planes[found] - planes[one]).max(axis=1, initial=0.0)
            if not np.any(np.maximum(turned, moved) < _SAME_DIRECTION):
                found.append(one)
        return len(found)


def slip_system(
    structure: Structure,
    burgers: Sequence[float],
    line: Sequence[float],
    plane: Sequence[int] | None = None,
) -> SlipSystem:
    """Return the geometry of a dislocation.

    Parameters
    ----------
    burgers, line, plane
        Burgers vector, direction of the line, and indices of the glide plane, all of the standard
        conventional cell. The plane follows from the others unless the dislocation is a screw; of
        a screw it is by default the plane of the widest spacing.

    Raises
    ------
    StructureError
        If the Burgers vector is no lattice vector, or the plane does not hold both.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> slip_system(hosts.load("fcc-Cu").structure, (0.5, -0.5, 0), (1, 0, -1)).name
    '60°[1/2 -1/2 0](111)'
    """
    stack = stack_of(structure, plane or _plane_of(structure, burgers, line))
    b, direction = stack.from_standard(burgers), stack.from_standard(line)
    _require_lattice_vector(stack, b, burgers)
    for vector, said in (
        (direction, f"line {_said(line)}"),
        (b, f"Burgers vector {_said(burgers)}"),
    ):
        if np.linalg.norm(vector) < _SAME:
            message = f"{said}: has no length; give three numbers, e.g. [1, 1, -2]"
            raise StructureError(message)
        if abs(vector[2]) > _SAME * np.linalg.norm(vector):
            message = (
                f"{said} does not lie in the plane ({written(stack.miller)}); the planes that hold "
                f"line and Burgers vector: {_planes_said(burgers, line)}"
            )
            raise StructureError(message)
    along = _primitive_along(stack, direction, line)
    x = np.cross([0.0, 0.0, 1.0], along / np.linalg.norm(along))
    frame = np.array([x, [0.0, 0.0, 1.0], along / np.linalg.norm(along)])
    across = _complement(stack, along)
    if across @ x < 0:
        across = -across
    vectors = np.array([across, stack.matrix[2], along]) @ frame.T
    return SlipSystem(stack, frame, frame @ b, vectors)


def _primitive_along(stack: Stack, direction: np.ndarray, line: Sequence[float]) -> np.ndarray:
    """Return the shortest lattice vector of the plane along a direction."""
    coords = direction[:2] @ np.linalg.inv(stack.matrix[:2, :2])
    coords = coords / np.abs(coords).max()
    for factor in range(1, 61):
        whole = np.round(factor * coords)
        if np.allclose(whole, factor * coords, atol=1e-3):
            found: np.ndarray = whole @ stack.matrix[:2]
            return found
    message = f"line {_said(line)}: no lattice vector is along it; give small whole numbers"
    raise StructureError(message)


def _complement(stack: Stack, along: np.ndarray) -> np.ndarray:
    """Return the shortest lattice vector that spans the plane's cell together with `along`."""
    reach = range(-12, 13)
    steps = np.array(list(itertools.product(reach, repeat=2)))
    vectors = steps @ stack.matrix[:2]
    areas = vectors[:, 0] * along[1] - vectors[:, 1] * along[0]
    spanning = vectors[np.abs(np.abs(areas) - stack.area_A2) < _SAME * stack.area_A2]
    found: np.ndarray = spanning[int(np.argmin(np.linalg.norm(spanning, axis=1).round(6)))]
    return found


def _require_lattice_vector(stack: Stack, b: np.ndarray, said: Sequence[float]) -> None:
    coords = b @ np.linalg.inv(stack.matrix)
    near = np.round(coords)
    if np.abs(coords - near).max() > _SAME or not np.any(near):
        steps = near + np.array(list(itertools.product((-1, 0, 1), repeat=3)))
        steps = steps[np.any(steps != 0, axis=1)]
        distances = np.linalg.norm((steps - coords) @ stack.matrix, axis=1).round(6)
        nearest = fractions_said(stack.to_standard(steps[int(np.argmin(distances))] @ stack.matrix))
        message = (
            f"Burgers vector {_said(said)} is no lattice vector of the crystal; the nearest is "
            f"[{nearest}]"
        )
        raise StructureError(message)


def _plane_of(structure: Structure, burgers: Sequence[float], line: Sequence[float]) -> list[int]:
    """Return the plane of both vectors; of a screw the one of the widest spacing."""
    planes = _planes(burgers, line)
    if not planes:
        message = (
            f"Burgers vector {_said(burgers)} and line {_said(line)}: no plane of small indices "
            "holds both; give `plane`"
        )
        raise StructureError(message)
    if len(planes) == 1:
        return planes[0]
    stack = stack_of(structure, planes[0])
    return max(planes, key=lambda one: round(_spacing_A(stack, one), 4))


def _spacing_A(stack: Stack, plane: Sequence[int]) -> float:
    """Return the distance of neighbouring lattice planes of other indices."""
    normal = np.linalg.inv(stack.standard) @ np.array(plane)
    steps = np.abs(stack.matrix @ normal)
    shortest = min(k / 24 for k in range(1, 25) if _whole(steps * 24 / k))
    return float(shortest / np.linalg.norm(normal))


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.allclose(numbers, np.round(numbers), atol=1e-3)) and bool(
        np.gcd.reduce(np.round(numbers).astype(int)) == 1
    )


def _planes(burgers: Sequence[float], line: Sequence[float], highest: int = 3) -> list[list[int]]:
    """Return the planes that hold both vectors, small indices first."""
    b, t = np.asarray(burgers, dtype=float), np.asarray(line, dtype=float)
    normal = np.cross(b, t)
    if np.abs(normal).max() > _SAME:
        normal *= np.sign(normal[np.flatnonzero(np.abs(normal) > _SAME)[0]])
        for factor in range(1, 61):
            whole = factor * normal / np.abs(normal).max()
            if np.allclose(whole, np.round(whole), atol=1e-3):
                return [np.round(whole).astype(int).tolist()]
        return []
    found = []
    for index in itertools.product(range(-highest, highest + 1), repeat=3):
        leading = next((one for one in index if one), 0)
        if leading > 0 and math.gcd(*index) == 1 and abs(np.dot(index, t)) < _SAME:
            found.append(list(index))
    return sorted(found, key=lambda one: sum(k * k for k in one))


def _planes_said(burgers: Sequence[float], line: Sequence[float]) -> str:
    return ", ".join(f"({written(one)})" for one in _planes(burgers, line)[:4]) or "none"


def _said(vector: Sequence[float]) -> str:
    return f"[{fractions_said(vector)}]"
