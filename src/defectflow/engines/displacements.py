"""Which displacements decide the Hessian of some atoms, by the symmetry around them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.moments import moment_sign
from defectflow.structures.symmetry import cartesian_rotations, symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    from defectflow.engines.request import Request

    Array = NDArray[np.float64]

#: Atoms this close (Å) to their symmetric places count as there: a fifth of a usual displacement.
_SAME_PLACE_A: Final = 2e-3
#: Difference of two unit vectors, of rounding and of a lattice that is symmetric within the above.
_SAME_DIRECTION: Final = 1e-3
_SAME_MOMENT_MUB: Final = 1e-2


@dataclass(frozen=True)
class Displacement:
    """One atom moved along one Cartesian axis.

    Attributes
    ----------
    atom
        Its place in the list of the atoms that are displaced.
    axis
        0, 1, 2 for x, y, z.
    sign
        +1 or -1.
    """

    atom: int
    axis: int
    sign: int

    @property
    def direction(self) -> Array:
        """Unit vector."""
        unit: Array = self.sign * np.eye(3)[self.axis]
        return unit

    def __str__(self) -> str:
        """Return a short name, as checkpoints have it."""
        return f"{self.atom} {'xyz'[self.axis]} {'+' if self.sign > 0 else '-'}"


@dataclass(frozen=True)
class _Operation:
    """An operation that keeps the displaced atoms among themselves: atom k goes to `to[k]`."""

    rotation: Array
    to: tuple[int, ...]

    def carried(self, forces: Array) -> Array:
        """Return forces on the atoms, shape (atoms, 3), after the operation."""
        after = np.empty_like(forces)
        after[list(self.to)] = forces @ self.rotation.T
        return after


class Displacements:
    """The fewest displacements along axes from which symmetry gives all others.

    For central differences each direction is needed with both signs; an operation that turns one
    sign into the other saves it. Hydrogen on a threefold hollow needs three or four of its six
    displacements. Forward differences need each direction once, about half as many, and are wrong
    by half the third derivative times the displacement. Those that keep most of the symmetry come
    first: a code with k-points that has lost an operation computes more of them from then on.

    Parameters
    ----------
    structure
        At rest.
    atoms
        Indices of those that are displaced; all others stand still.
    moments_muB
        Of all atoms, or None; operations that mix different moments do not count.
    central
        Whether the Hessian comes from central differences.
    """

    def __init__(
        self,
        structure: Structure,
        atoms: Sequence[int],
        moments_muB: Sequence[float | None] | None = None,
        *,
        central: bool = True,
    ) -> None:
        self.count, self.central = len(atoms), central
        self._operations = _operations(structure, list(atoms), moments_muB)
        self.needed = tuple(sorted(self._chosen(), key=self._kept, reverse=True))

    @classmethod
    def of(cls, request: Request, atoms: Sequence[int]) -> Displacements:
        """Return those of a request, whose settings say which differences."""
        central = request.settings["central_differences"]
        return cls(request.structure, atoms, request.moments, central=central)

    def hessian_eV_per_A2(
        self, forces_eV_per_A: Mapping[str, Sequence[Sequence[float]]], step_A: float
    ) -> Array:
        """Return the second derivatives of the energy, shape (3 atoms, 3 atoms), as measured.

        Parameters
        ----------
        forces_eV_per_A
            Of the displaced atoms, shape (atoms, 3), at ``rest`` and by the name of each needed
            displacement. What is left at rest is noise, which has no symmetry: only the change
            is carried to other atoms and directions.
        step_A
            Length of the displacements.
        """
        rest = np.array(forces_eV_per_A["rest"])
        measured = {one: np.array(forces_eV_per_A[str(one)]) - rest for one in self.needed}
        rows = []
        for atom in range(self.count):
            sources = self._sources(atom, self.needed)
            directions = _directions(sources)
            forces = np.array([by.carried(measured[one]) for one, by in sources])
            if self.central:
                there, back = _pairs(directions)
                directions, forces = directions[there], (forces[there] - forces[back]) / 2
            change = forces.reshape(len(directions), -1) / step_A
            rows.append(-np.linalg.lstsq(directions, change, rcond=None)[0])
        return np.concatenate(rows)

    def _chosen(self) -> list[Displacement]:
        chosen: list[Displacement] = []
        for atom in range(self.count):
            for axis in range(3):
                for sign in (1, -1) if self.central else (1,):
                    new = Displacement(atom, axis, sign)
                    if not self._known(new, chosen):
                        chosen.append(new)
        return chosen

    def _kept(self, one: Displacement) -> int:
        """Return the number of operations that a displaced structure still has."""
        return sum(
            by.to[one.atom] == one.atom
            and np.abs(by.rotation @ one.direction - one.direction).max() < _SAME_DIRECTION
            for by in self._operations
        )

    def _known(self, new: Displacement, chosen: Sequence[Displacement]) -> bool:
        """Whether others tell the displacement: by an operation, or as a sum of known pairs."""
        directions = _directions(self._sources(new.atom, chosen))
        if (np.abs(directions - new.direction).max(axis=1) < _SAME_DIRECTION).any():
            return True
        spanned = directions[_pairs(directions)[0]] if self.central else directions
        rank = np.linalg.matrix_rank(spanned, _SAME_DIRECTION) if len(spanned) else 0
        more = np.linalg.matrix_rank(np.vstack([spanned, new.direction]), _SAME_DIRECTION)
        return bool(rank == more)

    def _sources(
        self, atom: int, chosen: Sequence[Displacement]
    ) -> list[tuple[Displacement, _Operation]]:
        """Return the displacements, and the operations that make of them one of `atom`."""
        return [(one, by) for one in chosen for by in self._operations if by.to[one.atom] == atom]


def _directions(sources: Sequence[tuple[Displacement, _Operation]]) -> Array:
    """Return the directions in which an atom is displaced, shape (k, 3)."""
    return np.array([by.rotation @ one.direction for one, by in sources]).reshape(-1, 3)


def _operations(
    structure: Structure, atoms: list[int], moments_muB: Sequence[float | None] | None
) -> list[_Operation]:
    """Return the operations that keep the displaced atoms among themselves, and all moments."""
    place = {atom: k for k, atom in enumerate(atoms)}
    moments = [moment or 0.0 for moment in moments_muB or [0.0] * len(structure)]
    found = []
    for one in symmetry_maps(structure, _SAME_PLACE_A):
        to = [place.get(int(one.permutation[atom])) for atom in atoms]
        sign = moment_sign(moments, moments, one.permutation, _SAME_MOMENT_MUB)
        if None in to or sign != 1:
            continue
        rotation = cartesian_rotations(structure.lattice.matrix, one.rotation)
        found.append(_Operation(rotation, tuple(int(k) for k in to if k is not None)))
    return found


def _pairs(directions: Array) -> tuple[list[int], list[int]]:
    """Return the indices of directions and of their opposites, for those that have one."""
    there, back = [], []
    for k, direction in enumerate(directions):
        opposite = np.abs(directions + direction).max(axis=1) < _SAME_DIRECTION
        if opposite.any():
            there.append(k)
            back.append(int(np.argmax(opposite)))
    return there, back
