"""The two ends of a hop in a supercell, from a site and the host's symmetry.

Charged limit: one ion is put into the empty host. Discharged limit: one ion is taken out of the
full host, and a neighbouring ion moves into the vacancy. In both the hop is named by the two sites
and the same code makes the ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from defectflow.errors import StructureError
from defectflow.structures.moments import magnetic_maps
from defectflow.structures.symmetry import (
    SAME_PLACE_A,
    SymmetryMap,
    apply,
    apply_vectors,
    mapping,
    primitive,
)

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.structures.cells import Cell

Array = NDArray[np.float64]
Limit = Literal["charged", "discharged"]

#: An ion this near to a site (Å) is the ion of that site.
_AT_SITE_A = 0.5
#: A hop over half of a cell ends as near to an image of its start.
_HALF_WAY = 0.5
#: A detour passes at least this far (Å) from the ends and from the straight line.
_FROM_END_A, _OFF_LINE_A = 0.8, 0.4


@dataclass(frozen=True)
class Stage:
    """A supercell of the host in which one ion (or one vacancy) moves.

    Attributes
    ----------
    supercell
        The host, without defect: empty in the charged, full in the discharged limit.
    maps
        Those of its symmetry operations that keep or reverse all magnetic moments.
    """

    supercell: Structure
    species: str
    limit: Limit
    maps: tuple[SymmetryMap, ...]

    @classmethod
    def from_host(
        cls, host: Structure, matrix: NDArray[np.int64], species: str, limit: Limit
    ) -> Stage:
        """Build the supercell whose vectors are `matrix` times those of the host."""
        supercell = host.copy().make_supercell(matrix, in_place=False)
        return cls(supercell, species, limit, magnetic_maps(supercell))

    def state(self, site: Array) -> Structure:
        """Return the supercell with the ion (or the vacancy) at a Cartesian point, Å."""
        if self.limit == "charged":
            coords = self.supercell.lattice.get_fractional_coords(site)
            return _appended(self.supercell, self.species, coords)
        kept = self.supercell.copy()
        kept.remove_sites([self._ion_at(site)])
        return kept

    def ends(self, start: Array, end: Array) -> tuple[Structure, Structure]:
        """Return both ends of the hop between two Cartesian points, atoms in one order.

        The ion that moves is listed last. In the discharged limit the vacancy goes from `start`
        to `end` and the ion the other way; it is the ion's path that is returned, so the first
        structure has the vacancy at `end`.
        """
        if self.limit == "charged":
            return self.state(start), self.state(end)
        first, second = self._ion_at(start), self._ion_at(end)
        if first == second:
            message = (
                f"a {self.species} vacancy hop over {np.linalg.norm(end - start):.2f} Å leads to "
                "the periodic image of its own vacancy; use a larger supercell"
            )
            raise StructureError(message)
        frame = self.supercell.copy()
        frame.remove_sites([first, second])
        places = [self.supercell.lattice.get_fractional_coords(point) for point in (start, end)]
        return (
            _appended(frame, self.species, places[0]),
            _appended(frame, self.species, places[1]),
        )

    def _ion_at(self, site: Array) -> int:
        coords = self.supercell.lattice.get_fractional_coords(site)
        distances = self.supercell.lattice.get_all_distances(coords, self.supercell.frac_coords)[0]
        nearest = int(distances.argmin())
        if (
            distances[nearest] > _AT_SITE_A
            or self.supercell[nearest].species_string != self.species
        ):
            message = f"no {self.species} ion near {np.round(site, 3).tolist()} Å in the host"
            raise StructureError(message)
        return nearest

    def carried(
        self, like: Structure, ideal: Structure, relaxed: Structure, forces: Array
    ) -> tuple[Structure, Array]:
        """Carry a relaxed state over to an equivalent one.

        Parameters
        ----------
        like
            Unrelaxed state that is wanted.
        ideal, relaxed, forces
            Unrelaxed and relaxed state that is known, and the forces on the latter (eV/Å).

        Returns
        -------
        tuple
            `like` relaxed, and the forces on it, in the atom order of `like`.

        Raises
        ------
        StructureError
            If no operation of the host takes `ideal` to `like`.
        """
        found = mapping(ideal, like, self.maps)
        if found is None:
            message = (
                "the two ends are equivalent in the host but not in its supercell, which lacks "
                "an operation of it; give another `supercell`, e.g. [2, 2, 2]"
            )
            raise StructureError(message)
        return apply(found, relaxed), apply_vectors(found, relaxed.lattice.matrix, forces)


def ends_of_guest(cell: Cell, steps: tuple[int, int, int]) -> tuple[Structure, Structure]:
    """Return the two ends of the hop of all inserted atoms of a cell, an ion or a molecule.

    Parameters
    ----------
    cell
        A host with something put in, e.g. of `interlayers`; its host is repeated in the cell.
    steps
        Vector of the hop in lattice vectors of the host's primitive cell, e.g. (1, 0, 0).

    Returns
    -------
    tuple
        Atoms of both in the order of the cell, each atom of the guest in the image that its
        neighbours in the guest have.

    Raises
    ------
    StructureError
        If nothing was inserted, or the hop is half of the supercell or more: the way to the nearest
        image of the guest would be as short.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.interlayer import Filling, interlayers
    >>> host = hosts.load("1T-TiS2").structure
    >>> cell = next(interlayers(host, "MgCl", Filling((2.0,), cells=9)))
    >>> initial, final = ends_of_guest(cell, (1, 0, 0))
    >>> [
    ...     (site.species_string, round(float(other.distance(site)), 3))
    ...     for site, other in zip(initial[-2:], final[-2:], strict=True)
    ... ]
    [('Mg', 3.407), ('Cl', 3.407)]
    """
    guest = [change.index for change in cell.changed if change.action == "insert"]
    if not guest:
        message = f"{cell.name}: nothing was inserted, so nothing can hop; give a cell with a guest"
        raise StructureError(message)
    vector = np.array(steps) @ primitive(cell.pristine).lattice.matrix
    hop = cell.structure.lattice.get_fractional_coords(vector)
    if np.abs(hop).max() > _HALF_WAY - SAME_PLACE_A / max(cell.structure.lattice.abc):
        message = (
            f"{cell.name}: a hop by {np.round(hop, 3).tolist()} of the cell is as near to an image "
            "of its start; take a larger cell (`cells_per_layer`) or a shorter hop"
        )
        raise StructureError(message)
    final = cell.structure.copy()
    final.translate_sites(guest, hop.tolist(), to_unit_cell=False)
    return cell.structure.copy(), final


def _appended(host: Structure, species: str, frac_coords: Array) -> Structure:
    with_ion = host.copy()
    with_ion.append(species, frac_coords, validate_proximity=False)
    return with_ion


def displacement_from_A(relaxed: Structure, site: Array) -> float:
    """Return how far the last-listed atom of a relaxed state is from a Cartesian point, Å."""
    coords = relaxed.lattice.get_fractional_coords(site)
    return float(relaxed.lattice.get_all_distances(coords, relaxed.frac_coords[-1])[0, 0])


def detours(
    start: Array, end: Array, sites: Array, lattice: Array, ratio: float = 1.5
) -> list[Array]:
    """Return the interstitial points through which a hop may go instead of straight.

    Parameters
    ----------
    start, end
        Cartesian ends, Å.
    sites
        Fractional coordinates of all interstitial sites in the cell `lattice`.
    ratio
        A detour may be this many times longer than the straight line.

    Returns
    -------
    list
        Cartesian points; of those with equal distances from the two ends one is kept, and points
        within 0.4 Å of the straight line or 0.8 Å of an end are left out: the straight start and
        relaxation cover them.
    """
    direct = float(np.linalg.norm(end - start))
    if direct < SAME_PLACE_A:
        return []
    reach = np.ceil(ratio * direct / np.linalg.norm(lattice, axis=1)).astype(int) + 1
    grid = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in reach], indexing="ij"), -1)
    points = ((sites % 1.0)[:, None, :] + grid.reshape(1, -1, 3)).reshape(-1, 3) @ lattice
    origin = np.floor(np.linalg.solve(lattice.T, start)) @ lattice
    points = points + origin
    first = np.linalg.norm(points - start, axis=1)
    second = np.linalg.norm(points - end, axis=1)
    unit = (end - start) / direct
    off_line = np.linalg.norm((points - start) - ((points - start) @ unit)[:, None] * unit, axis=1)
    keep = (
        (first + second < ratio * direct)
        & (np.minimum(first, second) > _FROM_END_A)
        & (off_line > _OFF_LINE_A)
    )
    seen: set[tuple[float, float]] = set()
    kept: list[Array] = []
    for index in np.argsort(first + second, kind="stable"):
        pair = (round(float(first[index]), 1), round(float(second[index]), 1))
        if keep[index] and pair not in seen and pair[::-1] not in seen:
            seen.add(pair)
            kept.append(points[index])
    return kept
