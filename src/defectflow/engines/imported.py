"""Any ASE calculator, named by its import path."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from defectflow.engines.calculators import BASIC, CalculatorEngine, CalculatorOptions
from defectflow.engines.contract import Capability, EngineInfo
from defectflow.engines.model import Model, file_sha256
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

    from defectflow.documents.base import EngineStamp

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class ImportedOptions(CalculatorOptions):
    """Options of an imported calculator.

    Attributes
    ----------
    calculator
        ``package.module:Class``; the class must derive from ASE's ``BaseCalculator``.
    kwargs
        Keyword arguments of the class, in ASE's units.
    files
        Keyword arguments that are files, or lists of files, e.g. of a model. In a recipe, relative
        to the recipe. Their digests stand in every result, and nothing that was computed with
        other contents is taken over.
    fidelity
        What its numbers are; nobody but you can know. The default claims nothing.
    functional
        Functional of the calculator or of its training data; also names the D3 parameters.
    """

    calculator: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str | list[str]] = Field(default_factory=dict)
    fidelity: Literal["dft", "potential", "stand-in"] = "stand-in"
    functional: str | None = None

    @field_validator("calculator")
    @classmethod
    def _is_import_path(cls, value: str) -> str:
        if not _PATH.fullmatch(value):
            message = "write an import path, e.g. ase.calculators.lj:LennardJones"
            raise ValueError(message)
        return value

    @field_validator("files")
    @classmethod
    def _absolute(cls, value: dict[str, str | list[str]]) -> dict[str, str | list[str]]:
        def whole(path: str) -> str:
            return str(Path(path).expanduser().absolute())

        return {
            name: whole(one) if isinstance(one, str) else [whole(path) for path in one]
            for name, one in value.items()
        }


@dataclass(frozen=True)
class ImportedCalculator(CalculatorEngine):
    """The engine ``ase``: a calculator class by import path, with keyword arguments.

    Examples
    --------
    >>> lj = ImportedCalculator(options={"calculator": "ase.calculators.lj:LennardJones"})
    >>> lj.stamp().model
    'ase.calculators.lj:LennardJones'
    """

    name: ClassVar[str] = "ase"
    options_model: ClassVar[type[ImportedOptions]] = ImportedOptions
    declared: ClassVar[frozenset[Capability]] = BASIC | {
        Capability.STRESS,
        Capability.DISPERSION,
    }
    file_options: ClassVar[tuple[str, ...]] = ("files",)

    def capabilities(self) -> frozenset[Capability]:
        """Return what the class says that it implements."""
        implemented = self._class().implemented_properties
        found = set()
        if "energy" in implemented:
            found.add(Capability.ENERGY)
        if "forces" in implemented:
            found |= BASIC
        if "stress" in implemented:
            found.add(Capability.STRESS)
        if self.options["functional"] is not None:
            found.add(Capability.DISPERSION)
        return frozenset(found)

    def model(self) -> Model:
        """Return what the options say of the calculator."""
        path: str = self.options["calculator"]
        functional = self.options["functional"]
        return Model(
            name=path,
            functional=functional,
            fidelity=self.options["fidelity"],
            elements=None,
            packages=tuple(dict.fromkeys((re.split("[.:]", path, maxsplit=1)[0], "ase"))),
            d3_method=functional.lower() if functional else None,
            notes={f"sha256 of {name}": " ".join(some) for name, some in self._digests().items()},
        )

    def _digests(self) -> dict[str, list[str]]:
        """Return the SHA-256 of the files that each keyword argument names.

        Raises
        ------
        EngineError
            If one is missing, or stands among the keyword arguments whose contents nobody looks at.
        """
        for name, value in self.options["kwargs"].items():
            if isinstance(value, str) and Path(value).is_file():
                message = (
                    f"engine ase: kwargs {name} names the file {value}; write it under `files`, so "
                    "that its digest stands in the results"
                )
                raise EngineError(message)
        found = {
            name: [Path(one) for one in _list(value)]
            for name, value in self.options["files"].items()
        }
        missing = [str(file) for some in found.values() for file in some if not file.is_file()]
        if missing:
            message = f"engine ase: {', '.join(missing)} is no file"
            raise EngineError(message)
        return {name: [file_sha256(file) for file in some] for name, some in found.items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the engine as data, with the digests of its files."""
        digests = self._digests()
        return super().as_dict() | ({"files_sha256": digests} if digests else {})

    def stamp(self) -> EngineStamp:
        """Return the stamp, without the folders of the files."""
        stamp = super().stamp()
        names = {
            key: [Path(one).name for one in _list(value)]
            for key, value in self.options["files"].items()
        }
        kept = {key: value for key, value in stamp.options.items() if key != "files"}
        return stamp.model_copy(update={"options": kept | ({"files": names} if names else {})})

    def calculator(self) -> BaseCalculator:
        """Return a new calculator.

        Raises
        ------
        EngineError
            If the class refuses its keyword arguments.
        """
        kind = self._class()
        try:
            return kind(**self.options["kwargs"], **self.options["files"])
        except Exception as error:
            message = (
                f"engine ase: {self.options['calculator']} refuses kwargs "
                f"{self.options['kwargs'] | self.options['files']!r}: {error}"
            )
            raise EngineError(message) from error

    def _class(self) -> type[BaseCalculator]:
        from ase.calculators.calculator import BaseCalculator

        module_name, _, class_name = self.options["calculator"].partition(":")
        try:
            kind = getattr(importlib.import_module(module_name), class_name)
        except (ImportError, AttributeError) as error:
            message = f"engine ase: cannot import {self.options['calculator']}: {error}"
            raise EngineError(message) from error
        if not (isinstance(kind, type) and issubclass(kind, BaseCalculator)):
            message = f"engine ase: {self.options['calculator']} is not an ASE calculator class"
            raise EngineError(message)
        return kind

    @classmethod
    def describe(cls) -> EngineInfo:
        """Return the engine's line of the inventory: it needs no more than ASE."""
        return EngineInfo(name=cls.name, available=True, capabilities=tuple(sorted(cls.declared)))


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
