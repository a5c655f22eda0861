"""Ordered arrangements of species over the sites of an element.

The multiplicity of an arrangement is its degeneracy: the number of equivalent arrangements of the
very cell given, by its operations and inner translations. All degeneracies of a composition sum to
the number of all arrangements, e.g. 1820 for four Ni on the sixteen Mn sites of a spinel cell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures.cells import Cell, require_element, site_change
from defectflow.structures.colourings import Pool, colourings, number_of_colourings
from defectflow.structures.symmetry import SYMPREC_A, found_by, symmetry_maps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Change

#: Stands for a species where a site is left empty.
EMPTY: Final = "vacancy"


@dataclass(frozen=True)
class Decoration:
    """What is put on the sites of which element, and on how many of them.

    Attributes
    ----------
    host
        Element whose sites are decorated.
    counts
        Number of sites per new species; ``vacancy`` leaves sites empty. The others keep `host`.
    """

    host: str
    counts: Mapping[str, int]


def orderings(
    structure: Structure,
    decorations: Sequence[Decoration],
    *,
    space_group: str | None = None,
    symprec: float = SYMPREC_A,
) -> Iterator[Cell]:
    """Yield one cell for each symmetry-distinct arrangement, one at a time.

    Every site of the element in the cell given takes part; make that the supercell wanted first.

    Parameters
    ----------
    space_group
        Only arrangements of this space group, by its Hermann-Mauguin symbol; its enantiomorph,
        which has the same energy, passes too.

    Raises
    ------
    StructureError
        If an element is not in the host, a count does not fit, or the space group does not exist;
        after the last arrangement, if none has that space group.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("rocksalt-MgO").structure
    >>> [(one.name, one.multiplicity) for one in orderings(host, [Decoration("Mg", {"Ni": 2})])]
    [('Ni_Mg(2/4)', 6)]
    """
    check_decorations(structure, decorations)
    wanted = None if space_group is None else _numbers(space_group)
    return _cells(structure, decorations, wanted, symprec)


def number_of_orderings(
    structure: Structure, decorations: Sequence[Decoration], symprec: float = SYMPREC_A
) -> int:
    """Return how many cells `orderings` would yield, at once and without making them.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> spinel = hosts.load("spinel-LiMn2O4").structure
    >>> number_of_orderings(spinel, [Decoration("Mn", {"Ni": 4})])
    22
    """
    check_decorations(structure, decorations)
    pools = _pools(structure, decorations)
    return number_of_colourings(_permutations(structure, symprec), pools)


def number_of_arrangements(structure: Structure, decorations: Sequence[Decoration]) -> int:
    """Return the number of all arrangements, equivalent ones counted each."""
    total = 1
    for pool in _pools(structure, decorations):
        left = len(pool.sites)
        for count in pool.counts:
            total *= math.comb(left, count)
            left -= count
    return total


def space_group_of(structure: Structure, symprec: float = SYMPREC_A) -> tuple[str, int]:
    """Return the Hermann-Mauguin symbol and the number of a crystal's space group."""
    import spglib

    dataset = found_by(spglib.get_symmetry_dataset, structure, symprec)
    return str(dataset.international), int(dataset.number)


def decorated_name(decorations: Sequence[Decoration], sites: Mapping[str, int]) -> str:
    """Return the changes of an arrangement, e.g. ``Ni_Mn(4/16)``."""
    return " ".join(
        f"{'V' if species == EMPTY else species}_{one.host}({count}/{sites[one.host]})"
        for one in decorations
        for species, count in one.counts.items()
    )


def decorated_changes(
    structure: Structure, decorations: Sequence[Decoration], chosen: Sequence[Sequence[int]]
) -> list[Change]:
    """Return the changes that put each species on its chosen sites, in the order of the counts."""
    species = [name for one in decorations for name in one.counts]
    return [
        site_change(structure, site, None if name == EMPTY else name)
        for name, sites in zip(species, chosen, strict=True)
        for site in sites
    ]


def _cells(
    structure: Structure,
    decorations: Sequence[Decoration],
    wanted: frozenset[int] | None,
    symprec: float,
) -> Iterator[Cell]:
    pools = _pools(structure, decorations)
    permutations = _permutations(structure, symprec)
    sites = {one.host: len(pool.sites) for one, pool in zip(decorations, pools, strict=True)}
    name = decorated_name(decorations, sites)
    several = number_of_colourings(permutations, pools) > 1
    met: dict[int, str] = {}
    for rank, colouring in enumerate(colourings(permutations, pools), start=1):
        cell = Cell.from_changes(
            structure,
            decorated_changes(structure, decorations, colouring.chosen),
            name=f"{name}_{rank}" if several else name,
            kind="order",
            multiplicity=colouring.equivalents,
        )
        if wanted is not None:
            symbol, number = space_group_of(cell.structure, symprec)
            met[number] = symbol
            if number not in wanted:
                continue
        yield cell
    if wanted is not None and not wanted & set(met):
        message = (
            f"{structure.reduced_formula}, {name}: no arrangement of that space group; there are "
            f"{', '.join(met[number] for number in sorted(met, reverse=True))}"
        )
        raise StructureError(message)


def _permutations(structure: Structure, symprec: float) -> np.ndarray:
    return np.array([item.permutation for item in symmetry_maps(structure, symprec)])


def _pools(structure: Structure, decorations: Sequence[Decoration]) -> list[Pool]:
    symbols = [site.specie.symbol for site in structure]
    return [
        Pool(
            tuple(k for k, symbol in enumerate(symbols) if symbol == one.host),
            tuple(one.counts.values()),
        )
        for one in decorations
    ]


def check_decorations(structure: Structure, decorations: Sequence[Decoration]) -> None:
    """Raise StructureError where decorations do not fit the host."""
    symbols = [site.specie.symbol for site in structure]
    hosts = [one.host for one in decorations]
    if not hosts or len(set(hosts)) < len(hosts):
        message = (
            f"decoration of {', '.join(hosts) or 'nothing'}: name each element of the host once"
        )
        raise StructureError(message)
    for one in decorations:
        if one.host not in symbols:
            near = did_you_mean(one.host, set(symbols))
            message = f"{structure.reduced_formula} has no {one.host} to decorate; {near}"
            raise StructureError(message)
        for species, count in one.counts.items():
            if species != EMPTY:
                require_element(species)
            if species == one.host or count < 1:
                message = (
                    f"{count} {species} on {one.host} sites: give other species and counts of at "
                    "least 1"
                )
                raise StructureError(message)
        there, asked = symbols.count(one.host), sum(one.counts.values())
        if asked > there or not one.counts:
            message = (
                f"{asked} of the {one.host} sites: the cell has {there}; give fewer, or a supercell"
            )
            raise StructureError(message)


def _numbers(symbol: str) -> frozenset[int]:
    """Return the number of a space group and that of its enantiomorph."""
    from pymatgen.symmetry.groups import SpaceGroup

    try:
        number = SpaceGroup(symbol).int_number
    except ValueError as error:
        message = f"space group {symbol!r}: not known; give a symbol such as P4_332 or Fd-3m"
        raise StructureError(message) from error
    for pair in _ENANTIOMORPHS:
        if number in pair:
            return frozenset(pair)
    return frozenset({number})


#: The eleven pairs of space groups that are mirror images of each other.
_ENANTIOMORPHS: Final = (
    (76, 78), (91, 95), (92, 96), (144, 145), (151, 153), (152, 154),
    (169, 170), (171, 172), (178, 179), (180, 181), (212, 213),
)  # fmt: skip
