"""Kinds that distribute species over many sites: order, disorder and concentrations."""

from __future__ import annotations

import itertools
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from defectflow.recipes.kinds.choice import DefectChoice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core.structure import Structure

    from defectflow.structures.cells import Cell
    from defectflow.structures.ordering import Decoration

#: More distinct arrangements than this are made only if it is said how many.
MOST: Final = 100_000
_AMOUNT: Final = re.compile(r"([A-Za-z]+)\s*:?\s*(\d+(?:/[1-9]\d*)?)")
_SYMBOL: Final[dict[str, Any]] = {"metavar": "S"}


def _listed(value: object) -> object:
    """Return ``Ni4``, ``[Ni4, Co4]`` and ``{Ni: 4}`` in one form: a tuple of species and amount."""
    if isinstance(value, dict):
        return tuple(f"{species}{amount}" for species, amount in value.items())
    return (value,) if isinstance(value, str) else value


def _understood(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not _AMOUNT.fullmatch(value.strip()):
            message = (
                f"{value!r} is not understood: give a species with a number or a fraction of the "
                "sites, e.g. Ni4, Ni1/4 or vacancy2"
            )
            raise ValueError(message)
    return values


def _fraction(value: object) -> object:
    """Return a fraction as text, e.g. ``1/16``; 0.25 is 1/4."""
    return str(Fraction(str(value)).limit_denominator(10_000)) if _is_number(value) else value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_fraction(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            Fraction(value)
        except (ValueError, ZeroDivisionError) as error:
            message = f"{value!r} is no fraction; give e.g. 1/16"
            raise ValueError(message) from error
    return values


Amounts = Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_understood)]
FractionText = Annotated[str, BeforeValidator(_fraction)]


class Order(DefectChoice):
    """Distribute species over the sites of an element, in every distinct way or at random.

    Examples: --replace Mn=Ni1/4 puts Ni on a quarter of the Mn sites; --replace O=vacancy2 leaves
    two O sites of the cell empty. Several species may share the sites of one element.
    """

    alone: ClassVar[bool] = False

    kind: Literal["order"] = Field("order", description="the kind")
    replace: dict[str, Amounts] = Field(
        min_length=1,
        description=(
            "elements of the host and what takes their place on how many sites of the cell, or "
            "which fraction: Mn by Ni4, Ni1/4 or vacancy2"
        ),
        json_schema_extra={"metavar": "OLD=NEW"},
    )
    arrangement: Literal["distinct", "random"] = Field(
        "distinct",
        description="every symmetry-distinct arrangement, or quasi-random ones (pairs as in a "
        "random solution)",
    )
    space_group: str | None = Field(
        None, description="only arrangements of this space group, e.g. P4_332 (distinct ones)"
    )
    repeat: tuple[int, int, int] = Field(
        (1, 1, 1), description="repetitions of the host's cell, e.g. 2,2,1"
    )
    at_most: int | None = Field(
        None, ge=1, description="number of cells; of random ones 1 if not given"
    )
    seed: int = Field(42, ge=0, description="of the random numbers")
    method: Literal["anneal", "sqsgenerator"] = Field(
        "anneal", description="search for quasi-random cells: built in, or an optional package"
    )

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield the arrangements."""
        from defectflow.structures.ordering import orderings
        from defectflow.structures.quasirandom import Randomness, quasirandom

        whole = structure * self.repeat if self.repeat != (1, 1, 1) else structure
        decorations = self._decorations(whole)
        if self.arrangement == "random":
            found = Randomness(self.method, seed=self.seed)
            return quasirandom(whole, decorations, self.at_most or 1, found)
        self._check_number(whole, decorations)
        cells = orderings(whole, decorations, space_group=self.space_group)
        return itertools.islice(cells, self.at_most)

    def _decorations(self, structure: Structure) -> list[Decoration]:
        from defectflow.structures.ordering import Decoration

        found = []
        for host, amounts in self.replace.items():
            sites = sum(site.specie.symbol == host for site in structure)
            counts: dict[str, int] = {}
            for amount in amounts:
                species, number = _AMOUNT.fullmatch(amount.strip()).groups()  # type: ignore[union-attr]
                counts[species] = counts.get(species, 0) + _count(number, sites, host)
            found.append(Decoration(host, counts))
        return found

    def _check_number(self, structure: Structure, decorations: list[Decoration]) -> None:
        from defectflow.errors import StructureError
        from defectflow.structures.ordering import number_of_orderings

        if self.at_most is None and (number := number_of_orderings(structure, decorations)) > MOST:
            message = (
                f"{structure.formula}: {number:.3g} distinct arrangements; say how many (at_most), "
                "or take arrangement: random"
            )
            raise StructureError(message)


class Concentration(DefectChoice):
    """Exchange or leave out a growing fraction of an element, from 1/64 to 1/4.

    Each fraction has the smallest supercell that holds it and keeps the symmetry.
    """

    alone: ClassVar[bool] = False

    kind: Literal["concentration"] = Field("concentration", description="the kind")
    replace: dict[str, str] = Field(
        min_length=1,
        max_length=1,
        description="element of the host and what takes its place, e.g. Ti by Nb, or O by vacancy",
        json_schema_extra={"metavar": "OLD=NEW"},
    )
    fractions: Annotated[tuple[FractionText, ...], AfterValidator(_is_fraction)] = Field(
        ("1/64", "1/32", "1/16", "1/8", "1/4"),
        min_length=1,
        description="fractions of the sites of that element",
    )
    arrangement: Literal["ordered", "random"] = Field(
        "ordered", description="every symmetry-distinct arrangement, or quasi-random ones"
    )
    changed: int | None = Field(
        None,
        ge=1,
        description="least number of exchanged atoms in a cell; 1 if ordered and 8 if random by "
        "default",
    )
    at_most: int | None = Field(
        None, ge=1, description="number of cells per fraction; of random ones 1 if not given"
    )
    max_atoms: int = Field(400, ge=2, description="largest cell")
    seed: int = Field(42, ge=0, description="of the random numbers")

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield the series."""
        from defectflow.structures.concentrations import Series, concentrations
        from defectflow.structures.quasirandom import Randomness

        ((host, species),) = self.replace.items()
        series = Series(
            fractions=tuple(Fraction(one) for one in self.fractions),
            arrangement=self.arrangement,
            changed=self.changed,
            at_most=self.at_most,
            max_atoms=self.max_atoms,
            randomness=Randomness(seed=self.seed),
        )
        return concentrations(structure, host, species, series)


