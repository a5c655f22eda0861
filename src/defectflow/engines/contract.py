"""The contract of every engine, density functional codes included.

An engine is a small immutable record: a name, a level and options. It *declares* what it can do;
whatever it cannot do is refused while a flow is being built. Its makers return jobflow jobs whose
output is a document of `defectflow.documents`, in Å, eV and eV/Å.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self, get_args

from monty.json import MSONable
from pydantic import BaseModel, ConfigDict, ValidationError

from defectflow.engines import asking, levels
from defectflow.errors import EngineError, RecipeError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from jobflow.core.job import Job
    from jobflow.core.reference import OutputReference
    from pymatgen.core.structure import Structure

    from defectflow.documents.base import EngineStamp, Level
    from defectflow.documents.steps import Image
    from defectflow.engines.vibrations import VibrationsMaker

#: Free beside the atoms: nothing, the cell, its volume, or its height across the plane of its first
#: two vectors; across a vacuum it keeps its height.
FreeCell = Literal["fixed", "relax", "scale", "height"]
#: What an engine has makers of, beside relaxations.
Step = Literal["static", "neb", "dos", "vibrations"]


class Capability(StrEnum):
    """What an engine can be asked for."""

    ENERGY = "energy"
    FORCES = "forces"
    STRESS = "stress"
    #: Collinear magnetic moments as input and output.
    SPIN = "spin"
    CHARGE = "charge"  # of the cell, other than zero
    KPOINTS = "kpoints"
    DOS = "dos"  # projected on atoms and orbitals
    #: Potential outside a slab, computed beside the density of states.
    VACUUM_LEVEL = "vacuum_level"
    #: Electrostatic potentials at the atoms, which align charged cells.
    SITE_POTENTIALS = "site_potentials"
    ATOMIC_CHARGES = "atomic_charges"  # after Bader
    BAND = "band"  # minimum energy paths
    VIBRATIONS = "vibrations"
    #: A dispersion correction that can be switched on.
    DISPERSION = "dispersion"


class CalculationMaker(Protocol):
    """The makers of an engine: one structure in, one job with a `RelaxDocument` out.

    Parameters of `make`
    --------------------
    structure
        Where to start; an output reference of another job will do.
    frozen
        Indices of atoms that keep their Cartesian position.
    charge
        Total charge of the cell in units of e (removed electrons are positive).
    magnetic_moments
        Starting moments, one per atom, in Bohr magnetons.
    """

    name: str

    def make(
        self,
        structure: Structure,
        frozen: Sequence[int] = (),
        charge: int = 0,
        magnetic_moments: Sequence[float] | None = None,
    ) -> Job:
        """Return the job; a request that the engine cannot serve raises `EngineError` here."""
        ...


class BandMaker(Protocol):
    """The maker of minimum energy paths: two relaxed ends in, a `BandDocument` out.

    Parameters of `make`
    --------------------
    initial, final
        `Image` of each end, with its energy and forces.
    waypoints
        Structures through which a band is also sent, by label.
    frozen
        Indices of atoms that keep their Cartesian position.
    """

    name: str

    def make(
        self,
        initial: Image | OutputReference,
        final: Image | OutputReference,
        waypoints: dict[str, Structure] | None = None,
        frozen: Sequence[int] = (),
    ) -> Job:
        """Return the job."""
        ...


class EngineOptions(BaseModel):
    """Base of the options of an engine: closed to unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


@dataclass(frozen=True)
class EngineInfo:
    """One line of the inventory: what an engine is, and whether it can run here.

    Attributes
    ----------
    models
        Values of the option ``model`` that can be used here, the default first.
    problem
        Why the engine cannot run here, and the remedy; None if it can.
    """

    name: str
    available: bool
    capabilities: tuple[Capability, ...]
    models: tuple[str, ...] = ()
    problem: str | None = None


