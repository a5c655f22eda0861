"""Recipes of adsorption energies and free energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from pydantic import Field

from defectflow.recipes.defects import Defect
from defectflow.recipes.parts import (
    HOST_CELL,
    EngineChoice,
    HostChoice,
    QuantityRecipe,
    SlabChoice,
    usual_host_cell,
)
from defectflow.recipes.slabs import facet_said, host_to_relax, slab_plan
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.flows.slabs import SlabPlan
    from defectflow.recipes.order import Order
    from defectflow.structures.hosts import Host

Species = Literal[
    "H",
    "C",
    "N",
    "O",
    "F",
    "Cl",
    "Li",
    "Na",
    "K",
    "Mg",
    "OH",
    "OOH",
    "O2",
    "H2O",
    "CO",
    "COOH",
    "CHO",
    "COH",
    "N2",
    "N2H",
    "NH",
    "NH2",
    "NH3",
]
#: What a recipe may ask to be adsorbed.
SPECIES: tuple[str, ...] = get_args(Species)


class SurfaceRecipe(QuantityRecipe):
    """What recipes of adsorption on a surface share."""

    host: HostChoice = Field(description="the bulk crystal, or a layered one for a `sheet`")
    slab: SlabChoice = Field(description="the surface, and the slab that stands for it")
    defect: Defect | None = Field(
        None, description="defect in the top layer of the slab, e.g. `{kind: vacancy, species: S}`"
    )
    label: str | None = Field(None, description="which of several distinct defects, e.g. `V_S_2`")
    strain: float = Field(
        0.0, ge=-0.2, le=0.2, description="equal stretch in the plane of the surface: 0.02 is 2 %"
    )
    references: dict[str, str] = Field(
        default_factory=dict,
        description=(
            "what elements are counted against, where not H2, H2O, CO2, N2 or the metal: "
            "`{C: CO}`; `{O: O2}`, which comes from water and the measured 4.92 eV"
        ),
    )
    host_cell: HostCell = Field(default_factory=usual_host_cell, description=HOST_CELL)
    screen: EngineChoice | None = Field(
        None,
        description=(
            "cheap engine that relaxes all placements first; only the lowest go on, and it guides "
            "their relaxations"
        ),
    )
    keep: int = Field(2, ge=1, description="how many different ends of the screen go on")
    keep_within_eV: float = Field(
        0.0,
        ge=0,
        description=(
            "all ends of the screen up to this above its lowest one go on too: how wrong it may be "
            "about differences between sites; 0.2 for CO on platinum with 7net-0, eV"
        ),
    )
    weigh_within_eV: float = Field(
        0.0,
        ge=0,
        description=(
            "ends of the screen up to this above its lowest one are first weighed, by one "
            "evaluation each on the engine itself, whose energies then say which `keep` are the "
            "lowest; 0.2 where the screen may rank the sites wrongly, eV"
        ),
    )
    azimuth_step_deg: float = Field(
        60.0, gt=0, le=360, description="turns of a molecule about the surface normal"
    )


class AdsorptionEnergyRecipe(SurfaceRecipe):
    """Energy of an atom or a molecule on a surface against gases; negative is bound.

    H2, H2O, CO2 and N2 hold its atoms, a metal's is counted against its crystal; all are computed
    with the same engine. The equation of the reaction is in the result.
    """

    quantity: Literal["adsorption_energy"]
    adsorbate: Species = Field(description="what is adsorbed, once per slab")
    site: str = Field(
        "lowest", description="`lowest` of all distinct sites, or one of them, e.g. `fcc`"
    )

    def subject(self) -> tuple[str, str]:
        """Return host and adsorbate, for a table of what could not be computed."""
        return str(self.host), f"{self.adsorbate} on {facet_said(self.slab)}"


class AdsorptionFreeEnergyRecipe(AdsorptionEnergyRecipe):
    """Free energy of an atom or a molecule on a surface against gases; negative is bound.

    The adsorption energy plus a correction, which has to be named. `potential_V` counts each H2
    that is taken up as a pair H⁺ + e⁻ (computational hydrogen electrode).
    """

    quantity: Literal["adsorption_free_energy"]  # type: ignore[assignment]
    correction: Literal["norskov_2005", "vibrations"] = Field(
        description=(
            "norskov_2005: +0.24 eV for H, J. Electrochem. Soc. 152, J23 (2005); vibrations: zero-"
            "point energy, heat and entropy from vibrations of adsorbate and gases"
        )
    )
    temperature_K: float = Field(298.15, gt=0, description="temperature, with `vibrations`")
    potential_V: float = Field(
        0.0, description="against the reversible hydrogen electrode; the standard one with `pH`"
    )
    pH: float | None = Field(None, description="makes `potential_V` one against the standard one")
    solvation_eV: float = Field(
        0.0, description="what the electrolyte adds, negative where it stabilises; say the source"
    )


def surface_plan(recipe: SurfaceRecipe, host: Host) -> SlabPlan:
    """Return the slab of a recipe with its strain and its defect."""
    made = slab_plan(recipe.slab, host, recipe.strain)
    if recipe.defect is None:
        return made
    crystal = host_to_relax(recipe.slab, host, recipe.host_cell).structure
    return made.with_defect(crystal, recipe.defect.cells, recipe.label)


def adsorption(recipe: SurfaceRecipe, order: Order, host: Host) -> dict[str, Any]:
    """Return the fields of an `AdsorptionMaker` that all recipes on a surface decide."""
    return {
        "engine": order.engine,
        "slab": surface_plan(recipe, host),
        "host_cell": recipe.host_cell,
        "screen": order.other_engine(recipe.screen) if recipe.screen else None,
        "keep": recipe.keep,
        "keep_within_eV": recipe.keep_within_eV,
        "weigh_within_eV": recipe.weigh_within_eV,
        "azimuth_step_deg": recipe.azimuth_step_deg,
    }


def build(recipe: AdsorptionEnergyRecipe, order: Order) -> Flow:
    """Return the flow of an adsorption energy, or free energy."""
    from defectflow.flows import AdsorptionMaker
    from defectflow.flows.free_energy import FreeEnergyPlan

    added: dict[str, Any] = {"references": recipe.references}
    if isinstance(recipe, AdsorptionFreeEnergyRecipe):
        added |= {
            "correction": recipe.correction,
            "temperature_K": recipe.temperature_K,
            "potential_V": recipe.potential_V,
            "pH": recipe.pH,
            "solvation_eV": recipe.solvation_eV,
        }
    host = order.host(recipe.host)
    maker = AdsorptionMaker(
        **adsorption(recipe, order, host),
        quantity=recipe.quantity,
        site=recipe.site,
        free=FreeEnergyPlan(**added),
    )
    start = host_to_relax(recipe.slab, host, recipe.host_cell)
    return maker.make(start, recipe.adsorbate, order.provenance)
