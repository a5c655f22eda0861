"""Surface layers without crystalline order: which atoms are in them, and how deep they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.structure import Structure

#: An atom farther than this fraction of the shortest bond from every place of its element in the
#: crystal has left the crystal; atoms of a crystal at its melting point are at 0.1 to 0.2.
_LEFT: Final = 0.25
#: Neighbours within so many shortest bonds count as near: up to half-way to the second shell of
#: close-packed crystals, and both shells of body-centred ones.
NEAR: Final = 1.2
#: Range and bins of a radial distribution, in shortest bonds.
_REACH: Final = 3.0
_WIDTH: Final = 0.05
_BEYOND: Final = 1.4
_SELF_A: Final = 1e-3


@dataclass(frozen=True)
class Disorder:
    """How much of a layer is disordered.

    Attributes
    ----------
    thickness_A
        From the uppermost atom of the crystal down to the lowest atom that left its place.
    fraction
        Share of the layer's atoms that left their places.
    """

    thickness_A: float
    fraction: float


@dataclass(frozen=True, eq=False)
class Surroundings:
    """How far the neighbours of some atoms are.

    Attributes
    ----------
    distance_A
        Middles (n,) of the bins.
    density
        (n,) Neighbours per volume around the atoms, relative to the whole crystal: the radial
        distribution function g(r) where the atoms are far from a surface.
    coordination, spread
        Mean number of neighbours nearer than `NEAR` shortest bonds of the crystal, and its standard
        deviation.
    """

    distance_A: np.ndarray
    density: np.ndarray
    coordination: float
    spread: float

    def order(self) -> float:
        """Return the root mean square of g(r) about its mean beyond the first shell of neighbours.

        A crystal has sharp shells with nothing between them, a glass ripples. Beyond the first
        shell is 1.4 times the distance of the first maximum.
        """
        first = self.distance_A[int(np.argmax(self.density))]
        beyond = self.density[self.distance_A > _BEYOND * first]
        return float(np.std(beyond) / np.mean(beyond))


def surroundings(structure: Structure, atoms: Sequence[int], bond_A: float) -> Surroundings:
    """Return how far the neighbours of some atoms are, with the others of all the structure.

    Parameters
    ----------
    bond_A
        Shortest bond of the crystal: the unit of what is near.
    """
    reach, width = _REACH * bond_A, _WIDTH * bond_A
    chosen = [structure[k] for k in atoms]
    first, _, _, lengths = structure.get_neighbor_list(reach, chosen, exclude_self=False)
    # pymatgen tells an atom from its neighbours by their ranks in two unlike lists.
    first, lengths = first[lengths > _SELF_A], lengths[lengths > _SELF_A]
    edges = np.arange(0.0, reach + width / 2, width)
    counts, _ = np.histogram(lengths, edges)
    shells = 4 / 3 * np.pi * np.diff(edges**3)
    heights = structure.cart_coords[:, 2]
    filled = structure.volume * (float(np.ptp(heights)) + bond_A) / structure.lattice.c
    near = np.bincount(first[lengths < NEAR * bond_A], minlength=len(atoms))
    return Surroundings(
        distance_A=(edges[1:] + edges[:-1]) / 2,
        density=counts / (len(atoms) * shells) / (len(structure) / filled),
        coordination=float(near.mean()),
        spread=float(near.std()),
    )


def upper_atoms(slab: Structure, thickness_A: float) -> list[int]:
    """Return the atoms of a slab that are at most so far below its uppermost atom.

    Raises
    ------
    StructureError
        If these are none, or all: nothing would stay crystalline.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.terminations import surfaces
    >>> slab = next(surfaces(hosts.load("fcc-Cu").structure, [(1, 1, 1)])).structure
    >>> len(upper_atoms(slab, 3.0)), len(slab)
    (2, 5)
    """
    heights = slab.cart_coords[:, 2]
    chosen = [int(k) for k in np.flatnonzero(heights > heights.max() - thickness_A - 1e-6)]
    if thickness_A <= 0 or len(chosen) == len(slab):
        message = (
            f"{slab.reduced_formula}: a layer of {thickness_A:g} Å leaves nothing crystalline of a "
            f"slab of {np.ptp(heights):.1f} Å; give a thicker slab or a thinner layer"
        )
        raise StructureError(message)
    return chosen


def disorder(crystal: Structure, changed: Structure, layer: list[int]) -> Disorder:
    """Return how much of a layer left the places of the crystal, whatever atom took them.

    Parameters
    ----------
    crystal, changed
        The slab before and after, same cell, same order of atoms.
    layer
        Atoms of the layer.
    """
    distances = crystal.lattice.get_all_distances(changed.frac_coords, crystal.frac_coords)
    symbols = np.array([site.specie.symbol for site in crystal])
    unlike = symbols[:, None] != symbols[None, :]
    nearest = np.where(unlike, np.inf, distances).min(axis=1)
    bond = shortest_bond_A(crystal)
    left = [k for k in layer if nearest[k] > _LEFT * bond]
    if not left:
        return Disorder(0.0, 0.0)
    top = float(crystal.cart_coords[:, 2].max())
    lowest = min(float(changed.cart_coords[k, 2]) for k in left)
    return Disorder(top - lowest, len(left) / len(layer))


def shortest_bond_A(crystal: Structure) -> float:
    """Return the least distance of two atoms, images included."""
    apart = crystal.distance_matrix
    return float(apart[apart > _SELF_A].min())
