"""What every kind of defect is made of."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from defectflow.words import HostCell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell


class Part(BaseModel):
    """Base of a recipe's parts: immutable, closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DefectChoice(Part):
    """One kind of defect and what decides which cells it has.

    The first paragraph of a subclass's docstring is its help on the command line; each field is an
    option there, with its description. A field whose name ends in a unit, such as ``height_A``,
    becomes ``--height``; ``json_schema_extra={"metavar": ...}`` names its value.

    Attributes
    ----------
    kind
        The word that selects the kind.
    alone
        Whether the defect belongs into a supercell, where it is far from its images. Kinds that
        choose their own cell, or fill the one given, say False.
    host_cell
        What is relaxed of such a cell as the host of a recipe that does not say it. Boundaries and
        lines, of which a cell has two, may shear into each other where its shape is free.
    """

    kind: str
    alone: ClassVar[bool] = True
    host_cell: ClassVar[HostCell] = "relax"

    def located(self, folder: Path) -> Self:  # noqa: ARG002 - those that name files use it
        """Return the same choice with its files, which are given relative to `folder`."""
        return self

    @abstractmethod
    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield one cell for each symmetry-distinct defect of this kind in `structure`.

        Mistakes are refused at the call, not at the first cell.

        Raises
        ------
        StructureError
            If the crystal cannot have such a defect.
        """
