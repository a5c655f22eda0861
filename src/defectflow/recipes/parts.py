"""What recipes are made of: the parts that several quantities share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    model_validator,
)

from defectflow.documents.base import Level
from defectflow.recipes.defects import Defect
from defectflow.recipes.kinds.choice import Part as Part  # noqa: PLC0414 - other rooms find it here
from defectflow.recipes.kinds.indices import Plane

if TYPE_CHECKING:
    from defectflow.words import HostCell

#: The embedded potential with the smallest error on benchmarks/published_hops.py.
DEFAULT_ENGINE = "sevennet"

_AXES = 3


def _rows(value: object) -> object:
    """Return three repetitions as the rows of a matrix; anything else as it is."""
    if isinstance(value, (list, tuple)) and all(type(one) is int for one in value):
        if len(value) != _AXES or min(value) < 1:
            message = "three repetitions of at least 1 are needed, e.g. [2, 2, 2]"
            raise ValueError(message)
        return tuple(tuple(n if i == k else 0 for k in range(_AXES)) for i, n in enumerate(value))
    return value


def _solid(rows: tuple[tuple[int, int, int], ...]) -> tuple[tuple[int, int, int], ...]:
    import numpy as np

    if len(rows) != _AXES or abs(np.linalg.det(np.array(rows))) < 0.5:  # noqa: PLR2004 - not 0
        message = "three independent rows of three whole numbers are needed, or e.g. [2, 2, 2]"
        raise ValueError(message)
    return rows


#: Rows give the supercell's vectors in those of the host; three repetitions may be written.
Supercell = Annotated[
    tuple[tuple[int, int, int], ...], BeforeValidator(_rows), AfterValidator(_solid)
]

HOST_CELL = (
    "cell of the host: as given, relaxed by the engine, or relaxed in volume only; a vacuum is "
    "kept, so that a slab relaxes in its plane, as a free film does. If left out, a host generated "
    "with grain boundaries, dislocations or kinks is relaxed in volume only, since in a cell of "
    "free shape they may heal, and a strained one stays as given"
)
NEAR_DEFECT = (
    "of a host with `cell`: only sites this near to its defect, e.g. to the core of its "
    "dislocation; 0 for all, Å"
)
SUPERCELL = (
    "supercell of the host: three repetitions, e.g. `[2, 2, 2]`, or three rows of a matrix; "
    "chosen by `min_image_distance_A` if left out"
)


class HostChoice(Part):
    """The crystal: one of a file and a prototype, or a cell generated from it.

    With `cell` the host is itself a defective crystal, e.g. one with a stacking fault, a grain
    boundary or a dislocation, in which the recipe puts its own defect.
    """

    prototype: str | None = Field(None, description="name of a prototype, e.g. `1T-TiS2`")
    file: Path | None = Field(
        None,
        description="file that pymatgen reads (CIF, POSCAR, ...), relative to the recipe; the "
        "flags of `Selective dynamics` are not used: all atoms are free",
    )
    primitive: bool = Field(
        False, description="use the primitive cell, which is cheaper to relax, not the one given"
    )
    cell: Defect | None = Field(
        None,
        description=(
            "what to generate from the crystal first, as `defectflow generate` does, e.g. "
            "`{kind: dislocation, burgers: [1/2, -1/2, 0], line: [1, 1, -2]}`"
        ),
    )
    name: str | None = Field(
        None, description="with `cell`: the name of the cell, where there are several"
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> HostChoice:
        if (self.prototype is None) == (self.file is None):
            message = "give either `prototype` or `file`"
            raise ValueError(message)
        if self.name is not None and self.cell is None:
            message = "`name` chooses among the cells of `cell`; give that, or leave it out"
            raise ValueError(message)
        return self

    def __str__(self) -> str:
        crystal = self.prototype or str(self.file)
        return f"{crystal} {self.name or self.cell.kind}" if self.cell else crystal


def usual_host_cell(given: dict[str, Any]) -> HostCell:
    """Return what is relaxed of the host's cell where a recipe does not say it."""
    host = given.get("host")
    return host.cell.host_cell if isinstance(host, HostChoice) and host.cell else "relax"


class ReferenceChoice(Part):
    """A phase that is computed beside the host: one of a prototype, a file and a molecule.

    For the reservoir of an element also one of its compounds, with the measured enthalpy of
    formation: the energy of the element's own phase, such as O2, does then not enter.
    """

    prototype: str | None = Field(None, description="name of a prototype, e.g. `hcp-Mg`")
    file: Path | None = Field(None, description="crystal, relative to the recipe")
    molecule: Literal["H2", "N2", "O2", "F2", "Cl2"] | None = Field(
        None, description="gas molecule, computed in a box"
    )

    compound: HostChoice | None = Field(
        None, description="compound of the element, instead of the element itself"
    )
    formation_enthalpy_eV: float | None = Field(
        None,
        description="measured, of that compound from the elements, per formula unit; negative, eV",
    )

    @model_validator(mode="after")
    def _one(self) -> ReferenceChoice:
        choices = (self.prototype, self.file, self.molecule, self.compound)
        if sum(choice is not None for choice in choices) != 1:
            message = "give one of `prototype`, `file`, `molecule` and `compound`"
            raise ValueError(message)
        if (self.compound is None) != (self.formation_enthalpy_eV is None):
            message = "`compound` and `formation_enthalpy_eV` belong together"
            raise ValueError(message)
        return self


