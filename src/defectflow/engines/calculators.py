"""Engines made of an ASE calculator, and the calculator that evaluates each geometry once."""

from __future__ import annotations

import importlib
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, cast

import numpy as np
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from defectflow.documents.base import EngineStamp, content_key
from defectflow.engines.contract import (
    CalculationMaker,
    Capability,
    Engine,
    EngineInfo,
    EngineOptions,
    FreeCell,
    Step,
)
from defectflow.engines.conversion import poscar_text
from defectflow.engines.model import Model, code_versions, file_sha256, package_folder
from defectflow.engines.request import STATIC
from defectflow.errors import DefectflowError, EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Self

    from ase import Atoms
    from numpy.typing import NDArray

    from defectflow.engines.request import InputStep, Request

#: So many elements still fit into an error message.
_FEW: Final = 20
#: What every calculator engine can be asked for.
BASIC = frozenset({Capability.ENERGY, Capability.FORCES, Capability.BAND, Capability.VIBRATIONS})


class CalculatorOptions(EngineOptions):
    """Options of every calculator engine.

    Attributes
    ----------
    dispersion
        Grimme's D3 correction with Becke-Johnson (``d3bj``) or zero damping (``d3zero``), pairs
        only, with the parameters of the engine's functional.
    """

    dispersion: Literal["d3bj", "d3zero"] | None = None


