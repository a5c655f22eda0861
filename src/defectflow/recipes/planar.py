"""Recipes of the energies of planar defects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from defectflow.recipes.kinds.planes import (
    MILLER,
    GrainBoundary,
    Indices,
    Kink,
    PlanarChoice,
    Shift,
    StackingFault,
    Twin,
)
from defectflow.recipes.parts import HOST_CELL, HostChoice, QuantityRecipe
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


def _named(value: object) -> object:
    """Return ``intrinsic`` as the fault of that name; anything else as it is."""
    return {"fault": value} if isinstance(value, str) else value


def _a_boundary(value: object) -> object:
    """Return a mapping without a kind as that of a grain boundary."""
    return {"kind": "grain_boundary", **value} if isinstance(value, dict) else value


_ATOMS = "relaxed: the plane of the defect keeps its cell; fixed: as built from the relaxed crystal"


class _PlanarRecipe(QuantityRecipe):
    """What the recipes of planar defects share."""

    host: HostChoice = Field(description="the perfect crystal")
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    atoms: Literal["relaxed", "fixed"] = Field("relaxed", description=_ATOMS)
    keep: int = Field(
        1, ge=1, description="how many cells are relaxed, those of lowest energy as built"
    )


class StackingFaultEnergyRecipe(_PlanarRecipe):
    """Energy of a stacking fault per area, mJ/m²; positive costs energy.

    γ = (E(cell with one fault) - E(perfect crystal)) / A, in a cell whose third vector is tilted
    by the displacement.
    """

    quantity: Literal["stacking_fault_energy"]
    defect: Annotated[StackingFault, BeforeValidator(_named)] = Field(
        default_factory=lambda: StackingFault(fault="intrinsic"),
        description="the fault: a name such as `intrinsic`, or plane and shift",
    )

    def subject(self) -> tuple[str, str]:
        """Return host and fault, for a table of what could not be computed."""
        return str(self.host), f"{self.defect.fault or 'stacking'} fault"


class TwinEnergyRecipe(_PlanarRecipe):
    """Energy of a twin boundary per area, mJ/m²; positive costs energy.

    γ = (E(cell with two boundaries) - E(perfect crystal)) / 2A, of the lowest mirror.
    """

    quantity: Literal["twin_energy"]
    defect: Twin = Field(default_factory=Twin, description="the plane of the twin")

    def subject(self) -> tuple[str, str]:
        """Return host and twin, for a table of what could not be computed."""
        return str(self.host), f"twin {self.defect.miller}"


class GrainBoundaryEnergyRecipe(_PlanarRecipe):
    """Energy of a grain boundary per area, mJ/m²; positive costs energy.

    γ = (E(cell with two boundaries) - N/N₀ E(perfect crystal)) / 2A, of the lowest of the
    terminations and displacements that are looked at.
    """

    quantity: Literal["grain_boundary_energy"]
    defect: Annotated[
        Annotated[GrainBoundary | Kink, Field(discriminator="kind")], BeforeValidator(_a_boundary)
    ] = Field(
        description="axis, Σ and plane of the boundary; or `kind: kink` with an angle, of layers"
    )
    candidates: int = Field(
        12, ge=1, description="cells that are evaluated as built, those that overlap least"
    )
    keep: int = Field(3, ge=1, description="how many of these are relaxed, the lowest ones")
    height: Literal["relaxed", "fixed"] = Field(
        "relaxed",
        description=(
            "with relaxed atoms, whether the grains take their own distance: boundaries need more "
            "room than the crystal, and a fixed cell presses on them; fixed with `host_cell: keep`"
        ),
    )

    def subject(self) -> tuple[str, str]:
        """Return host and boundary, for a table of what could not be computed."""
        if isinstance(self.defect, Kink):
            return str(self.host), f"kink of {self.defect.angle_deg:g}°"
        return str(self.host), f"Σ{self.defect.sigma} boundary"


class UnstableFaultEnergyRecipe(QuantityRecipe):
    """Highest energy per area on the straight path of gliding along a plane, J/m².

    The halves of the crystal stay rigid. With `grid`, the whole γ-surface is computed and a
    Fourier surface fitted to it; without, only the path.
    """

    quantity: Literal["unstable_stacking_fault_energy"]
    host: HostChoice = Field(description="the perfect crystal")
    miller: Indices = Field((1, 1, 1), description=MILLER)
    shift: Shift = Field(
        (1 / 6, 1 / 6, -1 / 3),
        description="end of the path in vectors of that cell, e.g. `[1/6, 1/6, -1/3]`",
    )
    points: int = Field(11, ge=4, description="points on the path, both ends included")
    grid: tuple[int, int] | None = Field(
        None, description="points along the two vectors of the plane, e.g. `[10, 10]`"
    )
    cut: int = Field(
        1, ge=1, description="between which atomic planes: 1 for the widest gap, 2 for the next"
    )
    gap: Literal["relaxed", "fixed"] = Field(
        "relaxed", description="whether the halves take their best distance at each point"
    )
    min_height_A: float = Field(20.0, gt=0, description="least distance of a fault from its image")
    host_cell: HostCell = Field("relax", description=HOST_CELL)


def build(
    recipe: StackingFaultEnergyRecipe | TwinEnergyRecipe | GrainBoundaryEnergyRecipe, order: Order
) -> Flow:
    """Return the flow of the energy of a planar defect."""
    from defectflow.flows.planar import PlanarEnergyMaker

    maker = PlanarEnergyMaker(
        engine=order.engine,
        plan=_plan(recipe.defect, recipe.keep, getattr(recipe, "candidates", None)),
        quantity=recipe.quantity,
        host_cell=recipe.host_cell,
        atoms=recipe.atoms,
        height=getattr(recipe, "height", "fixed"),
    )
    return maker.make(order.host(recipe.host), order.provenance)


def build_unstable(recipe: UnstableFaultEnergyRecipe, order: Order) -> Flow:
    """Return the flow of an unstable fault energy, or of a γ-surface."""
    from defectflow.flows.gliding import GlidePlan, UnstableFaultMaker

    plan = GlidePlan(
        miller=recipe.miller,
        shift=recipe.shift,
        points=recipe.points,
        grid=recipe.grid,
        cut=recipe.cut,
        gap=recipe.gap,
        min_height_A=recipe.min_height_A,
    )
    maker = UnstableFaultMaker(engine=order.engine, plan=plan, host_cell=recipe.host_cell)
    return maker.make(order.host(recipe.host), order.provenance)


def _plan(defect: PlanarChoice, keep: int, candidates: int | None = None) -> Any:
    from defectflow.flows.planar import PlanarPlan

    return PlanarPlan(defect.kind, defect.options(), candidates, keep)
