"""Starting distortions around a defect, so that a relaxation can find the deepest minimum.

The idea and the recommended numbers are those of I. Mosquera-Lois, S. R. Kavanagh, A. Walsh and
D. O. Scanlon, npj Comput. Mater. 9, 25 (2023) (ShakeNBreak): bonds between the defect and some of
its nearest neighbours are shortened or stretched, as many of them as the defect has electrons too
many or too few, and all atoms near by are then rattled at random. What relaxes from the undistorted
cell may be a saddle or a shallow minimum.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.oxidation import oxidation_states, usual_states

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: Changes of the bond length as fractions: every second point of the published grid.
BOND_CHANGES: Final = (-0.6, -0.4, -0.2, 0.2, 0.4, 0.6)
_HALF_SHELL: Final = 4
_FULL_SHELL: Final = 8
_MOST_TRIES: Final = 500


@dataclass(frozen=True)
class Distortion:
    """How to distort.

    Attributes
    ----------
    bond_changes
        Fractions by which the bonds of the chosen neighbours change; -0.4 makes them 40 % shorter.
    neighbours
        How many nearest neighbours to move; None derives it from the electron count, see
        `distorted_neighbours`.
    rattle
        Standard deviation of the random displacement of each Cartesian coordinate, as a fraction of
        the shortest bond of the pristine crystal; 0 switches it off.
    closest
        No rattled pair is nearer than this fraction of the shortest bond, unless it was before.
    reach_A
        Atoms farther from the defect than this stay; None rattles all.
    seed
        Of the random numbers.
    """

    bond_changes: tuple[float, ...] = BOND_CHANGES
    neighbours: int | None = None
    rattle: float = 0.10
    closest: float = 0.8
    reach_A: float | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if any(not -1 < change < 1 for change in self.bond_changes):
            message = (
                f"bond_changes {list(self.bond_changes)}: fractions between -1 and 1 are needed; "
                "-0.4 shortens bonds by 40 %"
            )
            raise StructureError(message)
        if not 0 <= self.rattle <= self.closest <= 1:
            message = (
                f"rattle {self.rattle:g} and closest {self.closest:g}: fractions of the shortest "
                "bond are needed, 0 <= rattle <= closest <= 1, e.g. 0.1 and 0.8"
            )
            raise StructureError(message)
        if self.neighbours is not None and self.neighbours < 0:
            message = f"neighbours {self.neighbours}: give 0 (rattle only) or more"
            raise StructureError(message)


def distorted(
    cell: Cell, distortion: Distortion | None = None, known: Mapping[str, float] | None = None
) -> Iterator[Cell]:
    """Yield the starts of one defect: as built, rattled, then each bond distortion with a rattle.

    Atoms keep their order and the changes, the charge and the multiplicity of `cell`; the name gets
    a suffix such as ``-40%``. The same seed gives the same starts.

    Parameters
    ----------
    known
        Oxidation states that are not to be guessed, of the host's elements and others.

    Raises
    ------
    StructureError
        If more neighbours are asked for than the cell has atoms.

    Examples
    --------
    >>> from defectflow.structures import hosts, vacancies
    >>> host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    >>> starts = distorted(next(vacancies(host, "O")), Distortion(bond_changes=(-0.4, 0.4)))
    >>> [start.name for start in starts]
    ['V_O', 'V_O rattled', 'V_O -40%', 'V_O +40%']
    """
    chosen = distortion or Distortion()
    number = chosen.neighbours
    if number is None:
        number = distorted_neighbours(cell, known)
    centres = [np.array(change.frac_coords) for change in cell.changed]
    neighbours = _neighbours(cell, number)
    return _starts(cell, chosen, neighbours, centres)


def _starts(
    cell: Cell, chosen: Distortion, neighbours: list[_Bond], centres: list[np.ndarray]
) -> Iterator[Cell]:
    yield cell
    if chosen.rattle:
        structure = _rattled(cell.structure, cell.pristine, centres, chosen, 0)
        yield replace(cell, structure=structure, name=f"{cell.name} rattled")
    for rank, bond_change in enumerate(chosen.bond_changes if neighbours else (), start=1):
        structure = _stretched(cell.structure, neighbours, bond_change)
        if chosen.rattle:
            structure = _rattled(structure, cell.pristine, centres, chosen, rank)
        yield replace(cell, structure=structure, name=f"{cell.name} {100 * bond_change:+.4g}%")


def distorted_neighbours(cell: Cell, known: Mapping[str, float] | None = None) -> int:
    """Return how many neighbours of a defect to move: its count of electrons too many or too few.

    That is the difference of the formal charge that the changed atoms leave behind and the charge
    of the cell; e.g. a neutral V_O leaves two electrons, V_O of charge +2 none. Beyond four, the
    number of bonds that complete the octet, 8 - n. A crystal without formal charges, such as a
    metal, gives zero; a cell whose count is zero is only rattled, unless a number is given. Formal
    charges are guessed where they are not `known`.
    """
    try:
        states = oxidation_states(cell.pristine, known)
    except StructureError:  # no states balance the formula: nothing to count
        return 0
    if not any(states.values()):
        return 0
    states = {**(known or {}), **states}
    total = 0.0
    for change in cell.changed:
        before = states[change.before] if change.before else 0.0
        total += _state_of_new(change.after, before, states) - before
    electrons = abs(round(total) - cell.charge)
    return electrons if electrons <= _HALF_SHELL else abs(_FULL_SHELL - electrons)


def _state_of_new(symbol: str | None, before: float, states: dict[str, float]) -> float:
    """Return the oxidation state of an atom put in: as known, or else the nearest usual one.

    Of two that are equally near the greater: +1 for H.
    """
    if symbol is None:
        return 0.0
    if symbol in states:
        return states[symbol]
    return float(min(usual_states(symbol), key=lambda state: (abs(state - before), -state)))


@dataclass(frozen=True)
class _Bond:
    """A neighbour of the defect: atom of the defect structure, and vector from the defect (Å)."""

    index: int
    vector_A: np.ndarray = field(repr=False)


def _neighbours(cell: Cell, number: int) -> list[_Bond]:
    """Return the nearest neighbours of the changed places, the changed atoms themselves left out.

    Among equally near ones those nearest to each other are taken, so that they may pair up.
    """
    structure = cell.structure
    own = _own_atoms(cell)
    if number > len(structure) - len(own):
        message = (
            f"{cell.name}: {number} neighbours to distort but {len(structure) - len(own)} other "
            "atoms; give fewer or a larger supercell"
        )
        raise StructureError(message)
    bonds: dict[int, tuple[float, np.ndarray]] = {}
    for change in cell.changed:
        centre = structure.lattice.get_cartesian_coords(change.frac_coords)
        near = _around(structure, centre, number + len(own))
        for index, vector in near:
            length = float(np.linalg.norm(vector))
            if index not in own and length < bonds.get(index, (np.inf, vector))[0]:
                bonds[index] = (length, vector)
    return _nearest_together(structure, bonds, number)


def _own_atoms(cell: Cell) -> set[int]:
    """Return the indices, in the defect structure, of atoms that were exchanged or inserted."""
    removed = sorted(change.index for change in cell.changed if change.after is None)
    inserted = sum(change.before is None for change in cell.changed)
    own = set(range(len(cell.structure) - inserted, len(cell.structure)))
    for change in cell.changed:
        if change.before is not None and change.after is not None:
            own.add(change.index - sum(index < change.index for index in removed))
    return own


def _around(structure: Structure, centre: np.ndarray, least: int) -> list[tuple[int, np.ndarray]]:
    """Return atoms around a place with the vectors to them: at least `least`, all of a shell."""
    reach_A = 3.0
    while True:
        sites = structure.get_sites_in_sphere(centre, reach_A)
        if len({site.index for site in sites}) >= min(least, len(structure)):
            return [(int(site.index), site.coords - centre) for site in sites]
        reach_A *= 1.3


def _nearest_together(
    structure: Structure, bonds: dict[int, tuple[float, np.ndarray]], number: int
) -> list[_Bond]:
    chosen: list[int] = []
    while len(chosen) < number:
        left = [
            (
                round(length, 2),
                round(sum(float(structure.get_distance(index, other)) for other in chosen), 2),
                index,
            )
            for index, (length, _) in bonds.items()
            if index not in chosen
        ]
        chosen.append(min(left)[2])
    return [_Bond(index, bonds[index][1]) for index in chosen]


def _stretched(structure: Structure, bonds: list[_Bond], bond_change: float) -> Structure:
    """Return a copy with each neighbour moved along its bond; 0.2 makes the bond 1.2 times."""
    moved = structure.copy()
    for bond in bonds:
        moved.translate_sites(
            [bond.index], bond_change * bond.vector_A, frac_coords=False, to_unit_cell=False
        )
    return moved


def _rattled(
    structure: Structure,
    pristine: Structure,
    centres: list[np.ndarray],
    chosen: Distortion,
    stream: int,
) -> Structure:
    """Return a copy with random displacements, drawn anew for an atom that would come too close.

    An atom that finds no place after `_MOST_TRIES` draws stays where it is.
    """
    random = np.random.default_rng([chosen.seed, stream])
    shortest_A = _shortest_distance_A(pristine)
    lattice = structure.lattice
    places = structure.frac_coords.copy()
    to_fractional = np.linalg.inv(lattice.matrix)
    for index in _shaken(structure, centres, chosen.reach_A):
        others = np.arange(len(places)) != index
        before = lattice.get_all_distances(places[index], places[others]).ravel()
        limits = np.minimum(before, chosen.closest * shortest_A) - 1e-9
        for _ in range(_MOST_TRIES):
            step = random.normal(scale=chosen.rattle * shortest_A, size=3)
            place = places[index] + step @ to_fractional
            if np.all(lattice.get_all_distances(place, places[others]).ravel() >= limits):
                places[index] = place
                break
    moved = structure.copy()
    for site, place in zip(moved, places, strict=True):
        site.frac_coords = place
    return moved


def _shaken(structure: Structure, centres: list[np.ndarray], reach_A: float | None) -> np.ndarray:
    """Return the indices of the atoms within reach of the defect."""
    if reach_A is None:
        return np.arange(len(structure))
    distances = structure.lattice.get_all_distances(structure.frac_coords, np.array(centres))
    return np.flatnonzero(distances.min(axis=1) <= reach_A)


def _shortest_distance_A(structure: Structure) -> float:
    """Return the shortest distance of two atoms, periodic images included."""
    reach_A = 2.0
    while True:
        distances = structure.get_neighbor_list(reach_A)[3]
        if len(distances):
            return float(distances.min())
        reach_A *= 1.5
