"""Ions and molecules between the layers of a host whose galleries are opened for them."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, insertion
from defectflow.structures.colourings import Pool, colourings
from defectflow.structures.contacts import closeness, own_closeness
from defectflow.structures.equivalence import equivalent_images
from defectflow.structures.galleries import layering, opened, plane_cells, plane_supercell
from defectflow.structures.gallery_sites import centres, gallery_voids
from defectflow.structures.guests import distinct_under, guest, keeping, orientations
from defectflow.structures.symmetry import (
    cartesian_rotations,
    images,
    nearest_places,
    operations,
    primitive,
    primitive_cells,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pymatgen.core.structure import Structure

    from defectflow.structures.galleries import Layering
    from defectflow.structures.guests import Guest

#: Opened host, and the Cartesian atoms of each guest.
Fit = tuple["Structure", list[np.ndarray]]

#: The search for an expansion that does ends here.
WIDEST_A: Final = 15.0
_FINE_A: Final = 0.05
_SAME_PLACE_A: Final = 0.1


@dataclass(frozen=True)
class Filling:
    """How a gallery is opened and filled.

    Attributes
    ----------
    expansions_A
        Additions to the height of the gallery, one series of cells each; empty for the least one
        at which the guest fits.
    guests, cells
        So many guests in so many primitive cells of the layer, side by side; None for `cells` takes
        as many as keep images `min_image_distance_A` apart.
    between
        Elements that are in the galleries already.
    gallery
        The one that is opened and filled, counted from the bottom, while the others stay; None for
        all of them, each filled as symmetry makes it from the first.
    azimuth_deg
        Step of the turns of a molecule about the normal.
    """

    expansions_A: tuple[float, ...] = ()
    guests: int = 1
    cells: int | None = None
    between: tuple[str, ...] = ()
    gallery: int | None = None
    azimuth_deg: float = 30.0
    min_image_distance_A: float = 8.0

    def __post_init__(self) -> None:
        if self.guests < 1 or (self.cells is not None and self.cells < 1):
            message = (
                f"{self.guests} guests in {self.cells} cells: give whole numbers of at least 1"
            )
            raise StructureError(message)


def expanded(
    structure: Structure, expansions_A: Sequence[float], filling: Filling | None = None
) -> Iterator[Cell]:
    """Yield the host with its galleries opened by each expansion, and nothing put in.

    `pristine` is the host as it was, in the same cell choice; its layers move as rigid sheets.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> series = expanded(hosts.load("1T-TiS2").structure, (0.0, 1.0, 2.0))
    >>> [round(cell.structure.lattice.c, 3) for cell in series]
    [5.695, 6.695, 7.695]
    """
    chosen = filling or Filling()
    found = layering(structure, chosen.between)
    galleries = None if chosen.gallery is None else [chosen.gallery]
    wide = [opened(found, expansion, galleries) for expansion in expansions_A]
    return (
        Cell(one.structure, found.structure, f"gallery {_step(expansion)}", "interlayer", (), 1)
        for one, expansion in zip(wide, expansions_A, strict=True)
    )


def interlayers(
    structure: Structure, source: str | Path, filling: Filling | None = None
) -> Iterator[Cell]:
    """Yield one cell for each distinct place and orientation of guests in an opened gallery.

    Sites lie over the voids of the closed gallery. A molecule has its centre half-way between the
    layers and points along or across them, all molecules of a cell alike; an ion is where it is
    farthest from all atoms, and in a wide gallery also where it touches a layer. Of guests that the
    symmetry of the opened host connects, one is made. `pristine` is the opened host without guests.
    The multiplicity is per primitive cell of the opened host for one guest in one gallery,
    and the number of equivalent arrangements of the cell for several.

    Raises
    ------
    StructureError
        If the host has no layers, the guest is not known, or the gallery is too small; the message
        says which expansion would do.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> cells = list(interlayers(hosts.load("1T-TiS2").structure, "Mg", Filling((0.5,), cells=4)))
    >>> [(cell.name, len(cell.structure), cell.multiplicity) for cell in cells]
    [('Mg_i_1 +0.5A', 13, 1), ('Mg_i_2 +0.5A', 13, 2)]
    """
    chosen = filling or Filling()
    one = guest(source)
    found = layering(primitive(structure), chosen.between)
    cells = chosen.cells or plane_cells(found, chosen.min_image_distance_A)
    room = _Room(found, one, chosen, cells, gallery_voids(found, chosen.gallery or 0))
    expansions = chosen.expansions_A or (room.least_expansion_A(),)
    for expansion in expansions:
        room.require(expansion)
    return itertools.chain.from_iterable(room.filled(expansion) for expansion in expansions)


@dataclass(frozen=True, eq=False)
class _Room:
    """A gallery and what is to go there; `voids` are those of the gallery before it is opened."""

    found: Layering
    guest: Guest
    filling: Filling
    cells: int
    voids: tuple[np.ndarray, ...]

    def filled(self, expansion_A: float) -> Iterator[Cell]:
        """Yield the cells at one expansion."""
        number = self.filling.guests
        for rank, (pristine, groups) in enumerate(self._fits(expansion_A), start=1):
            places = [pristine.lattice.get_fractional_coords(group) for group in groups]
            changes = [
                replace(insertion(pristine, symbol, place), index=len(pristine) + atom)
                for atom, (symbol, place) in enumerate(
                    zip(self.guest.species * len(places), np.vstack(places), strict=True)
                )
            ]
            equivalents = equivalent_images(pristine, changes)
            alone = len(groups) == 1
            yield Cell.from_changes(
                pristine,
                changes,
                name=f"{number if number > 1 else ''}{self.guest.name}_i_{rank} "
                f"{_step(expansion_A)}",
                kind="interlayer",
                multiplicity=equivalents // primitive_cells(pristine) if alone else equivalents,
            )

    def require(self, expansion_A: float) -> None:
        """Refuse an expansion at which nothing fits, and say which does."""
        if next(self._fits(expansion_A), None) is not None:
            return
        need = self.least_expansion_A()
        message = (
            f"{self.filling.guests} {self.guest.name} in {self.cells} cells of "
            f"{self.found.structure.reduced_formula} opened by {expansion_A:g} Å: too close to the "
            f"layers or to each other; open it by {need:g} Å or more"
        )
        raise StructureError(message)

    def least_expansion_A(self) -> float:
        """Return the least expansion, in steps of 0.05 Å, at which some arrangement fits.

        Raises
        ------
        StructureError
            If none up to `WIDEST_A` does: the guests are too close to each other.
        """
        steps = math.ceil(WIDEST_A / _FINE_A)
        if next(self._fits(WIDEST_A), None) is None:
            message = (
                f"{self.filling.guests} {self.guest.name} in {self.cells} cells of "
                f"{self.found.structure.reduced_formula}: too close to each other, or to ions that "
                "are there, however wide the gallery; give fewer guests, more cells or another host"
            )
            raise StructureError(message)
        low, high = -1, steps
        while high - low > 1:
            middle = (low + high) // 2
            if next(self._fits(middle * _FINE_A), None) is None:
                low = middle
            else:
                high = middle
        return round(high * _FINE_A, 2)

    def _opened(self, expansion_A: float) -> Layering:
        gallery = self.filling.gallery
        return opened(self.found, expansion_A, None if gallery is None else [gallery])

    def _fits(self, expansion_A: float) -> Iterator[Fit]:
        """Yield everything that fits at an expansion."""
        wide = self._opened(expansion_A)
        pristine = wide.structure.make_supercell(plane_supercell(wide, self.cells), in_place=False)
        rotations, translations = operations(pristine)
        matrix = pristine.lattice.matrix
        copies = self._copies(wide, pristine, rotations, translations)
        stay = copies[0]
        turns = cartesian_rotations(matrix, rotations[stay])
        poses = orientations(
            self.guest, wide.normal, matrix[0] / np.linalg.norm(matrix[0]), self.filling.azimuth_deg
        )
        different, kind = np.unique(turns.round(9), axis=0, return_inverse=True)
        poses = distinct_under(poses, self.guest.species, different)
        others = [(rotations[one[0]], translations[one[0]]) for one in copies[1:]]
        gallery = self.filling.gallery or 0
        for place in centres(wide, gallery, self.voids, self.guest):
            start = pristine.lattice.get_fractional_coords(place)
            places = images(start, rotations[stay], translations[stay], matrix)
            moved = np.einsum("oij,nj->oni", rotations[stay], places)
            moved += translations[stay][:, None, :]
            index = nearest_places(moved.reshape(-1, 3), places, matrix)[0]
            moves = index.reshape(len(stay), len(places))
            for pose in poses:
                group = moves[keeping(pose, self.guest.species, different)[kind.ravel()]]
                yield from self._arranged(_Pose(pristine, places, pose, group), others)

    def _arranged(self, pose: _Pose, others: list[tuple[np.ndarray, np.ndarray]]) -> Iterator[Fit]:
        """Yield the distinct choices of sites for guests of one orientation, where they fit."""
        pristine, number, species = pose.pristine, self.filling.guests, self.guest.species
        matrix = pristine.lattice.matrix
        free = pose.free(species)
        if len(free) < number:
            return
        for one in colourings(pose.group, [Pool(free, (number,))]):
            first = [pose.places[k] @ matrix + pose.atoms_A for k in one.chosen[0]]
            inverse = np.linalg.inv(matrix)
            copied = [
                (group @ inverse @ rotation.T + translation) @ matrix
                for rotation, translation in others
                for group in first
            ]
            groups = [*first, *copied]
            if own_closeness(groups, species, matrix) >= 1:
                yield pristine, groups

    def _copies(
        self,
        wide: Layering,
        pristine: Structure,
        rotations: np.ndarray,
        translations: np.ndarray,
    ) -> list[np.ndarray]:
        """Return, for each gallery to fill, the operations that lead there from the first one.

        Raises
        ------
        StructureError
            If no operation leads to a gallery: it is of another kind.
        """
        chosen = [self.filling.gallery or 0]
        if self.filling.gallery is None:
            chosen = list(range(len(wide.layers)))
        period = wide.spacing_A * len(wide.layers)
        middles = [sum(wide.gallery_A(k)) / 2 for k in chosen]
        start = pristine.lattice.get_fractional_coords(middles[0] * wide.normal)
        lands = (rotations @ start + translations) @ pristine.lattice.matrix @ wide.normal
        found = []
        for gallery, middle in zip(chosen, middles, strict=True):
            gaps = lands - middle
            gaps -= np.round(gaps / period) * period
            found.append(np.flatnonzero(np.abs(gaps) < _SAME_PLACE_A))
            if not len(found[-1]):
                message = (
                    f"{pristine.reduced_formula}: gallery {gallery} is not equivalent to gallery "
                    f"{chosen[0]}; fill one at a time (gallery: {gallery})"
                )
                raise StructureError(message)
        return found


@dataclass(frozen=True, eq=False)
class _Pose:
    """Guests of one orientation on equivalent sites.

    Attributes
    ----------
    places
        Fractional coordinates of the sites.
    atoms_A
        Atoms about a site.
    group
        (g, n) How the operations that keep the orientation permute the sites.
    """

    pristine: Structure
    places: np.ndarray
    atoms_A: np.ndarray
    group: np.ndarray

    def free(self, species: Sequence[str]) -> tuple[int, ...]:
        """Return the sites where a guest is not too close to the host.

        Sites that the operations connect are alike: one of each set is looked at.
        """
        matrix = self.pristine.lattice.matrix
        atoms = [site.specie.symbol for site in self.pristine]
        there = self.pristine.cart_coords
        first = self.group.min(axis=0)
        fits = {
            k: closeness(self.places[k] @ matrix + self.atoms_A, species, there, atoms, matrix) >= 1
            for k in np.unique(first)
        }
        return tuple(k for k, alike in enumerate(first) if fits[alike])


def _step(expansion_A: float) -> str:
    return f"{expansion_A:+.4g}A"
