"""Starting geometries from what is known of a smaller cell, or from another engine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import StructureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core.sites import PeriodicSite
    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: Moments of one element are one if they differ by less (Bohr magnetons).
_ONE_MOMENT_MUB: Final = 0.1
#: A place of the large cell and its copy in the small one agree within this distance (Å).
_SAME_A: Final = 0.05


def spread(small: Structure, relaxed: Structure, large: Structure) -> Structure:
    """Return the large cell with each atom displaced as its copy in the small one was.

    Parameters
    ----------
    small, relaxed
        One cell before and after; atoms in one order. Magnetic moments are taken over.
    large
        The crystal of `small` in a supercell of it, atoms in any order.

    Raises
    ------
    StructureError
        If `large` does not repeat `small`.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.surfaces import slab_of
    >>> host = hosts.load("fcc-Cu").structure
    >>> one, four = (slab_of(host, (1, 1, 1), 3, 10.0, (n, n)).structure for n in (1, 2))
    >>> moved = one.copy()
    >>> _ = moved.translate_sites([2], [0.0, 0.0, 0.1], frac_coords=False)
    >>> made = spread(one, moved, four)
    >>> int(sum(abs(made.cart_coords[:, 2] - four.cart_coords[:, 2]) > 0.05))
    4
    """
    away = relaxed.frac_coords - small.frac_coords
    moved_A = (away - np.round(away)) @ relaxed.lattice.matrix
    gaps = large.lattice.get_cartesian_coords(large.frac_coords)[:, None] - small.cart_coords[None]
    frac = gaps @ np.linalg.inv(small.lattice.matrix)
    distances_A = np.linalg.norm((frac - np.round(frac)) @ small.lattice.matrix, axis=2)
    copies = distances_A.argmin(axis=1)
    symbols = [small[int(k)].specie == site.specie for k, site in zip(copies, large, strict=True)]
    if distances_A.min(axis=1).max() > _SAME_A or not all(symbols):
        message = (
            f"{large.reduced_formula}: the large cell does not repeat the small one of "
            f"{len(small)} atoms; cut both from one crystal"
        )
        raise StructureError(message)
    made = large.copy()
    for index, copy in enumerate(copies):
        made.translate_sites([index], moved_A[copy], frac_coords=False, to_unit_cell=False)
    moments = relaxed.site_properties.get("magmom")
    if moments is not None:
        made.add_site_property("magmom", [moments[int(k)] for k in copies])
    return made


def carried_over(
    end: Structure, bare: Structure, clean: Structure, top: Sequence[int]
) -> Structure:
    """Return a slab with an adsorbate as another engine has it, on our own clean slab.

    The atoms of the slab are displaced from `clean` as the adsorbate displaced them from `bare`;
    the adsorbate keeps its place above the top layer. Where the engines differ by the relaxation of
    the clean slab, as potential and functional do, nothing of that difference is left.

    Parameters
    ----------
    end, bare
        Slab with and without adsorbate, relaxed by the other engine; the adsorbate's atoms last.
    clean
        The clean slab relaxed by the engine that goes on.
    top
        Indices of the atoms of the top layer.
    """
    made = end.copy()
    away = clean.frac_coords - bare.frac_coords
    moved_A = (away - np.round(away)) @ clean.lattice.matrix
    for index, vector in enumerate(moved_A):
        made.translate_sites([index], vector, frac_coords=False, to_unit_cell=False)
    raised_A = moved_A[list(top)].mean(axis=0)
    adsorbate = list(range(len(clean), len(end)))
    made.translate_sites(adsorbate, raised_A, frac_coords=False, to_unit_cell=False)
    return made


def magnetised(structure: Structure, crystal: Structure) -> Structure:
    """Return a cell generated from a crystal whose atoms start with the moments found there.

    Its atoms come from the crystal, but which from which is not said. So an element's moment is
    handed over where all its atoms in the crystal have one; a crystal in which an element has
    several (an antiferromagnet, charge order) leaves the cell to the usual start of the engine.

    Examples
    --------
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.stacking_faults import named_faults
    >>> nickel = hosts.load("fcc-Ni").structure.add_site_property("magmom", [0.6] * 4)
    >>> fault = magnetised(next(named_faults(nickel, "intrinsic")).structure, nickel)
    >>> set(fault.site_properties["magmom"])
    {0.6}
    """
    return with_moments(structure, moments_from(crystal, structure))


def moments_from(crystal: Structure, sites: Sequence[PeriodicSite]) -> list[float | None]:
    """Return the moments with which atoms that come from a crystal start; None if not known."""
    moments = _moment_of_each_element(crystal)
    return [moments.get(site.specie.symbol) for site in sites]


def with_moments(structure: Structure, moments: Sequence[float | None]) -> Structure:
    """Return a cell whose atoms start with these moments; the same one if none is known."""
    if all(moment is None for moment in moments):
        return structure
    return structure.copy().add_site_property("magmom", list(moments))


def magnetised_cell(cell: Cell, crystal: Structure) -> Cell:
    """Return a generated cell and its pristine one with the moments of the crystal."""
    structure, pristine = (magnetised(one, crystal) for one in (cell.structure, cell.pristine))
    return replace(cell, structure=structure, pristine=pristine)


def _moment_of_each_element(crystal: Structure) -> dict[str, float]:
    """Return the moments by symbol; nothing if an element has several, or some of its atoms none.

    An element without any, as an ion that was put in, is left out.
    """
    found: dict[str, list[float]] = {}
    unknown = set()
    for site in crystal:
        moment = site.properties.get("magmom")
        if moment is None:
            unknown.add(site.specie.symbol)
        else:
            found.setdefault(site.specie.symbol, []).append(moment)
    if unknown & found.keys():
        return {}
    if any(np.ptp(several) > _ONE_MOMENT_MUB for several in found.values()):
        return {}
    return {symbol: round(float(np.mean(several)), 6) for symbol, several in found.items()}
