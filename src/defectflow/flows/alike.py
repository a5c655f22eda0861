"""What cells have to share whose energies are subtracted: cutoff, spacing of k-points, and U."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from defectflow.engines.electrons import hubbard_U_eV, kpoint_spacing_per_A
from defectflow.engines.levels import DIPOLE, METAL_SPACING, SPACING, cell_cutoff
from defectflow.engines.vacuum import NORMAL, VACUUM_A, dipole_correction, vacuum_axes
from defectflow.errors import EngineError, StructureError
from defectflow.structures.poses import placed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine, FreeCell
    from defectflow.structures.adsorbates import Adsorbate
    from defectflow.structures.adsorption import SurfaceSite
    from defectflow.structures.poses import Placement
    from defectflow.structures.surfaces import Slab


#: An adsorbate may rise by so much (Å) while it relaxes.
_SPARE_A: Final = 0.5


def one_spacing(
    engine: Engine, step: str, cells: Iterable[Structure], given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the settings of a step that give cells one spacing of k-points.

    Whether a crystal is a metal is told from its composition, which a defect or an adsorbate may
    shift across the limit: Li2O with one oxygen less would get four points where it has two.

    Parameters
    ----------
    given
        Settings of the step that are asked for.

    Returns
    -------
    dict
        `given`, with the finest spacing among the cells where they differ.
    """
    settings = engine.settings(step, **given)
    if SPACING not in settings:
        return dict(given)
    found = {kpoint_spacing_per_A(cell, settings) for cell in cells}
    if len(found) == 1:
        return dict(given)
    return {**given, **dict.fromkeys((SPACING, METAL_SPACING), min(found))}


def one_spacing_on(
    slab: Slab,
    adsorbate: Adsorbate,
    engine: Engine,
    step: str,
    given: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the settings of a step that give a slab one spacing with and without an adsorbate."""
    return one_spacing(engine, step, with_and_without(slab, adsorbate), given or {})


def one_cutoff(engine: Engine, free: FreeCell, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of relaxations whose energies are subtracted from one with a free cell.

    Parameters
    ----------
    free
        What is free of that one's cell; where that is nothing, `given` is all.
    given
        Settings of the relaxations that are asked for.
    """
    if free == "fixed":
        return dict(given)
    return {**given, **cell_cutoff(engine.settings("relax", **given), given)}


def one_hubbard_set(engine: Engine, cells: Iterable[Structure]) -> None:
    """Refuse crystals of which an element has U in one and none in another.

    A set of U that goes by the anions gives nickel 6.2 eV in NiO and none in the metal; energies
    with and without U differ by eV per atom and cannot be subtracted
    (A. Jain et al., Phys. Rev. B 84, 045115 (2011)).

    Raises
    ------
    EngineError
        Naming the element and both crystals.
    """
    functional, choice = (engine.options.get(one) for one in ("functional", "hubbard_U_eV"))
    if not str(functional).endswith("+U") or choice is None:
        return
    seen: dict[str, tuple[float, str]] = {}
    for cell in cells:
        found = hubbard_U_eV(cell, choice)
        for symbol in sorted({element.symbol for element in cell.elements}):
            here = (found.get(symbol, 0.0), cell.composition.reduced_formula)
            there = seen.setdefault(symbol, here)
            if here[0] != there[0]:
                message = (
                    f"{functional}: U of {symbol} is {there[0]:g} eV in {there[1]} and "
                    f"{here[0]:g} eV in {here[1]}; such energies cannot be subtracted. Give U by "
                    f"element, which holds in every crystal, e.g. options: {{hubbard_U_eV: "
                    f"{{{symbol}: {max(here[0], there[0]):g}}}}}, another reference, or PBE"
                )
                raise EngineError(message)


def without_dipole_correction(
    engine: Engine, given: Mapping[str, Any], cell: Structure
) -> dict[str, Any]:
    """Return the settings of a relaxation of a crystal or a molecule beside corrected slabs.

    Without a vacuum along its third vector, or with vacuum all around, a cell has no field that a
    dipole correction would take away; its energy is that of slabs with one all the same.

    Parameters
    ----------
    given
        Settings of the step that are asked for.
    """
    asked = engine.settings("relax", **given).get(DIPOLE, False)
    if not asked or vacuum_axes(cell) == (NORMAL,):
        return dict(given)
    return {**given, DIPOLE: False}


def with_and_without(slab: Slab, adsorbate: Adsorbate) -> list[Structure]:
    """Return a slab, and the same with the atoms of an adsorbate somewhere: for its composition."""
    covered = slab.structure.copy()
    for symbol in adsorbate.species:
        covered.append(symbol, [0.0, 0.0, 0.0])
    return [slab.structure, covered]


def require_vacuum(
    engine: Engine,
    slab: Slab,
    sites: Sequence[SurfaceSite],
    adsorbate: Adsorbate,
    placements: Sequence[Placement],
) -> None:
    """Refuse a vacuum that an adsorbate fills up, so that k-points no longer see it.

    With a dipole correction there has to be room for the step of the potential, too, with something
    to spare for where the adsorbate relaxes to.

    Raises
    ------
    StructureError
        Saying how much has to be left. Engines without k-points take any.
    """
    settings = engine.settings("relax")
    if SPACING not in settings:
        return
    bare = set(vacuum_axes(slab.structure))
    for one in placements:
        covered = placed(slab, slab.structure, sites, adsorbate, one)
        if bare - set(vacuum_axes(covered)):
            message = (
                f"{adsorbate.name} at {one.label} leaves less than {VACUUM_A:g} Å of vacuum above "
                "it; give a larger `vacuum_A`"
            )
            raise StructureError(message)
        dipole_correction(covered, settings, spare_A=_SPARE_A)
