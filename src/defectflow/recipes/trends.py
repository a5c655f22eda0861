"""Recipes of adsorption along a family of surfaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, field_validator, model_validator

from defectflow.documents.electronic_structure import D_BAND_WINDOW_EV
from defectflow.recipes.adsorption import AdsorptionEnergyRecipe, AdsorptionFreeEnergyRecipe
from defectflow.recipes.electronic_structure import DBandCenterRecipe
from defectflow.recipes.parts import EngineChoice, HostChoice, Part, QuantityRecipe, without_engine

if TYPE_CHECKING:
    from jobflow import Flow

    from defectflow.flows.trends import Along, Member
    from defectflow.recipes.order import Order

Adsorbed = Annotated[
    AdsorptionEnergyRecipe | AdsorptionFreeEnergyRecipe, Field(discriminator="quantity")
]

_FEWEST: Final = 2
_MOST_STRAIN: Final = 0.2


class DBandChoice(Part):
    """The d-band centre that is computed beside each adsorption."""

    window_eV: tuple[float, float] = Field(
        D_BAND_WINDOW_EV, description="ends of the energy window, relative to the Fermi level, eV"
    )
    element: str | None = Field(None, description="whose d band, in a host of several elements")
    engine: EngineChoice | None = Field(
        None, description="engine with electrons; that of the recipe by default"
    )
    geometry: EngineChoice | None = Field(
        None, description="engine that relaxes the clean slab for it; the same by default"
    )


class TrendRecipe(QuantityRecipe):
    """How adsorption changes along strains, coverages or metals: slope and correlation.

    With `d_band` the line is drawn against the d-band centre of each clean surface. The result of
    every surface stands in the store by itself as well.
    """

    quantity: Literal["trend"]
    of: Adsorbed = Field(description="recipe of an adsorption, without engine and level")
    strain: tuple[float, ...] = Field(
        (), description="strains in the plane to go through, e.g. `[-0.06, -0.03, 0, 0.03, 0.06]`"
    )
    coverage: tuple[tuple[int, int], ...] = Field(
        (),
        description="`repeat` of the slab, one adsorbate on each, e.g. `[[1, 1], [2, 1], [2, 2]]`",
    )
    hosts: tuple[HostChoice, ...] = Field((), description="further hosts, beside that of `of`")
    d_band: DBandChoice | None = Field(None, description="compute d-band centres too")

    _without_engine = field_validator("of")(without_engine)

    @model_validator(mode="after")
    def _one_family(self) -> TrendRecipe:
        given = [name for name in ("strain", "coverage", "hosts") if getattr(self, name)]
        if len(given) != 1:
            message = "give one of `strain`, `coverage` and `hosts`"
            raise ValueError(message)
        if self.hosts and self.d_band is None:
            message = "`hosts` are compared by their d-band centres: add `d_band: {}`"
            raise ValueError(message)
        cells = [first * second for first, second in self.coverage]
        if not self.hosts and len(set(cells or self.strain)) < _FEWEST:
            message = f"`{given[0]}` needs at least two different values"
            raise ValueError(message)
        if self.coverage and self.d_band is not None:
            message = (
                "`d_band` is that of the clean surface, the same at every coverage; leave it out"
            )
            raise ValueError(message)
        if any(abs(one) > _MOST_STRAIN for one in self.strain):
            message = f"`strain` is a fraction of at most {_MOST_STRAIN:g}: 0.02 is 2 %"
            raise ValueError(message)
        if self.d_band is not None and self.of.defect is not None:
            message = "`d_band` is that of a surface without `defect`; leave one of them out"
            raise ValueError(message)
        return self

    @property
    def along(self) -> Along:
        """What the surfaces differ by."""
        return "strain" if self.strain else "coverage" if self.coverage else "host"

    def surfaces(self) -> list[tuple[str, float | None, dict[str, Any]]]:
        """Return label, abscissa and changed fields of each surface.

        The abscissa of a coverage is in its result: how many atoms a surface cell has at its top,
        the slab tells.
        """
        if self.strain:
            return [
                (f"{100 * one:+g}%" if one else "0%", 100 * one, {"strain": one})
                for one in sorted(set(self.strain))
            ]
        if self.coverage:
            return [
                (f"{one[0]}x{one[1]}", None, {"slab": self._repeated(one)})
                for one in dict.fromkeys(self.coverage)
            ]
        return [(str(one), None, {"host": one}) for one in (self.of.host, *self.hosts)]

    def _repeated(self, repeat: tuple[int, int]) -> Any:
        return self.of.slab.model_copy(update={"repeat": repeat})

    def subject(self) -> tuple[str, str]:
        """Return host and adsorbate of the first surface."""
        return self.of.subject()


def build(recipe: TrendRecipe, order: Order) -> Flow:
    """Return the flow of a trend."""
    from defectflow.flows import TrendMaker
    from defectflow.flows.trends import Member

    flows: dict[str, Flow] = {}
    members: list[Member] = []
    for label, x, changes in recipe.surfaces():
        content = recipe.of.model_copy(update=changes)
        key = _planned(content, recipe.engine, (recipe, order, label), flows)
        d_band = ""
        if recipe.d_band is not None:
            clean = _clean_surface(content, recipe.d_band)
            engine = recipe.d_band.engine or recipe.engine
            d_band = _planned(clean, engine, (recipe, order, f"{label}, d band"), flows)
        members.append(Member(label, x, key, d_band))
    maker = TrendMaker(order.engine, recipe.of.quantity, recipe.along)
    return maker.make(members, flows, order.provenance)


def _clean_surface(of: AdsorptionEnergyRecipe, choice: DBandChoice) -> DBandCenterRecipe:
    """Return the recipe of the d-band centre of the surface without adsorbate, in its own cell."""
    return DBandCenterRecipe(
        quantity="d_band_center",
        host=of.host,
        slab=of.slab.model_copy(update={"repeat": (1, 1)}),
        element=choice.element,
        window_eV=choice.window_eV,
        strain=of.strain,
        host_cell=of.host_cell,
        geometry=choice.geometry,
    )


def _planned(
    content: QuantityRecipe,
    engine: EngineChoice,
    within: tuple[TrendRecipe, Order, str],
    flows: dict[str, Flow],
) -> str:
    """Return the key of a nested recipe, with its flow added to `flows` unless it is there."""
    from defectflow.flows.provenance import Provenance
    from defectflow.recipes.order import key_of, make_engine
    from defectflow.recipes.quantities import FAMILIES

    recipe, order, label = within
    whole = content.model_copy(update={"engine": engine, "level": recipe.level})
    key = key_of(whole, order.folder)
    if key not in flows:
        origin = Provenance(
            recipe=f"{order.provenance.recipe} ({label})",
            key=key,
            recipe_input=whole.model_dump(mode="json", exclude_defaults=True),
        )
        nested = order.changed(make_engine(engine, recipe.level, order.folder), origin)
        flows[key] = FAMILIES[whole.quantity].build(whole, nested)
    return key
