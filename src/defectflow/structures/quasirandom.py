"""Quasi-random distributions of species: cells whose pairs are as in a random solution.

Special quasi-random structures: A. Zunger, S.-H. Wei, L. G. Ferreira, J. E. Bernard, Phys. Rev.
Lett. 65, 353 (1990). Pairs only: the Warren-Cowley parameters of the first shells are brought to
zero, by exchanges of species on the sites (simulated annealing), or by sqsgenerator
(D. Gehringer, M. Friak, D. Holec, Comput. Phys. Commun. 286, 108664 (2023)).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell
from defectflow.structures.equivalence import equivalent_images
from defectflow.structures.ordering import (
    EMPTY,
    check_decorations,
    decorated_changes,
    decorated_name,
)
from defectflow.structures.short_range_order import SHELLS, shells_of, short_range_order, spread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.ordering import Decoration
    from defectflow.structures.short_range_order import Shells

#: Start and end of the annealing, in units of `spread`.
_HOT: Final = 0.3
_COLD: Final = 0.001
_DONE: Final = 1e-9
_EMPTY_SYMBOL: Final = "0"


@dataclass(frozen=True)
class Randomness:
    """How a quasi-random cell is sought.

    Attributes
    ----------
    method
        ``anneal`` (built in) or ``sqsgenerator`` (an optional package).
    shells
        Number of shells of pairs that are to be random.
    steps
        Exchanges that are tried, or distributions that sqsgenerator draws.
    seed
        Of the random numbers; the same one gives the same cell.
    """

    method: Literal["anneal", "sqsgenerator"] = "anneal"
    shells: int = SHELLS
    steps: int = 20_000
    seed: int = 42

    def __post_init__(self) -> None:
        if self.shells < 1 or self.steps < 1:
            message = f"shells {self.shells}, steps {self.steps}: give at least 1 of each"
            raise StructureError(message)


def quasirandom(
    structure: Structure,
    decorations: Sequence[Decoration],
    count: int = 1,
    randomness: Randomness | None = None,
) -> Iterator[Cell]:
    """Yield `count` quasi-random cells, each from a seed of its own.

    Each element's sites are distributed by themselves. The multiplicity is the number of equivalent
    distributions of the cell. What was reached is told by `short_range_order`.

    Raises
    ------
    StructureError
        If the decorations do not fit the host, or the optional package is missing.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.ordering import Decoration
    >>> host = hosts.load("rocksalt-MgO").structure * (2, 2, 2)
    >>> next(quasirandom(host, [Decoration("Mg", {"Ni": 8})])).name
    'Ni_Mg(8/32)_random_1'
    """
    check_decorations(structure, decorations)
    chosen = randomness or Randomness()
    search = _by_sqsgenerator if chosen.method == "sqsgenerator" else _annealed
    if chosen.method == "sqsgenerator":
        _sqsgenerator()
    return _cells(structure, decorations, count, chosen, search)


def _cells(
    structure: Structure,
    decorations: Sequence[Decoration],
    count: int,
    chosen: Randomness,
    search: Any,
) -> Iterator[Cell]:
    symbols = [site.specie.symbol for site in structure]
    sites = {one.host: [k for k, s in enumerate(symbols) if s == one.host] for one in decorations}
    name = decorated_name(decorations, {host: len(own) for host, own in sites.items()})
    for rank in range(count):
        held: list[list[int]] = []
        for sublattice, one in enumerate(decorations):
            own = sites[one.host]
            labels = search(structure, own, one, chosen, (chosen.seed + rank, sublattice))
            held += [
                [own[k] for k in np.flatnonzero(labels == species)]
                for species in range(1, len(one.counts) + 1)
            ]
        changes = decorated_changes(structure, decorations, held)
        cell = Cell.from_changes(
            structure,
            changes,
            name=f"{name}_random_{rank + 1}",
            kind="disorder",
            multiplicity=equivalent_images(structure, changes),
        )
        yield replace(cell, note=_reached(cell, decorations, chosen.shells))


def _reached(cell: Cell, decorations: Sequence[Decoration], shells: int) -> str:
    """Return the Warren-Cowley parameters of unlike pairs that are farthest from random."""
    texts = []
    for one in decorations:
        largest = short_range_order(cell, one.host, shells).largest()
        said = " ".join(f"{value:.3f}" for value in largest)
        texts.append(f"Warren-Cowley on {one.host} sites, shell by shell: {said} at most")
    return "; ".join(texts)


def _annealed(
    structure: Structure,
    sites: list[int],
    decoration: Decoration,
    chosen: Randomness,
    seed: tuple[int, int],
) -> np.ndarray:
    """Return the species of each site (0 for the host's) by exchanges under falling temperature.

    The best distribution met is returned.
    """
    random = np.random.default_rng(seed)
    shells = shells_of(structure, sites, chosen.shells)
    counts = [len(sites) - sum(decoration.counts.values()), *decoration.counts.values()]
    labels = random.permutation(np.repeat(np.arange(len(counts)), counts))
    walk = _Walk(shells, labels, np.array(counts) / len(sites))
    best, lowest = labels.copy(), walk.spread
    cooling = (_COLD / _HOT) ** (1 / chosen.steps)
    temperature = _HOT
    for _ in range(chosen.steps):
        temperature *= cooling
        a, b = (int(k) for k in random.integers(len(sites), size=2))
        if walk.labels[a] == walk.labels[b]:
            continue
        trial, pairs = walk.after(a, b)
        if trial <= walk.spread or random.random() < np.exp((walk.spread - trial) / temperature):
            walk.exchange(a, b, trial, pairs)
            if trial < lowest - _DONE:
                best, lowest = walk.labels.copy(), trial
        if lowest < _DONE:
            break
    return best


class _Walk:
    """A distribution that changes by exchanges, with its pair counts kept up to date."""

    def __init__(self, shells: Shells, labels: np.ndarray, concentrations: np.ndarray) -> None:
        self.shells, self.labels, self._concentrations = shells, labels.copy(), concentrations
        self._held = np.eye(len(concentrations))[labels]
        self._around = shells.neighbours @ self._held
        self._pairs = np.einsum("ia,sib->sab", self._held, self._around)
        self.spread = spread(shells, self._pairs, concentrations)

    def after(self, a: int, b: int) -> tuple[float, np.ndarray]:
        """Return spread and pair counts after the exchange of sites a and b."""
        change = self._held[b] - self._held[a]
        gap = self._around[:, a] - self._around[:, b]
        near = self.shells.neighbours
        both = near[:, a, a] + near[:, b, b] - near[:, a, b] - near[:, b, a]
        mixed = change[None, :, None] * gap[:, None, :]
        own = both[:, None, None] * np.outer(change, change)
        pairs = self._pairs + mixed + mixed.transpose(0, 2, 1) + own
        return spread(self.shells, pairs, self._concentrations), pairs

    def exchange(self, a: int, b: int, trial: float, pairs: np.ndarray) -> None:
        """Exchange sites a and b; `trial` and `pairs` are what `after` said."""
        change = self._held[b] - self._held[a]
        near = self.shells.neighbours
        self._around += (near[:, :, a] - near[:, :, b])[:, :, None] * change
        self._held[[a, b]] = self._held[[b, a]]
        self.labels[[a, b]] = self.labels[[b, a]]
        self._pairs, self.spread = pairs, trial


def _by_sqsgenerator(
    structure: Structure,
    sites: list[int],
    decoration: Decoration,
    chosen: Randomness,
    seed: tuple[int, int],
) -> np.ndarray:
    """Return the species of each site (0 for the host's) as sqsgenerator finds them.

    One thread and a seed, and of equally good results the first in order: the same every time.
    """
    sqsgenerator = _sqsgenerator()
    species = [decoration.host, *decoration.counts]
    counts = [len(sites) - sum(decoration.counts.values()), *decoration.counts.values()]
    names = [_EMPTY_SYMBOL if one == EMPTY else one for one in species]
    sublattice = structure.__class__.from_sites([structure[k] for k in sites])
    shells = shells_of(structure, sites, chosen.shells + 1).distances_A
    edges = [0.0, *((np.array(shells[:-1]) + np.array(shells[1:])) / 2).tolist()]
    filled = {name: count for name, count in zip(names, counts, strict=True) if count}
    config = sqsgenerator.parse_config(
        {
            "structure": {
                "lattice": sublattice.lattice.matrix.tolist(),
                "coords": (sublattice.frac_coords % 1.0).tolist(),
                "species": [decoration.host] * len(sites),
            },
            "composition": [{"sites": decoration.host, **filled}],
            "shell_radii": [edges],
            "shell_weights": [{k: 1.0 / k for k in range(1, chosen.shells + 1)}],
            "sublattice_mode": "split",
            "iterations": chosen.steps,
            "thread_config": [1],
            "seed": [int(np.random.default_rng(seed).integers(2**31))],
        }
    )
    if hasattr(config, "msg"):
        message = f"sqsgenerator refuses these sites ({config.msg}); use the method anneal"
        raise StructureError(message)
    numbers = _first_of_best(sqsgenerator.optimize(config))
    atomic = [_atomic_number(one) for one in names]
    return np.array([atomic.index(number) for number in numbers])


def _first_of_best(results: Any) -> tuple[int, ...]:
    """Return the atomic numbers of the best distribution; of equally good ones the first."""
    lowest = min(float(objective) for objective, _ in results)
    return min(
        tuple(int(number) for number in one.structure().species)
        for objective, group in results
        if float(objective) <= lowest + _DONE
        for one in group
    )


def _atomic_number(symbol: str) -> int:
    from pymatgen.core.periodic_table import Element

    return 0 if symbol == _EMPTY_SYMBOL else int(Element(symbol).Z)


def _sqsgenerator() -> Any:
    try:
        import sqsgenerator
    except ImportError as error:
        message = (
            "method sqsgenerator: the package is not installed; run pip install "
            "'defectflow[disorder]', or use the method anneal"
        )
        raise StructureError(message) from error
    return sqsgenerator
