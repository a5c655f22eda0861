"""The engines ``vasp`` and ``vasp-standin``: VASP through atomate2's makers and custodian.

VASP: G. Kresse, J. Furthmüller, Phys. Rev. B 54, 11169 (1996); G. Kresse, D. Joubert, Phys. Rev. B
59, 1758 (1999). The stand-in runs the same road with a potential in the place of the program.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from pydantic import Field, field_validator, model_validator

from defectflow.documents.base import content_key
from defectflow.engines import programs, vasp_potcars, vasp_program
from defectflow.engines.calculators import BASIC, CachingCalculator, CalculatorEngine
from defectflow.engines.contract import Capability, EngineInfo, EngineOptions
from defectflow.engines.dft_tables import table_digests
from defectflow.engines.electrons import ElectronOptions, electronic_input
from defectflow.engines.model import Model
from defectflow.engines.request import STATIC
from defectflow.engines.vasp_input import dispersion_tags, electronic_tags, ismear
from defectflow.errors import DefectflowError, EngineError, RecipeError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from defectflow.documents.base import EngineStamp
    from defectflow.documents.electronic import DosDocument
    from defectflow.engines.contract import CalculationMaker, FreeCell, Step
    from defectflow.engines.request import InputStep, Request
    from defectflow.engines.vasp_calculator import VaspCalculator
    from defectflow.engines.vasp_potcars import Potcar, PotcarSet
    from defectflow.engines.vasp_program import Facts, Program
    from defectflow.engines.vasp_run import VaspTask

_STANDIN_VARIABLE = "DEFECTFLOW_STANDIN_ENGINE"
_FOLDER = "vasp"


class VaspOptions(ElectronOptions):
    """Options of VASP.

    Attributes
    ----------
    potcar_functional
        Set of potentials by pymatgen's name. All are made for PBE, as VASP has no others for the
        functionals here.
    potentials
        Potentials by element that are not the Materials Project's choice: ``{"Ti": "Ti_sv"}``.
    band
        Who relaxes a band: VASP with VTST (``vtst``), defectflow with VASP's forces (``driven``),
        or VASP where VTST is built in (``auto``).
    """

    potcar_functional: Literal["PBE_64", "PBE_54", "PBE_52", "PBE"] = "PBE_54"
    potentials: dict[str, str] = Field(default_factory=dict)
    band: Literal["auto", "driven", "vtst"] = "auto"

    @field_validator("potentials")
    @classmethod
    def _of_their_elements(cls, value: dict[str, str]) -> dict[str, str]:
        for element, symbol in value.items():
            if symbol.split("_")[0] != element:
                message = f"{symbol} is no potential of {element}; write e.g. Ti: Ti_sv"
                raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _meta_gga_has_potentials(self) -> VaspOptions:
        if self.functional == "r2SCAN" and self.potcar_functional in vasp_potcars.WITHOUT_META_GGA:
            message = (
                f"the potentials {self.potcar_functional} lack what a meta-GGA needs; use PBE_54"
            )
            raise ValueError(message)
        return self


class StandinOptions(VaspOptions):
    """Options of the stand-in.

    Attributes
    ----------
    potential
        What computes in the place of VASP: an engine, ``name`` or ``name:model``; by default what
        the environment variable ``DEFECTFLOW_STANDIN_ENGINE`` says, or EMT.
    """

    potential: str = Field(default_factory=lambda: os.environ.get(_STANDIN_VARIABLE) or "emt")


@dataclass(frozen=True)
class Vasp(CalculatorEngine):
    """VASP with its PAW potentials.

    Collinear spin, no spin-orbit coupling. Relaxations are VASP's own; bands are VASP's own with
    VTST and otherwise driven by defectflow. Dispersion is VASP's own D3.

    Examples
    --------
    >>> Vasp(options={"functional": "RPBE"}).model().functional
    'RPBE'
    """

    name: ClassVar[str] = "vasp"
    family: ClassVar[str] = "vasp"
    options_model: ClassVar[type[EngineOptions]] = VaspOptions
    standin: ClassVar[bool] = False
    declared: ClassVar[frozenset[Capability]] = BASIC | {
        Capability.STRESS,
        Capability.SPIN,
        Capability.CHARGE,
        Capability.KPOINTS,
        Capability.SITE_POTENTIALS,
        Capability.DOS,
        Capability.VACUUM_LEVEL,
        Capability.ATOMIC_CHARGES,
        Capability.VIBRATIONS,
        Capability.DISPERSION,
    }

    @property
    def functional(self) -> str:
        """Exchange and correlation, without Hubbard U."""
        functional: str = self.options["functional"].partition("+")[0]
        return functional

    @property
    def potcars(self) -> PotcarSet:
        """The set of potentials."""
        return vasp_potcars.PotcarSet(self.options["potcar_functional"], self.options["potentials"])

    def program(self) -> Program:
        """Return how VASP is started.

        Raises
        ------
        EngineError
            If it is not found.
        """
        return vasp_program.find()

    def model(self) -> Model:
        """Return the functional and the set of potentials."""
        return Model(
            name=f"PAW potentials {self.options['potcar_functional']}",
            functional=self.options["functional"],
            fidelity="dft",
            elements=None,
            packages=("ase", "atomate2", "custodian", "pymatgen"),
            d3_method=self.functional.lower(),
            notes=table_digests(self.options),
        )

    def stamp(self) -> EngineStamp:
        """Return the stamp; the version of VASP is that of its executable."""
        stamp = super().stamp()
        try:
            version = self.program().facts.version
        except DefectflowError:
            version = None
        versions = stamp.code_versions | ({"vasp": version} if version else {})
        return stamp.model_copy(update={"code_versions": versions})

    def as_dict(self) -> dict[str, Any]:
        """Return the engine as data, with digests of the potentials' files and of own tables.

        With other files of the same names nothing that was computed before is taken over.
        """
        digest = self.potcars.fingerprint()
        files = {"potentials_sha256": digest} if digest else {}
        return super().as_dict() | files | table_digests(self.options)

    def settings(self, step: str, **overrides: object) -> dict[str, Any]:
        """Return the numbers of `step`; a smearing that VASP does not have is refused."""
        settings = super().settings(step, **overrides)
        if "smearing" in settings:
            ismear(settings["smearing"])
        return settings

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if VASP, MPI, or the potential of one of `elements` is missing."""
        try:
            dispersion_tags(self.options["dispersion"], self.functional)
            self.potcars.select(elements or ())
        except EngineError as error:
            message = f"engine {self.name}: {error}"
            raise EngineError(message) from error
        try:
            self.program()
            self.potcars.check(elements)
        except EngineError as error:
            missing = EngineError(f"engine {self.name}: {error}")
            if not programs.excused(missing):
                raise missing from error

    @classmethod
    def describe(cls) -> EngineInfo:
        """Return the engine's line of the inventory."""
        problem = None
        try:
            cls().check()
        except DefectflowError as error:
            problem = str(error)
        return EngineInfo(
            name=cls.name,
            available=problem is None,
            capabilities=tuple(sorted(cls.declared)),
            problem=problem,
        )

    def task(self, request: Request, frozen: Sequence[int] = ()) -> VaspTask:
        """Return what VASP is given for `request`; the program need not be installed for it."""
        from defectflow.engines.vasp_run import VaspTask

        electrons = electronic_input(self.options, request)
        structure = request.structure
        symbols = list(dict.fromkeys(site.specie.symbol for site in structure))
        potcars = self.potcars.select(symbols)
        neutral = sum(potcars[site.specie.symbol].valence for site in structure)
        tags = electronic_tags(electrons, structure, request.settings, neutral)
        tags |= dispersion_tags(self.options["dispersion"], self.functional)
        return VaspTask(
            structure=structure,
            electrons=electrons,
            tags=tags,
            potcars=potcars,
            potcar_set=self.options["potcar_functional"],
            program=_program(self),
            standin=self.standin,
            folder=request.folder.resolve() / _FOLDER,
            frozen=tuple(frozen),
            inputs=electrons.record()
            | {
                "incar": tags,
                "potentials": _records(potcars),
                "neutral_valence_electrons": neutral,
            },
        )

    def part(self, request: Request) -> VaspCalculator:
        """Return a new calculator for `request`; VASP starts with its first evaluation."""
        from defectflow.engines.vasp_calculator import VaspCalculator

        self.check({element.symbol for element in request.structure.elements})
        return VaspCalculator(self.task(request))

    def caching_calculator(self, request: Request) -> CachingCalculator:
        """Return a new caching calculator; the dispersion is VASP's own."""
        return CachingCalculator([self.part(request)], stress=request.stress)

    def input_files(self, request: Request, step: InputStep = STATIC) -> dict[str, str]:
        """Return INCAR, KPOINTS, POSCAR (one for each image) and the names of the potentials."""
        from defectflow.engines.vasp_files import input_files, poscars

        task = self.task(request, step.frozen)
        files = input_files(task, request.settings, step.name, step.cell)
        if step.images:
            del files["POSCAR"]
        return files | poscars(task, step.images)

    def density_of_states(self, request: Request) -> DosDocument:
        """Compute the electrons of `request` and return their density of states."""
        from defectflow.engines.vasp_dos import density_of_states

        self.require(Capability.DOS)
        return density_of_states(self, request)

    def _relax_maker(self, cell: FreeCell, settings: dict[str, Any]) -> CalculationMaker:
        from defectflow.engines.vasp_relax import VaspRelaxMaker

        return VaspRelaxMaker(engine=self, cell=cell, settings=settings)

    def _maker(self, step: Step, settings: dict[str, Any]) -> Any:
        if step == "neb" and self.native_bands():
            from defectflow.engines.vasp_band import VaspBandMaker

            return VaspBandMaker(engine=self, settings=settings)
        return super()._maker(step, settings)

    def native_bands(self) -> bool:
        """Return whether VASP itself relaxes bands, as it can with VTST.

        Raises
        ------
        EngineError
            If the option ``band`` asks for it and this VASP is built without.
        """
        wish = self.options["band"]
        facts = _facts(self) if wish != "driven" else None
        if wish == "vtst" and facts is not None and not facts.vtst:
            message = (
                f"engine {self.name}: band: vtst was asked and this VASP is built without VTST; "
                "use band: driven, or set DEFECTFLOW_VASP_VTST=1 if it is"
            )
            raise EngineError(message)
        return facts is not None and facts.vtst


