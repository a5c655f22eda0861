"""What a flow is built from beside the recipe: engine, crystals, and where it comes from."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from defectflow.documents.base import content_key
from defectflow.errors import RecipeError, StructureError, did_you_mean
from defectflow.recipes.parts import (
    EndpointChoice,
    EngineChoice,
    HostChoice,
    QuantityRecipe,
    ReferenceChoice,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymatgen.core import Structure

    from defectflow.documents.base import Level
    from defectflow.engines.contract import Engine
    from defectflow.flows.provenance import Provenance
    from defectflow.structures.cells import Cell
    from defectflow.structures.hosts import Host

#: Fields that name a result but do not change it.
_NAMES = {"name", "description"}
#: Cells of a host that are looked through for a name, and names that fit into a message.
_MOST_CELLS: Final = 2000
_FEW: Final = 8


@dataclass(frozen=True)
class Order:
    """What a builder gets beside the recipe.

    Attributes
    ----------
    engine
        Computes; it carries the recipe's level.
    provenance
        Name, key and text of the recipe, for the document.
    folder
        Files that the recipe names are relative to it.
    """

    engine: Engine
    provenance: Provenance
    folder: Path

    def host(self, choice: HostChoice) -> Host:
        """Return the perfect crystal."""
        return read_host(choice, self.folder)

    def phase(self, choice: ReferenceChoice) -> Host | str:
        """Return a crystal, or the formula of a molecule.

        Raises
        ------
        RecipeError
            If it is a compound, which only an element's reservoir can be.
        """
        if choice.compound is not None:
            message = (
                f"compound {choice.compound}: only `references` of an element may be compounds "
                "with a measured enthalpy; write `prototype` or `file`"
            )
            raise RecipeError(message)
        if choice.molecule is not None:
            return choice.molecule
        return self.host(HostChoice(prototype=choice.prototype, file=choice.file))

    def crystals(self, choice: EndpointChoice | None) -> list[Structure]:
        """Return the two ends of a hop."""
        return _ends(choice, self.folder) if choice else []

    def other_engine(self, choice: EngineChoice) -> Engine:
        """Return one more engine, at the level of the recipe."""
        return make_engine(choice, self.engine.level, self.folder)

    def changed(self, engine: Engine, provenance: Provenance) -> Order:
        """Return the same order for another engine."""
        return replace(self, engine=engine, provenance=provenance)


def make_engine(choice: EngineChoice, level: Level, folder: Path) -> Engine:
    """Return the engine that a recipe names; files among its options are relative to `folder`.

    Raises
    ------
    RecipeError
        If there is no such engine, option or setting.
    """
    from defectflow.engines.registry import engine_class

    kind = engine_class(choice.name)
    options = dict(choice.options)
    for name in kind.file_options:
        if name in options:
            options[name] = _below(folder, options[name])
    return kind(level=level, options=options, overrides=choice.settings)


def _below(folder: Path, value: Any) -> Any:
    """Return the paths in an option relative to a folder; what is no path as it is."""
    if isinstance(value, str):
        return str(folder / Path(value).expanduser())
    if isinstance(value, list):
        return [_below(folder, one) for one in value]
    if isinstance(value, dict):
        return {key: _below(folder, one) for key, one in value.items()}
    return value


def read_host(choice: HostChoice, folder: Path) -> Host:
    """Return a prototype, the crystal in a file, or a cell generated from either.

    Raises
    ------
    StructureError
        If there is no such prototype, file or cell, or there are several cells and no name.
    """
    from defectflow.structures import hosts

    if choice.prototype is not None:
        host = hosts.prototype(choice.prototype)
    else:
        host = hosts.load(folder / choice.file)  # type: ignore[operator] # one of both is given
    host = host.in_primitive_cell() if choice.primitive else host
    if choice.cell is None:
        return host
    return host.with_cell(_one_of(choice.cell.located(folder).cells(host.structure), choice))


def _one_of(cells: Iterator[Cell], choice: HostChoice) -> Cell:
    """Return the cell of the given name, or the only one."""
    first = list(itertools.islice(cells, 1 if choice.name else 2))
    if choice.name is None and len(first) == 1:
        return first[0]
    found = []
    for cell in itertools.chain(first, itertools.islice(cells, _MOST_CELLS)):
        if cell.name == choice.name:
            return cell
        found.append(cell)
    if choice.name is None:
        shown = ", ".join(map(_in_words, found[:_FEW])) + (", ..." if len(found) > _FEW else "")
        message = f"host {choice}: {len(found) or 'no'} cells; "
        message += f"choose one by `name`: {shown}" if found else "change what is asked for"
    else:
        hint = did_you_mean(choice.name, [cell.name for cell in found])
        message = f"host {choice}: no cell of that name; {hint}"
    raise StructureError(message)


def _in_words(cell: Cell) -> str:
    said = cell.planar.said if cell.planar else ""
    return f"{cell.name} ({said})" if said else cell.name


def _ends(choice: EndpointChoice, folder: Path) -> list[Structure]:
    from defectflow.structures import hosts

    files = (choice.initial, choice.final)
    return [hosts.load(folder / file, perfect=False).structure for file in files]


def key_of(content: QuantityRecipe, folder: Path) -> str:
    """Return the content key of a recipe's result: all that decides it, and the code's version."""
    return content_key(essence(content, folder, content.level), version("defectflow"))


def essence(value: Any, folder: Path, level: Level) -> Any:
    """Return all of a recipe that decides its number, as plain data.

    Names are left out, crystals are read, and engines stand as their stamps: another content of
    the same file, or other weights of the same potential, are another essence.
    """
    if isinstance(value, (HostChoice, EndpointChoice, EngineChoice)):
        return _read(value, folder, level)
    if isinstance(value, ReferenceChoice) and (value.prototype or value.file):
        value = HostChoice(prototype=value.prototype, file=value.file)
        return _read(value, folder, level)
    if isinstance(value, BaseModel):
        value = {name: _field(value, name) for name in type(value).model_fields}
        return essence({k: one for k, one in value.items() if k not in _NAMES}, folder, level)
    if isinstance(value, dict):
        return {str(key): essence(one, folder, level) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [essence(one, folder, level) for one in value]
    return str(value) if isinstance(value, Path) else value


def _read(value: HostChoice | EndpointChoice | EngineChoice, folder: Path, level: Level) -> Any:
    """Return the crystals, or the engine, that a part of a recipe stands for."""
    if isinstance(value, EngineChoice) and value.name == "none":
        return value.name
    if isinstance(value, EngineChoice):
        stamp = make_engine(value, level, folder).stamp()
        return stamp.model_dump(mode="json", exclude={"code_versions"})
    if isinstance(value, HostChoice):
        return read_host(value, folder).structure.as_dict()
    return [structure.as_dict() for structure in _ends(value, folder)]


def _field(part: BaseModel, name: str) -> Any:
    """Return a field; a recipe within a recipe without engine and level, which are the outer's."""
    value = getattr(part, name)
    if not isinstance(value, QuantityRecipe):
        return value
    return {
        inner: getattr(value, inner)
        for inner in type(value).model_fields
        if inner not in _NAMES | {"engine", "level"}
    }
