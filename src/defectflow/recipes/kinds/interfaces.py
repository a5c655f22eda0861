"""Interfaces of two crystals, and superlattices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from defectflow.recipes.kinds.choice import DefectChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell
    from defectflow.structures.interfaces import Joint, Side

_INDICES: Final[dict[str, Any]] = {"metavar": "H,K,L"}


class Interface(DefectChoice):
    """Put a film of another crystal on the host, in each cell that both planes share."""

    kind: Literal["interface"] = Field("interface", description="the kind")
    alone: ClassVar[bool] = False
    film: str = Field(description="crystal of the film: a prototype or a file")
    miller: tuple[int, ...] | None = Field(
        None,
        description=(
            "plane of the host, the substrate; that of the layers of a layered crystal and (001) "
            "of another if left out"
        ),
        json_schema_extra=_INDICES,
    )
    film_miller: tuple[int, ...] | None = Field(
        None, description="the same of the film", json_schema_extra=_INDICES
    )
    termination: int = Field(1, ge=1, description="of the substrate, widest gap first")
    film_termination: int = Field(1, ge=1, description="of the film, widest gap first")
    flipped: bool = Field(False, description="turn the film upside down")
    slices: int | None = Field(
        None,
        ge=1,
        description=(
            "thickness of the substrate in lattice planes; one layer of a layered crystal and at "
            "least 8 Å of another if left out"
        ),
    )
    film_slices: int | None = Field(None, ge=1, description="the same of the film")
    gap_A: float = Field(2.5, gt=0, description="between the outermost atoms of both, Å")
    vacuum_A: float = Field(
        12.0, ge=0, description="vacuum above the film, Å; 0 for a superlattice"
    )
    max_area_A2: float = Field(200.0, gt=0, description="largest area of the common cell, Å²")
    max_strain: float = Field(0.03, gt=0, lt=0.3, description="largest principal strain")
    strained: Literal["film", "substrate", "both"] = Field(
        "film", description="which of the two is strained; both by half"
    )
    shift: tuple[float, float] = Field(
        (0.0, 0.0), description="of the film along the vectors of the common cell, fractions"
    )
    bond: tuple[str, str] | None = Field(
        None,
        description=(
            "elements of film and host between which a chemical bond is made, e.g. [P, C]; gap and "
            "shift follow from it"
        ),
        json_schema_extra={"metavar": "FILM,HOST"},
    )
    bridge: str = Field(
        "",
        description="with `bond`: element of an atom between the two, e.g. O for P-O-C",
        json_schema_extra={"metavar": "S"},
    )

    @model_validator(mode="after")
    def _bridge_of_a_bond(self) -> Interface:
        if self.bridge and self.bond is None:
            message = "`bridge` needs the `bond` that it is part of, e.g. [P, C]"
            raise ValueError(message)
        return self

    def located(self, folder: Path) -> Self:
        """Return the same choice with the film's file found from `folder`."""
        file = folder / Path(self.film).expanduser()
        return self.model_copy(update={"film": str(file)}) if file.is_file() else self

    def joint(self) -> Joint:
        """Return how the two crystals meet."""
        from defectflow.structures.interfaces import Joint

        return Joint(
            gap_A=self.gap_A,
            vacuum_A=self.vacuum_A,
            max_area_A2=self.max_area_A2,
            max_strain=self.max_strain,
            strained=self.strained,
            shift=self.shift,
            bond=self.bond,
            bridge=self.bridge,
        )

    def sides(self, substrate: Structure, film: Structure) -> tuple[Side, Side]:
        """Return both crystals with their planes."""
        from defectflow.structures.interfaces import Side

        return (
            Side(substrate, self.miller, self.slices, self.termination),
            Side(film, self.film_miller, self.film_slices, self.film_termination, self.flipped),
        )

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield the interface in each common cell, the smallest first."""
        from defectflow.structures import hosts
        from defectflow.structures.interfaces import interfaces

        sides = self.sides(structure, hosts.load(self.film).structure)
        return interfaces(*sides, self.joint())
