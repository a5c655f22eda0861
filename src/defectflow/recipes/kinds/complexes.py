"""Defects of several atoms near each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from defectflow.recipes.kinds.choice import DefectChoice
from defectflow.recipes.kinds.fields import (
    NEUTRAL,
    SYMBOL,
    Charges,
    OxidationStates,
    Shell,
    ShellWidth,
    Within,
    around,
    in_charges,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell

#: Default of `defectflow.structures.clusters.SHELL_WIDTH_A`; a test compares them.
_WIDTH_A = 0.05


class Complex(DefectChoice):
    """Put several point defects near each other, in each distinct arrangement.

    Members are written as the field writes them: `V_O` (vacancy), `F_O` (F on an O site), `Li_i`
    (interstitial), `4 F_O@2` (four, in the second shell). The first is the centre.
    """

    kind: Literal["complex"] = Field("complex", description="the kind")
    members: tuple[str, ...] = Field(
        description="point defects, the central one first, e.g. `[V_Ti, 4 F_O]`",
        json_schema_extra={"metavar": "M,M,..."},
    )
    shell: Shell = 1
    within: Within = False
    shell_width_A: ShellWidth = _WIDTH_A
    charges: Charges = NEUTRAL
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each arrangement."""
        from defectflow.structures.complexes import complexes

        near = around(self.shell, self.within, self.shell_width_A)
        cells = complexes(structure, self.members, near)
        return in_charges(cells, self.charges, self.oxidation_states)


class Frenkel(DefectChoice):
    """Move one atom into a void: a vacancy and an interstitial of the same element."""

    kind: Literal["frenkel"] = Field("frenkel", description="the kind")
    species: str = Field(description="element that moves", json_schema_extra=SYMBOL)
    shell: Shell = 1
    within: Within = False
    shell_width_A: ShellWidth = _WIDTH_A

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each arrangement."""
        from defectflow.structures.balanced import frenkel

        near = around(self.shell, self.within, self.shell_width_A)
        return frenkel(structure, self.species, near)


class Schottky(DefectChoice):
    """Take out a charge-neutral set of atoms, in each distinct arrangement."""

    kind: Literal["schottky"] = Field("schottky", description="the kind")
    species: tuple[str, ...] | None = Field(
        None, description="elements that leave; a formula unit by default", json_schema_extra=SYMBOL
    )
    shell: Shell = 1
    within: Within = False
    shell_width_A: ShellWidth = _WIDTH_A
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each arrangement."""
        from defectflow.structures.balanced import schottky

        near = around(self.shell, self.within, self.shell_width_A)
        return schottky(structure, self.species, near, self.oxidation_states)


class Compensated(DefectChoice):
    """Put an aliovalent dopant in, with as many vacancies as balance its charge."""

    kind: Literal["compensated"] = Field("compensated", description="the kind")
    replace: dict[str, str] = Field(
        min_length=1,
        max_length=1,
        description="element of the host and what takes its place, e.g. O by F",
        json_schema_extra={"metavar": "OLD=NEW"},
    )
    vacancy: str | None = Field(
        None,
        description="element whose vacancies compensate; by default the one of the right charge",
        json_schema_extra=SYMBOL,
    )
    shell: Shell = 1
    within: Within = False
    shell_width_A: ShellWidth = _WIDTH_A
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each arrangement."""
        from defectflow.structures.balanced import compensated

        near = around(self.shell, self.within, self.shell_width_A)
        return compensated(structure, self.replace, self.vacancy, near, self.oxidation_states)


class Dumbbell(DefectChoice):
    """Let two atoms share one site, in each distinct direction."""

    kind: Literal["dumbbell"] = Field("dumbbell", description="the kind")
    species: str | None = Field(
        None,
        description="element that is added; that of the site by default",
        json_schema_extra=SYMBOL,
    )
    host: str | None = Field(
        None,
        description="element whose sites are shared; every element by default",
        json_schema_extra=SYMBOL,
    )
    families: tuple[Literal["100", "110", "111"], ...] = Field(
        ("100", "110", "111"),
        min_length=1,
        description="directions in the standard conventional cell",
        json_schema_extra={"metavar": "UVW,UVW,..."},
    )
    charges: Charges = NEUTRAL
    oxidation_states: OxidationStates = None

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each site and direction."""
        from defectflow.structures.dumbbells import dumbbells

        cells = dumbbells(structure, self.species, self.host, self.families)
        return in_charges(cells, self.charges, self.oxidation_states)


class SingleAtom(DefectChoice):
    """Put a metal atom into a hole of graphene with nitrogen at its rim: M-N4 and the like."""

    kind: Literal["single_atom"] = Field("single_atom", description="the kind")
    metal: str = Field(description="element in the hole", json_schema_extra=SYMBOL)
    nitrogen: int = Field(4, ge=0, le=4, description="nitrogen atoms at the rim")
    ligand: str | None = Field(
        None, description="element above the metal, e.g. O", json_schema_extra=SYMBOL
    )
    vacancies: int = Field(
        2, ge=1, le=2, description="missing carbon atoms: 2 leave a rim of four, 1 leaves three"
    )

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each arrangement of the rim."""
        from defectflow.structures.single_atoms import single_atoms

        return single_atoms(structure, self.metal, self.nitrogen, self.ligand, self.vacancies)
