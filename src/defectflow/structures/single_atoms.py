"""Single metal atoms in a sheet of carbon: M-N4 and its relatives, with an axial ligand or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError
from defectflow.structures.cells import require_element
from defectflow.structures.clusters import SHELL_WIDTH_A, Slot
from defectflow.structures.layers import covalent_radius_A
from defectflow.structures.placements import VACANT, Placement, numbered, shortest_distance_A
from defectflow.structures.symmetry import SYMPREC_A, images, operations, primitive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

_BOND: Final = "bond"
_AXIAL: Final = "axial"
_SHEET: Final = "C"
_PLANAR: Final = 1e-3
_PAIR: Final = 2
#: Carbon atoms around a metal in one vacancy and in two.
_RING: Final = {1: 3, 2: 4}


def single_atoms(
    structure: Structure,
    metal: str,
    nitrogen: int = 4,
    ligand: str | None = None,
    vacancies: int = 2,
) -> Iterator[Cell]:
    """Yield the arrangements of a metal atom in a hole of graphene with nitrogen at its rim.

    The metal takes the middle of a pair of missing neighbours, whose rim has four atoms (M-N4), or
    the place of one missing atom, whose rim has three; `nitrogen` of them are exchanged. A ligand
    sits above the metal on one side, at the sum of the covalent radii. All of it is a start for a
    relaxation, which makes the bonds longer.

    Parameters
    ----------
    structure
        A flat sheet with its normal along the third lattice vector.

    Raises
    ------
    StructureError
        If the host is no flat sheet of carbon, or the rim has fewer atoms than `nitrogen`.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> sheet = hosts.load("graphene").structure * (5, 5, 1)
    >>> [(cell.name, cell.multiplicity) for cell in single_atoms(sheet, "Fe", ligand="O")]
    [('FeN4-O', 6)]
    """
    require_element(metal)
    if metal == _SHEET:
        message = f"single atom {metal}: nothing changes; give a metal such as Fe"
        raise StructureError(message)
    if ligand is not None:
        require_element(ligand)
    _check_sheet(structure, nitrogen, vacancies)
    cell = primitive(structure, SYMPREC_A)
    pair = vacancies == _PAIR
    centres = _middles(cell) if pair else np.asarray(cell.frac_coords)
    slots = (
        [Slot(_BOND, metal), Slot(_SHEET, VACANT, _PAIR, (1,))] if pair else [Slot(_SHEET, metal)]
    )
    if nitrogen:
        slots.append(Slot(_SHEET, "N", nitrogen, (vacancies,)))
    empty = {_BOND: _all_images(cell, centres)} if pair else {}
    if ligand is not None:
        slots.append(Slot(_AXIAL, ligand, 1, (1,)))
        empty[_AXIAL] = _all_images(cell, _above(cell, centres, metal, ligand))
    place = Placement.of(structure, cell, empty, SYMPREC_A)
    place.check_room(slots, SHELL_WIDTH_A)
    name = _name(metal, nitrogen, _RING[vacancies] - nitrogen, ligand)
    return numbered(place.cells(slots, SHELL_WIDTH_A, "single_atom"), name)


def _name(metal: str, nitrogen: int, carbon: int, ligand: str | None) -> str:
    ring = (f"N{nitrogen}" if nitrogen else "") + (f"C{carbon}" if carbon else "")
    return f"{metal}{ring}{'' if ligand is None else f'-{ligand}'}"


def _check_sheet(structure: Structure, nitrogen: int, vacancies: int) -> None:
    if vacancies not in _RING:
        message = f"single atom in {vacancies} vacancies: the hole has 1 or 2; choose one of them"
        raise StructureError(message)
    if not 0 <= nitrogen <= _RING[vacancies]:
        message = (
            f"{nitrogen} N around a metal: a hole of {vacancies} has {_RING[vacancies]} atoms at "
            f"its rim; ask for 0 to {_RING[vacancies]}"
        )
        raise StructureError(message)
    elements = {element.symbol for element in structure.elements}
    heights = structure.frac_coords[:, 2] - structure.frac_coords[0, 2]
    off_A = np.abs(heights - np.round(heights)).max() * structure.lattice.c
    upright = np.allclose(structure.lattice.angles[:2], 90.0, atol=_PLANAR)
    if elements != {_SHEET} or not upright or off_A > _PLANAR:
        message = (
            f"{structure.reduced_formula}: no flat sheet of carbon in the plane of its first two "
            "vectors; give graphene, or make the complex with `complex`"
        )
        raise StructureError(message)


def _middles(cell: Structure) -> np.ndarray:
    """Return the middles of the shortest bonds of the first atom, (n, 3) fractional."""
    reach_A = shortest_distance_A(cell) * 1.1
    near = cell.get_neighbors(cell[0], reach_A)
    return np.array([(cell[0].frac_coords + site.frac_coords) / 2 for site in near])


def _above(cell: Structure, centres: np.ndarray, metal: str, ligand: str) -> np.ndarray:
    height_A = covalent_radius_A(metal) + covalent_radius_A(ligand)
    above: np.ndarray = centres + np.array([0.0, 0.0, height_A / cell.lattice.c])
    return above


def _all_images(cell: Structure, places: np.ndarray) -> np.ndarray:
    """Return the orbit of the first place: all are equivalent in a sheet of one element."""
    return images(places[0], *operations(cell, SYMPREC_A), cell.lattice.matrix)
