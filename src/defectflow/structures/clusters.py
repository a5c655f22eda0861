"""Sets of a few places in a crystal, one for each orbit of its space group.

A place is a row of four integers: the index of a site in the primitive cell, and the lattice
vector of the cell that it lies in.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.structures.symmetry import nearest_places, wrapped

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Places whose distances (Å) from the first one differ by less than this are in one shell.
SHELL_WIDTH_A: Final = 0.05
_EDGE_A: Final = 1e-3
#: Lattice vectors in the keys of places run from -_OFFSET to _OFFSET - 1.
_OFFSET: Final = 64


@dataclass(frozen=True, eq=False)
class Sites:
    """Sites of a primitive cell, and what each operation of the space group does to them.

    Attributes
    ----------
    lattice
        (3, 3), rows are the primitive vectors, Å.
    frac_coords
        (n, 3) in [0, 1).
    labels
        What each site is: the element on it, or another word for an empty one.
    rotations
        (o, 3, 3) integers, acting on fractional columns.
    permutations, shifts
        (o, n) and (o, n, 3): operation ``g`` takes site ``k`` to site ``permutations[g, k]`` in the
        cell ``shifts[g, k]``.
    """

    lattice: np.ndarray
    frac_coords: np.ndarray
    labels: tuple[str, ...]
    rotations: np.ndarray
    permutations: np.ndarray
    shifts: np.ndarray

    @classmethod
    def of(
        cls,
        lattice: np.ndarray,
        frac_coords: np.ndarray,
        labels: Sequence[str],
        operations: tuple[np.ndarray, np.ndarray],
    ) -> Sites:
        """Return the sites with their maps; `operations` are W and w of the space group."""
        places = wrapped(np.asarray(frac_coords, dtype=float))
        rotations, translations = operations
        moved = np.einsum("oij,nj->oni", rotations, places) + translations[:, None, :]
        index, shift, _ = nearest_places(moved.reshape(-1, 3), places, lattice)
        shape = (len(rotations), len(places))
        return cls(
            lattice=np.asarray(lattice, dtype=float),
            frac_coords=places,
            labels=tuple(labels),
            rotations=np.asarray(rotations),
            permutations=index.reshape(shape),
            shifts=-shift.reshape(*shape, 3),
        )

    @property
    def representatives(self) -> np.ndarray:
        """The first site of the orbit of each site, (n,)."""
        first: np.ndarray = self.permutations.min(axis=0)
        return first

    def positions(self, rows: np.ndarray) -> np.ndarray:
        """Return the Cartesian positions (Å) of places."""
        cartesian: np.ndarray = (self.frac_coords[rows[:, 0]] + rows[:, 1:]) @ self.lattice
        return cartesian

    def shells(
        self, origin: int, label: str, count: int, width_A: float = SHELL_WIDTH_A
    ) -> list[np.ndarray]:
        """Return the first `count` shells of the sites called `label` around a site, as rows.

        Distances that follow each other within `width_A` belong to one shell.
        """
        allowed = np.array([k for k, one in enumerate(self.labels) if one == label])
        heights = 1.0 / np.linalg.norm(np.linalg.inv(self.lattice), axis=0)
        reach_A = 4.0
        while True:
            steps = np.ceil(reach_A / heights).astype(int) + 1
            cells = np.stack(np.meshgrid(*(range(-n, n + 1) for n in steps)), axis=-1)
            rows = np.array(
                [(k, *cell) for cell in cells.reshape(-1, 3) for k in allowed], dtype=int
            )
            centre = self.frac_coords[origin] @ self.lattice
            distances = np.linalg.norm(self.positions(rows) - centre, axis=1)
            kept = (distances > _EDGE_A) & (distances < reach_A)
            order = np.lexsort((*rows[kept].T[::-1], distances[kept].round(4)))
            rows, distances = rows[kept][order], distances[kept][order]
            cuts = np.flatnonzero(np.diff(distances) > width_A) + 1
            if len(cuts) >= count:
                return np.split(rows, cuts)[:count]
            reach_A *= 1.5


@dataclass(frozen=True)
class Slot:
    """Some equal members of a cluster: `count` places called `label` in some shells.

    Attributes
    ----------
    action
        What happens there; members are alike if label and action are.
    shells
        Numbers of the shells around the first member, from 1; empty for the first member itself.
    """

    label: str
    action: str
    count: int = 1
    shells: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Cluster:
    """One orbit of sets of places.

    Attributes
    ----------
    rows
        (n, 4) places, the first member first, then those of each slot.
    multiplicity
        Number of equivalent sets per primitive cell.
    """

    rows: np.ndarray
    multiplicity: int


def clusters(
    sites: Sites, first: Slot, others: Sequence[Slot], width_A: float = SHELL_WIDTH_A
) -> Iterator[Cluster]:
    """Yield one set of places for each orbit: a first member, others in shells around it.

    Nothing is kept from one set to the next: of each orbit that set is yielded whose places, as
    integers, come first. Two sets are equivalent if an operation of the space group takes places
    of each slot to places of the same label and action. Slots of one label and action must not
    share a shell.
    """
    star = _Star(sites, first, tuple(others), width_A)
    for origin in star.origins:
        for rows in star.sets(int(origin)):
            multiplicity = star.multiplicity_if_first(rows)
            if multiplicity:
                yield Cluster(rows, multiplicity)


class _Star:
    """All sets of places around the representatives of one kind of site."""

    def __init__(self, sites: Sites, first: Slot, others: tuple[Slot, ...], width_A: float) -> None:
        self.sites = sites
        self.others = others
        members = [first, *(slot for slot in others for _ in range(slot.count))]
        names = sorted({(slot.label, slot.action) for slot in members})
        self.types = np.array([names.index((slot.label, slot.action)) for slot in members])
        self.representatives = sites.representatives
        labelled = [k for k, label in enumerate(sites.labels) if label == first.label]
        self.origins = np.unique(self.representatives[labelled])
        self.places = {
            int(origin): [_chosen(sites, int(origin), slot, width_A) for slot in others]
            for origin in self.origins
        }

    def sets(self, origin: int) -> Iterator[np.ndarray]:
        """Yield every set around a site, equivalent ones too, as rows; never a place twice."""
        home = np.array([[origin, 0, 0, 0]])
        yield from self._filled(home, 0, origin)

    def _filled(self, rows: np.ndarray, number: int, origin: int) -> Iterator[np.ndarray]:
        if number == len(self.others):
            yield rows
            return
        places = self.places[origin][number]
        taken = {tuple(row) for row in rows.tolist()}
        free = [k for k, row in enumerate(places.tolist()) if tuple(row) not in taken]
        for chosen in itertools.combinations(free, self.others[number].count):
            more = np.vstack([rows, places[list(chosen)]])
            yield from self._filled(more, number + 1, origin)

    def multiplicity_if_first(self, rows: np.ndarray) -> int:
        """Return how many sets per cell are equivalent to `rows`; 0 if one of them comes before."""
        sites, types = self.sites, self.types
        index = sites.permutations[:, rows[:, 0]]
        cells = np.einsum("oij,nj->oni", sites.rotations, rows[:, 1:])
        cells = cells + sites.shifts[:, rows[:, 0]]
        own = np.sort(_keys(types, rows[:, 0], rows[:, 1:]))
        kept: set[tuple[int, ...]] = set()
        for member in np.flatnonzero(types == types[0]):
            moved = cells - cells[:, member, None, :]
            possible = np.flatnonzero(np.isin(index[:, member], self.origins))
            keys = np.sort(_keys(types, index[possible], moved[possible]), axis=1)
            order = _compared(keys, own)
            same = possible[order == 0]
            # An operation with its translation: two members of one cell may name it twice.
            kept.update((int(g), *map(int, cells[g, member])) for g in same)
            # The set itself is met again around a like member on a site before the first one's.
            before = np.any(order < 0) or np.any(index[same, member] < rows[0, 0])
            if before and self._is_centre(rows, int(member)):
                return 0
        return len(index) // len(kept)

    def _is_centre(self, rows: np.ndarray, member: int) -> bool:
        """Tell whether the others lie around `member` as the slots ask for."""
        if member == 0:
            return True
        home = int(self.representatives[rows[member, 0]])
        distances = self._distances(rows, member)
        rest = np.delete(np.arange(len(rows)), member)
        start = 1
        for slot, places in zip(self.others, self.places[home], strict=True):
            around = self._distances(np.vstack([[home, 0, 0, 0], places]), 0)[1:]
            near = np.abs(distances[rest][:, None] - around[None, :]).min(axis=1) < _EDGE_A
            if int(np.sum(near & (self.types[rest] == self.types[start]))) < slot.count:
                return False
            start += slot.count
        return True

    def _distances(self, rows: np.ndarray, member: int) -> np.ndarray:
        positions = self.sites.positions(rows)
        distances: np.ndarray = np.linalg.norm(positions - positions[member], axis=1)
        return distances


def _chosen(sites: Sites, origin: int, slot: Slot, width_A: float) -> np.ndarray:
    shells = sites.shells(origin, slot.label, max(slot.shells), width_A)
    return np.vstack([shells[number - 1] for number in slot.shells])


def _keys(types: np.ndarray, index: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Return one integer per place and action; its order is that of type, site and cell."""
    keys = types.astype(np.int64) * (1 << 16) + index
    for axis in range(3):
        keys = keys * (2 * _OFFSET) + (cells[..., axis] + _OFFSET)
    return np.asarray(keys)


def _compared(keys: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return -1, 0 or 1 for each row of `keys`: less than `own`, equal to it or greater."""
    signs = np.sign(keys - own)
    first = np.argmax(signs != 0, axis=1)
    order: np.ndarray = np.take_along_axis(signs, first[:, None], axis=1)[:, 0]
    return order
