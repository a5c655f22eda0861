"""Planar defects by kind: one call for recipes, flows and the command line."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from defectflow.errors import StructureError, did_you_mean
from defectflow.structures import (
    boundary_planes,
    glides,
    grain_boundaries,
    kinks,
    stacking_faults,
    twins,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell


def planar_cells(kind: str, structure: Structure, **options: Any) -> Iterator[Cell]:
    """Yield the cells of a kind of planar defect, the most likely one first.

    Raises
    ------
    StructureError
        If there is no such kind, or the crystal has no such defect.
    """
    if kind not in _GENERATORS:
        message = f"planar defect {kind!r}: {did_you_mean(kind, _GENERATORS)}"
        raise StructureError(message)
    return _GENERATORS[kind](structure, **options)


def faults(
    structure: Structure,
    fault: stacking_faults.FaultName | None = None,
    miller: Sequence[int] | None = None,
    shift: Sequence[float] | None = None,
    min_height_A: float = stacking_faults.MIN_HEIGHT_A,
    vacuum_A: float = 0.0,
) -> Iterator[Cell]:
    """Yield a stacking fault by its name, or by plane and displacement.

    Raises
    ------
    StructureError
        If neither or both are given, or the crystal has no such fault.
    """
    if (fault is None) == (shift is None):
        message = "stacking fault: give either its name, e.g. intrinsic, or a shift with its plane"
        raise StructureError(message)
    if fault is not None:
        if vacuum_A or miller is not None:
            message = (
                f"{fault} fault: is periodic and has its plane; for a slab or another plane give "
                "plane and shift"
            )
            raise StructureError(message)
        return stacking_faults.named_faults(structure, fault, min_height_A)
    return stacking_faults.stacking_faults(
        structure, miller or (1, 1, 1), shift or (), min_height_A, vacuum_A
    )


def boundaries(structure: Structure, **options: Any) -> Iterator[Cell]:
    """Yield a grain boundary; `options` are the fields of `BoundaryChoice` and `BoundaryScan`."""
    choice = boundary_planes.BoundaryChoice
    named = {field.name for field in fields(choice)}
    return grain_boundaries.grain_boundaries(
        structure,
        choice(**{key: value for key, value in options.items() if key in named}),
        grain_boundaries.BoundaryScan(**{k: one for k, one in options.items() if k not in named}),
    )


_GENERATORS: Final[dict[str, Callable[..., Iterator[Cell]]]] = {
    "stacking_fault": faults,
    "twin": twins.twins,
    "grain_boundary": boundaries,
    "layer_stacking": glides.layer_stackings,
    "kink": kinks.kinks,
}