class Superlattice(DefectChoice):
    """Exchange metal atoms of a layered host in a pattern, with all distinct stackings.

    honeycomb exchanges one atom in three, mesh one in four, row every other row, ribbon one row in
    five.
    """

    alone: ClassVar[bool] = False

    kind: Literal["superlattice"] = Field("superlattice", description="the kind")
    replace: dict[str, str] = Field(
        min_length=1,
        max_length=1,
        description="metal of the layers and what takes its place, e.g. Mn by Li, or by vacancy",
        json_schema_extra={"metavar": "OLD=NEW"},
    )
    pattern: Literal["honeycomb", "ribbon", "row", "mesh"] = Field(
        "honeycomb", description="pattern within a layer"
    )
    between: tuple[str, ...] = Field(
        (), description="ions between the layers, e.g. Na", json_schema_extra=_SYMBOL
    )
    periods: int = Field(
        1, ge=1, description="primitive cells across the layers after which the stacking repeats"
    )

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield the stackings."""
        from defectflow.structures.superlattices import superlattices

        (exchange,) = self.replace.items()
        return superlattices(
            structure, exchange, self.pattern, between=self.between, periods=self.periods
        )


class LayerMigration(DefectChoice):
    """Put a metal atom of a layered host between the layers, with what it leaves behind."""

    kind: Literal["layer_migration"] = Field("layer_migration", description="the kind")
    metal: str = Field(description="element that moves", json_schema_extra=_SYMBOL)
    ion: str | None = Field(
        None,
        description="ion between the layers whose place it takes; a void of an empty gallery if "
        "not given",
        json_schema_extra=_SYMBOL,
    )
    left: Literal["vacancy", "ion", "metal"] = Field(
        "vacancy",
        description="what stands in the metal's old place: nothing, the ion (they trade places), "
        "or metal (one atom too many)",
    )
    shells: int = Field(1, ge=1, description="places in so many shells around the old one")

    def cells(self, structure: Structure) -> Iterator[Cell]:
        """Yield a cell for each distinct place between the layers."""
        from defectflow.structures.layer_migration import layer_migrations

        return layer_migrations(structure, self.metal, self.ion, self.left, self.shells)


def _count(number: str, sites: int, host: str) -> int:
    """Return a number of sites, or a fraction of them, as a whole number."""
    from defectflow.errors import StructureError

    asked: Any = Fraction(number)
    if "/" in number:
        asked *= sites
    if asked.denominator != 1:
        low = int(asked)
        message = (
            f"{number} of the {sites} {host} sites is no whole number; give {max(low, 1)} or "
            f"{low + 1}, or repeat the cell"
        )
        raise StructureError(message)
    return int(asked)
