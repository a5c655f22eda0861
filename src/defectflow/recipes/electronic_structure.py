"""Recipes about the electronic structure of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from defectflow.documents.electronic_structure import D_BAND_WINDOW_EV
from defectflow.recipes.electrons import CellRecipe, VacancyCellRecipe, flow_of
from defectflow.recipes.parts import SlabChoice

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order


class DBandCenterRecipe(CellRecipe):
    """Centre of the d band of an atom at a surface or in the bulk, relative to the Fermi level.

    The first moment of the d-projected density of states within a window that is fixed in advance;
    width and filling stand beside it in the document.
    """

    quantity: Literal["d_band_center"]
    element: str | None = Field(
        None, description="whose d band; needed if the host holds several elements"
    )
    window_eV: tuple[float, float] = Field(
        D_BAND_WINDOW_EV, description="ends of the energy window, relative to the Fermi level, eV"
    )

    @model_validator(mode="after")
    def _increasing(self) -> DBandCenterRecipe:
        if self.window_eV[0] >= self.window_eV[1]:
            message = "`window_eV` must be [lower, upper]"
            raise ValueError(message)
        return self


class WorkFunctionRecipe(CellRecipe):
    """Energy that it takes to move an electron from the Fermi level out of a surface, eV.

    Tilts of the periodic potential, by a dipole of the slab, are taken out afterwards, to first
    order; with the setting `dipole_correction` there are none, and each side has its own level.
    """

    quantity: Literal["work_function"]
    slab: SlabChoice = Field(description="the surface, and the slab that stands for it")


class BandGapRecipe(VacancyCellRecipe):
    """Gap between occupied and empty levels of the host, a slab or a cell with a vacancy, eV."""

    quantity: Literal["band_gap"]

    def subject(self) -> tuple[str, str]:
        """Return host and defect, for a table of what could not be computed."""
        return str(self.host), f"V_{self.species}" if self.species else ""


def build_d_band_center(recipe: DBandCenterRecipe, order: Order) -> Flow:
    """Return the flow of a d-band centre."""
    from defectflow.flows import DBandCenterMaker

    own = {"window_eV": recipe.window_eV, "element": recipe.element}
    return flow_of(DBandCenterMaker, recipe, order, **own)


def build_work_function(recipe: WorkFunctionRecipe, order: Order) -> Flow:
    """Return the flow of a work function."""
    from defectflow.flows import WorkFunctionMaker

    return flow_of(WorkFunctionMaker, recipe, order)


def build_band_gap(recipe: BandGapRecipe, order: Order) -> Flow:
    """Return the flow of a band gap."""
    from defectflow.flows import BandGapMaker

    return flow_of(BandGapMaker, recipe, order)
