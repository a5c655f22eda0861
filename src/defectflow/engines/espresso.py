"""The engine ``espresso``: pw.x of Quantum ESPRESSO (P. Giannozzi et al., 2009, 2017, 2020)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from defectflow.engines import espresso_program as program
from defectflow.engines import programs
from defectflow.engines.calculators import BASIC, CalculatorEngine
from defectflow.engines.contract import Capability, EngineInfo
from defectflow.engines.dft_tables import table_digests
from defectflow.engines.electrons import ElectronOptions, electronic_input
from defectflow.engines.espresso_calculator import PwCalculator, PwTask
from defectflow.engines.espresso_input import RunControl, pw_input, valence_electrons
from defectflow.engines.espresso_pseudos import PseudoSet, find_set
from defectflow.engines.model import Model
from defectflow.engines.request import STATIC
from defectflow.engines.vacuum import vacuum_axes
from defectflow.errors import DefectflowError, EngineError

if TYPE_CHECKING:
    from collections.abc import Collection

    from defectflow.documents.base import EngineStamp
    from defectflow.documents.electronic import DosDocument
    from defectflow.engines.request import InputStep, Request

#: Functionals whose pseudopotentials can be had as a Python package.
_PACKAGED: Final = ("PBE", "PBEsol")
#: Version whose input is written where pw.x is not installed.
_NEWEST: Final = "7.4"
#: pw.x's own keys of ``electrons.yaml``.
_OWN_NUMBERS: Final = (
    "density_cutoff_factor",
    "augmented_density_cutoff_factor",
    "mixing_beta",
    "mixing_mode",
    "slab_mixing_mode",
    "diagonalization",
    "scf_ladder",
)


@dataclass(frozen=True)
class Espresso(CalculatorEngine):
    """Plane waves and pseudopotentials with Quantum ESPRESSO.

    Collinear spin, no spin-orbit coupling. `defectflow.engines.espresso_pseudos` says where the
    pseudopotentials come from; all are made for the functional that is asked for.

    Examples
    --------
    >>> Espresso(options={"functional": "PBEsol"}).options["spin"]
    'auto'
    """

    name: ClassVar[str] = "espresso"
    family: ClassVar[str] = "espresso"
    options_model: ClassVar[type[ElectronOptions]] = ElectronOptions
    declared: ClassVar[frozenset[Capability]] = BASIC | {
        Capability.STRESS,
        Capability.SPIN,
        Capability.CHARGE,
        Capability.KPOINTS,
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

    def model(self) -> Model:
        """Return the description of the set of pseudopotentials, if there is one."""
        found = self._set()
        return Model(
            name=found.name if found else None,
            functional=self.options["functional"],
            fidelity="dft",
            elements=None,
            packages=("ase",),
            d3_method=self.functional.lower(),
            notes=table_digests(self.options),
        )

    def _set(self) -> PseudoSet | None:
        try:
            return find_set(self.functional)
        except EngineError:
            return None

    def as_dict(self) -> dict[str, Any]:
        """Return the engine as data, with the digests of its pseudopotentials and own tables.

        With other files of the same name nothing that was computed before is taken over.
        """
        found = self._set()
        digest = found.sha256(self.functional) if found else None
        files = {"pseudopotentials_sha256": digest} if digest else {}
        return super().as_dict() | files | table_digests(self.options)

    def stamp(self) -> EngineStamp:
        """Return the stamp: pseudopotentials and their digest, functional, version of pw.x."""
        stamp = super().stamp()
        found = self._set()
        digest = found.sha256(self.functional) if found else None
        versions = {**stamp.code_versions, "pw.x": self._version()}
        return stamp.model_copy(update={"model_sha256": digest, "code_versions": versions})

    def _version(self) -> str:
        try:
            return program.pw_version()
        except EngineError:
            return _NEWEST

    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if pw.x, MPI or a pseudopotential is missing or does not fit."""
        super().check()
        try:
            program.check_programs()
            found = find_set(self.functional)
            if elements is not None:
                found.select(self.functional, elements)
                program.pw_version()
        except EngineError as error:
            missing = EngineError(f"engine {self.name}: {error}")
            if not programs.excused(missing):
                raise missing from error

    @classmethod
    def describe(cls) -> EngineInfo:
        """Return the engine's line of the inventory: usable if one functional is."""
        problems = {}
        for functional in _PACKAGED:
            try:
                cls(options={"functional": functional}).check()
            except DefectflowError as error:
                problems[functional] = str(error)
        return EngineInfo(
            name=cls.name,
            available=len(problems) < len(_PACKAGED),
            capabilities=tuple(sorted(cls.declared)),
            problem=next(iter(problems.values()), None),
        )

    def task(self, request: Request) -> PwTask:
        """Return what pw.x is given for `request`; pw.x need not be installed for it.

        Raises
        ------
        EngineError
            If a pseudopotential is missing or does not fit.
        """
        electrons = electronic_input(self.options, request)
        symbols = [site.specie.symbol for site in request.structure]
        pseudos = find_set(self.functional).select(self.functional, set(symbols))
        numbers = own_numbers(request)
        inputs = electrons.record() | {
            "pseudopotentials": {element: one.record() for element, one in pseudos.items()},
            "neutral_valence_electrons": valence_electrons(symbols, pseudos),
            "pw.x": numbers,
        }
        return PwTask(
            electrons=electrons,
            pseudos=pseudos,
            numbers=numbers,
            version=self._version(),
            folder=request.folder,
            inputs=inputs,
        )

    def part(self, request: Request) -> PwCalculator:
        """Return a new calculator for `request`; pw.x starts with its first evaluation."""
        self.check({element.symbol for element in request.structure.elements})
        return PwCalculator(self.task(request))

    def input_files(self, request: Request, step: InputStep = STATIC) -> dict[str, str]:
        """Return the inputs of pw.x, and of the runs that follow it for states or charges.

        Raises
        ------
        EngineError
            If a pseudopotential is missing or does not fit.
        """
        from defectflow.engines import espresso_charges, espresso_dos

        if step.name == "dos":
            return espresso_dos.input_files(self, request)
        if step.name == "charges":
            return espresso_charges.input_files(self, request)
        return {"pw.in": self.input_text(request)}

    def input_text(self, request: Request, run: RunControl | None = None) -> str:
        """Return the input of pw.x for `request`, as it would be written; runs nothing.

        Parameters
        ----------
        run
            What is special about the run; None for an SCF.
        """
        from defectflow.engines.conversion import to_atoms

        task = self.task(request)
        return pw_input(
            to_atoms(request.structure),
            task.electrons,
            task.pseudos,
            task.numbers,
            version=program.version_numbers(task.version),
            run=run or RunControl(stress=request.stress),
        ).text()

    def density_of_states(self, request: Request) -> DosDocument:
        """Compute the electrons of `request` and return their density of states."""
        from defectflow.engines.espresso_dos import density_of_states

        return density_of_states(self, request)


def own_numbers(request: Request) -> dict[str, Any]:
    """Return pw.x's own numbers for `request`; a cell with a vacuum is mixed as a slab."""
    numbers = {key: request.settings[key] for key in _OWN_NUMBERS}
    if vacuum_axes(request.structure):
        numbers["mixing_mode"] = numbers["slab_mixing_mode"]
    return numbers