@dataclass(frozen=True)
class VaspStandin(Vasp):
    """The road of VASP with a potential in the place of the program: for tests and dry runs.

    Examples
    --------
    >>> VaspStandin(options={"potential": "emt"}).stamp().fidelity
    'stand-in'
    """

    name: ClassVar[str] = "vasp-standin"
    options_model: ClassVar[type[EngineOptions]] = StandinOptions
    standin: ClassVar[bool] = True

    @property
    def potential(self) -> CalculatorEngine:
        """The engine that computes.

        Raises
        ------
        RecipeError
            If it is none.
        """
        from defectflow.engines.vasp_standin.computing import named

        found = named(self.options["potential"])
        if isinstance(found, Vasp):
            message = f"engine {self.name}: potential = {found.name}: it cannot stand in for itself"
            raise RecipeError(message)
        return found

    def program(self) -> Program:
        """Return how the stand-in is started."""
        return vasp_program.standin(self.options["potential"])

    def model(self) -> Model:
        """Return the potential; the functional is asked for and not used."""
        inner = self.potential.stamp()
        label = f"{inner.name} ({inner.model})" if inner.model else inner.name
        return Model(
            name=f"{label} in the place of VASP",
            functional=None,
            fidelity="stand-in",
            elements=self.potential.model().elements,
            packages=("ase", "atomate2", "custodian", "pymatgen"),
            notes={
                "not_vasp": "no density functional was evaluated, no electrons were treated; "
                "levels and potentials are those of a model without physics"
            },
        )

    def stamp(self) -> EngineStamp:
        """Return the stamp, with digest and versions of the potential."""
        inner, own = self.potential.stamp(), super().stamp()
        versions = inner.code_versions | own.code_versions
        versions.pop("vasp", None)
        update = {"model_sha256": inner.model_sha256, "code_versions": versions}
        return own.model_copy(update=update)

    def as_dict(self) -> dict[str, Any]:
        """Return the engine as data, with the content key of the potential."""
        return super().as_dict() | {"potential_key": content_key(self.potential.as_dict())}

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if the potential cannot run here, or not with `elements`."""
        try:
            self.potential.check(elements)
            for element in elements or ():
                self.potcars.symbol(element)
            dispersion_tags(self.options["dispersion"], self.functional)
        except EngineError as error:
            message = f"engine {self.name}: {error}; choose what computes by the option potential"
            raise EngineError(message) from error


def _facts(engine: Vasp) -> Facts:
    """Return the facts of the program; in a plan, without one, what the environment says."""
    try:
        return engine.program().facts
    except EngineError as error:
        if not programs.excused(error):
            raise
        return vasp_program.absent().facts


def _program(engine: Vasp) -> Program:
    """Return how VASP is started; a program without commands where it is not installed."""
    try:
        return engine.program()
    except EngineError:
        return vasp_program.absent()


def _records(potcars: dict[str, Potcar]) -> dict[str, Any]:
    return {element: one.record() for element, one in cast("Any", potcars).items()}
