"""Which cells are computed with spin, and the moments that they start with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from defectflow.engines.dft_tables import starting_moments
from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from pymatgen.core.structure import Structure

    from defectflow.engines.request import Request

#: Moments (Bohr magnetons) below this, on every atom, are those of a crystal without any.
_NO_MOMENT: Final = 0.01


def moments_muB(choice: str, request: Request) -> tuple[float, ...] | None:
    """Return starting moments of each atom; None for no spin.

    Parameters
    ----------
    choice
        ``auto``, ``on`` or ``off``: see `electrons.ElectronOptions`.

    Raises
    ------
    RecipeError
        If moments are given, and not one for each atom.
    """
    given = request.moments
    symbols = [site.specie.symbol for site in request.structure]
    if choice == "off":
        return None
    if given is not None and len(given) != len(symbols):
        message = f"{len(given)} magnetic moments for {len(symbols)} atoms: give one each"
        raise RecipeError(message)
    table = starting_moments()
    known = table["moments_muB"]
    magnetic = bool(set(symbols) & set(known))
    if given is None and choice == "auto" and not magnetic:
        return _radical_moments(request)
    others = table["others_muB"] if magnetic or given is not None else table["unknown_muB"]
    moments = tuple(
        float(known.get(symbol, others)) if moment is None else moment
        for symbol, moment in zip(symbols, given or (None,) * len(symbols), strict=True)
    )
    if request.magnetic_moments is None and max(map(abs, moments)) < _NO_MOMENT:
        # From zeros no moment arises, be it of an electron or a hole that a defect leaves behind on
        # an atom without a moment (cobalt in LiCoO2 beside a vacancy of lithium).
        alike = (float(table["unknown_muB"]),) * len(symbols)
        return _radical_moments(request) or (alike if choice == "on" and not magnetic else moments)
    return moments


def _radical_moments(request: Request) -> tuple[float, ...] | None:
    """Return starting moments of a cell with an unpaired electron that is no metal; else None.

    Without spin its last level holds half an electron of either spin: OH on an insulator comes out
    0.1 eV and more too high. In a metal such a level lies in a band, and spin changes nothing.
    """
    if counts_as_metal(request.structure):
        return None
    found = _one_electron_muB(request.structure, request.charge)
    return None if found is None else tuple(found)


def unpaired_moments_muB(structure: Structure, charge: int) -> list[float] | None:
    """Return starting moments of a cell with an odd number of electrons, one in all.

    None if the number is even, or if the cell holds an element that starts with a moment anyway.

    Examples
    --------
    >>> from pymatgen.core import Lattice, Structure
    >>> cell = Structure(Lattice.cubic(4.2), ["Mg", "O"], [[0, 0, 0], [0.5, 0.5, 0.5]])
    >>> unpaired_moments_muB(cell, 1), unpaired_moments_muB(cell, 2)
    ([0.5, 0.5], None)
    """
    magnetic = set(starting_moments()["moments_muB"])
    if magnetic & {element.symbol for element in structure.elements}:
        return None
    return _one_electron_muB(structure, charge)


def _one_electron_muB(structure: Structure, charge: int) -> list[float] | None:
    """Return one unpaired electron spread over a cell with an odd number of them, else None."""
    electrons = sum(site.specie.Z for site in structure) - charge
    return [1 / len(structure)] * len(structure) if electrons % 2 else None


def counts_as_metal(structure: Structure) -> bool:
    """Tell whether more than two thirds of the atoms are of metallic elements."""
    metals = sum(site.specie.is_metal for site in structure)
    return bool(3 * metals > 2 * len(structure))