class EndpointChoice(Part):
    """Two structures between which an atom moves, same atoms in the same order.

    The flags of `Selective dynamics` are not used: all atoms are free.
    """

    initial: Path = Field(description="file of the initial structure, relative to the recipe")
    final: Path = Field(description="file of the final structure, relative to the recipe")


class EngineChoice(Part):
    """The engine with its options; a bare name stands for the engine with default options."""

    name: str = Field(description="one of `defectflow engines`")
    options: dict[str, Any] = Field(
        default_factory=dict,
        description="options of that engine, e.g. `{model: 7net-l3i5, dispersion: d3bj}`",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="numbers that replace those of the level, e.g. `{cutoff_eV: 500}`",
    )

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value


class SlabChoice(Part):
    """A surface of the host, and the slab that stands for it."""

    miller: Plane | None = Field(
        None,
        description=(
            "Miller indices of the surface, in the conventional cell, four of a hexagonal one; of "
            "a host with `cell`, in the vectors of that cell, where [0, 0, 1] is parallel to a "
            "planar defect"
        ),
    )
    termination: str | None = Field(
        None,
        description="which of several terminations: the uppermost layer, e.g. `O 1`; all are named",
    )
    sheet: bool = Field(
        False,
        description=(
            "take one layer of a layered host, e.g. graphene, in place of a cut; `miller` and "
            "`layers` are then left out"
        ),
    )
    layers: int = Field(4, ge=2, description="atomic layers")
    vacuum_A: float = Field(12.0, ge=8, description="vacuum between the slab and its image, Å")
    repeat: tuple[int, int] = Field(
        (1, 1), description="repetitions along the surface, e.g. `[2, 2]` for 1/4 monolayer"
    )
    frozen_layers: int = Field(2, ge=0, description="layers at the bottom that stay as in the bulk")
    fault_below: int = Field(
        0,
        ge=0,
        description=(
            "layers above an intrinsic stacking fault of a close-packed surface; of a host with "
            "`cell`, layers above the middle of its planar defect"
        ),
    )
    as_it_is: bool = Field(
        False,
        description=(
            "the host is a slab already, one with `cell` or a file: take it whole; `miller` and "
            "`layers` are then left out"
        ),
    )
    near_defect_A: float = Field(
        0.0,
        ge=0,
        description=(
            "of a host with `cell`: only sites this near to its defect, seen from above, get an "
            "adsorbate; 0 for all, Å"
        ),
    )

    @model_validator(mode="before")
    @classmethod
    def _free_sheet(cls, value: object) -> object:
        """Let all layers of a sheet move, unless asked for otherwise."""
        if isinstance(value, dict) and value.get("sheet"):
            return {"frozen_layers": 0, **value}
        return value

    @model_validator(mode="after")
    def _sensible(self) -> SlabChoice:
        if self.miller == (0, 0, 0):
            message = "`miller` [0, 0, 0] is no plane; give e.g. [1, 1, 1]"
            raise ValueError(message)
        whole = "sheet" if self.sheet else "as_it_is" if self.as_it_is else ""
        if self.sheet and self.as_it_is:
            message = "`sheet` takes one layer, `as_it_is` all of the host; give one of them"
            raise ValueError(message)
        cutting = {"miller", "layers", "termination", "fault_below"} & self.model_fields_set
        if whole and cutting:
            message = f"`{whole}` takes what is there; leave out {', '.join(sorted(cutting))}"
            raise ValueError(message)
        if not whole and self.miller is None:
            message = "`miller` is missing: the Miller indices of the surface, e.g. [1, 1, 1]"
            raise ValueError(message)
        if self.frozen_layers >= self.layers and not whole:
            message = f"`frozen_layers` must be less than `layers` ({self.layers})"
            raise ValueError(message)
        if min(self.repeat) < 1:
            message = "`repeat` must hold numbers of at least 1"
            raise ValueError(message)
        return self


class QuantityRecipe(Part):
    """What every recipe may say."""

    quantity: str
    name: str = Field("", description="name of the result; the file's name by default")
    description: str = Field("", description="free text; does not change the result")
    engine: EngineChoice = Field(
        default_factory=lambda: EngineChoice(name=DEFAULT_ENGINE),
        description=(
            "what computes energies and forces: a name, or "
            "`{name: ..., options: {...}, settings: {...}}`"
        ),
    )
    level: Level = Field("balanced", description="how tight: fast, balanced or stringent")

    def subject(self) -> tuple[str, str]:
        """Return host and defect in words, for a table of what could not be computed."""
        host = getattr(self, "host", None)
        return str(host or ""), str(getattr(self, "species", None) or "")


def without_engine(of: QuantityRecipe) -> QuantityRecipe:
    """Refuse a recipe within another that says by itself what only the outer one may say."""
    for name in ("engine", "level", "name"):
        if name in of.model_fields_set:
            message = f"`of` holds `{name}`; write it beside `of`, not within"
            raise ValueError(message)
    return of
