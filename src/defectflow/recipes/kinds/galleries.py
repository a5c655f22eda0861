"""Kinds that open a layered host and put something between its layers."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from defectflow.recipes.kinds.choice import DefectChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

_SYMBOL: Final[dict[str, Any]] = {"metavar": "S"}


class Interlayer(DefectChoice):
    """Open the galleries of a layered host and put ions or molecules in.

    Every distinct place and orientation that is not too close to the layers or to another guest.
    Without a guest: the empty host at each expansion.
    """

    alone: ClassVar[bool] = False

    kind: Literal["interlayer"] = Field("interlayer", description="the kind")
    guest: str | None = Field(
        None,
        description="element, H2O, H3O, OH, MgCl, another small molecule such as NH3 or CH3OH, or "
        "the path of a molecule's file",
        json_schema_extra={"metavar": "GUEST"},
    )
    expansion_A: tuple[float, ...] = Field(
        (),
        description="what is added to the height of a gallery, one series of cells each; the least "
        "that will do if not given",
    )
    count: int = Field(1, ge=1, description="guests in a gallery of the cell")
    cells_per_layer: int | None = Field(
        None,
        ge=1,
        description="primitive cells side by side; count / cells is the coverage. By `spacing` if "
        "not given",
    )
    spacing_A: float = Field(
        8.0, gt=0, description="least distance of a guest from its image along the layers"
    )
    between: tuple[str, ...] = Field(
        (), description="ions that are there already, e.g. Na", json_schema_extra=_SYMBOL
    )
    gallery: int | None = Field(
        None, ge=0, description="which to open, counted from 0 at the bottom; all by default"
    )
    azimuth_deg: float = Field(
        30.0, gt=0, le=90, description="step of the turns of a molecule about the normal"
    )
    at_most: int | None = Field(None, ge=1, description="number of cells; all by default")

    @model_validator(mode="after")
    def _something(self) -> Interlayer:
        if self.guest is None and not self.expansion_A:
            message = "give a `guest`, an `expansion`, or both"
            raise ValueError(message)
        return self

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield the opened and filled hosts."""
        from defectflow.structures.interlayer import Filling, expanded, interlayers

        filling = Filling(
            expansions_A=self.expansion_A,
            guests=self.count,
            cells=self.cells_per_layer,
            between=self.between,
            gallery=self.gallery,
            azimuth_deg=self.azimuth_deg,
            min_image_distance_A=self.spacing_A,
        )
        if self.guest is None:
            found = expanded(structure, self.expansion_A, filling)
        else:
            found = interlayers(structure, self.guest, filling)
        return itertools.islice(found, self.at_most)
