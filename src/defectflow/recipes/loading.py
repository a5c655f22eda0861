"""Reading a recipe file: safe YAML, errors with file, line, field, value and remedy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import BaseModel, ValidationError

from defectflow.errors import MissingData, RecipeError, did_you_mean
from defectflow.paths import find
from defectflow.recipes.defects import KINDS
from defectflow.recipes.parts import EngineChoice, QuantityRecipe
from defectflow.recipes.quantities import MODELS

if TYPE_CHECKING:
    from defectflow.documents.base import Level

Lines = dict[tuple[str, ...], int]
#: A cutoff belongs to the pseudopotentials of one code.
_CODES_OWN: Final = {"cutoff_eV"}


@dataclass(frozen=True)
class Recipe:
    """A valid recipe and where it was read.

    Attributes
    ----------
    content
        The model with all defaults filled in.
    path
        The file; paths inside the recipe are relative to it.
    """

    content: QuantityRecipe
    path: Path

    @property
    def name(self) -> str:
        """Name of the result: the recipe's own, or the file's without suffix."""
        return self.content.name or self.path.stem

    @property
    def quantity(self) -> str:
        """What the recipe asks for."""
        return self.content.quantity

    @property
    def folder(self) -> Path:
        """Where the files lie that the recipe names by relative paths."""
        return self.path.parent

    def changed(self, engine: str | None = None, level: Level | None = None) -> Recipe:
        """Return the recipe with another engine or level, as the command line asks.

        Options and settings that the other engine has too are kept: a recipe that asks for RPBE
        asks another code for RPBE.
        """
        changes: dict[str, Any] = {}
        if engine is not None and engine != self.content.engine.name:
            changes["engine"] = _carried_over(self.content.engine, engine)
            self._check_scan(engine)
        if level is not None:
            changes["level"] = level
        return Recipe(self.content.model_copy(update=changes), self.path)

    def _check_scan(self, engine: str) -> None:
        """Refuse to scan the cutoffs of one code with another."""
        from defectflow.engines.registry import engine_class

        scanned = _CODES_OWN & set(getattr(self.content, "scan", None) or ())
        old = self.content.engine.name
        if scanned and engine_class(old).family != engine_class(engine).family:
            message = (
                f"recipe {self.name}: it scans {', '.join(scanned)} of engine {old}, which means "
                f"nothing to {engine}; write a recipe for {engine}"
            )
            raise RecipeError(message)


def _carried_over(choice: EngineChoice, name: str) -> EngineChoice:
    """Return the choice of another engine, with the options and settings that both have."""
    from defectflow.engines import levels
    from defectflow.engines.registry import engine_class

    old, new = engine_class(choice.name), engine_class(name)
    fields, known = old.options_model.model_fields, new.options_model.model_fields
    options = {
        key: value
        for key, value in choice.options.items()
        if key in fields and key in known and fields[key].annotation == known[key].annotation
    }
    names = {
        key
        for step in levels.steps(new.family)
        for key in levels.step_settings(new.family, step, "balanced")
    }
    settings = {
        key: value
        for key, value in choice.settings.items()
        if key in names and (key not in _CODES_OWN or old.family == new.family)
    }
    return EngineChoice(name=name, options=options, settings=settings)


def load(path: str | Path) -> Recipe:
    """Read a recipe.

    A path that does not exist is also looked up among the recipes that come with defectflow.

    Raises
    ------
    RecipeError
        If the file is missing, no YAML, or not a valid recipe; the message names the line.
    """
    file = _located(Path(path))
    try:
        text = file.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        message = f"recipe {path}: cannot be read: {error}"
        raise RecipeError(message) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        message = f"{file}{line}: {problem}; a recipe is lines of `key: value`"
        raise RecipeError(message) from error
    _check_keys(node, file)
    if not isinstance(data, dict):
        message = f"{file}: holds no recipe; a recipe is lines of `key: value`"
        raise RecipeError(message)
    return Recipe(_model(data, file, _lines(node)), file)


def _located(path: Path) -> Path:
    if path.is_file():
        return path
    try:
        return find("workflows", path.name if path.suffix else f"{path.name}.yaml")
    except MissingData as error:
        message = f"recipe {path}: no such file; check the path"
        raise RecipeError(message) from error


def _lines(node: yaml.Node | None, prefix: tuple[str, ...] = ()) -> Lines:
    """Return the line (from 1) of every key, by its path in the document."""
    lines: Lines = {}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*prefix, str(key.value))
            lines[path] = key.start_mark.line + 1
            lines |= _lines(value, path)
    return lines


def _check_keys(node: yaml.Node | None, file: Path) -> None:
    """Refuse a key that stands twice in one place: YAML would take the last one."""
    waiting = [node] if node is not None else []
    seen: list[yaml.Node] = []
    while waiting:
        one = waiting.pop(0)
        if one in seen:  # an alias
            continue
        seen.append(one)
        if isinstance(one, yaml.SequenceNode):
            waiting += one.value
        if not isinstance(one, yaml.MappingNode):
            continue
        first: dict[str, int] = {}
        for key, value in one.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in first:
                message = f"{file}:{line}: key {name!r} stands in line {first[name]} too; keep one"
                raise RecipeError(message)
            first[name] = line
            waiting.append(value)


def _model(data: dict[str, Any], file: Path, lines: Lines) -> QuantityRecipe:
    if "quantity" not in data:
        message = f"{file}: `quantity` is missing; {did_you_mean('', MODELS)}"
        raise RecipeError(message)
    quantity = data["quantity"]
    if quantity not in MODELS:
        where = f"{file}:{lines.get(('quantity',), 1)}"
        message = (
            f"{where}: quantity {quantity!r} is unknown; {did_you_mean(str(quantity), MODELS)}"
        )
        raise RecipeError(message)
    model = MODELS[quantity]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        message = _explained(error, model, file, lines)
        raise RecipeError(message) from error


def _explained(error: ValidationError, model: type[BaseModel], file: Path, lines: Lines) -> str:
    """Say the first problem in one line: file, line, field, value, remedy.

    An unknown key comes before a missing one: it is likely the missing one, misspelt. Of a missing
    key its meaning is said.
    """
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    # The location within a union also names the member that was tried; no key is called so.
    place = tuple(str(part) for part in first["loc"] if part not in MODELS and part not in KINDS)
    known = [place[:length] for length in range(len(place), 0, -1) if place[:length] in lines]
    where = f"{file}:{lines[known[0]]}" if known else str(file)
    field = ".".join(place)
    if first["type"] in {"extra_forbidden", "missing"}:
        fields = _model_at(model, tuple(map(str, first["loc"][:-1]))).model_fields
        if first["type"] == "extra_forbidden":
            return f"{where}: unknown key {field!r}; {did_you_mean(place[-1], fields)}"
        meant = fields[place[-1]].description if place[-1] in fields else None
        return f"{where}: `{field}` is missing{f': {meant}' if meant else ''}"
    if first["type"] == "union_tag_invalid":
        tag = str(first["ctx"]["tag"])
        return f"{where}: {field}.kind = {tag!r}: unknown; {did_you_mean(tag, KINDS)}"
    said = first["msg"].removeprefix("Value error, ")
    said = said[:1].lower() + said[1:]
    if not field:
        return f"{where}: {said}"
    value = first["input"]
    shown = f" = {value!r}" if not isinstance(value, dict) else ""
    return f"{where}: {field}{shown}: {said}"


def _model_at(model: type[BaseModel], place: tuple[str, ...]) -> type[BaseModel]:
    """Return the model of the part that a path leads to."""
    for name in place:
        chosen = MODELS.get(name) or KINDS.get(name)
        if chosen is not None:
            model = chosen
            continue
        field = model.model_fields.get(name)
        inner = [t for t in _types(field.annotation if field else None) if _is_model(t)]
        model = inner[0] if inner else model
    return model


def _types(annotation: Any) -> list[Any]:
    return [annotation, *getattr(annotation, "__args__", ())]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
