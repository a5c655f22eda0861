"""From the slab of a recipe to what flows know of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from defectflow.flows.slabs import SlabPlan
    from defectflow.recipes.parts import SlabChoice
    from defectflow.structures.cell_slabs import CellCut
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell

_CUBIC: Final = 1e-3


def facet_said(choice: SlabChoice) -> str:
    """Return the indices of a surface as they are written, for a table."""
    return f"({''.join(map(str, choice.miller or (0, 0, 1)))})"


def slab_plan(choice: SlabChoice, host: Host, strain: float = 0.0) -> SlabPlan:
    """Return the slab of a host, as flows know it.

    Raises
    ------
    StructureError
        If a generated host has no such end, or several and it is not said which.
    RecipeError
        If the slab asks for a generated host and there is none.
    """
    from defectflow.flows.slabs import SlabPlan

    generated = host.generated is not None or choice.as_it_is
    cut = _cut_out(choice, host) if generated and not choice.sheet else None
    if choice.near_defect_A and (cut is None or choice.as_it_is):
        message = (
            "`near_defect_A` is for a slab cut from a host with `cell`; leave it out, or name a "
            "`site`"
        )
        raise RecipeError(message)
    return SlabPlan(
        miller=tuple(cut.miller) if cut else choice.miller or (0, 0, 1),  # type: ignore[arg-type]
        layers=choice.layers,
        vacuum_A=choice.vacuum_A,
        repeat=choice.repeat,
        frozen_layers=choice.frozen_layers,
        sheet=choice.sheet,
        strain=strain,
        fault_below=0 if cut else choice.fault_below,
        termination=None if cut else choice.termination,
        cut_out=cut,
        near_defect_A=choice.near_defect_A,
    )


def host_to_relax(choice: SlabChoice, host: Host, host_cell: HostCell) -> Host:
    """Return what is relaxed first: the host, or the crystal of a host that is a slab by itself.

    Raises
    ------
    RecipeError
        If the change of that crystal's cell cannot be carried over to the slab.
    """
    if not choice.as_it_is:
        return host
    if host.parent is None:
        if host_cell != "keep":
            message = (
                f"host {host.name}: a slab from a file keeps its cell, that of its crystal "
                "and not of a free film; add `host_cell: keep`"
            )
            raise RecipeError(message)
        return host
    sides = host.parent.structure.lattice
    cubic = np.ptp(sides.abc) < _CUBIC and np.ptp(sides.angles) < _CUBIC
    if host_cell == "relax" and not cubic:
        message = (
            f"host {host.name}: how its crystal relaxes is carried over to the slab by the volume "
            "alone, and the crystal is not cubic; add `host_cell: scale`, or `keep`"
        )
        raise RecipeError(message)
    return replace(host.parent, name=host.name, parent=host.parent)


def _cut_out(choice: SlabChoice, host: Host) -> CellCut:
    from defectflow.structures.cell_slabs import cut_of, taken
    from defectflow.structures.cells import Cell

    if choice.as_it_is:
        alone = Cell(host.structure, host.structure, host.name, "surface", (), 1)
        crystal = host.parent.structure if host.parent else None
        return taken(host.generated or alone, crystal)
    if host.generated is None or choice.miller is None:
        message = f"host {host.name}: give `miller`, the indices of the surface"
        raise RecipeError(message)
    above = choice.fault_below or None
    return cut_of(host.generated, choice.miller, choice.layers, choice.termination, above)
