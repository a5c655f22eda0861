"""Recipes about the electronic structure of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from defectflow.documents.electronic_structure import D_BAND_WINDOW_EV
from defectflow.recipes.parts import (
    HOST_CELL,
    SUPERCELL,
    EngineChoice,
    HostCell,
    HostChoice,
    QuantityRecipe,
    SlabChoice,
    Supercell,
)
from defectflow.recipes.slabs import host_to_relax, slab_plan

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order
    from defectflow.structures.hosts import Host

_SLAB = "a surface of the host; the bulk if left out"
_GEOMETRY = (
    "engine that relaxes the atoms, e.g. a potential where only the electrons are worth the price "
    "of a density functional code; the recipe's engine by default"
)
_RELAX = "relax the atoms of the slab or of the cell with the defect"


class DBandCenterRecipe(QuantityRecipe):
    """Centre of the d band of an atom at a surface or in the bulk, relative to the Fermi level.

    The first moment of the d-projected density of states within a window that is fixed in advance;
    width and filling stand beside it in the document.
    """

    quantity: Literal["d_band_center"]
    host: HostChoice = Field(description="the bulk crystal")
    slab: SlabChoice | None = Field(None, description=_SLAB)
    element: str | None = Field(
        None, description="whose d band; needed if the host holds several elements"
    )
    window_eV: tuple[float, float] = Field(
        D_BAND_WINDOW_EV, description="ends of the energy window, relative to the Fermi level, eV"
    )
    strain: float = Field(
        0.0, ge=-0.2, le=0.2, description="equal stretch in the plane of the slab: 0.02 is 2 %"
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    relax_atoms: bool = Field(True, description=_RELAX)
    geometry: EngineChoice | None = Field(None, description=_GEOMETRY)

    @model_validator(mode="after")
    def _increasing(self) -> DBandCenterRecipe:
        if self.window_eV[0] >= self.window_eV[1]:
            message = "`window_eV` must be [lower, upper]"
            raise ValueError(message)
        if self.strain and self.slab is None:
            message = "`strain` is that of a slab; give one, or strain the crystal in its file"
            raise ValueError(message)
        return self


class WorkFunctionRecipe(QuantityRecipe):
    """Energy that it takes to move an electron from the Fermi level out of a surface, eV.

    Tilts of the periodic potential, by a dipole of the slab, are taken out.
    """

    quantity: Literal["work_function"]
    host: HostChoice = Field(description="the bulk crystal")
    slab: SlabChoice = Field(description="the surface, and the slab that stands for it")
    strain: float = Field(
        0.0, ge=-0.2, le=0.2, description="equal stretch in the plane of the slab: 0.02 is 2 %"
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    relax_atoms: bool = Field(True, description=_RELAX)
    geometry: EngineChoice | None = Field(None, description=_GEOMETRY)


class BandGapRecipe(QuantityRecipe):
    """Gap between occupied and empty levels of the host, a slab or a cell with a vacancy, eV."""

    quantity: Literal["band_gap"]
    host: HostChoice = Field(description="the perfect crystal")
    slab: SlabChoice | None = Field(None, description=_SLAB)
    defect: Literal["vacancy"] | None = Field(None, description="kind of defect; none by default")
    species: str | None = Field(None, description="element that is taken out")
    label: str | None = Field(None, description="which of several distinct vacancies, e.g. `V_O_2`")
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the defect from its periodic image, Å"
    )
    relax_atoms: bool = Field(True, description=_RELAX)
    geometry: EngineChoice | None = Field(None, description=_GEOMETRY)

    @model_validator(mode="after")
    def _complete(self) -> BandGapRecipe:
        if (self.defect is None) != (self.species is None):
            message = "`defect` and `species` belong together, e.g. `defect: vacancy, species: O`"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and defect, for a table of what could not be computed."""
        return str(self.host), f"V_{self.species}" if self.species else ""


def build_d_band_center(recipe: DBandCenterRecipe, order: Order) -> Flow:
    """Return the flow of a d-band centre."""
    from defectflow.flows import CellPlan, DBandCenterMaker

    host = order.host(recipe.host)
    maker = DBandCenterMaker(
        **_shared(recipe, order),
        cell=CellPlan(slab=slab_plan(recipe.slab, host, recipe.strain) if recipe.slab else None),
        window_eV=recipe.window_eV,
        element=recipe.element,
    )
    return maker.make(_first(recipe, host), order.provenance)


def build_work_function(recipe: WorkFunctionRecipe, order: Order) -> Flow:
    """Return the flow of a work function."""
    from defectflow.flows import CellPlan, WorkFunctionMaker

    host = order.host(recipe.host)
    cell = CellPlan(slab=slab_plan(recipe.slab, host, recipe.strain))
    maker = WorkFunctionMaker(**_shared(recipe, order), cell=cell)
    return maker.make(_first(recipe, host), order.provenance)


def build_band_gap(recipe: BandGapRecipe, order: Order) -> Flow:
    """Return the flow of a band gap."""
    from defectflow.flows import BandGapMaker, CellPlan

    host = order.host(recipe.host)
    cell = CellPlan(
        slab=slab_plan(recipe.slab, host) if recipe.slab else None,
        vacancy=recipe.species,
        label=recipe.label,
        matrix=recipe.supercell,
        min_image_distance_A=recipe.min_image_distance_A,
    )
    maker = BandGapMaker(**_shared(recipe, order), cell=cell)
    return maker.make(_first(recipe, host), order.provenance)


def _first(recipe: DBandCenterRecipe | WorkFunctionRecipe | BandGapRecipe, host: Host) -> Host:
    """Return what is relaxed first."""
    return host_to_relax(recipe.slab, host, recipe.host_cell) if recipe.slab else host


def _shared(
    recipe: DBandCenterRecipe | WorkFunctionRecipe | BandGapRecipe, order: Order
) -> dict[str, Any]:
    return {
        "engine": order.engine,
        "host_cell": recipe.host_cell,
        "relax_atoms": recipe.relax_atoms,
        "geometry": order.other_engine(recipe.geometry) if recipe.geometry else None,
    }
