"""Defects of one atom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from defectflow.recipes.kinds.choice import DefectChoice
from defectflow.recipes.kinds.fields import (
    NEUTRAL,
    SYMBOL,
    Charges,
    OxidationStates,
    in_charges,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: Default of `defectflow.structures.points.MIN_CONTACT`; a test compares them.
_CONTACT = 0.7


class Vacancy(DefectChoice):
    """Take one atom out, at each distinct site."""

    kind: Literal["vacancy"] = Field("vacancy", description="the kind")
    species: str | None = Field(
        None, description="element to remove; every element by default", json_schema_extra=SYMBOL
    )
    charges: Charges = NEUTRAL
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each inequivalent atom taken away."""
        from defectflow.structures import points

        cells = points.vacancies(structure, self.species)
        return in_charges(cells, self.charges, self.oxidation_states)


class Substitution(DefectChoice):
    """Put one atom of another element in, at each distinct site."""

    kind: Literal["substitution"] = Field("substitution", description="the kind")
    replace: dict[str, str | tuple[str, ...]] = Field(
        min_length=1,
        description="elements of the host and what takes their place, e.g. Ti by Nb",
        json_schema_extra={"metavar": "OLD=NEW"},
    )
    charges: Charges = NEUTRAL
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each inequivalent atom exchanged."""
        from defectflow.structures import points

        cells = points.substitutions(structure, self.replace)
        return in_charges(cells, self.charges, self.oxidation_states)


class Antisite(DefectChoice):
    """Put an atom on the site of another element of the host."""

    kind: Literal["antisite"] = Field("antisite", description="the kind")
    between: tuple[str, ...] | None = Field(
        None,
        description="elements that trade places, e.g. Li and Ni; all by default",
        json_schema_extra=SYMBOL,
    )
    charges: Charges = NEUTRAL
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each inequivalent atom on a wrong site."""
        from defectflow.structures import points

        cells = points.antisites(structure, self.between)
        return in_charges(cells, self.charges, self.oxidation_states)


class Interstitial(DefectChoice):
    """Put one more atom in, at each distinct void."""

    kind: Literal["interstitial"] = Field("interstitial", description="the kind")
    species: str | None = Field(
        None,
        description="element to put in; each element of the host by default",
        json_schema_extra=SYMBOL,
    )
    min_contact: float = Field(
        _CONTACT,
        ge=0,
        description=(
            "leave out voids in which the atom is nearer to another one than this part of their "
            "bond; 0 takes all"
        ),
    )
    every_vertex: bool = Field(
        False, description="take narrower places than voids, too: all corners of Voronoi cells"
    )
    charges: Charges = NEUTRAL
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each inequivalent void filled."""
        from defectflow.structures import points

        cells = points.interstitials(
            structure,
            self.species,
            min_contact=self.min_contact,
            every_vertex=self.every_vertex,
        )
        return in_charges(cells, self.charges, self.oxidation_states)
