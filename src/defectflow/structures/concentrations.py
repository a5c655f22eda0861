"""Series of cells in which a growing fraction of an element is exchanged or missing."""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.galleries import is_kept_in_plane, layering, plane_supercell
from defectflow.structures.handover import magnetised
from defectflow.structures.lattices import (
    hermite_forms,
    kept_by,
    nearest_image_distance_A,
    reduction,
)
from defectflow.structures.layers import layer_pieces
from defectflow.structures.ordering import Decoration, check_decorations, orderings
from defectflow.structures.quasirandom import Randomness, quasirandom
from defectflow.structures.symmetry import SYMPREC_A, operations, primitive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell
    from defectflow.structures.galleries import Layering

#: The series that is made where none is given: one in 64 to one in 4.
FRACTIONS: Final = tuple(Fraction(1, n) for n in (64, 32, 16, 8, 4))
#: Exchanged atoms that a quasi-random cell has at least.
_RANDOM: Final = 8
#: Boltzmann constant, eV/K (exact in the SI).
_BOLTZMANN_eV_PER_K: Final = 8.617333262e-5


@dataclass(frozen=True)
class Series:
    """How the cells of a concentration series are made.

    Attributes
    ----------
    fractions
        Fractions of the element's sites, each exact.
    arrangement
        ``ordered``: every symmetry-distinct arrangement of a cell; ``random``: quasi-random ones.
    changed
        Least number of exchanged atoms in a cell; more give larger cells and more arrangements.
        None for one if ordered, and for eight if random.
    at_most
        Number of cells per fraction; None for all. Always for random ones, 1 if not given.
    max_atoms
        Limit on the size of a cell.
    randomness
        For random ones.
    """

    fractions: tuple[Fraction, ...] = FRACTIONS
    arrangement: Literal["ordered", "random"] = "ordered"
    changed: int | None = None
    at_most: int | None = None
    max_atoms: int = 400
    randomness: Randomness | None = None


def concentrations(
    structure: Structure,
    host: str,
    species: str,
    series: Series | None = None,
    symprec: float = SYMPREC_A,
) -> Iterator[Cell]:
    """Yield the cells of a concentration series, fraction by fraction as given.

    Each fraction gets the smallest supercell of the primitive cell in which it is a whole number of
    atoms, and which keeps the rotations of the crystal; of layers held by dispersion alone only
    the plane is repeated. `pristine` is that supercell. Multiplicities are degeneracies in it.
    Magnetic moments stay where all atoms of an element have one; those of an antiferromagnet, whose
    cell may be larger than the primitive one, do not.

    Parameters
    ----------
    species
        What takes the place of `host`; ``vacancy`` for nothing.

    Raises
    ------
    StructureError
        If a fraction is not between 0 and 1, or needs more than `max_atoms` atoms.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> cells = concentrations(hosts.load("rocksalt-MgO").structure, "Mg", "Ni")
    >>> [(cell.name, len(cell.structure)) for cell in cells][-2:]
    [('Ni_Mg(1/8)', 16), ('Ni_Mg(1/4)', 8)]
    """
    chosen = series or Series()
    cell = magnetised(primitive(structure, symprec), structure)
    check_decorations(cell, [Decoration(host, {species: 1})])
    changed = chosen.changed or (_RANDOM if chosen.arrangement == "random" else 1)
    wanted = [
        concentration_cell(cell, host, fraction, changed, chosen.max_atoms)
        for fraction in chosen.fractions
    ]
    if chosen.arrangement == "random":  # a method that is missing is refused now
        quasirandom(cell, [Decoration(host, {species: 1})], 0, chosen.randomness)
    return itertools.chain.from_iterable(
        _arranged(supercell, Decoration(host, {species: number}), chosen, symprec)
        for supercell, number in wanted
    )


def concentration_cell(
    structure: Structure, host: str, fraction: Fraction, changed: int = 1, max_atoms: int = 400
) -> tuple[Structure, int]:
    """Return the supercell for a fraction of an element's sites, and the number of atoms it takes.

    `structure` is the primitive cell.

    Raises
    ------
    StructureError
        If the fraction is not between 0 and 1, or no cell of `max_atoms` atoms holds it.
    """
    if not 0 < fraction < 1:
        message = f"fraction {fraction}: give one between 0 and 1, such as 1/16"
        raise StructureError(message)
    sites = sum(site.specie.symbol == host for site in structure)
    unit = (fraction * sites).denominator
    least = unit * max(1, math.ceil(changed / (fraction * sites * unit)))
    sizes = range(least, max_atoms // len(structure) + 1, unit)
    if not sizes:
        message = (
            f"{fraction} of the {host} of {structure.reduced_formula}: needs {least} primitive "
            f"cells, {least * len(structure)} atoms, more than {max_atoms}; raise max_atoms, or "
            f"give a fraction such as {_attainable(sites, max_atoms // len(structure), fraction)}"
        )
        raise StructureError(message)
    choose = _supercells_of(structure)
    kept = ((cells, matrix) for cells in sizes for matrix in choose(cells, kept=True))
    cells, matrix = next(kept, None) or (least, choose(least, kept=False)[0])
    supercell = structure.make_supercell(matrix, in_place=False)
    return supercell, int(fraction * sites * cells)


@dataclass(frozen=True)
class Ranked:
    """A cell with its energy among those of its composition.

    Attributes
    ----------
    energy_eV
        Of the cell.
    above_lowest_eV
        Per cell, above the lowest one.
    """

    cell: Cell
    energy_eV: float
    above_lowest_eV: float


def lowest(
    cells: Iterable[Cell], energy_eV: Callable[[Cell], float], keep: int = 10
) -> list[Ranked]:
    """Return the `keep` cells of lowest energy, lowest first; no more than these are ever held.

    Parameters
    ----------
    energy_eV
        Energy of a cell; those compared must have one composition and size.

    Raises
    ------
    StructureError
        If the cells differ in composition: their energies cannot be compared.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> host = hosts.load("rocksalt-MgO").structure
    >>> cells = concentrations(host, "Mg", "Ni", Series((Fraction(1, 4),), changed=2))
    >>> best = lowest(cells, lambda cell: -cell.structure.get_distance(0, 1), keep=1)
    >>> best[0].above_lowest_eV
    0.0
    """
    kept: list[tuple[float, int, Cell]] = []
    composition = None
    for rank, cell in enumerate(cells):
        composition = composition or cell.structure.composition
        if cell.structure.composition != composition:
            message = (
                f"{cell.name}: {cell.structure.composition.formula} cannot be ranked with "
                f"{composition.formula}; rank one concentration at a time"
            )
            raise StructureError(message)
        entry = (-float(energy_eV(cell)), -rank, cell)
        if len(kept) < keep:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)
    ordered = sorted(kept, key=lambda entry: (-entry[0], -entry[1]))
    floor = -ordered[0][0] if ordered else 0.0
    return [Ranked(cell, -energy, -energy - floor) for energy, _, cell in ordered]


