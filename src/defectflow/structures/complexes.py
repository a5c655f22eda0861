"""Complexes: several point defects near each other, one cell for each symmetry-distinct set."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import require_element
from defectflow.structures.clusters import SHELL_WIDTH_A, Slot
from defectflow.structures.placements import VACANT, Placement, numbered
from defectflow.structures.points import exchange_name, require_present
from defectflow.structures.sites import insertion_sites
from defectflow.structures.symmetry import (
    SYMPREC_A,
    images,
    operations,
    primitive,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: What a place between the atoms is called in the notation of a member.
VOID: Final = "i"
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
        return f"{self.after}_{VOID}" if self.site == VOID else exchange_name(self.site, self.after)


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
    place = Placement.of(structure, *_crystal_sites(structure, read, symprec), symprec)
    place.check_room(slots, around.width_A)
    return numbered(place.cells(slots, around.width_A, kind), _name(read, around))


def _name(members: Sequence[Member], around: Neighbourhood) -> str:
    """Return the counted names of members; those outside the first shell say which they are in."""
    centre = members[0]
    counts: Counter[str] = Counter()
    for member in [replace(centre, count=centre.count - 1), *members[1:]]:
        if member.count:
            counts[member.name + _shell_said(around.shells(member))] += member.count
    # The first member is counted with its like.
    like = next((name for name in counts if name.partition("@")[0] == centre.name), None)
    counts = Counter({like or centre.name: 1}) + counts
    return "+".join(f"{n if n > 1 else ''}{name}" for name, n in counts.items())


def _shell_said(shells: tuple[int, ...]) -> str:
    """Return ``@2`` for the second shell, ``@1-2`` for both, nothing for the first."""
    first, last = shells[0], shells[-1]
    if last == 1:
        return ""
    return f"@{last}" if first == last else f"@{first}-{last}"


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
    slots = [Slot(centre.site, centre.after or VACANT, 1, ())]
    counts: Counter[tuple[str, str, tuple[int, ...]]] = Counter()
    for member in [replace(centre, count=centre.count - 1), *members[1:]]:
        if member.count:
            counts[member.site, member.after or VACANT, around.shells(member)] += member.count
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
