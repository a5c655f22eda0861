"""The kind that strains a crystal."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field, model_validator

from defectflow.recipes.kinds.choice import DefectChoice
from defectflow.words import HostCell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

_STRAINS = {"metavar": "FRACTION"}
_SIX = 6


class Strain(DefectChoice):
    """Stretch, squeeze or shear a crystal; a series of strains makes a series of cells.

    Strains are fractions: 0.02 is 2 %, positive for stretching.
    """

    alone: ClassVar[bool] = False
    host_cell: ClassVar[HostCell] = "keep"

    kind: Literal["strain"] = Field("strain", description="the kind")
    uniaxial: tuple[float, ...] = Field(
        (), description="stretches along `direction`", json_schema_extra={**_STRAINS}
    )
    biaxial: tuple[float, ...] = Field(
        (),
        description="equal stretches across `direction`, in the plane it is normal to",
        json_schema_extra={**_STRAINS},
    )
    volumetric: tuple[float, ...] = Field(
        (), description="relative changes of the volume", json_schema_extra={**_STRAINS}
    )
    voigt: tuple[float, ...] = Field(
        (),
        description="one strain as e_xx, e_yy, e_zz, g_yz, g_xz, g_xy, shears doubled",
        json_schema_extra={**_STRAINS},
    )
    direction: tuple[float, float, float] = Field(
        (0.0, 0.0, 1.0), description="Cartesian direction, x, y, z"
    )
    measure: Literal["small", "finite"] = Field(
        "small", description="of strain: infinitesimal, or Green and Lagrange's"
    )

    @model_validator(mode="after")
    def _one_form(self) -> Strain:
        forms = (self.uniaxial, self.biaxial, self.volumetric, self.voigt)
        if sum(bool(form) for form in forms) != 1:
            message = "give one of `uniaxial`, `biaxial`, `volumetric` and `voigt`"
            raise ValueError(message)
        if self.voigt and len(self.voigt) != _SIX:
            message = f"`voigt` needs six numbers, {len(self.voigt)} are given"
            raise ValueError(message)
        return self

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield the crystal under each strain."""
        from defectflow.structures import strain

        vectors = [
            *([self.voigt] if self.voigt else []),
            *(strain.uniaxial(one, self.direction) for one in self.uniaxial),
            *(strain.biaxial(one, self.direction) for one in self.biaxial),
            *(strain.volumetric(one, self.measure) for one in self.volumetric),
        ]
        return strain.strained_hosts(structure, vectors, self.measure)
