"""Recipes of surface energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from defectflow.recipes.kinds.surfaces import Surface
from defectflow.recipes.parts import HOST_CELL, HostChoice, QuantityRecipe
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class SurfaceEnergyRecipe(QuantityRecipe):
    """Energy of making a surface, J/m²; positive costs energy.

    γ = (E(slab) - N/N₀ E(crystal)) / 2A, of the lowest termination; every slab has the composition
    of the crystal. With several planes, Wulff's shape follows.
    """

    quantity: Literal["surface_energy"]
    host: HostChoice = Field(description="the bulk crystal")
    surface: Surface = Field(
        description="the planes and slabs, e.g. `{miller: [1, 1, 1]}` or `{highest: 1}`"
    )
    terminations: int | None = Field(
        None,
        ge=1,
        description="how many of each plane, those at the widest gaps; all by default",
    )
    only: tuple[str, ...] = Field(
        (),
        description=(
            "terminations that count, by plane and faces in the words of `defectflow generate "
            'surface`, e.g. `["(001) Ti above, O below"]`; all by default'
        ),
    )
    faces: Literal["pair", "mean"] = Field(
        "pair",
        description=(
            "slabs with two unlike faces: relax one face at a time and tell the two apart, or "
            "relax the slab once and know their mean"
        ),
    )
    atoms: Literal["relaxed", "fixed"] = Field(
        "relaxed", description="relaxed: all atoms of the slabs; fixed: as cut from the crystal"
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)

    def subject(self) -> tuple[str, str]:
        """Return host and plane, for a table of what could not be computed."""
        miller = self.surface.miller
        return str(self.host), f"surface {miller}" if miller else "surfaces"


def build(recipe: SurfaceEnergyRecipe, order: Order) -> Flow:
    """Return the flow of surface energies."""
    from defectflow.flows.surface_energy import SurfaceEnergyMaker, SurfacePlan

    chosen = recipe.surface
    plan = SurfacePlan(
        planes=(chosen.miller,) if chosen.miller else (),
        highest=chosen.highest or 1,
        thickness_A=chosen.thickness_A,
        vacuum_A=chosen.vacuum_A,
        most=recipe.terminations,
        only=recipe.only,
        polar=chosen.polar,
        charges=dict(chosen.charges),
    )
    maker = SurfaceEnergyMaker(
        engine=order.engine,
        plan=plan,
        host_cell=recipe.host_cell,
        atoms=recipe.atoms,
        faces=recipe.faces,
    )
    return maker.make(order.host(recipe.host), order.provenance)
