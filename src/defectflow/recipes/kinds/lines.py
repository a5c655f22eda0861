"""Defects along a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import Field

from defectflow.recipes.kinds.choice import DefectChoice
from defectflow.recipes.kinds.indices import Direction, LatticeVector, Plane
from defectflow.words import HostCell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell
    from defectflow.structures.slip_systems import SlipSystem

_INDICES: Final[dict[str, Any]] = {"metavar": "U,V,W"}


class _SlipChoice(DefectChoice):
    """What says which dislocation is meant."""

    alone: ClassVar[bool] = False
    burgers: LatticeVector = Field(
        description=(
            "Burgers vector in the standard conventional cell, e.g. 1/2, -1/2, 0; four indices of "
            "a hexagonal one, as of `line` and `plane`"
        ),
        json_schema_extra=_INDICES,
    )
    line: Direction = Field(
        description="direction of the line in that cell; along the Burgers vector for a screw",
        json_schema_extra=_INDICES,
    )
    plane: Plane | None = Field(
        None,
        description=(
            "glide plane; follows from the two vectors, of a screw the plane of widest spacing"
        ),
        json_schema_extra={"metavar": "H,K,L"},
    )
    elastic: dict[str, float] = Field(
        default_factory=dict,
        description=(
            "elastic constants, those that the crystal's symmetry leaves independent (C11, C12, "
            "C44 of a cubic one), in any unit; isotropic with a Poisson ratio of 0.3 if left out"
        ),
    )

    def _system(self, structure: Structure) -> SlipSystem:
        from defectflow.structures.slip_systems import slip_system

        return slip_system(structure, self.burgers, self.line, self.plane)


class Dislocation(_SlipChoice):
    """A pair of dislocations of opposite sign in a cell periodic in three directions."""

    host_cell: ClassVar[HostCell] = "scale"

    kind: Literal["dislocation"] = Field("dislocation", description="the kind")
    separation_A: float = Field(
        12.0, gt=0, description="least distance of the lines, and of the glide planes, Å"
    )
    length_A: float = Field(0.0, ge=0, description="least length of the cell along the lines, Å")
    arrangement: Literal["quadrupole", "dipole"] = Field(
        "quadrupole",
        description="lines of opposite sign above each other (quadrupole) or of one sign (dipole)",
    )
    places: int = Field(
        1,
        ge=1,
        description="so many places of the lines across one period of the crystal, a cell for each",
    )

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each distinct gap between atomic planes in which the pair glides."""
        from defectflow.structures.dislocations import dislocations

        size = (self.separation_A, self.length_A)
        system, elastic = self._system(structure), self.elastic or None
        return dislocations(system, size, self.arrangement, elastic, self.places)


class DislocationStrain(_SlipChoice):
    """A perfect crystal strained as it is beside a dislocation: the strained-lattice model."""

    host_cell: ClassVar[HostCell] = "keep"

    kind: Literal["dislocation_strain"] = Field("dislocation_strain", description="the kind")
    across_A: tuple[float, ...] = Field(
        (10.0,), description="distances from the line in the glide plane, Å, one cell for each"
    )
    above_A: float = Field(
        0.0, description="height above the glide plane, Å; below it, the sign of the strain changes"
    )

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each distance."""
        from defectflow.structures.dislocations import strained_crystals

        places = [(x, self.above_A) for x in self.across_A]
        return strained_crystals(structure, self._system(structure), places, self.elastic or None)
