"""Recipes of defect formation energies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from defectflow.recipes.defects import Defect, check_species, spelled_out
from defectflow.recipes.kinds.points import Vacancy
from defectflow.recipes.parts import (
    HOST_CELL,
    NEAR_DEFECT,
    SUPERCELL,
    HostChoice,
    QuantityRecipe,
    ReferenceChoice,
    Supercell,
    usual_host_cell,
)
from defectflow.words import HostCell

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.recipes.order import Order

Row = tuple[float, float, float]


class DefectFormationEnergyRecipe(QuantityRecipe):
    """Formation energy of a defect, in the dilute limit; positive costs energy.

    `defect: vacancy` with `species: O` is the short form of `defect: {kind: vacancy, species: O}`,
    and `charges: [0, 1, 2]` in the long form asks for charged ones too.
    The atoms exchanged go to and come from reservoirs that the same engine computes: by default
    the host itself if it holds nothing else, or the standard state of the element. With
    `competing_phases` the chemical potentials are those of a `limit` of the host's stability.
    """

    quantity: Literal["defect_formation_energy"]
    host: HostChoice = Field(description="the perfect crystal")
    defect: Defect = Field(
        default_factory=lambda: Vacancy(kind="vacancy"),
        description="kind of defect and what decides where it is; a bare kind may be written",
    )
    species: str | None = Field(None, description="element that a vacancy takes out: short form")
    dielectric: float | Row | tuple[Row, Row, Row] | None = Field(
        None,
        description=(
            "static dielectric constant of the host, ions included: one number, three of the axes, "
            "or a tensor; needed to correct charged cells"
        ),
    )
    charge_correction: Literal["efnv", "point_charge", "none"] = Field(
        "efnv",
        description=(
            "for the finite size of charged cells: `efnv` aligns the potentials at the atoms "
            "(Kumagai and Oba), `point_charge` does not (the first term of Makov and Payne)"
        ),
    )
    fermi_level_eV: float = Field(
        0.0, description="Fermi level of the value, above the valence band maximum, eV"
    )
    temperature_K: float | None = Field(
        None, gt=0, description="where the Fermi level of the neutral crystal is sought, K"
    )
    starts: Literal["as_built", "distorted"] = Field(
        "as_built",
        description="relax each defect from distorted structures as well, and take the lowest",
    )
    reference: ReferenceChoice | None = Field(
        None,
        description=(
            "reservoir of `species`; by default the host itself if it holds nothing else, or the "
            "element's standard state"
        ),
    )
    references: dict[str, ReferenceChoice] = Field(
        default_factory=dict, description="the same for several elements, by symbol"
    )
    competing_phases: tuple[ReferenceChoice, ...] = Field(
        (),
        description=(
            "phases that the host is held against; standard states of elements that are missing "
            "are added"
        ),
    )
    limit: str = Field(
        "", description="with `competing_phases`: `O-rich` or `O-poor`, for any element"
    )
    near_defect_A: float = Field(0.0, ge=0, description=NEAR_DEFECT)
    host_cell: HostCell = Field(default_factory=usual_host_cell, description=HOST_CELL)
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the defect from its periodic image, Å"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        return spelled_out(data)

    @model_validator(mode="after")
    def _consistent(self) -> DefectFormationEnergyRecipe:
        check_species(self.defect)
        if self.species is not None and getattr(self.defect, "species", None) != self.species:
            message = "`species` is of the short form; write it into `defect`, or leave it out"
            raise ValueError(message)
        if bool(self.competing_phases) != bool(self.limit):
            message = "`competing_phases` and `limit` belong together, e.g. `limit: O-rich`"
            raise ValueError(message)
        if self.reference is not None and self.species is None:
            message = "`reference` is that of `species`; write `references: {O: {molecule: O2}}`"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and defect in words, for a table of what could not be computed."""
        return str(self.host), self.species or self.defect.kind


def build(recipe: DefectFormationEnergyRecipe, order: Order) -> Flow:
    """Return the flow of a formation energy."""
    from defectflow.flows import ChargePlan, DefectFormationEnergyMaker
    from defectflow.flows.defect_cells import near_defect

    maker = DefectFormationEnergyMaker(
        engine=order.engine,
        host_cell=recipe.host_cell,
        min_image_distance_A=recipe.min_image_distance_A,
        supercell=recipe.supercell,
        charges=ChargePlan(
            dielectric=recipe.dielectric,
            correction=recipe.charge_correction,
            fermi_eV=recipe.fermi_level_eV,
            temperature_K=recipe.temperature_K,
        ),
        distort=recipe.starts == "distorted",
        oxidation_states=getattr(recipe.defect, "oxidation_states", None) or {},
    )
    host = order.host(recipe.host)
    return maker.make(
        host,
        recipe.species or "",
        _reservoirs(recipe, order),
        order.provenance,
        near_defect(recipe.defect.cells, host, recipe.near_defect_A),
    )


def _reservoirs(recipe: DefectFormationEnergyRecipe, order: Order) -> Any:
    from defectflow.flows import Reservoirs

    given = dict(recipe.references)
    if recipe.reference is not None and recipe.species is not None:
        given[recipe.species] = recipe.reference
    return Reservoirs(
        by_element={symbol: _reservoir(choice, order) for symbol, choice in given.items()},
        competing_phases=[order.phase(choice) for choice in recipe.competing_phases],
        limit=recipe.limit,
    )


def _reservoir(choice: ReferenceChoice, order: Order) -> Any:
    from defectflow.flows import MeasuredCompound

    if choice.compound is None or choice.formation_enthalpy_eV is None:
        return order.phase(choice)
    return MeasuredCompound(order.host(choice.compound), choice.formation_enthalpy_eV)
