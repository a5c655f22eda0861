"""The tables of published values: loaded once, every row validated.

What the columns mean is written in ``values/README.md``.
"""

from __future__ import annotations

import csv
import functools
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from defectflow.errors import MissingData, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from importlib.resources.abc import Traversable

#: Which dilute (or other) limit a migration barrier belongs to; empty for other quantities.
PublishedLimit = Literal["charged", "discharged", "divacancy", "intermediate", "unstated", ""]

_DOI: Final = re.compile(r"10\.\d{4,9}/\S+")
_FORMULA: Final = r"^(?:(?:[A-Z][a-z]?(?:\d+(?:\.\d+)?)?)+)?$"
_COVERAGE: Final = re.compile(r"(\d+(?:\.\d+)?) ML")
#: What a source means by a low coverage, at most.
LOW_COVERAGE_ML: Final = 0.25
_CELL: Final = r"^(?:[A-Z][a-z]?\d+(?: [A-Z][a-z]?\d+)*)?$"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)


class Citation(_Record):
    """Where a number was published; `doi` is None where it was not certain."""

    text: str = Field(min_length=8)
    doi: str | None = None

    @field_validator("doi")
    @classmethod
    def _doi_syntax(cls, doi: str | None) -> str | None:
        if doi is not None and not _DOI.fullmatch(doi):
            message = f"{doi!r} is not a doi (10.<registrant>/<suffix>, without https://doi.org/)"
            raise ValueError(message)
        return doi


class Quantity(_Record):
    """A quantity: the one unit of its values, and what it means, with the sign convention."""

    unit: str = Field(min_length=1)
    meaning: str = Field(min_length=10)


class PublishedValue(_Record):
    """One published number with its conditions and its source.

    Attributes
    ----------
    material, structure, defect, species, condition
        As the source states them.
    host
        Formula of the pristine crystal that the calculation starts from (for a charged limit the
        empty host, for a discharged limit the full one); empty: never matched.
    family
        Structure type, the first part of a prototype's name; empty if not stated.
    ion
        Element that moves, enters or leaves.
    cell
        Composition of the supercell that was computed, e.g. ``Li7 Mn16 O32``.
    uncertainty
        Of the printed number, in words or in `unit`; not that of the method.

    Examples
    --------
    >>> value = published("migration_barrier", host="Mn2O4", ion="Mg", limit="charged")[0]
    >>> value.value, value.unit, value.citation.doi
    (0.776, 'eV', '10.48550/arXiv.2508.06459')
    """

    id: str = Field(pattern=r"^[A-Z]{3}-\d{3}$")
    quantity: str
    value: float = Field(allow_inf_nan=False)
    unit: str
    uncertainty: str
    material: str = Field(min_length=1)
    structure: str
    defect: str
    species: str
    condition: str
    host: str = Field(pattern=_FORMULA)
    family: str
    facet: str = Field(pattern=r"^\d{0,4}$")
    ion: str = Field(pattern=r"^(?:[A-Z][a-z]?)?$")
    limit: PublishedLimit
    path: str
    cell: str = Field(pattern=_CELL)
    functional: str
    citation: Citation

    @property
    def coverage_ML(self) -> float | None:
        """Coverage of an adsorbate; None where the condition does not state it.

        Examples
        --------
        >>> [value.coverage_ML for value in published("adsorption_energy", host="Ni")]
        [0.25, None]
        """
        stated = _COVERAGE.search(self.condition)
        if stated:
            return float(stated[1])
        return LOW_COVERAGE_ML if "low coverage" in self.condition else None

    @model_validator(mode="after")
    def _unit_of_quantity(self) -> PublishedValue:
        known = quantities()
        if self.quantity not in known:
            message = f"quantity {self.quantity!r}: {did_you_mean(self.quantity, known)}"
            raise ValueError(message)
        if self.unit != known[self.quantity].unit:
            message = f"unit {self.unit!r} of {self.quantity}: must be {known[self.quantity].unit}"
            raise ValueError(message)
        return self


