"""What exchanged atoms are counted against: elements, molecules and competing phases."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from monty.json import MSONable
from pymatgen.core.composition import Composition

from defectflow.analysis.stability import Limit, Phase, extreme, stability_limits
from defectflow.documents import ChemicalPotential, CompetingPhase, PotentialLimit, RelaxDocument
from defectflow.errors import RecipeError, StructureError, did_you_mean
from defectflow.flows.host import as_host, molecule_cautions, moments_for, relax_crystal
from defectflow.structures import hosts
from defectflow.structures.hosts import Host
from defectflow.structures.molecules import STANDARD_STATES, molecule, molecules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from jobflow import Flow, Job
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine

    #: A crystal, the name of a prototype, or the formula of a molecule.
    Source = Host | Structure | str

HOST = "host"


@dataclass(frozen=True)
class MeasuredCompound:
    """A reservoir of an element that is not computed itself, but through one of its compounds.

    μ = [E(compound) - Σ n μ(other elements) - ΔH] / n, with the energies of crystals, which engines
    know better than those of molecules, and a measured enthalpy: L. Wang, T. Maxisch, G. Ceder,
    Phys. Rev. B 73, 195107 (2006).

    Attributes
    ----------
    formation_enthalpy_eV
        ΔH per formula unit (of the reduced formula) from the elements; negative is stable.
    """

    compound: Source
    formation_enthalpy_eV: float


@dataclass(frozen=True)
class Reservoirs:
    """Where the atoms of a defect come from and go to.

    Attributes
    ----------
    by_element
        Crystal or molecule of an element; the standard state of those that are missing.
    competing_phases
        Crystals and molecules that the host is stable against.
    limit
        ``O-rich`` or ``O-poor``: where the chemical potential of that element is highest or lowest
        among those at which the host is stable; needed with `competing_phases`.
    """

    by_element: Mapping[str, Source | MeasuredCompound] = field(default_factory=dict)
    competing_phases: Sequence[Source] = ()
    limit: str = ""

    def check(self, elements: set[str]) -> None:
        """Refuse a limit of an element that is not there, or competing phases without a limit."""
        if not self.competing_phases and not self.limit:
            return
        known = [f"{symbol}-{end}" for symbol in sorted(elements) for end in ("rich", "poor")]
        if self.limit not in known:
            said = f"limit {self.limit!r}" if self.limit else "competing phases without a limit"
            message = f"{said}: {did_you_mean(self.limit, known)}"
            raise RecipeError(message)


@dataclass(frozen=True)
class PhasePlan(MSONable):
    """A phase that is computed.

    Attributes
    ----------
    element
        Symbol, if the phase is the reservoir of that element; else empty.
    gas
        Whether it is a molecule in a box.
    through
        Symbol of the element whose chemical potential follows from this compound; else empty.
    enthalpy_eV
        Measured enthalpy of formation of that compound, per formula unit.
    """

    name: str
    element: str = ""
    gas: bool = False
    through: str = ""
    enthalpy_eV: float = 0.0


def phases_for(
    host: Host, exchanged: set[str], reservoirs: Reservoirs
) -> dict[str, tuple[PhasePlan, Source]]:
    """Return the phases that have to be computed, by name.

    Parameters
    ----------
    exchanged
        Symbols of the elements that the defects add or take away.

    Raises
    ------
    RecipeError, StructureError
        If a limit or a reservoir cannot be used or is not needed, or no standard state of an
        element is known.
    """
    own = {element.symbol for element in host.structure.elements}
    reservoirs.check(own | exchanged)
    found: dict[str, tuple[PhasePlan, Any]] = {}
    for source in reservoirs.competing_phases:
        plan, crystal = _plan(source)
        found[plan.name] = (plan, crystal)
    pure = {plan.element: plan.name for plan, _ in found.values() if plan.element}
    needed = own | exchanged
    wanted = sorted((exchanged | (own if reservoirs.limit else set())) - pure.keys())
    while wanted:
        symbol = wanted.pop(0)
        choice = reservoirs.by_element.get(symbol)
        if own == {symbol} and choice is None:
            if host.parent is None:
                continue
            choice = host.parent  # a cell with a fault or a boundary is no reservoir
        if isinstance(choice, MeasuredCompound):
            plan, crystal = _through(symbol, choice)
            others = {element.symbol for element in crystal.structure.elements} - {symbol}
            _require_computed(others, symbol, reservoirs)
            known = {one.element for one, _ in found.values()}
            wanted += sorted(others - known - set(wanted))
            needed |= others
            found[plan.name] = (plan, crystal)
            continue
        plan, crystal = _plan(choice or _standard_state(symbol))
        if plan.element != symbol:
            message = (
                f"reference {plan.name} is not {symbol} alone; the reservoir of {symbol} has to "
                f"hold {symbol} alone"
            )
            raise StructureError(message)
        found[plan.name] = (plan, crystal)
    _require_needed(reservoirs, needed, pure)
    return found


def _require_needed(reservoirs: Reservoirs, needed: set[str], pure: Mapping[str, str]) -> None:
    """Refuse reservoirs that nothing would be counted against."""
    for symbol in reservoirs.by_element:
        if symbol not in needed:
            message = (
                f"reference of {symbol}: {symbol} is neither in the host nor exchanged; "
                f"{did_you_mean(symbol, sorted(needed))}"
            )
            raise RecipeError(message)
        if symbol in pure:
            message = (
                f"reference of {symbol}: the competing phase {pure[symbol]} is its reservoir "
                "already; leave out one of both"
            )
            raise RecipeError(message)


def _require_computed(others: set[str], symbol: str, reservoirs: Reservoirs) -> None:
    for other in sorted(others):
        if isinstance(reservoirs.by_element.get(other), MeasuredCompound):
            message = (
                f"references of {symbol} and {other} are both compounds, each of which needs the "
                f"other; give a crystal of {other}"
            )
            raise StructureError(message)


def _through(symbol: str, choice: MeasuredCompound) -> tuple[PhasePlan, Host]:
    source = choice.compound
    crystal = as_host(hosts.load(source) if isinstance(source, str) else source)
    symbols = {element.symbol for element in crystal.structure.elements}
    if symbol not in symbols or len(symbols) == 1:
        message = (
            f"reference {crystal.name} is {crystal.formula}; the chemical potential of {symbol} "
            f"follows from a compound that holds {symbol} and other elements"
        )
        raise StructureError(message)
    enthalpy_eV = choice.formation_enthalpy_eV
    return PhasePlan(crystal.name, through=symbol, enthalpy_eV=enthalpy_eV), crystal


def crystals_in(phases: Mapping[str, tuple[PhasePlan, Source]]) -> Iterator[Structure]:
    """Yield the crystals among the phases that have to be computed, as they are given."""
    for _, source in phases.values():
        if isinstance(source, Host):
            yield source.structure


def phase_jobs(
    engine: Engine, relax: dict[str, Any], plan: PhasePlan, source: Source
) -> list[Job | Flow]:
    """Return the jobs that relax a phase; the last one has the cell fixed."""
    if plan.gas:
        gas = molecule(plan.name)
        maker = engine.relax_maker("fixed", **relax)
        boxed = maker.make(gas.boxed(), magnetic_moments=moments_for(engine, gas.moments_muB))
        boxed.name = f"relax {gas.name}"
        return [boxed]
    crystal = as_host(source)  # type: ignore[arg-type] # names were looked up before
    engine.check({element.symbol for element in crystal.structure.elements})
    return relax_crystal(engine, crystal, plan.name, relax=relax)


def _plan(source: Source) -> tuple[PhasePlan, Source]:
    if isinstance(source, str) and source in molecules():
        kinds = set(molecule(source).species)
        return PhasePlan(source, kinds.pop() if len(kinds) == 1 else "", gas=True), source
    crystal = as_host(hosts.load(source) if isinstance(source, str) else source)
    symbols = {element.symbol for element in crystal.structure.elements}
    return PhasePlan(crystal.name, symbols.pop() if len(symbols) == 1 else ""), crystal


def _standard_state(species: str) -> str:
    if species not in STANDARD_STATES:
        message = (
            f"no standard state of {species} is known; give the crystal or molecule that the atom "
            "goes to, e.g. `reference: {file: metal.cif}`"
        )
        raise StructureError(message)
    return STANDARD_STATES[species]


@dataclass(frozen=True)
class Potentials:
    """The chemical potentials that formation energies are counted against, and why.

    Attributes
    ----------
    chosen
        By element.
    limits
        All corners of the region in which the host is stable; empty without competing phases.
    """

    chosen: tuple[ChemicalPotential, ...]
    limits: tuple[PotentialLimit, ...]
    notes: tuple[str, ...]

    @property
    def by_element_eV(self) -> dict[str, float]:
        """Energy per atom of the reservoir, by element."""
        return {one.element: one.energy_eV for one in self.chosen}


def chemical_potentials(
    engine: Engine,
    pristine: RelaxDocument,
    phases: Sequence[tuple[PhasePlan, RelaxDocument]],
    limit: str,
    exchanged: set[str],
    host_name: str,
) -> Potentials:
    """Return the chemical potentials: of each reservoir, or of a limit of the host's stability.

    Raises
    ------
    StructureError
        If the host is not stable against the competing phases.
    """
    if limit:
        return _at_limit(engine, pristine, phases, limit, host_name)
    chosen = _elemental(phases)
    known = {one.element for one in chosen}
    symbols = {element.symbol for element in pristine.structure.elements}
    if len(symbols) == 1 and not symbols & known:
        symbol = symbols.pop()
        energy_eV = pristine.energy_eV / len(pristine.structure)
        chosen.append(ChemicalPotential(element=symbol, energy_eV=energy_eV, source=HOST))
    chosen = [one for one in chosen if one.element in exchanged]
    notes = _gas_notes(engine, [plan for plan, _ in phases if plan.element in exchanged])
    if len(chosen) > 1:
        notes.append(
            "each element is counted against its own reservoir; not all of them can be in "
            "equilibrium with the host at once: give `competing_phases` for limits that can"
        )
    return Potentials(tuple(chosen), (), tuple(notes))


def _of_phase(plan: PhasePlan, step: RelaxDocument) -> ChemicalPotential:
    return ChemicalPotential(
        element=plan.element,
        energy_eV=step.energy_eV / len(step.structure),
        source=plan.name,
        relaxed=step,
    )


def _elemental(phases: Sequence[tuple[PhasePlan, RelaxDocument]]) -> list[ChemicalPotential]:
    """Return the chemical potential of each element at its own phase, or through its compound."""
    chosen = [_of_phase(plan, step) for plan, step in phases if plan.element]
    known = {one.element: one.energy_eV for one in chosen}
    for plan, step in phases:
        if plan.through:
            counts, units = step.structure.composition.get_integer_formula_and_factor()
            formula = Composition(counts)
            rest = sum(n * known[e.symbol] for e, n in formula.items() if e.symbol != plan.through)
            energy_eV = step.energy_eV / units - plan.enthalpy_eV - rest
            chosen.append(
                ChemicalPotential(
                    element=plan.through,
                    energy_eV=energy_eV / formula[plan.through],
                    source=f"{plan.name} with its measured formation enthalpy, "
                    f"{plan.enthalpy_eV:g} eV",
                )
            )
    return chosen


def _at_limit(
    engine: Engine,
    pristine: RelaxDocument,
    phases: Sequence[tuple[PhasePlan, RelaxDocument]],
    limit: str,
    host_name: str,
) -> Potentials:
    host = Phase(host_name, pristine.structure.formula, pristine.energy_eV)
    others = [Phase(plan.name, step.structure.formula, step.energy_eV) for plan, step in phases]
    elements = _elemental(phases)
    others += [
        Phase(
            f"{one.element} through {one.source.partition(' with ')[0]}", one.element, one.energy_eV
        )
        for one in elements
        if one.relaxed is None
    ]
    found = stability_limits(host, others)
    symbol, _, end = limit.rpartition("-")
    chosen = extreme(found, symbol, rich=end == "rich")
    pure = {one.element: one for one in elements}
    potentials = tuple(
        ChemicalPotential(
            element=element,
            energy_eV=energy_eV,
            source=f"{limit}: {host_name} with {', '.join(chosen.phases)}",
            relaxed=pure[element].relaxed if element in pure else None,
        )
        for element, energy_eV in chosen.chemical_potentials_eV.items()
    )
    there = [plan for plan, _ in phases if plan.name in chosen.phases]
    notes = [f"{limit}: {host_name} in equilibrium with {', '.join(chosen.phases)}"]
    notes += _gas_notes(engine, there)
    absent = [plan.name for plan, _ in phases if plan.gas and plan.name not in chosen.phases]
    if absent:
        notes.append(f"the energy of {', '.join(absent)} does not enter at this limit")
    return Potentials(potentials, tuple(_limit_document(one, pure) for one in found), tuple(notes))


def _limit_document(limit: Limit, pure: Mapping[str, ChemicalPotential]) -> PotentialLimit:
    relative = {
        element: energy_eV - pure[element].energy_eV
        for element, energy_eV in limit.chemical_potentials_eV.items()
        if element in pure
    }
    return PotentialLimit(
        phases=limit.phases,
        chemical_potentials_eV=limit.chemical_potentials_eV,
        relative_eV=relative,
    )


def _gas_notes(engine: Engine, plans: Sequence[PhasePlan]) -> list[str]:
    notes: list[str] = []
    for plan in plans:
        if plan.gas:
            notes += molecule_cautions(engine, plan.name, magnetic=molecule(plan.name).magnetic)
    return notes


def competing(
    named: Sequence[tuple[PhasePlan, RelaxDocument]], limit: str
) -> tuple[CompetingPhase, ...]:
    """Return the phases that a limit rests on, as a document has them; none without a limit."""
    if not limit:
        return ()
    return tuple(CompetingPhase(name=plan.name, relaxed=step) for plan, step in named)
