"""Defects on their way from the crystal as given to the relaxed one, and their charges."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from monty.json import MSONable

from defectflow.errors import StructureError
from defectflow.structures.cells import Cell, Change
from defectflow.structures.charges import refuse_charge
from defectflow.structures.distortions import distorted
from defectflow.structures.surroundings import distances_from_defect_A

if TYPE_CHECKING:
    import numpy as np
    from pymatgen.core import Structure

    from defectflow.structures.hosts import Host

#: Yields the distinct defects of one kind in a crystal; refuses what the crystal cannot have.
DefectsIn = Callable[["Structure"], Iterable[Cell]]


@dataclass(frozen=True)
class DefectPlan(MSONable):
    """A defect as a list of changes, which the same cell of a relaxed host can take as well.

    Attributes
    ----------
    name
        Without the charge that a cell's name may end in.
    changes
        Fields of each `Change`.
    charge
        In units of e; removed electrons are positive.
    """

    name: str
    kind: str
    multiplicity: int
    changes: list[dict[str, Any]]
    charge: int = 0

    @classmethod
    def of(cls, cell: Cell) -> DefectPlan:
        """Return what was changed in a cell."""
        changes = [asdict(change) for change in cell.changed]
        name = cell.name.removesuffix(f"^{cell.charge:+d}")
        return cls(name, cell.kind, cell.multiplicity, changes, cell.charge)

    def cell(self, pristine: Structure) -> Cell:
        """Return the defect in another cell with the same atoms in the same order."""
        made = Cell.from_changes(
            pristine,
            [Change(**{**one, "frac_coords": tuple(one["frac_coords"])}) for one in self.changes],
            name=self.name,
            kind=self.kind,
            multiplicity=self.multiplicity,
        )
        return replace(made, charge=self.charge)

    @property
    def added(self) -> dict[str, int]:
        """Atoms added to the pristine cell by element; negative where taken out."""
        added: dict[str, int] = {}
        for change in self.changes:
            for symbol, count in ((change["before"], -1), (change["after"], 1)):
                if symbol is not None:
                    added[symbol] = added.get(symbol, 0) + count
        return {symbol: count for symbol, count in added.items() if count}


def plans_in(whole: Structure, defects: DefectsIn) -> list[DefectPlan]:
    """Return the distinct defects of a supercell.

    Raises
    ------
    StructureError
        If there are none, or a generator changed the cell itself.
    """
    cells = list(defects(whole))
    if not cells:
        message = (
            f"{whole.composition.reduced_formula}: the recipe's defect has no place in this "
            "supercell; take a larger one"
        )
        raise StructureError(message)
    for cell in cells:
        if len(cell.pristine) != len(whole):
            message = (
                f"{cell.name}: a formation energy is that of a defect in the supercell given, and "
                f"this kind ({cell.kind}) makes a cell of its own; use another kind"
            )
            raise StructureError(message)
    return [DefectPlan.of(cell) for cell in cells]


def neutral_plans_in(whole: Structure, defects: DefectsIn, what: str) -> list[DefectPlan]:
    """Return the distinct defects of a supercell for a quantity of neutral cells.

    Raises
    ------
    StructureError
        As `plans_in`.
    RecipeError
        If one is charged; `what` names the quantity.
    """
    plans = plans_in(whole, defects)
    for plan in plans:
        refuse_charge(plan.name, plan.charge, what)
    return plans


def places_near_defect(host: Host, points: np.ndarray, within_A: float) -> list[int]:
    """Return which Cartesian points are near the defect of a generated host.

    Raises
    ------
    StructureError
        If the host is a perfect crystal, or no point is that near.
    """
    if host.parent is None:
        message = (
            f"host {host.name}: has no defect to be near to; leave out `near_defect_A`, or give "
            "the host a `cell`"
        )
        raise StructureError(message)
    away_A = distances_from_defect_A(points, host.structure, host.parent.structure)
    near = [k for k, far in enumerate(away_A) if far <= within_A]
    if not near:
        message = (
            f"host {host.name}: no site within {within_A:g} Å of its defect; the nearest is at "
            f"{away_A.min():.2f} Å: make `near_defect_A` larger"
        )
        raise StructureError(message)
    return near


def near_defect(defects: DefectsIn, host: Host, within_A: float) -> DefectsIn:
    """Return the defects of a supercell that are near the one that the host holds.

    What a defect changes first says where it is; 0 Å stands for all of them.
    """

    def found(whole: Structure) -> list[Cell]:
        cells = list(defects(whole))
        places = [cell.changed[0].frac_coords for cell in cells if cell.changed]
        if len(places) < len(cells) or not cells:
            return cells
        points = whole.lattice.get_cartesian_coords(places)
        return [cells[k] for k in places_near_defect(host, points, within_A)]

    return found if within_A else defects


def starts(cell: Cell, *, distort: bool, known: Mapping[str, float] | None = None) -> list[Cell]:
    """Return the cells that relaxations of one defect start from, the cell as built first.

    `known` are oxidation states that are not to be guessed.
    """
    return list(distorted(cell, known=known)) if distort else [cell]
