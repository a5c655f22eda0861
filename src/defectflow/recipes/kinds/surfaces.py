"""Surfaces, and what is on them and below them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

from pydantic import Field, model_validator

from defectflow.recipes.kinds.choice import DefectChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

_INDICES: Final[dict[str, Any]] = {"metavar": "H,K,L"}
_SYMBOL: Final[dict[str, Any]] = {"metavar": "S"}


class SurfaceChoice(DefectChoice):
    """What says which slabs are meant."""

    alone: ClassVar[bool] = False
    miller: tuple[int, ...] | None = Field(
        None,
        description="indices of the plane in the standard conventional cell",
        json_schema_extra=_INDICES,
    )
    highest: int | None = Field(
        None, ge=1, le=4, description="in place of one plane: all distinct ones up to this index"
    )
    thickness_A: float = Field(10.0, gt=0, description="least thickness of the slab, Å")
    vacuum_A: float = Field(12.0, ge=6, description="vacuum above the slab, Å")
    polar: Literal["keep", "compensate", "skip"] = Field(
        "keep",
        description=(
            "polar terminations: as cut, with part of one face moved to the other so that the "
            "dipole is gone, or left out"
        ),
    )
    charges: dict[str, float] = Field(
        default_factory=dict, description="formal charges of elements where a guess is not right"
    )

    @model_validator(mode="after")
    def _planes_said(self) -> SurfaceChoice:
        if (self.miller is None) == (self.highest is None):
            message = "give either `miller`, e.g. [1, 1, 1], or `highest`, e.g. 1"
            raise ValueError(message)
        return self

    def slabs(self, structure: Structure) -> Iterator[Cell]:
        """Yield the clean slabs."""
        from defectflow.structures.planes import distinct_planes
        from defectflow.structures.terminations import surfaces

        planes = [self.miller] if self.miller else distinct_planes(structure, self.highest or 1)
        size = (self.thickness_A, self.vacuum_A)
        return surfaces(structure, planes, size, self.polar, self.charges or None)


class Surface(SurfaceChoice):
    """Cut a slab for each distinct termination; polar ones are named."""

    kind: Literal["surface"] = Field("surface", description="the kind")

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a slab for each termination of each plane."""
        return self.slabs(structure)


class _OnSurface(SurfaceChoice):
    """What says how wide the slab is that carries something."""

    repeat: tuple[int, int] = Field((2, 2), description="surface cells along both vectors")

    @model_validator(mode="after")
    def _repeats(self) -> _OnSurface:
        if min(self.repeat) < 1:
            message = "`repeat` must hold numbers of at least 1, e.g. [2, 2]"
            raise ValueError(message)
        return self

    def wide_slabs(self, structure: Structure) -> Iterator[Cell]:
        """Yield the slabs with their cells side by side."""
        from defectflow.structures.terminations import side_by_side

        return (side_by_side(cell, self.repeat) for cell in self.slabs(structure))


class SurfaceDefect(_OnSurface):
    """Take an atom out of a slab, or exchange it, in the uppermost layers."""

    kind: Literal["surface_defect"] = Field("surface_defect", description="the kind")
    species: str | None = Field(None, description="element to remove", json_schema_extra=_SYMBOL)
    replace: dict[str, str | tuple[str, ...]] = Field(
        default_factory=dict,
        description="elements of the host and what takes their place",
        json_schema_extra={"metavar": "OLD=NEW"},
    )
    depth: int = Field(3, ge=1, description="layers that count, from the surface")

    @model_validator(mode="after")
    def _one_of_both(self) -> SurfaceDefect:
        if (self.species is None) == (not self.replace):
            message = "give either `species` to remove or what to `replace`"
            raise ValueError(message)
        return self

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a slab for each distinct place in each of the layers."""
        return self._made(self.wide_slabs(structure))

    def _made(self, slabs: Iterator[Cell]) -> Iterator[Cell]:
        from dataclasses import replace as changed

        from defectflow.structures import points
        from defectflow.structures.surface_layers import by_layer

        for slab in slabs:
            if self.species is not None:
                found = points.vacancies(slab.structure, self.species)
            else:
                found = points.substitutions(slab.structure, self.replace)
            for cell in by_layer(found, self.depth):
                yield changed(cell, name=f"{slab.name} {cell.name}", planar=slab.planar)


class SurfaceGroup(_OnSurface):
    """Put groups on the atoms of a face that lack neighbours."""

    kind: Literal["surface_group"] = Field("surface_group", description="the kind")
    group: Literal["hydroxyl", "oxygen", "fluorine", "hydrogen", "carbonyl", "carbonate"] = Field(
        description="what is put on; a carbonate on an oxygen of the face is the CO2 that makes one"
    )
    on: str | None = Field(
        None,
        description="element that takes it; all that lack neighbours by default",
        json_schema_extra=_SYMBOL,
    )
    coverage: Literal["one", "full"] = Field(
        "one", description="one group in the cell, or one on every equivalent atom"
    )

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a slab for each distinct atom that takes the group."""
        return self._made(self.wide_slabs(structure))

    def _made(self, slabs: Iterator[Cell]) -> Iterator[Cell]:
        from defectflow.structures.surface_groups import groups_on

        for slab in slabs:
            yield from groups_on(slab, self.group, self.on, self.coverage)
