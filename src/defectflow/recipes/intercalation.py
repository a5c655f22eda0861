"""Recipes of ions in hosts: voltages, intercalation energies, binding at defects."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from defectflow.recipes.defects import Defect
from defectflow.recipes.kinds.disorder import FractionText
from defectflow.recipes.parts import (
    HOST_CELL,
    SUPERCELL,
    HostChoice,
    QuantityRecipe,
    ReferenceChoice,
    Supercell,
)
from defectflow.words import HostCell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow import Flow

    from defectflow.recipes.order import Order
    from defectflow.structures.hosts import Host

#: A series begins with the empty and the full crystal.
_ENDS = 2
_METAL = "crystal that the ion is counted against; the element's standard state by default"


class IntercalationVoltageRecipe(QuantityRecipe):
    """Average voltage of an insertion electrode against the metal of the ion, and its steps.

    Positive: discharge, which inserts the ion, gains energy. At 0 K, without entropy. Either
    `compositions` gives crystals with different numbers of ions, or `host` is emptied or filled.
    """

    quantity: Literal["intercalation_voltage"]
    species: str = Field(description="element of the ion")
    compositions: tuple[HostChoice, ...] = Field(
        (), description="crystals of one host with different numbers of ions"
    )
    host: HostChoice | None = Field(
        None, description="the host, full of ions or empty; instead of `compositions`"
    )
    site: str | None = Field(
        None, description="label of the site that fills an empty host; its first known one"
    )
    fractions: tuple[FractionText, ...] = Field(
        (), description="fillings between empty and full, e.g. `[1/4, 1/2]`, each a cell of its own"
    )
    at_most: int = Field(
        4, ge=1, description="ordered arrangements of each filling; the lowest make the hull"
    )
    ion_charge: int | None = Field(
        None, ge=1, description="charge of the ion in e; that of its compounds by default"
    )
    metal: ReferenceChoice | None = Field(None, description=_METAL)
    host_cell: HostCell = Field("relax", description=HOST_CELL)

    @model_validator(mode="after")
    def _one_way(self) -> IntercalationVoltageRecipe:
        if bool(self.compositions) == (self.host is not None):
            message = "give either `compositions` or `host`"
            raise ValueError(message)
        if self.compositions and (self.fractions or self.site):
            message = "`fractions` and `site` are of a `host`, not of `compositions`"
            raise ValueError(message)
        if "at_most" in self.model_fields_set and not self.fractions:
            message = "`at_most` counts arrangements of `fractions`; give these, or leave it out"
            raise ValueError(message)
        if not all(_is_between(one) for one in self.fractions):
            message = "`fractions` lie between 0 and 1, e.g. 1/4: empty and full are added"
            raise ValueError(message)
        return self

    def subject(self) -> tuple[str, str]:
        """Return host and ion in words, for a table of what could not be computed."""
        return str(self.host or ", ".join(map(str, self.compositions))), self.species


class IntercalationEnergyRecipe(QuantityRecipe):
    """Energy of one ion in a host, in the dilute limit, against its metal; negative is stable.

    Every distinct site is relaxed; the lowest is the value.
    """

    quantity: Literal["intercalation_energy"]
    host: HostChoice = Field(description="the host without the ion")
    species: str = Field(description="element of the ion")
    metal: ReferenceChoice | None = Field(None, description=_METAL)
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the ion from its periodic image, Å"
    )


class BindingEnergyRecipe(QuantityRecipe):
    """Energy of one ion at a defect of a host, against its metal; negative is bound.

    The same ion in the pristine host is computed beside it: the difference says how strongly the
    defect holds the ion.
    """

    quantity: Literal["binding_energy"]
    host: HostChoice = Field(description="the host without the ion")
    defect: Defect = Field(description="kind of defect and what decides where it is")
    species: str = Field(description="element of the ion")
    metal: ReferenceChoice | None = Field(None, description=_METAL)
    reach_A: float = Field(
        3.5, gt=0, description="places of the ion up to this distance from the defect, Å"
    )
    host_cell: HostCell = Field("relax", description=HOST_CELL)
    supercell: Supercell | None = Field(None, description=SUPERCELL)
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the defect from its periodic image, Å"
    )

    def subject(self) -> tuple[str, str]:
        """Return host and defect in words, for a table of what could not be computed."""
        return str(self.host), f"{self.species} at {self.defect.kind}"


def _is_between(text: str) -> bool:
    try:
        return 0 < Fraction(text) < 1
    except (ValueError, ZeroDivisionError):
        return False


def build_voltage(recipe: IntercalationVoltageRecipe, order: Order) -> Flow:
    """Return the flow of a voltage."""
    from defectflow.flows import IntercalationVoltageMaker
    from defectflow.structures.electrodes import series

    if recipe.host is not None:
        host = order.host(recipe.host)
        fractions = [Fraction(one) for one in recipe.fractions]
        found = series(host, recipe.species, fractions, recipe.at_most + 1, recipe.site)
        crystals, notes = _shortened(found, recipe.at_most)
    else:
        crystals, notes = [order.host(choice) for choice in recipe.compositions], []
    maker = IntercalationVoltageMaker(engine=order.engine, host_cell=recipe.host_cell)
    return maker.make(
        crystals,
        recipe.species,
        recipe.ion_charge,
        _metal(recipe, order),
        order.provenance,
        notes,
    )


def _shortened(crystals: Sequence[Host], at_most: int) -> tuple[list[Host], list[str]]:
    """Return the ends and `at_most` arrangements of each formula, and what is to be said of others.

    One that is left out, or of another cell, may be the lowest.
    """
    kept, seen, cut = list(crystals[:_ENDS]), Counter[str](), []
    for one in crystals[_ENDS:]:
        formula = one.structure.composition.reduced_formula
        seen[formula] += 1
        if seen[formula] <= at_most:
            kept.append(one)
        else:
            cut.append(formula)
    notes = [_cells_note(kept[_ENDS:])] * bool(seen)
    if cut:
        notes.append(
            f"of {', '.join(cut)} the first arrangements only were computed, {at_most} of each "
            "(at_most); a lower one would move the steps of the voltage, not its average"
        )
    return kept, notes


def _cells_note(crystals: Sequence[Host]) -> str:
    """Return in what cells the ions were arranged: half of a layered host is every other layer."""
    sizes = {one.structure.composition.reduced_formula: len(one.structure) for one in crystals}
    cells = ", ".join(f"{formula} in {size} atoms" for formula, size in sizes.items())
    return (
        f"ions were arranged in one cell of each filling, the smallest that keeps the symmetry of "
        f"the host ({cells}); an order in another cell, as of rows within a layer, may be lower "
        "and would move the steps of the voltage, not its average; give such crystals as "
        "`compositions`"
    )


def build_energy(recipe: IntercalationEnergyRecipe, order: Order) -> Flow:
    """Return the flow of an intercalation energy."""
    from defectflow.flows import IntercalationEnergyMaker

    maker = IntercalationEnergyMaker(
        engine=order.engine,
        host_cell=recipe.host_cell,
        min_image_distance_A=recipe.min_image_distance_A,
        supercell=recipe.supercell,
    )
    host = order.host(recipe.host)
    return maker.make(host, recipe.species, None, _metal(recipe, order), order.provenance)


def build_binding(recipe: BindingEnergyRecipe, order: Order) -> Flow:
    """Return the flow of a binding energy."""
    from defectflow.flows import IntercalationEnergyMaker

    maker = IntercalationEnergyMaker(
        engine=order.engine,
        name="binding energy",
        host_cell=recipe.host_cell,
        min_image_distance_A=recipe.min_image_distance_A,
        supercell=recipe.supercell,
        reach_A=recipe.reach_A,
    )
    return maker.make(
        order.host(recipe.host),
        recipe.species,
        recipe.defect.cells,
        _metal(recipe, order),
        order.provenance,
    )


def _metal(recipe: Any, order: Order) -> Any:
    return None if recipe.metal is None else order.phase(recipe.metal)