@dataclass(frozen=True)
class Engine(MSONable, ABC):
    """Computes energies and forces. Immutable, and serialised by jobflow inside makers.

    Attributes
    ----------
    level
        ``fast``, ``balanced`` or ``stringent``.
    options
        Options of this engine; missing ones are filled with their defaults on construction.
    overrides
        Numbers that replace those of the level in every step that has them, e.g.
        ``{"cutoff_eV": 500.0}``; the recipe's ``settings`` of its engine.
    name
        How recipes call the engine.
    family
        Folder below ``templates/input`` that holds its numbers.
    options_model
        The pydantic model of `options`.
    declared
        Everything that the engine can do with suitable options.
    file_options
        Options that name files; a recipe gives them relative to itself.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> emt = engine("emt", level="fast")
    >>> emt.settings("relax")["fmax_eV_per_A"]
    0.05
    """

    level: Level = "balanced"
    options: dict[str, Any] = field(default_factory=dict, hash=False)
    overrides: dict[str, Any] = field(default_factory=dict, hash=False)

    name: ClassVar[str]
    family: ClassVar[str]
    options_model: ClassVar[type[EngineOptions]] = EngineOptions
    declared: ClassVar[frozenset[Capability]]
    file_options: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        """Refuse unknown levels, options and overrides; fill in the defaults."""
        levels.check_level(self.level)
        parsed = _parsed(type(self), copy.deepcopy(self.options))
        object.__setattr__(self, "options", parsed.model_dump(mode="json"))
        checked = levels.checked_overrides(self.family, self.level, self.overrides)
        object.__setattr__(self, "overrides", checked)

    @abstractmethod
    def capabilities(self) -> frozenset[Capability]:
        """Return what this engine can do with these options."""

    @abstractmethod
    def stamp(self) -> EngineStamp:
        """Return who computes: engine, model and its digest, functional, level and versions."""

    @abstractmethod
    def check(self, elements: Collection[str] | None = None) -> None:
        """Raise `EngineError` if the engine cannot run here, or not with `elements`."""

    @classmethod
    @abstractmethod
    def describe(cls) -> EngineInfo:
        """Return the engine's line of the inventory; never raises, never loads a model."""

    @abstractmethod
    def _relax_maker(self, cell: FreeCell, settings: dict[str, Any]) -> CalculationMaker: ...

    @abstractmethod
    def _maker(self, step: Step, settings: dict[str, Any]) -> Any: ...

    def require(self, *capabilities: Capability) -> Self:
        """Return the engine itself if it can do all of `capabilities`.

        Raises
        ------
        EngineError
            Naming the engine, what it lacks, and the engines that have it.
        """
        missing = [item for item in capabilities if item not in self.capabilities()]
        if not missing:
            return self
        from defectflow.engines.registry import engines_with

        able = ", ".join(engines_with(missing[0])) or "none is installed"
        message = f"engine {self.name} cannot do {missing[0]}; engines that can: {able}"
        raise EngineError(message)

    def settings(self, step: str, **overrides: object) -> dict[str, Any]:
        """Return the numbers of `step`: the level's, the engine's overrides, then `overrides`.

        Raises
        ------
        RecipeError
            If an override is not a setting of the step, or of the wrong type.
        """
        settings = levels.step_settings(self.family, step, self.level)
        own = {key: value for key, value in self.overrides.items() if key in settings}
        return levels.wanted(self.family, step, self.level, own, overrides)

    def heeding(self, settings: Mapping[str, Any]) -> Self:
        """Return the engine without overrides that are none of the `settings` of a step.

        Makers keep that one: a step that does not heed an override is the same step, and is not
        computed again, whatever it is.
        """
        heeded = {key: value for key, value in self.overrides.items() if key in settings}
        return self if heeded == self.overrides else replace(self, overrides=heeded)

    def relax_maker(self, cell: FreeCell = "fixed", **overrides: object) -> CalculationMaker:
        """Return a maker of relaxations with the cell `fixed`, free (`relax`) or `scale`d.

        With `height` alone the plane of the first two vectors is kept.

        Raises
        ------
        EngineError
            If the cell is to be free and the engine has no stress.
        RecipeError
            If `cell` or an override is unknown.
        """
        if cell not in get_args(FreeCell):
            message = f"cell {cell!r} does not exist; {did_you_mean(cell, get_args(FreeCell))}"
            raise RecipeError(message)
        self.require(Capability.FORCES)
        if cell != "fixed":
            self.require(Capability.STRESS)
        settings = self.settings("relax", **overrides)
        if cell != "fixed":
            settings |= levels.cell_cutoff(settings, overrides)
        return self._relax_maker(cell, settings)

    def static_maker(self, **overrides: object) -> CalculationMaker:
        """Return a maker of single evaluations: energy and forces of a structure as it is."""
        self.require(Capability.ENERGY)
        maker: CalculationMaker = self._maker("static", self.settings("static", **overrides))
        return maker

    def band_maker(self, **overrides: object) -> BandMaker:
        """Return a maker of minimum energy paths between two relaxed ends.

        Raises
        ------
        EngineError
            If the engine cannot relax bands.
        RecipeError
            If an override is unknown.
        """
        self.require(Capability.FORCES, Capability.BAND)
        maker: BandMaker = self._maker("neb", self.settings("neb", **overrides))
        return maker

    def dos_maker(self, **overrides: object) -> CalculationMaker:
        """Return a maker of projected densities of states.

        Raises
        ------
        EngineError
            If the engine has no electrons.
        """
        self.require(Capability.DOS)
        maker: CalculationMaker = self._maker("dos", self.settings("dos", **overrides))
        return maker

    def vibrations_maker(self, **overrides: object) -> VibrationsMaker:
        """Return a maker of vibrations by finite displacements.

        Raises
        ------
        EngineError
            If the engine has no forces.
        """
        self.require(Capability.FORCES, Capability.VIBRATIONS)
        settings = self.settings("vibrations", **overrides)
        maker: VibrationsMaker = self._maker("vibrations", settings)
        return maker

    def check_request(
        self,
        structure: object,
        frozen: object = (),
        charge: object = 0,
        magnetic_moments: object | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse a request that cannot be served, as far as its values are known yet.

        Values that are outputs of other jobs are checked when the job runs.

        Parameters
        ----------
        settings
            Numbers of the step; an engine with electrons makes its input of them, to see that it
            can.
        """
        from pymatgen.core.structure import Structure

        asking.check_charge(charge)
        asking.check_moments(magnetic_moments)
        if isinstance(charge, int) and charge != 0:
            self.require(Capability.CHARGE)
        if magnetic_moments is not None:
            self.require(Capability.SPIN)
        if not isinstance(structure, Structure):
            return
        self.check({element.symbol for element in structure.elements})
        asking.check_frozen(structure, frozen)
        known = isinstance(charge, int) and isinstance(magnetic_moments, (list, tuple, type(None)))
        if settings is not None and known and Capability.KPOINTS in self.capabilities():
            asking.check_input(self.options, structure, settings, charge, magnetic_moments)


def _parsed(kind: type[Engine], options: dict[str, Any]) -> EngineOptions:
    unknown = sorted(set(options) - set(kind.options_model.model_fields))
    if unknown:
        hint = did_you_mean(unknown[0], kind.options_model.model_fields)
        message = f"engine {kind.name}: no option {unknown[0]!r}; {hint}"
        raise RecipeError(message)
    try:
        return kind.options_model.model_validate(options)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "options"
        message = f"engine {kind.name}: {where} = {first['input']!r}: {first['msg']}"
        raise RecipeError(message) from error
