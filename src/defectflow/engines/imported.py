"""Any ASE calculator, named by its import path."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from defectflow.engines.calculators import BASIC, CalculatorEngine, CalculatorOptions
from defectflow.engines.contract import Capability, EngineInfo
from defectflow.engines.model import Model
from defectflow.errors import EngineError

if TYPE_CHECKING:
    from ase.calculators.calculator import BaseCalculator

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class ImportedOptions(CalculatorOptions):
    """Options of an imported calculator.

    Attributes
    ----------
    calculator
        ``package.module:Class``; the class must derive from ASE's ``BaseCalculator``.
    kwargs
        Keyword arguments of the class, in ASE's units.
    fidelity
        What its numbers are; nobody but you can know. The default claims nothing.
    functional
        Functional of the calculator or of its training data; also names the D3 parameters.
    """

    calculator: str
    kwargs: dict[str, Any] = Field(default_factory=dict)
    fidelity: Literal["dft", "potential", "stand-in"] = "stand-in"
    functional: str | None = None

    @field_validator("calculator")
    @classmethod
    def _is_import_path(cls, value: str) -> str:
        if not _PATH.fullmatch(value):
            message = "write an import path, e.g. ase.calculators.lj:LennardJones"
            raise ValueError(message)
        return value


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
        )

    def calculator(self) -> BaseCalculator:
        """Return a new calculator.

        Raises
        ------
        EngineError
            If the class refuses its keyword arguments.
        """
        kind = self._class()
        try:
            return kind(**self.options["kwargs"])
        except Exception as error:
            message = (
                f"engine ase: {self.options['calculator']} refuses kwargs "
                f"{self.options['kwargs']!r}: {error}"
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
