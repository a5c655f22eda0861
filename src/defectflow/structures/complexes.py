"""Complexes: several point defects near each other, one cell for each symmetry-distinct set."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, insertion, require_element, site_change
from defectflow.structures.clusters import SHELL_WIDTH_A, Sites, Slot, clusters
from defectflow.structures.points import require_present
from defectflow.structures.sites import insertion_sites
from defectflow.structures.symmetry import (
    SYMPREC_A,
    images,
    nearest_places,
    operations,
    primitive,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Change
    from defectflow.structures.clusters import Cluster

#: What a place between the atoms is called in the notation of a member.
VOID: Final = "i"
#: Two inserted atoms nearer than this part of the shortest distance in the host are no complex.
SHORTEST_CONTACT: Final = 0.7
_TIE_A: Final = 0.01
_NOTATION: Final = re.compile(
    r"(?P<count>\d*)\s*(?:(?P<new>[A-Za-z]+)_(?P<site>[A-Za-z]+)|(?P<old>[A-Z][a-z]?)->(?P<by>[A-Z][a-z]?))"
    r"(?:@(?P<shell>\d+))?"
)


@dataclass(frozen=True)
class Member:
    """Some equal point defects of a complex.

    Attributes
    ----------
    site
        Element of the host whose place is taken, or ``i`` for a void.
    after
        Element that is put there; None for a vacancy.
    count
        How many.
    shell
        Which shell around the first member they are in; None for the shell of the whole complex.
    """

    site: str
    after: str | None
    count: int = 1
    shell: int | None = None

    @classmethod
    def read(cls, notation: str) -> Member:
        """Return the member that the field's notation names.

        ``V_O`` is a vacancy, ``F_O`` fluorine on an oxygen site, ``Li_i`` an interstitial;
        ``4 F_O@2`` are four in the second shell. Vanadium on a titanium site is ``Ti->V``, since
        ``V_Ti`` is a vacancy.

        Raises
        ------
        StructureError
            If the notation is another one, or names what is no element.
        """
        found = _NOTATION.fullmatch(notation.strip())
        if found is None or found["count"] == "0":
            message = (
                f"member {notation!r}: not understood; write V_O (vacancy), F_O (F on an O site), "
                "Li_i (interstitial), with a count and a shell as in 4 F_O@1"
            )
            raise StructureError(message)
        site = found["old"] or found["site"]
        after = found["by"] or found["new"]
        vacant = found["old"] is None and after in {"V", "v"} and site != VOID
        for symbol in (None if site == VOID else site, None if vacant else after):
            if symbol is not None:
                require_element(symbol)
        shell = int(found["shell"]) if found["shell"] else None
        return cls(site, None if vacant else after, int(found["count"] or 1), shell)

    @property
    def name(self) -> str:
        """The notation of one of them, e.g. ``V_O``."""
        return f"{self.after or 'V'}_{self.site}"


@dataclass(frozen=True)
class Neighbourhood:
    """Where the members of a complex may be, seen from the first one.

    Attributes
    ----------
    shell
        Number of the neighbour shell, from 1: of the sites of each member's own kind.
    within
        Nearer shells too.
    width_A
        Distances that follow each other within this are one shell.
    """

    shell: int = 1
    within: bool = False
    width_A: float = SHELL_WIDTH_A

    def shells(self, member: Member) -> tuple[int, ...]:
        """Return the numbers of the shells of a member."""
        if member.shell is not None:
            return (member.shell,)
        return tuple(range(1 if self.within else self.shell, self.shell + 1))


def complexes(
    structure: Structure,
    members: Iterable[Member | str],
    around: Neighbourhood = Neighbourhood(),
    symprec: float = SYMPREC_A,
    kind: str = "complex",
) -> Iterator[Cell]:
    """Yield one cell for each symmetry-distinct arrangement of `members`.

    The first member is the centre; each other one is in a neighbour shell around it. Sites, shells
    and symmetry are those of the perfect crystal, whatever cell of it is given: multiplicities
    count arrangements per primitive cell. Cells come as they are found and are numbered in that
    order, nearer members first.

    Raises
    ------
    StructureError
        If an element is not in the host, a shell does not exist, or `structure` is so small that
        a member is as near to an image of the first one as to that one itself.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    >>> [(cell.name, cell.multiplicity) for cell in complexes(host, ["V_Mg", "V_O"])]
    [('V_Mg+V_O', 6)]
    """
    read = [one if isinstance(one, Member) else Member.read(one) for one in members]
    slots = _slots(structure, read, around)
    place = Placement.of(structure, _crystal_sites(structure, read, symprec), symprec)
    place.check_room(slots, around.width_A)
    return _named(place.cells(slots, around.width_A, kind), _name(read))


def _name(members: Sequence[Member]) -> str:
    counts: Counter[str] = Counter()
    for member in members:
        counts[member.name] += member.count
    return "+".join(f"{n if n > 1 else ''}{name}" for name, n in counts.items())


def _named(cells: Iterator[Cell], stem: str) -> Iterator[Cell]:
    """Yield the cells, numbered if there are several; one is held back to know."""
    first, second = next(cells, None), next(cells, None)
    if first is None:
        return
    if second is None:
        yield replace(first, name=stem)
        return
    for rank, cell in enumerate(itertools.chain([first, second], cells), start=1):
        yield replace(cell, name=f"{stem}_{rank}")


def _slots(structure: Structure, members: Sequence[Member], around: Neighbourhood) -> list[Slot]:
    """Return the first slot and the others, equal members in one."""
    if sum(member.count for member in members) < 2:  # noqa: PLR2004 - a pair
        message = "a complex has at least two members, e.g. V_Ti and V_O; give more"
        raise StructureError(message)
    for member in members:
        if member.site != VOID:
            require_present(structure, member.site)
        if member.after == member.site:
            message = f"member {member.name}: nothing changes; give another element"
            raise StructureError(message)
        if min(around.shells(member), default=0) < 1:
            shell = around.shell if member.shell is None else member.shell
            message = f"shell {shell} does not exist; shells are numbered from 1, the nearest"
            raise StructureError(message)
    centre = members[0]
    slots = [Slot(centre.site, str(centre.after), 1, ())]
    counts: Counter[tuple[str, str, tuple[int, ...]]] = Counter()
    for member in [replace(centre, count=centre.count - 1), *members[1:]]:
        if member.count:
            counts[member.site, str(member.after), around.shells(member)] += member.count
    slots += [Slot(site, action, n, shells) for (site, action, shells), n in counts.items()]
    _check_apart(slots[1:])
    return slots


def _check_apart(slots: Sequence[Slot]) -> None:
    for one, other in itertools.combinations(slots, 2):
        if (one.label, one.action) == (other.label, other.action) and set(one.shells) & set(
            other.shells
        ):
            message = (
                f"members {one.action}_{one.label}: shells {one.shells} and {other.shells} "
                "overlap; give the shell of all of them or of none"
            )
            raise StructureError(message)


def _crystal_sites(
    structure: Structure, members: Sequence[Member], symprec: float
) -> tuple[Structure, dict[str, np.ndarray]]:
    """Return the primitive cell and the empty places (n, 3) of it that members need."""
    cell = primitive(structure, symprec)
    inserted = [str(member.after) for member in members if member.site == VOID]
    if not inserted:
        return cell, {}
    voids = insertion_sites(cell, inserted[0], symprec=symprec)
    if not voids:
        message = f"{structure.reduced_formula}: has no void; choose members without interstitials"
        raise StructureError(message)
    lattice = cell.lattice.matrix
    group = operations(cell, symprec)
    orbits = [images(void.frac_coords, *group, lattice) for void in voids]
    return cell, {VOID: np.vstack(orbits)}


@dataclass(frozen=True, eq=False)
class Placement:
    """Clusters of the primitive cell's sites, made in the cell that was given.

    Attributes
    ----------
    structure
        The cell given.
    sites
        Sites of the primitive cell, in the same Cartesian frame.
    """

    structure: Structure
    sites: Sites

    @classmethod
    def of(
        cls, structure: Structure, places: tuple[Structure, dict[str, np.ndarray]], symprec: float
    ) -> Placement:
        """Return the placement of a primitive cell's atoms and of more, empty `places` of it."""
        cell, empty = places
        labels = [site.specie.symbol for site in cell]
        coords = [cell.frac_coords]
        for label, rows in empty.items():
            labels += [label] * len(rows)
            coords.append(rows)
        group = operations(cell, symprec)
        return cls(structure, Sites.of(cell.lattice.matrix, np.vstack(coords), labels, group))

    def check_room(self, slots: Sequence[Slot], width_A: float) -> None:
        """Refuse a cell in which a member is as near to an image of the first one as to itself."""
        origins = [k for k, label in enumerate(self.sites.labels) if label == slots[0].label]
        for origin in np.unique(self.sites.representatives[origins]):
            rows = [np.array([[origin, 0, 0, 0]])]
            for slot in slots[1:]:
                shells = self.sites.shells(int(origin), slot.label, max(slot.shells), width_A)
                rows += [shells[number - 1] for number in slot.shells]
            spokes = self.sites.positions(np.vstack(rows))
            self._check_steps((spokes - spokes[0])[1:])

    def _check_steps(self, steps: np.ndarray) -> None:
        lattice = self.structure.lattice
        near = np.array(list(itertools.product((-2, -1, 0, 1, 2), repeat=3)))
        moves = near[np.any(near != 0, axis=1)]
        reduced = lattice.get_lll_reduced_lattice().matrix
        longest_A = float(np.linalg.norm(steps, axis=1).max())
        gaps = np.linalg.norm(steps[:, None, :] + moves @ reduced, axis=2).min(axis=1)
        if np.any(gaps < np.linalg.norm(steps, axis=1) + _TIE_A):
            needed = np.ceil(20 * longest_A + 1) / 10
            message = (
                f"{self.structure.reduced_formula}, {len(self.structure)} atoms: members "
                f"{longest_A:.2f} Å apart are as near to images of each other; take a supercell "
                f"whose images are at least {needed:.1f} Å apart, or a nearer shell"
            )
            raise StructureError(message)

    def cells(self, slots: Sequence[Slot], width_A: float, kind: str) -> Iterator[Cell]:
        """Yield the cell of each cluster, without a name of its own."""
        members = [slots[0], *(slot for slot in slots[1:] for _ in range(slot.count))]
        limit_A = SHORTEST_CONTACT * shortest_distance_A(self.structure)
        for cluster in clusters(self.sites, slots[0], slots[1:], width_A):
            if self._clashes(cluster, members, limit_A):
                continue
            yield Cell.from_changes(
                self.structure,
                self.changes(cluster, members),
                name=kind,
                kind=kind,
                multiplicity=cluster.multiplicity,
            )

    def changes(self, cluster: Cluster, members: Sequence[Slot]) -> list[Change]:
        """Return what becomes of each place, in the indices of the cell given."""
        positions = self.sites.positions(cluster.rows)
        places = self.structure.lattice.get_fractional_coords(positions)
        index, _, _ = nearest_places(
            places, self.structure.frac_coords, self.structure.lattice.matrix
        )
        changes, inserted = [], 0
        for slot, place, atom in zip(members, places, index, strict=True):
            if slot.label in self._elements:
                after = None if slot.action == str(None) else slot.action
                changes.append(site_change(self.structure, int(atom), after))
            else:
                change = insertion(self.structure, slot.action, place % 1.0)
                changes.append(replace(change, index=len(self.structure) + inserted))
                inserted += 1
        removed = sum(change.after is None for change in changes)
        return [
            replace(one, index=one.index - removed) if one.before is None else one
            for one in changes
        ]

    @property
    def _elements(self) -> set[str]:
        return {element.symbol for element in self.structure.elements}

    def _clashes(self, cluster: Cluster, members: Sequence[Slot], limit_A: float) -> bool:
        """Tell whether an inserted atom is too near to another atom that the complex brings."""
        brought = [k for k, slot in enumerate(members) if slot.action != str(None)]
        voids = {k for k in brought if members[k].label not in self._elements}
        positions = self.sites.positions(cluster.rows)
        return any(
            (i in voids or j in voids) and np.linalg.norm(positions[i] - positions[j]) < limit_A
            for i, j in itertools.combinations(brought, 2)
        )


def shortest_distance_A(structure: Structure) -> float:
    """Return the shortest distance (Å) between two atoms."""
    reach_A = 3.0
    while True:
        distances = structure.get_neighbor_list(reach_A)[3]
        if len(distances):
            return float(distances.min())
        reach_A *= 1.5
