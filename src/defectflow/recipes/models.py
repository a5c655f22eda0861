"""The recipe models: what a user may write, with its defaults and its meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from defectflow.documents.base import Level

#: The embedded potential with the smallest error on benchmarks/published_hops.py.
DEFAULT_ENGINE = "sevennet"


class Part(BaseModel):
    """Base of a recipe's parts: immutable, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HostChoice(Part):
    """The perfect crystal: one of a file and a prototype."""

    prototype: str | None = Field(None, description="name of a prototype, e.g. `1T-TiS2`")
    file: Path | None = Field(
        None, description="file that pymatgen reads (CIF, POSCAR, ...), relative to the recipe"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> HostChoice:
        if (self.prototype is None) == (self.file is None):
            message = "give either `prototype` or `file`"
            raise ValueError(message)
        return self


class EndpointChoice(Part):
    """Two structures between which an atom moves, same atoms in the same order."""

    initial: Path = Field(description="file of the initial structure, relative to the recipe")
    final: Path = Field(description="file of the final structure, relative to the recipe")


class EngineChoice(Part):
    """The engine with its options; a bare name stands for the engine with default options."""

    name: str = Field(description="one of `defectflow engines`")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="options of that engine, e.g. `{model: 7net-l3i5, dispersion: d3bj}`",
    )


class MigrationBarrierRecipe(Part):
    """Barrier of an ion on its way through a host, in the dilute limit.

    Either a `host` and a `limit`, or two `endpoints`.
    """

    quantity: Literal["migration_barrier"]
    name: str = Field("", description="name of the result; the file's name by default")
    description: str = Field("", description="free text; does not change the result")
    host: HostChoice | None = Field(None, description="the perfect crystal")
    endpoints: EndpointChoice | None = Field(None, description="one hop between two structures")
    species: str | None = Field(None, description="element that moves; needed with `host`")
    limit: Literal["charged", "discharged"] = Field(
        "charged",
        description="charged: one ion in the empty host; discharged: one vacancy in the full host",
    )
    engine: EngineChoice = Field(
        default_factory=lambda: EngineChoice(name=DEFAULT_ENGINE),
        description="what computes energies and forces: a name, or `{name: ..., options: {...}}`",
    )
    level: Level = Field("balanced", description="how tight: fast, balanced or stringent")
    host_cell: Literal["keep", "relax", "scale"] = Field(
        "relax",
        description="cell of the host: as given, relaxed by the engine, or relaxed in volume only",
    )
    min_image_distance_A: float = Field(
        8.0, gt=0, description="least distance of the ion from its periodic image, Å"
    )
    cutoff_A: float | None = Field(
        None,
        gt=0,
        description="longest hop, Å; by default the shortest hops that together cross the crystal",
    )
    images: int = Field(
        0, ge=0, description="moving images of a band; 0: as many as the level asks for"
    )
    explore: bool = Field(
        True, description="send bands through interstitial sites too and keep the lowest"
    )
    temperatures_K: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (300.0,), description="temperatures for the diffusion coefficient, K"
    )
    attempt_frequency_Hz: float = Field(
        1.0e13, gt=0, description="attempt frequency of the diffusion coefficient, Hz"
    )

    @field_validator("engine", mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> MigrationBarrierRecipe:
        if (self.host is None) == (self.endpoints is None):
            message = "give either `host` or `endpoints`"
            raise ValueError(message)
        if self.host is not None and self.species is None:
            message = "`species` is missing: say which element moves, e.g. `species: Mg`"
            raise ValueError(message)
        return self


#: One model per quantity.
MODELS: dict[str, type[MigrationBarrierRecipe]] = {"migration_barrier": MigrationBarrierRecipe}
