"""The thermodynamic overpotential of a reaction on a surface."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Maker, job

from defectflow.analysis.reactions import (
    OXYGEN_EV,
    SCALING_OOH_OH_EV,
    Pathway,
    composition,
    equation,
    formation,
    overpotential,
    pathway,
)
from defectflow.documents import (
    AdsorptionDocument,
    Intermediate,
    OverpotentialDocument,
    ReactionState,
    ReactionStep,
)
from defectflow.errors import RecipeError, did_you_mean
from defectflow.flows.gas import GasJobs, Reference, reference_document, references_of
from defectflow.flows.host import about, as_host, relax_host
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import heading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core import Structure

    from defectflow.documents.vibrations import VibrationsDocument
    from defectflow.flows.adsorption import AdsorptionMaker
    from defectflow.flows.free_energy import FreeEnergyPlan
    from defectflow.structures.hosts import Host

_OXYGEN = "O2"


@dataclass
class OverpotentialMaker(Maker):
    """Overpotential of a reaction from the free energies of what adsorbs in between.

    1. Free energy of adsorption of each intermediate at 0 V (`AdsorptionMaker`); bulk and gases are
       computed once.
    2. Free energy of each state: intermediates and gases against H2O, H2 and CO2; that of O2 is
       4.92 eV above water by experiment.
    3. The step whose potential is the most demanding decides; the overpotential is how far that is
       beyond the equilibrium potential.

    Barriers are left out, as everywhere in the computational hydrogen electrode.

    Attributes
    ----------
    adsorption
        Computes the intermediates: a free energy at 0 V.
    reaction
        ``HER``, ``ORR``, ``OER``, ``CO2RR-CO`` or ``CO2RR-CHO``.
    potential_V
        Of the profile, against the reversible hydrogen electrode; None for the equilibrium one.
    solvation_eV
        By adsorbate.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.flows.free_energy import FreeEnergyPlan
    >>> from defectflow.flows.adsorption import AdsorptionMaker, SlabPlan
    >>> from defectflow.structures import hosts
    >>> free = FreeEnergyPlan("norskov_2005")
    >>> plan = SlabPlan((1, 1, 1))
    >>> one = AdsorptionMaker(engine("emt"), plan, "adsorption_free_energy", free=free)
    >>> maker = OverpotentialMaker(one, "HER")
    >>> [job.name for job in maker.make(hosts.load("fcc-Pt"))]
    ['relax host', 'relax H2', 'adsorb H', 'overpotential']
    """

    adsorption: AdsorptionMaker
    reaction: str
    potential_V: float | None = None
    solvation_eV: dict[str, float] = field(default_factory=dict)
    name: str = "overpotential"

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is an `OverpotentialDocument`.

        Raises
        ------
        RecipeError
            If the reaction is not known, or not balanced, or a correction does not fit.
        StructureError, EngineError
            As `AdsorptionMaker`.
        """
        host = as_host(host)
        path = pathway(self.reaction)
        path.pairs()
        self._check(path)
        origin = provenance or Provenance.of(
            f"{self.reaction} on {host.name}{self.adsorption.slab.title}",
            self.as_dict(),
            host.structure.as_dict(),
        )
        inner = self.adsorption
        bulk = relax_host(inner.engine, host, inner.host_cell, inner.relax)
        gas = GasJobs(inner.engine, inner.relax, inner.free.vibrating)
        found, jobs = {}, []
        for species in path.adsorbates():
            made = self._inner(species).adsorb(
                host, species, bulk.output, gas, self._provenance(host, species, origin)
            )
            made.name = f"adsorb {species}"
            jobs.append(made)
            found[species] = made.output
        molecules = [Reference(name, 1.0, gas=True) for name in self._needed(path)]
        shaken = {
            name: one["vibrations"]
            for name, one in gas.made.items()
            if one["vibrations"] is not None
        }
        outputs = gas.outputs(molecules)
        others = [(one, outputs[one.name]) for one in molecules]
        last = self.conclude(found, others, shaken, about(host), origin)
        last.name = "overpotential"
        return Flow([bulk, *gas.jobs, *jobs, last], output=last.output, name=origin.recipe)

    def _check(self, path: Pathway) -> None:
        free = self.adsorption.free
        unknown = sorted(set(self.solvation_eV) - set(path.adsorbates()))
        if unknown:
            message = (
                f"solvation of {unknown[0]}: not in {path.name}; "
                f"{did_you_mean(unknown[0], path.adsorbates())}"
            )
            raise RecipeError(message)
        elements = {symbol for one in path.adsorbates() for symbol in composition(one)}
        idle = sorted(set(free.references) - elements)
        if idle:
            message = f"reference of {idle[0]}: no adsorbate of {path.name} holds it; leave it out"
            raise RecipeError(message)
        if free.references.get("O") == _OXYGEN or free.potential_V or free.solvation_eV:
            message = (
                "overpotential: intermediates are counted at 0 V against water; leave reference "
                "O2, potential and solvation of all out"
            )
            raise RecipeError(message)
        if _OXYGEN in path.gases() and not free.held_at_room:
            message = (
                f"overpotential of {path.name} at {free.temperature_K:g} K: the free energy of O2 "
                f"({OXYGEN_EV:g} eV above water) and the equilibrium potential of "
                f"{path.equilibrium_V:.2f} V are measured at 298 K; leave `temperature_K` out"
            )
            raise RecipeError(message)

    def _inner(self, species: str) -> AdsorptionMaker:
        solvation = self.solvation_eV.get(species, 0.0)
        chosen = self.adsorption.free.references
        kept = {symbol: name for symbol, name in chosen.items() if symbol in species}
        free = replace(self.adsorption.free, solvation_eV=solvation, references=kept)
        return replace(self.adsorption, free=free)

    def _provenance(self, host: Host, species: str, origin: Provenance) -> Provenance:
        return Provenance.of(
            f"{origin.recipe} {species}",
            self._inner(species).as_dict(),
            host.structure.as_dict(),
            species,
        )

    def _basis(self, path: Pathway) -> list[str]:
        """Return the molecules whose free energies are the zero."""
        chosen = self.adsorption.free.references
        names: dict[str, None] = {}
        for species in path.adsorbates():
            kept = {symbol: name for symbol, name in chosen.items() if symbol in species}
            names |= dict.fromkeys(one.name for one in references_of(species, kept))
        return sorted(names)

    def _needed(self, path: Pathway) -> list[str]:
        """Return the molecules that have to be computed beside those of the adsorbates."""
        basis = self._basis(path)
        others = [name for name in path.gases() if name not in (*basis, _OXYGEN)]
        return sorted({name for gas in others for name in (gas, *formation(gas, basis))})

    @job(output_schema=OverpotentialDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        intermediates: dict[str, AdsorptionDocument],
        gas: list[Any],
        shaken: dict[str, VibrationsDocument],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> OverpotentialDocument:
        """Add up the states: steps 2 and 3.

        Parameters
        ----------
        gas
            Molecules beside those of the adsorbates, each with its outputs.
        shaken
            Vibrations of the molecules of the adsorbates, by name.
        """
        path = pathway(self.reaction)
        energies = self._species_eV(path, intermediates, gas)
        states = [_state_eV(state, energies) for state in path.states]
        inner, documents = self.adsorption, list(intermediates.values())
        return OverpotentialDocument(
            **heading(inner.engine, provenance),
            **about,
            **self._limit(path, states),
            species=path.name,
            defect=f"{path.name} on {inner.slab.title}",
            facet=inner.slab.facet,
            surface=inner.slab.surface,
            strain=inner.slab.strain,
            reaction=path.name,
            equilibrium_potential_V=path.equilibrium_V,
            potential_V=self._profile_V(path),
            temperature_K=inner.free.temperature_K,
            intermediates=tuple(
                _intermediate(name, one, self.solvation_eV.get(name, 0.0))
                for name, one in intermediates.items()
            ),
            scaling_deviation_eV=_scaling(energies),
            **_cost(documents, shaken),
            notes=(
                *_notes(path, documents, inner.free),
                *_chemical_notes(path, states),
                *_scaling_notes(energies),
            ),
        )

    def _limit(self, path: Pathway, states: Sequence[float | None]) -> dict[str, Any]:
        """Return the fields about the states and the step that decides."""
        pairs, equations = path.pairs(), _equations(path)
        steps = [_difference(*ends) for ends in pairwise(states)]
        known = [step for step in steps if step is not None]
        complete = len(known) == len(steps)
        found = overpotential(known, pairs, path.equilibrium_V) if complete else None
        return {
            "value": found.value_V if found else None,
            "converged": complete,
            "limiting_potential_V": found.limiting_V if found else None,
            "limiting_step": equations[found.step] if found else "",
            "states": _profile(path, states, pairs, self._profile_V(path)),
            "steps": tuple(
                ReactionStep(equation=text, pairs=count, free_energy_eV=energy)
                for text, count, energy in zip(equations, pairs, steps, strict=True)
            ),
        }

    def _profile_V(self, path: Pathway) -> float:
        return path.equilibrium_V if self.potential_V is None else self.potential_V

    def _species_eV(
        self, path: Pathway, intermediates: Mapping[str, AdsorptionDocument], gas: Sequence[Any]
    ) -> dict[str, float | None]:
        """Return the free energy of each species against the basis, at 0 V."""
        basis = self._basis(path)
        energies: dict[str, float | None] = dict.fromkeys([*basis, "*"], 0.0)
        energies |= {f"{name}*": one.value for name, one in intermediates.items()}
        total_eV = {one.name: self._gas_eV(one, outputs) for one, outputs in gas}
        for name in path.gases():
            if name == _OXYGEN:
                energies[name] = OXYGEN_EV
            elif name not in basis:
                amounts = formation(name, basis)
                parts = sum(n * total_eV[one] for one, n in amounts.items())
                energies[name] = total_eV[name] - parts
        return energies

    def _gas_eV(self, reference: Reference, outputs: Mapping[str, Any]) -> float:
        found = reference_document(
            reference,
            outputs["relaxed"],
            outputs["vibrations"],
            self.adsorption.free.temperature_K,
        )
        added = found.thermal.free_energy_eV if found.thermal else 0.0
        return found.relaxed.energy_eV + added


def _cost(
    documents: Sequence[AdsorptionDocument], shaken: Mapping[str, VibrationsDocument]
) -> dict[str, Any]:
    """Return what all intermediates cost together; bulk, clean slab and gases count once."""
    calls = sum(one.force_calls for one in documents)
    seconds = sum(one.wall_time_s for one in documents)
    seen: set[str] = set()
    for one in documents:
        shared: dict[str, Any] = {"host": one.relaxed_host, "slab": one.slab}
        for reference in one.gas:
            name = reference.molecule
            shared[name] = reference.relaxed
            if name in shaken:
                shared[f"vibrations of {name}"] = shaken[name]
        for name, step in shared.items():
            calls -= step.force_calls if name in seen else 0
            seconds -= step.wall_time_s if name in seen else 0.0
        seen |= set(shared)
    return {"force_calls": calls, "wall_time_s": seconds}


def _state_eV(state: Mapping[str, float], energies: Mapping[str, float | None]) -> float | None:
    terms = [(count, energies[name]) for name, count in state.items()]
    known = [count * energy for count, energy in terms if energy is not None]
    return sum(known) if len(known) == len(terms) else None


def _difference(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else end - start


def _equations(path: Pathway) -> list[str]:
    """Return each step as an equation, without what stands on both sides."""
    found = []
    for left, right, pairs in zip(path.states, path.states[1:], path.pairs(), strict=False):
        both = {name: min(left.get(name, 0.0), right.get(name, 0.0)) for name in left}
        one = {name: count - both.get(name, 0.0) for name, count in left.items()}
        other = {name: count - both.get(name, 0.0) for name, count in right.items()}
        found.append(equation(one, other, pairs))
    return found


def _profile(
    path: Pathway, states: Sequence[float | None], pairs: Sequence[int], potential_V: float
) -> tuple[ReactionState, ...]:
    """Return the states relative to the first one, at 0 V and at a potential."""
    taken = [0, *accumulate(pairs)]
    profile = []
    for state, energy, count in zip(path.states, states, taken, strict=True):
        relative = _difference(states[0], energy)
        label = equation(state, {}).partition(" -> ")[0]
        at_potential = None if relative is None else relative + count * potential_V
        profile.append(
            ReactionState(label=label, free_energy_eV=relative, at_potential_eV=at_potential)
        )
    return tuple(profile)


def _intermediate(name: str, document: AdsorptionDocument, solvation_eV: float) -> Intermediate:
    return Intermediate(
        adsorbate=f"{name}*",
        site=document.site,
        adsorption_energy_eV=document.adsorption_energy_eV,
        free_energy_eV=document.value,
        solvation_eV=solvation_eV,
        notes=document.notes,
        key=document.key,
    )


def _scaling(energies: Mapping[str, float | None]) -> float | None:
    one, other = energies.get("OOH*"), energies.get("OH*")
    return None if one is None or other is None else one - other - SCALING_OOH_OH_EV


def _scaling_notes(energies: Mapping[str, float | None]) -> tuple[str, ...]:
    away = _scaling(energies)
    if away is None:
        return ()
    gap = away + SCALING_OOH_OH_EV
    text = f"G(OOH*) - G(OH*) = {gap:.2f} eV, {away:+.2f} eV from the {SCALING_OOH_OH_EV:g} eV of "
    return (text + "the scaling relation: I. C. Man et al., ChemCatChem 3, 1159 (2011)",)


def _chemical_notes(path: Pathway, states: Sequence[float | None]) -> list[str]:
    """Return a note for each uphill step without electrons, which the value leaves out."""
    steps = zip(_equations(path), path.pairs(), pairwise(states), strict=True)
    climbs = [(text, _difference(*ends)) for text, count, ends in steps if not count]
    return [
        f"{text} costs {cost_eV:.2f} eV and takes no electrons: no potential helps it, and it is "
        "not in the overpotential"
        for text, cost_eV in climbs
        if cost_eV is not None and cost_eV > 0
    ]


def _notes(
    path: Pathway, documents: Sequence[AdsorptionDocument], free: FreeEnergyPlan
) -> tuple[str, ...]:
    notes = [note for one in documents for note in one.notes]
    notes.append(f"equilibrium potential {path.equilibrium_V:.2f} V: {path.source}")
    if path.equilibrium_V and not free.held_at_room:
        notes.append(f"the equilibrium potential is that at 298 K, not at {free.temperature_K:g} K")
    return tuple(dict.fromkeys(notes))
