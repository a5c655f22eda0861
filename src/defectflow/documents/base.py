"""What every document shares: strictness, the engine's stamp, the contract fields."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, WithJsonSchema
from pymatgen.core import Structure

if TYPE_CHECKING:
    from collections.abc import Collection

Level = Literal["fast", "balanced", "stringent"]
Row = tuple[float, float, float]
Matrix = tuple[Row, Row, Row]
#: What a number rests on. A potential's number is never shown as DFT.
Fidelity = Literal["dft", "potential", "stand-in"]


def _structure(value: object) -> Structure:
    if isinstance(value, Structure):
        return value
    if isinstance(value, dict):
        return Structure.from_dict(value)
    message = f"a crystal structure is needed, not {type(value).__name__}"
    raise ValueError(message)


#: A pymatgen structure inside a document; written as its plain dictionary.
Crystal = Annotated[
    Structure,
    PlainValidator(_structure),
    PlainSerializer(lambda structure: structure.as_dict()),
    WithJsonSchema({"type": "object", "title": "Structure"}),
]


class Document(BaseModel):
    """Base of all documents: immutable, and closed to unknown fields."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=True, ser_json_inf_nan="strings"
    )


class EngineStamp(Document):
    """Who computed a number: enough to recompute it, and to distrust it.

    Attributes
    ----------
    model
        Name of the potential or of the functional and pseudopotential set.
    model_sha256
        Digest of the file that holds the potential's weights; None if there is no such file.
    functional
        The functional of the engine, or of the data that a potential was trained on.
    options
        Everything else that changes numbers, e.g. ``{"dispersion": "d3bj"}``.
    settings
        Numbers that replace those of the level, e.g. ``{"cutoff_eV": 500.0}``.
    """

    name: str
    model: str | None = None
    model_sha256: str | None = None
    functional: str | None = None
    fidelity: Fidelity
    level: Level
    options: dict[str, Any] = Field(default_factory=dict)
    settings: dict[str, Any] = Field(default_factory=dict)
    code_versions: dict[str, str] = Field(default_factory=dict)

    def scale_key(self) -> str:
        """Return what two stamps have in common whose energies are on one scale."""
        return content_key(self.model_dump(mode="json", exclude={"code_versions"}), without=LIMITS)


class ResultDocument(Document):
    """The fields that scripts rely on, whatever the quantity.

    `value` is None where the calculation did not converge: an unconverged number is an error
    state, not a value.
    """

    recipe: str
    quantity: str
    value: float | None
    unit: str
    host: str
    defect: str
    species: str
    converged: bool
    key: str
    created: str
    engine: EngineStamp
    recipe_input: dict[str, Any] = Field(default_factory=dict)

    @property
    def defect_said(self) -> str:
        """What tables call the defect: with its charge and limit, where it has them."""
        return self.defect

    def row(self) -> dict[str, Any]:
        """Return the flat record of the command-line contract."""
        return {
            "recipe": self.recipe,
            "quantity": self.quantity,
            "value": self.value,
            "unit": self.unit,
            "host": self.host,
            "defect": self.defect_said,
            "species": self.species,
            "engine": self.engine.name,
            "level": self.engine.level,
            "converged": self.converged,
            "key": self.key,
            "created": self.created,
        }


def now() -> str:
    """Return the present moment as an ISO 8601 string in UTC, to the second."""
    return datetime.now(tz=UTC).isoformat(timespec="seconds")


#: Settings that say how far a calculation may go and not where it goes: what has converged would
#: be the same with more of them, and what has not goes on.
LIMITS: Final = frozenset({"max_steps"})


def content_key(*parts: object, without: Collection[str] = ()) -> str:
    """Return the SHA-256 digest (hex) of `parts`, independent of dict order and numpy types.

    Two calculations with equal keys are the same calculation.

    Parameters
    ----------
    without
        Names that do not count, wherever they stand (`LIMITS`).

    Examples
    --------
    >>> content_key({"fmax": 0.1}, without=LIMITS) == content_key({"fmax": 0.1, "max_steps": 9})
    False
    >>> few, many = ({"fmax": 0.1, "max_steps": number} for number in (9, 99))
    >>> content_key(few, without=LIMITS) == content_key(many, without=LIMITS)
    True
    """
    text = _canonical(parts)
    if without:
        text = _canonical(json.loads(text, object_hook=lambda found: _less(found, without)))
    return hashlib.sha256(text.encode()).hexdigest()


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)


def _less(found: dict[str, object], without: Collection[str]) -> dict[str, object]:
    return {name: value for name, value in found.items() if name not in without}


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=str)
    as_dict = getattr(value, "as_dict", None)
    if callable(as_dict):
        return as_dict()
    message = f"{type(value).__name__} has no canonical form"
    raise TypeError(message)
