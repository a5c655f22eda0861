"""How two crystals meet: a film strained into the common cell, above a substrate."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.structures.cells import Cell, Junction, Planar
from defectflow.structures.stacking_faults import crystal_of

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from defectflow.structures.lattice_matching import Match

#: Which of two crystals takes the strain.
Strained = Literal["film", "substrate", "both"]

_SHARE: Final[dict[str, float]] = {"film": 0.0, "both": 0.5, "substrate": 1.0}


@dataclass(frozen=True)
class Joint:
    """How the two meet.

    Attributes
    ----------
    gap_A
        From the uppermost atom of the substrate to the lowest of the film.
    vacuum_A
        Above the film; 0 for a superlattice, in which the same gap is above the film.
    max_area_A2, max_strain
        Of the common cell: area, and largest principal strain.
    strained
        The ``film``, the ``substrate``, or ``both`` by half.
    shift
        Of the film along the vectors of the common cell, fractions.
    bond
        Elements of film and substrate between which a chemical bond is made; the gap and the shift
        then follow from it.
    bridge
        Element of an atom between the two, e.g. the oxygen of P-O-C; none if empty.
    """

    gap_A: float = 2.5
    vacuum_A: float = 12.0
    max_area_A2: float = 200.0
    max_strain: float = 0.03
    strained: Strained = "film"
    shift: tuple[float, float] = (0.0, 0.0)
    bond: tuple[str, str] | None = None
    bridge: str = ""


@dataclass(frozen=True, eq=False)
class Pair:
    """Slabs of both crystals and a cell that they share.

    Attributes
    ----------
    lower, upper
        Substrate and film, each in its own cell.
    names
        Of substrate and film, with their planes.
    """

    lower: Structure
    upper: Structure
    names: tuple[str, str]
    match: Match

    def plane(self, strained: Strained) -> np.ndarray:
        """Return the vectors (2, 2) of the common cell, Å, the first along x."""
        match, share = self.match, _SHARE[strained]
        given = match.substrate @ self.lower.lattice.matrix[:2, :2]
        own = match.film @ self.upper.lattice.matrix[:2, :2]
        angle = np.radians(match.twist_deg)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        plane = (1 - share) * given + share * (own @ turn)
        x = plane[0] / np.linalg.norm(plane[0])
        flat: np.ndarray = plane @ np.array([x, [-x[1], x[0]]]).T
        return flat

    def places(self, plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the atoms (n, 3), Å, of both slabs in the common cell, each from height 0."""
        below = _spread(self.lower, self.match.substrate, plane)
        above = _spread(self.upper, self.match.film, plane)
        for one in (below, above):
            one[:, 2] -= one[:, 2].min()
        return below, above

    def symbols(self) -> tuple[list[str], list[str]]:
        """Return the elements in the order of `places`."""
        first = _symbols(self.lower, self.match.substrate)
        return first, _symbols(self.upper, self.match.film)


def joined(pair: Pair, joint: Joint) -> Cell:
    """Return the interface of a pair; its `pristine` is the substrate alone in the cell."""
    match = pair.match
    plane = pair.plane(joint.strained)
    below, above = pair.places(plane)
    above += [*(np.array(joint.shift) @ plane), below[:, 2].max() + joint.gap_A]
    height = float(above[:, 2].max()) + (joint.vacuum_A or joint.gap_A)
    matrix = np.array([[*plane[0], 0.0], [*plane[1], 0.0], [0.0, 0.0, height]])
    lift = np.array([0.0, 0.0, (joint.vacuum_A or joint.gap_A) / 2])
    first, second = pair.symbols()
    whole = crystal_of(matrix, first + second, np.vstack([below, above]) + lift)
    alone = crystal_of(matrix, first, below + lift)
    under, over = pair.names
    turned = f"{round(match.twist_deg, 1) + 0.0:.1f}"  # never -0.0
    said = (
        f"{over} on {under}: strain {100 * match.largest:.2f} % of the {joint.strained}, "
        f"twist {turned}°, {match.area_A2:.1f} Å²"
    )
    return Cell(
        structure=whole,
        pristine=alone,
        name=f"{over}/{under} {len(whole)} atoms, {100 * match.largest:.2f} %, {turned}°",
        kind="interface",
        changed=(),
        multiplicity=1,
        planar=Planar(
            miller=(0, 0, 1),
            area_A2=abs(float(np.linalg.det(plane))),
            count=1 if joint.vacuum_A else 2,
            equivalent=False,
            said=said,
        ),
        junction=Junction(
            film_from=len(alone),
            gap_A=joint.gap_A,
            strain=tuple(float(x) for x in np.linalg.eigvalsh(match.strain)),
            twist_deg=match.twist_deg,
            strained=joint.strained,
        ),
    )


def _spread(block: Structure, form: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Return the atoms (n, 3), Å, of a slab in a larger cell of its plane, strained to `plane`."""
    points = _points(form)
    coords = (block.frac_coords[None, :, :2] + points[:, None, :]) @ np.linalg.inv(form)
    flat = coords.reshape(-1, 2) @ plane
    heights = np.tile(block.cart_coords[:, 2], len(points))
    return np.column_stack([flat, heights])


def _symbols(block: Structure, form: np.ndarray) -> list[str]:
    return [site.specie.symbol for site in block] * len(_points(form))


def _points(form: np.ndarray) -> np.ndarray:
    """Return the integer points (det, 2) in the cell whose rows are `form`."""
    corners = np.array(list(itertools.product((0, 1), repeat=2))) @ form
    ranges = [
        range(low, high + 1) for low, high in zip(corners.min(0), corners.max(0), strict=True)
    ]
    grid = np.array(list(itertools.product(*ranges)))
    coords = grid @ np.linalg.inv(form)
    inside: np.ndarray = grid[np.all((coords > -1e-9) & (coords < 1 - 1e-9), axis=1)]  # noqa: PLR2004
    return inside
