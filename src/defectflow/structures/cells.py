"""The record that every generator of defects yields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from defectflow.errors import StructureError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymatgen.core.structure import Structure

FracCoords = tuple[float, float, float]
Action = Literal["remove", "insert", "replace"]


@dataclass(frozen=True)
class Change:
    """One atom that a defect takes away, adds or exchanges.

    Attributes
    ----------
    action
        ``remove``, ``insert`` or ``replace``.
    before, after
        Element symbols; None where there is no atom (before an insertion, after a removal).
    frac_coords
        Place of the change in fractional coordinates of the pristine cell.
    index
        Index of the atom in the pristine structure; of the new atom in the defect structure for an
        insertion.
    """

    action: Action
    before: str | None
    after: str | None
    frac_coords: FracCoords
    index: int


@dataclass(frozen=True)
class Planar:
    """What there is to know of planar defects beside the atoms of their cell.

    Attributes
    ----------
    miller
        Of the plane, in the standard conventional cell of the crystal.
    area_A2
        Of one defect in the cell.
    count
        How many defects the cell holds: one fault, two grain boundaries.
    equivalent
        Whether those are images of each other; if not, an energy is their mean.
    shift_A
        Displacement of the crystal above the plane against that below, in the Cartesian frame of
        the structure.
    said
        What else tells the cell from others, in words; may be empty.
    """

    miller: tuple[int, int, int]
    area_A2: float
    count: int
    equivalent: bool = True
    shift_A: FracCoords = (0.0, 0.0, 0.0)
    said: str = ""


@dataclass(frozen=True)
class Line:
    """What there is to know of dislocations beside the atoms of their cell.

    Attributes
    ----------
    burgers_A
        Burgers vector of the first line; that of the second is its negative. Cartesian, in the
        frame of the structure: x across the lines in the glide plane, y its normal, z along them.
    character
        ``edge``, ``screw``, or the angle of a mixed dislocation.
    length_A
        Of each line in the cell.
    cores_A
        x and y of the two lines.
    miller
        Of the glide plane, in the standard conventional cell of the crystal.
    """

    burgers_A: FracCoords
    character: str
    length_A: float
    cores_A: tuple[tuple[float, float], tuple[float, float]]
    miller: tuple[int, int, int]


@dataclass(frozen=True)
class Junction:
    """What there is to know of interfaces of two crystals beside the atoms of their cell.

    Attributes
    ----------
    film_from
        Index of the first atom of the film; those before it are the substrate.
    gap_A
        Between the outermost atoms of both, as built.
    strain
        Principal strains that take the film onto the substrate.
    twist_deg
        By how much the film is turned against the substrate, counter-clockwise.
    strained
        Which of the two takes the strain: ``film``, ``substrate`` or ``both``.
    """

    film_from: int
    gap_A: float
    strain: tuple[float, ...]
    twist_deg: float
    strained: str

    @property
    def largest_strain(self) -> float:
        """Largest principal strain, without its sign."""
        return max(abs(one) for one in self.strain)


@dataclass(frozen=True)
class Cell:
    """A defect in a crystal: the structure, its pristine reference and what was changed.

    Attributes
    ----------
    structure
        The cell that holds the defect. Atoms keep the order of `pristine`; inserted ones come last.
    pristine
        The same cell without the defect; never mutated.
    name
        Notation of the field: ``V_O``, ``Mg_i``, ``Li_Ni``; ``_1``, ``_2`` and up is appended where
        one host has several inequivalent defects of that name.
    kind
        Family, e.g. ``vacancy``, ``substitution``, ``antisite``, ``interstitial``.
    multiplicity
        Number of equivalent places per primitive cell of the host; of a planar defect the number
        of equivalent orientations of its plane.
    charge
        In units of the elementary charge; +1 means one electron removed.
    note
        What a reader should know, e.g. why this charge was guessed; may be empty.
    planar
        Only of planar defects, whose cells have no changed atoms: `pristine` is then the perfect
        crystal in the same orientation, with a whole number of its formula units. It holds the
        same atoms in the same order, or another number of formula units: where the defect takes
        some away, or has planes more or less.
    line
        Only of dislocations; `pristine` is then the perfect crystal, same atoms in the same order.
    junction
        Only of interfaces; `pristine` is then the substrate alone, in the same cell.

    Examples
    --------
    >>> from defectflow.structures import hosts, vacancies
    >>> cell = next(vacancies(hosts.load("rocksalt-MgO").structure, "O"))
    >>> cell.name, cell.multiplicity, len(cell.pristine) - len(cell.structure)
    ('V_O', 1, 1)
    """

    structure: Structure
    pristine: Structure
    name: str
    kind: str
    changed: tuple[Change, ...]
    multiplicity: int
    charge: int = 0
    planar: Planar | None = None
    line: Line | None = None
    junction: Junction | None = None
    note: str = ""

    @classmethod
    def from_changes(
        cls,
        pristine: Structure,
        changed: Iterable[Change],
        *,
        name: str,
        kind: str,
        multiplicity: int,
    ) -> Cell:
        """Return the neutral cell made from `pristine` by `changed`, applied to a copy."""
        changed = tuple(changed)
        return cls(edited(pristine, changed), pristine, name, kind, changed, multiplicity)


def edited(pristine: Structure, changed: Iterable[Change]) -> Structure:
    """Return a copy of `pristine` with all of `changed` applied.

    Raises
    ------
    StructureError
        If an index does not exist, or holds another element than the change says.
    """
    structure = pristine.copy()
    removed = []
    for change in changed:
        if change.before is not None:
            _check_atom(pristine, change)
        if change.after is None:
            removed.append(change.index)
        elif change.before is None:
            structure.append(change.after, change.frac_coords, validate_proximity=False)
        else:
            kept = dict(pristine[change.index].properties)
            structure.replace(change.index, change.after, properties=kept)
    structure.remove_sites(removed)
    return structure


def site_change(pristine: Structure, index: int, after: str | None) -> Change:
    """Return the change of atom `index` into element `after`, or into nothing for None."""
    site = pristine[index]
    return Change(
        action="remove" if after is None else "replace",
        before=site.specie.symbol,
        after=after,
        frac_coords=frac_tuple(site.frac_coords),
        index=index,
    )


def insertion(pristine: Structure, species: str, frac_coords: np.ndarray | FracCoords) -> Change:
    """Return the insertion of one atom of `species` at `frac_coords` of `pristine`."""
    return Change("insert", None, species, frac_tuple(frac_coords), len(pristine))


def require_element(symbol: str) -> None:
    """Raise StructureError unless `symbol` is that of a chemical element."""
    from pymatgen.core.periodic_table import Element

    if not Element.is_valid_symbol(symbol):
        near = did_you_mean(symbol, [element.symbol for element in Element])
        hint = near if near.startswith("did") else "give a symbol such as Mg"
        message = f"species {symbol!r}: not a chemical element; {hint}"
        raise StructureError(message)


def frac_tuple(coords: np.ndarray | FracCoords) -> FracCoords:
    """Return three plain floats."""
    x, y, z = (float(value) for value in np.asarray(coords, dtype=float))
    return (x, y, z)


def _check_atom(pristine: Structure, change: Change) -> None:
    if not 0 <= change.index < len(pristine):
        message = (
            f"{change.action} of atom {change.index}: the cell has atoms 0 to {len(pristine) - 1}; "
            "give an index of the pristine structure"
        )
        raise StructureError(message)
    found = pristine[change.index].specie.symbol
    if found != change.before:
        message = (
            f"{change.action} of atom {change.index}: it is {found}, not {change.before}; "
            "give the change in the atom order of the pristine structure"
        )
        raise StructureError(message)