def boltzmann_weights(ranked: Sequence[Ranked], temperature_K: float) -> list[float]:
    """Return the equilibrium share of each cell with all its equivalents; the shares sum to one.

    g exp(-E / kT) over its sum, g being the degeneracy: only of those given.
    """
    if temperature_K <= 0:
        message = f"temperature {temperature_K:g} K: give one above 0"
        raise StructureError(message)
    energies = np.array([one.above_lowest_eV for one in ranked])
    weights = np.array([one.cell.multiplicity for one in ranked], dtype=float)
    weights *= np.exp(-energies / (_BOLTZMANN_eV_PER_K * temperature_K))
    return [float(weight) for weight in weights / weights.sum()]


def coulomb_energy_eV(cell: Cell) -> float:
    """Return the electrostatic energy of a cell of point ions, eV: a cheap first ranking.

    Ewald's sum over formal charges, the likeliest oxidation states of the composition as pymatgen
    guesses them. Right at best in order, never in size: real charges are smaller and screened.

    Raises
    ------
    StructureError
        If no oxidation states balance.
    """
    from pymatgen.analysis.ewald import EwaldSummation

    guesses = cell.structure.composition.oxi_state_guesses(max_sites=-1)
    if not guesses or not any(guesses[0].values()):
        message = (
            f"{cell.name}: no formal charges balance in {cell.structure.reduced_formula}; rank by "
            "an engine's energies"
        )
        raise StructureError(message)
    charged = cell.structure.copy()
    charged.add_oxidation_state_by_element({str(k): float(v) for k, v in guesses[0].items()})
    total = EwaldSummation(charged).total_energy  # type: ignore[no-untyped-call]
    return float(total)


def _arranged(
    supercell: Structure, decoration: Decoration, chosen: Series, symprec: float
) -> Iterator[Cell]:
    if chosen.arrangement == "random":
        return quasirandom(supercell, [decoration], chosen.at_most or 1, chosen.randomness)
    cells = orderings(supercell, [decoration], symprec=symprec)
    renamed = (replace(cell, kind="concentration") for cell in cells)
    return itertools.islice(renamed, chosen.at_most)


def _supercells_of(structure: Structure) -> Callable[..., list[np.ndarray]]:
    """Return what gives the supercells of a size: of layers only in their plane."""
    lattice = np.asarray(structure.lattice.matrix)
    if layer_pieces(structure):
        return partial(_plane_supercells, layering(structure), lattice)
    return partial(_supercells, lattice, np.unique(operations(structure)[0], axis=0))


def _plane_supercells(
    found: Layering, lattice: np.ndarray, cells: int, *, kept: bool
) -> list[np.ndarray]:
    """Return the widest supercell of that size in one layer's plane.

    Empty where it is to keep the rotations of the crystal (`kept`) and does not.
    """
    rows = np.round(found.structure.lattice.matrix @ np.linalg.inv(lattice))
    form = plane_supercell(found, cells)
    return [form @ rows.astype(int)] if not kept or is_kept_in_plane(found, form) else []


def _supercells(
    lattice: np.ndarray, rotations: np.ndarray, cells: int, *, kept: bool
) -> list[np.ndarray]:
    """Return the widest supercell of that size, of those that keep the rotations where `kept`.

    Empty where there is none of those.
    """
    forms = hermite_forms(cells)
    if kept:
        forms = kept_by(forms, rotations)
    if not len(forms):
        return []
    widest = max(forms, key=lambda form: round(nearest_image_distance_A(form @ lattice), 6))
    return [reduction(widest @ lattice) @ widest]


def _attainable(sites: int, cells: int, near: Fraction) -> Fraction:
    """Return the fraction nearest to `near` that so many sites can hold."""
    total = max(sites * cells, 2)
    return Fraction(min(max(round(near * total), 1), total - 1), total)
