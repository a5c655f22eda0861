"""Clusters of a crystal's places, made in a given cell of it."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, insertion, site_change
from defectflow.structures.clusters import Sites, clusters
from defectflow.structures.symmetry import nearest_places, operations

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Change
    from defectflow.structures.clusters import Cluster, Slot

#: Two inserted atoms nearer than this part of the shortest distance in the host are no complex.
SHORTEST_CONTACT: Final = 0.7
#: Action of a slot whose atom is taken away.
VACANT: Final = "vacant"
_TIE_A: Final = 0.01
#: Labels longer than an element's symbol name places that are no sites of the field's notation.
_SYMBOL: Final = 2


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
        cls, structure: Structure, cell: Structure, empty: Mapping[str, np.ndarray], symprec: float
    ) -> Placement:
        """Return the placement of the primitive `cell` of `structure`.

        `empty` holds places (n, 3; fractional) without atoms by their label.
        """
        labels = [site.specie.symbol for site in cell]
        coords = [cell.frac_coords]
        for label, rows in empty.items():
            labels += [label] * len(rows)
            coords.append(rows)
        group = operations(cell, symprec)
        return cls(structure, Sites.of(cell.lattice.matrix, np.vstack(coords), labels, group))

    def check_room(self, slots: Sequence[Slot], width_A: float) -> None:
        """Refuse shells with too few places, and a cell too small for them.

        That is one in which a member is as near to an image of the first one as to that itself. A
        first member is passed over if its shells have too few places and those of another enough.
        """
        if len(slots) == 1:
            return
        origins = [k for k, label in enumerate(self.sites.labels) if label == slots[0].label]
        lacking = ""
        possible = []
        for origin in np.unique(self.sites.representatives[origins]):
            rows = [np.array([[origin, 0, 0, 0]])]
            for slot in slots[1:]:
                shells = self.sites.shells(int(origin), slot.label, max(slot.shells), width_A)
                places = [shells[number - 1] for number in slot.shells]
                if slot.count > sum(map(len, places)):
                    lacking = lacking or _too_few(slot, slots[0], sum(map(len, places)))
                    break
                rows += places
            else:
                possible.append(self.sites.positions(np.vstack(rows)))
        if not possible:
            raise StructureError(lacking)
        for spokes in possible:
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
            cell = Cell.from_changes(
                self.structure,
                self.changes(cluster, members),
                name=kind,
                kind=kind,
                multiplicity=cluster.multiplicity,
            )
            yield replace(cell, note=_distances(self.sites.positions(cluster.rows), members))

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
                after = None if slot.action == VACANT else slot.action
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

    @functools.cached_property
    def _elements(self) -> set[str]:
        return {element.symbol for element in self.structure.elements}

    def _clashes(self, cluster: Cluster, members: Sequence[Slot], limit_A: float) -> bool:
        """Tell whether an inserted atom is too near to another atom that the complex brings."""
        brought = [k for k, slot in enumerate(members) if slot.action != VACANT]
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


def _distances(positions: np.ndarray, members: Sequence[Slot]) -> str:
    """Return how far (Å) members are from the first one and from each other, in words."""
    names = [
        f"{'V' if one.action == VACANT else one.action}_{one.label}"
        if len(one.label) <= _SYMBOL
        else one.action
        for one in members
    ]
    found: dict[str, list[float]] = {}
    for i, j in itertools.combinations(range(len(members)), 2):
        gap = float(np.linalg.norm(positions[i] - positions[j]))
        found.setdefault(f"{names[i]} to {names[j]}", []).append(gap)
    texts = (
        f"{pair} {' '.join(f'{gap:.2f}' for gap in sorted(gaps))} Å" for pair, gaps in found.items()
    )
    return ", ".join(texts)


def _too_few(slot: Slot, first: Slot, places: int) -> str:
    shells = " and ".join(map(str, slot.shells))
    return (
        f"{slot.count} members on {slot.label} around {first.label}: shell {shells} has "
        f"{places} places; take fewer, a farther shell, or the nearer shells too (within)"
    )


def numbered(cells: Iterator[Cell], stem: str) -> Iterator[Cell]:
    """Yield the cells, numbered if there are several; one is held back to know."""
    first, second = next(cells, None), next(cells, None)
    if first is None:
        return
    if second is None:
        yield replace(first, name=stem)
        return
    for rank, cell in enumerate(itertools.chain([first, second], cells), start=1):
        yield replace(cell, name=f"{stem}_{rank}")
