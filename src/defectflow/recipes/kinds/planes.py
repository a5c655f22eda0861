"""Planar defects: stacking faults, twins, grain boundaries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import Field

from defectflow.recipes.kinds.choice import DefectChoice
from defectflow.recipes.kinds.indices import Direction, Share
from defectflow.words import HostCell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell


_PLANE: Final[dict[str, Any]] = {"metavar": "H,K,L"}
#: What Miller indices refer to.
MILLER: Final = "indices of the plane in the standard conventional cell"
#: Three Miller indices, or the four of a hexagonal crystal.
Indices = tuple[int, ...]
Shift = tuple[Share, Share, Share]
Guests = Annotated[
    tuple[str, ...],
    Field(description="elements between the layers, e.g. Na", json_schema_extra={"metavar": "S"}),
]


class PlanarChoice(DefectChoice):
    """What planar defects share: each chooses its own cell."""

    alone: ClassVar[bool] = False

    def options(self) -> dict[str, Any]:
        """Return what decides the cells, as arguments of `structures.planar.planar_cells`."""
        return self.model_dump(exclude={"kind"})

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield the cells, the most likely one first."""
        from defectflow.structures.planar import planar_cells

        return planar_cells(self.kind, structure, **self.options())


class StackingFault(PlanarChoice):
    """Displace half of the crystal along a plane.

    Either a fault with a name, of close-packed crystals, or any plane with any displacement in it.
    """

    kind: Literal["stacking_fault"] = Field("stacking_fault", description="the kind")
    fault: Literal["intrinsic", "extrinsic", "I1", "I2", "E"] | None = Field(
        None, description="name of the fault: of fcc intrinsic, extrinsic; of hcp I1, I2, E"
    )
    miller: Indices | None = Field(None, description=MILLER, json_schema_extra=_PLANE)
    shift: Shift | None = Field(
        None,
        description="displacement in vectors of that cell, e.g. 1/6, 1/6, -1/3",
        json_schema_extra={"metavar": "X,Y,Z"},
    )
    min_height_A: float = Field(20.0, gt=0, description="least distance of a fault from its image")
    vacuum_A: float = Field(
        0.0, ge=0, description="vacuum of a slab with the fault in its middle; 0 for periodic cells"
    )


class Twin(PlanarChoice):
    """Join the crystal to its mirror image."""

    kind: Literal["twin"] = Field("twin", description="the kind")
    miller: Indices = Field((1, 1, 1), description=MILLER, json_schema_extra=_PLANE)
    min_thickness_A: float = Field(10.0, gt=0, description="least thickness of each twin")


class GrainBoundary(PlanarChoice):
    """Join two grains: tilt, twist or mixed, by Σ (or an angle), axis and plane.

    Every termination and displacement, those that overlap least first; overlapping atoms are taken
    out by formula units.
    """

    host_cell: ClassVar[HostCell] = "scale"

    kind: Literal["grain_boundary"] = Field("grain_boundary", description="the kind")
    axis: Direction = Field(
        (0, 0, 1),
        description="axis of the rotation, in vectors of the standard conventional cell",
        json_schema_extra={"metavar": "U,V,W"},
    )
    sigma: int | None = Field(None, gt=1, description="Σ of the boundary")
    angle_deg: float | None = Field(
        None, gt=0, lt=180, description="angle: alone it gives the least Σ within a degree of it"
    )
    miller: Indices | None = Field(
        None,
        description=f"{MILLER}; the smallest symmetric tilt boundary if left out",
        json_schema_extra=_PLANE,
    )
    character: Literal["tilt", "twist", "mixed"] | None = Field(
        None, description="how the axis lies to the plane; mixed has to be asked for"
    )
    shifts: tuple[int, int] = Field(
        (6, 6),
        description="displacements that are tried along two directions",
        json_schema_extra={"metavar": "N,M"},
    )
    min_thickness_A: float = Field(8.0, gt=0, description="least thickness of each grain")
    min_ratio: float = Field(
        0.7, gt=0, le=1, description="least distance of atoms, relative to the crystal"
    )
    max_atoms: int = Field(1000, ge=1, description="most atoms of a cell")


class LayerStacking(PlanarChoice):
    """Let whole layers glide: other stackings, intergrowths, single faults.

    Of crystals made of octahedra in layers. Without galleries, every distinct glide of one layer
    in a cell of several.
    """

    kind: Literal["layer_stacking"] = Field("layer_stacking", description="the kind")
    galleries: tuple[Literal["host", "O3", "P3", "O1", "P2", "O2"], ...] | None = Field(
        None,
        description=(
            "how each layer is followed by the next, e.g. P2,P2,O3,O3 for an intergrowth; host "
            "for the way of the crystal"
        ),
        json_schema_extra={"metavar": "KIND"},
    )
    guests: Guests = ()
    shifts: tuple[tuple[int, int], ...] = Field(
        (),
        description=(
            "vectors of the anions' net by which each gallery displaces what lies above, beside "
            "its kind; as in faults of Li2MnO3"
        ),
    )
    layers: int = Field(6, ge=2, description="layers of the cell that holds one glide")


class Kink(PlanarChoice):
    """Bend the layers of a layered crystal to and fro at two walls, each layer whole.

    A wall is a symmetric tilt boundary made of glides of whole layers by a lattice vector.
    """

    host_cell: ClassVar[HostCell] = "scale"

    kind: Literal["kink"] = Field("kink", description="the kind")
    angle_deg: float = Field(
        10.0, gt=0, lt=90, description="between the layers of both sides, met within a degree"
    )
    axis: Direction | None = Field(
        None,
        description=(
            "about which the layers bend, in vectors of the standard conventional cell; by default "
            "across their shortest glide"
        ),
        json_schema_extra={"metavar": "U,V,W"},
    )
    guests: Guests = ()
    min_width_A: float = Field(
        14.0, gt=0, description="least way along a layer from one wall to the next"
    )
    max_atoms: int = Field(1000, ge=1, description="most atoms of a cell")