@functools.cache
def quantities() -> Mapping[str, Quantity]:
    """Return every quantity that the tables hold, by name."""
    data: dict[str, Any] = yaml.safe_load((_folder() / "quantities.yaml").read_text("utf-8"))
    return {name: Quantity.model_validate(entry) for name, entry in data.items()}


def published(
    quantity: str | None = None,
    *,
    host: str | None = None,
    ion: str | None = None,
    limit: PublishedLimit | None = None,
) -> tuple[PublishedValue, ...]:
    """Return the published values that have all of the given properties, in the tables' order.

    Parameters
    ----------
    host
        Formula of the host; ``Mn2O4`` and ``MnO2`` are the same.

    Raises
    ------
    MissingData
        If the quantity is none of `quantities`.
    """
    if quantity is not None and quantity not in quantities():
        message = f"quantity {quantity!r}: unknown; {did_you_mean(quantity, quantities())}"
        raise MissingData(message)
    return tuple(
        value
        for value in _all_values()
        if (quantity is None or value.quantity == quantity)
        and (host is None or same_formula(value.host, host))
        and (ion is None or value.ion == ion)
        and (limit is None or value.limit == limit)
    )


def same_formula(one: str, other: str) -> bool:
    """Return whether two formulae have the same proportions of elements; an empty one has none.

    Examples
    --------
    >>> same_formula("Mg(CoO2)2", "MgCo2O4"), same_formula("Li7 Mn16 O32", "LiMn2O4")
    (True, False)
    """
    if not (one and other):
        return False
    proportions = _proportions(one)
    return bool(proportions) and proportions == _proportions(other)


def same_functional(one: str, other: str) -> bool:
    """Return whether two names of functionals agree; ``GGA`` stands for PBE, the usual one.

    Examples
    --------
    >>> same_functional("PBE", "GGA"), same_functional("PBE", "RPBE")
    (True, False)
    """
    return one.replace("GGA", "PBE") == other.replace("GGA", "PBE")


@functools.cache
def _proportions(formula: str) -> tuple[tuple[str, float], ...]:
    """Return the atomic fractions by element; empty if `formula` is not a formula."""
    from pymatgen.core.composition import Composition

    try:
        fractions = Composition(formula).fractional_composition.get_el_amt_dict()
    except ValueError:
        return ()
    return tuple(sorted((element, round(share, 6)) for element, share in fractions.items()))


@functools.cache
def _all_values() -> tuple[PublishedValue, ...]:
    return load_tables(_folder())


def load_tables(folder: Traversable) -> tuple[PublishedValue, ...]:
    """Read and validate all tables (``*.csv``) of a folder that also holds ``citations.yaml``.

    Raises
    ------
    MissingData
        At the first row that is not valid or repeats an id; the message names table and row.
    """
    entries: dict[str, Any] = yaml.safe_load((folder / "citations.yaml").read_text("utf-8"))
    citations = {key: _citation(key, entry) for key, entry in entries.items()}
    values: dict[str, PublishedValue] = {}
    for table in sorted(folder.iterdir(), key=lambda item: item.name):
        if not table.name.endswith(".csv"):
            continue
        for value in _rows(table.name, table.read_text("utf-8").splitlines(), citations):
            if value.id in values:
                message = f"{table.name}: {value.id} stands twice; ids are unique"
                raise MissingData(message)
            values[value.id] = value
    return tuple(values.values())


def _citation(key: str, entry: object) -> Citation:
    try:
        return Citation.model_validate(entry)
    except ValidationError as error:
        message = f"citations.yaml: {key}: {error.errors()[0]['msg']}"
        raise MissingData(message) from error


def _rows(
    table: str, lines: Iterable[str], citations: Mapping[str, Citation]
) -> Iterator[PublishedValue]:
    for row in csv.DictReader(lines):
        key = row.get("citation", "")
        name = f"{table}: {row.get('id')}"
        if key not in citations:
            message = f"{name}: citation {key!r}: {did_you_mean(key, citations)}"
            raise MissingData(message)
        try:
            yield PublishedValue.model_validate({**row, "citation": citations[key]})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "row"
            message = f"{name}: {where}: {first['msg']}"
            raise MissingData(message) from error


def _folder() -> Traversable:
    return resources.files("defectflow.reference") / "values"
