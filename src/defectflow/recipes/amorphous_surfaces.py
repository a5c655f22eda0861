"""Recipes of amorphous surface layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from defectflow.recipes.kinds.surfaces import Surface
from defectflow.recipes.parts import HOST_CELL, HostChoice, QuantityRecipe
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class AmorphousSurfaceEnergyRecipe(QuantityRecipe):
    """Energy of making a surface layer amorphous, J/m²; positive costs energy.

    The uppermost atoms of a slab are melted and quenched by molecular dynamics with a potential.
    γ = (E(slab with the quenched layer) - E(crystalline slab)) / A. The structure is in the result.
    """

    quantity: Literal["amorphous_surface_energy"]
    host: HostChoice = Field(description="the bulk crystal")
    surface: Surface = Field(
        description="plane and slab, e.g. `{miller: [0, 0, 1], thickness_A: 15}`"
    )
    repeat: tuple[int, int] = Field((2, 2), description="surface cells along both vectors")
    layer_A: float = Field(5.0, gt=0, description="thickness of the layer, Å")
    melt_K: float = Field(gt=0, description="temperature of the melt, well above melting, K")
    end_K: float = Field(300.0, gt=0, description="temperature at which the quench ends, K")
    melt_ps: float = Field(2.0, gt=0, description="time in the melt, ps")
    quench_ps: float = Field(5.0, gt=0, description="time of the linear cooling, ps")
    timestep_fs: float = Field(2.0, gt=0, le=10, description="step of the dynamics, fs")
    seed: int = Field(42, ge=0, description="of the random forces: another seed, another glass")
    host_cell: HostCell = Field("relax", description=HOST_CELL)

    @model_validator(mode="after")
    def _one_plane(self) -> AmorphousSurfaceEnergyRecipe:
        if self.surface.miller is None:
            message = "`surface` must name one plane: give `miller`, e.g. [1, 1, 1]"
            raise ValueError(message)
        if min(self.repeat) < 1:
            message = "`repeat` must hold numbers of at least 1, e.g. [2, 2]"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and plane, for a table of what could not be computed."""
        return str(self.host), f"amorphous {self.surface.miller}"


def build(recipe: AmorphousSurfaceEnergyRecipe, order: Order) -> Flow:
    """Return the flow of an amorphous surface layer."""
    from defectflow.flows.amorphous_surface import AmorphousSurfaceMaker
    from defectflow.flows.surface_energy import SurfacePlan

    chosen = recipe.surface
    plan = SurfacePlan(
        planes=(chosen.miller,) if chosen.miller else (),
        thickness_A=chosen.thickness_A,
        vacuum_A=chosen.vacuum_A,
        most=1,
        polar=chosen.polar,
        charges=dict(chosen.charges),
    )
    names = ("melt_K", "end_K", "melt_ps", "quench_ps", "timestep_fs", "seed")
    maker = AmorphousSurfaceMaker(
        engine=order.engine,
        plan=plan,
        layer_A=recipe.layer_A,
        schedule={name: getattr(recipe, name) for name in names},
        repeat=recipe.repeat,
        host_cell=recipe.host_cell,
    )
    return maker.make(order.host(recipe.host), order.provenance)