class CachingCalculator(Calculator):
    """An ASE calculator that evaluates each geometry once, and counts.

    Energy and forces (and the stress, if asked for) come from one evaluation of each part, whatever
    the order in which ASE asks. Give each image of a band its own: the heavy parts are shared, the
    remembered geometry is not. ASE calculators that are shared between images forget each image
    when they see the next one, which triples the number of evaluations.

    Parameters
    ----------
    parts
        Calculators whose results are summed, e.g. a potential and a dispersion correction.
    stress
        Compute the stress in every evaluation, as a relaxation of the cell needs.

    Attributes
    ----------
    evaluations
        Number of evaluations so far.
    inputs
        What the first part was given, if it says so: cutoff, k-points, ...
    repairs
        What the first part changed in order to converge, in the order in which it was tried.
    """

    def __init__(self, parts: Sequence[BaseCalculator], *, stress: bool = False) -> None:
        Calculator.__init__(self)
        self.parts = tuple(parts)
        self.stress = stress
        self.evaluations = 0
        has_stress = all("stress" in part.implemented_properties for part in self.parts)
        self.implemented_properties = ["energy", "free_energy", "forces"]
        if has_stress:
            self.implemented_properties.append("stress")

    @property
    def inputs(self) -> dict[str, Any]:
        """What the first part was given."""
        return dict(getattr(self.parts[0], "inputs", {}))

    @property
    def repairs(self) -> tuple[str, ...]:
        """What the first part changed in order to converge."""
        return tuple(getattr(self.parts[0], "repairs", ()))

    def site_potentials_V(self) -> tuple[float, ...] | None:
        """Return the potential at each atom as the first part tells it; None if it does not."""
        tell = getattr(self.parts[0], "site_potentials_V", None)
        return tell() if callable(tell) else None

    def finish(self) -> None:
        """Remove what only an interrupted run would need: the calculation is done."""
        self._tell_parts("finish")

    def close(self) -> None:
        """End the programs that the parts have started."""
        self._tell_parts("close")

    def _tell_parts(self, verb: str) -> None:
        for part in self.parts:
            act = getattr(part, verb, None)
            if callable(act):
                act()

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate `atoms` once: energy (eV), forces (eV/Å) and, if wanted, stress (eV/Å³).

        Raises
        ------
        EngineError
            If a result is not a finite number.
        """
        Calculator.calculate(self, atoms, properties, system_changes)
        geometry = cast("Atoms", self.atoms)
        wanted = ["energy", "forces"]
        if self.stress or "stress" in properties:
            wanted.append("stress")
        parts = [_evaluate(part, geometry, wanted) for part in self.parts]
        self.evaluations += 1
        self.results = {key: sum(part[key] for part in parts) for key in parts[-1]}
        if "magmoms" in self.parts[0].results:
            self.results["magmoms"] = np.array(self.parts[0].results["magmoms"], dtype=float)
        for key, value in self.results.items():
            if not np.all(np.isfinite(value)):
                message = (
                    f"{self.parts[0].name}: {key} of {geometry.get_chemical_formula()} is not a "
                    "finite number; look for overlapping atoms in the structure"
                )
                raise EngineError(message)


def _evaluate(
    part: BaseCalculator, atoms: Atoms, properties: list[str]
) -> dict[str, float | NDArray[np.float64]]:
    """Return the properties of `atoms`, all of them from one call of ``calculate``."""
    changes = part.check_state(atoms)
    if changes:
        part.atoms = None
        part.results = {}
    part.calculate(atoms, properties, changes or all_changes)
    energy = float(part.results["energy"])
    results: dict[str, float | NDArray[np.float64]] = {
        "energy": energy,
        "free_energy": float(part.results.get("free_energy", energy)),
        "forces": np.array(part.results["forces"], dtype=float),
    }
    if "stress" in properties:
        stress = np.array(part.results["stress"], dtype=float)
        results["stress"] = full_3x3_to_voigt_6_stress(stress) if stress.shape == (3, 3) else stress
    return results


#: Where the makers of each step are; they are imported when one is asked for.
_MAKERS: Final[dict[str, tuple[str, str]]] = {
    "static": ("defectflow.engines.static", "StaticMaker"),
    "neb": ("defectflow.engines.band_maker", "CalculatorBandMaker"),
    "dos": ("defectflow.engines.dos", "DosMaker"),
    "vibrations": ("defectflow.engines.vibrations", "VibrationsMaker"),
}
#: Heavy calculators of this process, by engine class and options; with the mark of their files.
_SHARED: dict[str, tuple[str, BaseCalculator]] = {}


@dataclass(frozen=True)
class CalculatorEngine(Engine):
    """An engine made of an ASE calculator."""

    family: ClassVar[str] = "potential"
    options_model: ClassVar[type[EngineOptions]] = CalculatorOptions

    @abstractmethod
    def model(self) -> Model:
        """Return what the engine computes with; cheap, imports no heavy package."""

    def calculator(self) -> BaseCalculator:
        """Return a new ASE calculator without dispersion; loads the model."""
        message = f"engine {self.name} has no calculator that its images could share"
        raise NotImplementedError(message)

    def part(self, request: Request) -> BaseCalculator:  # noqa: ARG002 - codes with electrons use it
        """Return the ASE calculator that serves `request`, without dispersion.

        The images of a band share a potential; a code with electrons makes a new calculator, which
        has attributes ``inputs`` (dict) and ``repairs`` (list of str) and methods ``finish()``,
        called once when the calculation is done, and ``close()``, called last in any case.
        """
        return self.shared_calculator()

    @classmethod
    def models(cls) -> tuple[str, ...]:
        """Return the values of the option ``model``, the default first; empty if it has none."""
        return ()

    def input_files(
        self,
        request: Request,
        step: InputStep = STATIC,  # noqa: ARG002 - codes with electrons use it
    ) -> dict[str, str]:
        """Return the text of each input file by its name; runs nothing, no program is needed.

        A potential has none but the atoms.
        """
        return {"POSCAR": poscar_text(request.structure)}

    def capabilities(self) -> frozenset[Capability]:
        """Return what this engine can do: it is the same for all options by default."""
        return self.declared

    def shared_calculator(self) -> BaseCalculator:
        """Return the calculator of this process with this engine's options.

        It is loaded once, and again when its files have changed.
        """
        self.check()
        options = {key: value for key, value in self.options.items() if key != "dispersion"}
        key = content_key(type(self).__qualname__, options)
        bare = replace(self, level="balanced", options=options, overrides={})
        mark = content_key(bare.as_dict())
        if key not in _SHARED or _SHARED[key][0] != mark:
            _SHARED[key] = (mark, self.calculator())
        return _SHARED[key][1]

    def caching_calculator(self, request: Request) -> CachingCalculator:
        """Return a new caching calculator for one series of similar evaluations."""
        parts = [self.part(request)]
        if self.options["dispersion"] is not None:
            parts.append(_dispersion(self))
        return CachingCalculator(parts, stress=request.stress)

    def as_dict(self) -> dict[str, Any]:
        """Return the engine as data, with the digest of its weights.

        Jobs carry the digest in their content key: with other weights under the same name nothing
        that was computed before is taken over.
        """
        data: dict[str, Any] = super().as_dict()
        weights = self.model().weights_file()
        return data | ({"weights_sha256": file_sha256(weights)} if weights else {})

    @classmethod
    def from_dict(cls, d: dict[str, Any]) -> Self:
        """Rebuild the engine; the digest is a mark, not an argument."""
        return cls(level=d["level"], options=d["options"], overrides=d.get("overrides", {}))

    def stamp(self) -> EngineStamp:
        """Return the stamp: model, digest of its weights, functional, options and versions."""
        model = self.model()
        weights = model.weights_file()
        hidden = {"model", "device"}
        options = {
            key: value
            for key, value in self.options.items()
            if key not in hidden and value is not None
        }
        packages = ["defectflow", "ase", *model.packages]
        if "dispersion" in options:
            packages.append("dftd3")
        return EngineStamp(
            name=self.name,
            model=model.name,
            model_sha256=file_sha256(weights) if weights else None,
            functional=model.functional,
            fidelity=model.fidelity,
            level=self.level,
            options=options | model.notes,
            settings=self.overrides,
            code_versions=code_versions(packages),
        )

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if a package, the weights, or an element is missing."""
        model = self.model()
        try:
            for package in model.packages:
                package_folder(package)
            model.weights_file()
            if self.options["dispersion"] is not None:
                _dispersion(self)
        except EngineError as error:
            message = str(error)
            if not message.startswith("engine"):
                message = f"engine {self.name}: {message}"
            raise EngineError(message) from error
        if elements is None or model.elements is None:
            return
        unknown = sorted(set(elements) - model.elements)
        if unknown:
            label = f"{self.name} ({model.name})" if model.name else self.name
            message = f"engine {label} does not know {', '.join(unknown)}"
            if len(model.elements) <= _FEW:
                message += f"; it knows {', '.join(sorted(model.elements))}"
            else:
                message += "; its training data has none of it, use another engine"
            raise EngineError(message)

    @classmethod
    def describe(cls) -> EngineInfo:
        """Return the engine's line of the inventory."""
        usable, problem = [], None
        for name in cls.models() or (None,):
            try:
                cls(options={"model": name} if name else {}).check()
                usable.append(name)
            except DefectflowError as error:
                problem = problem or str(error)
        return EngineInfo(
            name=cls.name,
            available=bool(usable),
            capabilities=tuple(sorted(cls.declared)),
            models=tuple(name for name in usable if name),
            problem=problem,
        )

    def _relax_maker(self, cell: FreeCell, settings: dict[str, Any]) -> CalculationMaker:
        from defectflow.engines.relax import RelaxMaker

        return RelaxMaker(engine=self, cell=cell, settings=settings)

    def _maker(self, step: Step, settings: dict[str, Any]) -> Any:
        module, name = _MAKERS[step]
        maker = getattr(importlib.import_module(module), name)
        return maker(engine=self, settings=settings)


def _dispersion(engine: CalculatorEngine) -> BaseCalculator:
    """Return the D3 calculator of an engine: pairs only, as density functional codes use it."""
    engine.require(Capability.DISPERSION)
    package_folder("dftd3")
    from dftd3 import interface
    from dftd3.ase import DFTD3

    damping, functional = engine.options["dispersion"], engine.model().d3_method
    kind = {"d3bj": interface.RationalDampingParam, "d3zero": interface.ZeroDampingParam}
    try:
        kind[damping](method=functional, atm=False)  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        message = f"no {damping} parameters exist for the functional {functional!r}: {error}"
        raise EngineError(message) from error
    tweaks = {"method": functional, "atm": False}
    return DFTD3(damping=damping, params_tweaks=tweaks)
