"""Options of a command from the fields of a model, and the model from what was given."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import click

from defectflow.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pydantic import BaseModel, ValidationError
    from pydantic.fields import FieldInfo

Model = TypeVar("Model", bound="BaseModel")

#: Ends of field names that are units, and how the command line shows them.
_UNITS: Final = {"_A": "Å", "_deg": "DEGREES", "_eV": "eV"}
_NUMBERS: Final[dict[type, Any]] = {int: click.INT, float: click.FLOAT}
_SEQUENCES: Final = (tuple, list, set, frozenset)


def options_of(model: type[BaseModel], skip: Iterable[str] = ()) -> list[click.Option]:
    """Return one option per field of `model`, required ones and descriptions included.

    A sequence may be given by repeating its option or with commas between its members; a mapping
    by repeating ``KEY=VALUE``, one key several times for several values; anything nested is YAML.
    """
    skipped = set(skip)
    return [
        _option(name, field) for name, field in model.model_fields.items() if name not in skipped
    ]


def model_from(model: type[Model], given: Mapping[str, Any]) -> Model:
    """Return the model that the values of `options_of` describe; what was not given is left out.

    Raises
    ------
    RecipeError
        If a value does not fit; the message names the option.
    """
    from pydantic import ValidationError

    values: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value == ():
            continue
        values[name] = _read(name, value, model.model_fields[name])
    try:
        return model(**values)
    except ValidationError as error:
        raise RecipeError(_explained(error)) from error


def option_name(field: str) -> str:
    """Return the option of a field: ``height_A`` is ``--height``."""
    for suffix in _UNITS:
        field = field.removesuffix(suffix)
    return "--" + field.replace("_", "-")


def _option(name: str, field: FieldInfo) -> click.Option:
    form = _form(field.annotation)
    text = (field.description or "").strip()
    options: dict[str, Any] = {
        "help": f"{text[:1].upper()}{text[1:]}.",
        "required": field.is_required(),
        "metavar": _metavar(name, field),
        "multiple": form is dict or form in _SEQUENCES,
    }
    spelling = option_name(name)
    if form is bool:
        spelling, options["default"] = f"{spelling}/--no-{spelling[2:]}", None
    elif isinstance(form, tuple):
        options["type"] = click.Choice([str(word) for word in form])
        options["metavar"] = None
    else:
        options["type"] = _NUMBERS.get(form, click.STRING)
    default = None if field.is_required() else _default(field)
    if not isinstance(default, bool) and default not in (None, (), {}):
        options["help"] += f"  [default: {_shown(default)}]"
    return click.Option([spelling, name], **options)


def _default(field: FieldInfo) -> Any:
    return field.get_default(call_default_factory=True, validated_data={})


def _metavar(name: str, field: FieldInfo) -> Any:
    """Return what stands for the value in the help."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    unit = next((shown for suffix, shown in _UNITS.items() if name.endswith(suffix)), None)
    pair = "KEY=VALUE" if _form(field.annotation) is dict else None
    return extra.get("metavar") or unit or pair


def _form(annotation: Any) -> Any:
    """Return what decides how a value is written: a type, the words of a Literal, or None."""
    if get_origin(annotation) in {Union, types.UnionType}:
        inner = [one for one in get_args(annotation) if one is not type(None)]
        return _form(inner[0]) if len(inner) == 1 else None
    origin = get_origin(annotation) or annotation
    if origin is Literal:
        return get_args(annotation)
    return origin if isinstance(origin, type) else None


def _read(name: str, value: Any, field: FieldInfo) -> Any:
    form = _form(field.annotation)
    if form is dict:
        return _mapping(name, value, str(_metavar(name, field)))
    if form in _SEQUENCES:
        return tuple(one.strip() for text in value for one in text.split(","))
    if form is None or not (isinstance(form, tuple) or form in {str, bool, *_NUMBERS}):
        return _yaml(name, value)
    return value


def _mapping(name: str, texts: Iterable[str], form: str) -> dict[str, str | list[str]]:
    values: dict[str, list[str]] = {}
    for text in texts:
        key, separator, value = text.partition("=")
        if not (key and separator and value):
            option = option_name(name)
            message = f"{option} {text}: give {form}, something on both sides of ="
            raise click.UsageError(message, click.get_current_context())
        values.setdefault(key, []).append(value)
    return {key: several[0] if len(several) == 1 else several for key, several in values.items()}


def _yaml(name: str, text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"{option_name(name)} {text}: not understood; write it as a recipe would"
        raise RecipeError(message) from error


def _shown(default: Any) -> str:
    if isinstance(default, _SEQUENCES):
        return ",".join(str(one) for one in default)
    return str(default)


def _explained(error: ValidationError) -> str:
    """Say the first problem in one line: option, value, remedy."""
    first = error.errors()[0]
    said = first["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    if not first["loc"]:
        return said
    field, *inner = map(str, first["loc"])
    where = " ".join([option_name(field), *(f"({one})" for one in inner)])
    return f"{where} = {first['input']!r}: {said}"
