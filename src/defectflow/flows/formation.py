"""The formation energy of a defect in a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.analysis.formation import charging_energy_eV, formation_energy_eV
from defectflow.documents import (
    DefectDocument,
    DefectFormationEnergyDocument,
    DosDocument,
    ElectronicHost,
    EquilibriumDocument,
    RelaxDocument,
    StartDocument,
    TransitionDocument,
)
from defectflow.flows.alike import one_hubbard_set, one_spacing
from defectflow.flows.charged_defects import (
    ChargePlan,
    charge_correction,
    electronic_host,
    unpaired,
)
from defectflow.flows.defect_cells import DefectPlan, DefectsIn, plans_in, starts
from defectflow.flows.host import (
    about,
    as_host,
    cautions,
    cell_fields,
    chosen_supercell,
    one_engine,
    relax_host,
    supercell,
)
from defectflow.flows.provenance import Provenance
from defectflow.flows.reservoirs import (
    PhasePlan,
    Potentials,
    Reservoirs,
    chemical_potentials,
    competing,
    crystals_in,
    phase_jobs,
    phases_for,
)
from defectflow.flows.results import cost, heading
from defectflow.structures.cells import require_element
from defectflow.structures.points import vacancies

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.structures.cells import Cell
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell


@dataclass(frozen=True)
class Scene(MSONable):
    """What is known of a formation energy before anything is computed.

    Attributes
    ----------
    plans
        The distinct defects.
    phases
        In the order of their results.
    limit
        See `Reservoirs`.
    about
        Fields of the document.
    """

    plans: list[DefectPlan]
    matrix: list[list[int]]
    phases: list[PhasePlan]
    limit: str
    about: dict[str, Any]
    notes: list[str]
    provenance: Provenance

    @property
    def exchanged(self) -> set[str]:
        """Symbols of the elements that defects add or take away."""
        return {symbol for plan in self.plans for symbol in plan.added}


@dataclass
class DefectFormationEnergyMaker(Maker):
    """Formation energy of a defect in a host, in the dilute limit.

    1. Relax the host: atoms only (``keep``), or atoms and cell (``relax``), or atoms and volume
       (``scale``).
    2. Make the supercell; relax it without and with each symmetry-distinct defect in each of its
       charges, at the cell of the host; from several starts, if asked, of which the lowest counts.
    3. Relax the reservoirs of the atoms exchanged: for an element its own crystal, which is the
       pristine supercell itself; else the reference given, or the element's standard state; or
       every competing phase, and take the chemical potentials of a limit of the host's stability.
    4. For charges: the band edges of the host, and the correction of each charged cell.
    5. E_f = E(defect) - E(pristine) - Σ Δn μ + q (E_VBM + E_F) + E_corr; the lowest is the value.

    All energies come from the one engine of the flow.

    Attributes
    ----------
    supercell
        Rows of the supercell's matrix; None to take the smallest symmetric one of
        `min_image_distance_A` in the cell of the host as it is given.
    charges
        What the charges of defects ask for; the charges themselves are those of the cells.
    distort
        Relax also from distorted starts; see `defectflow.structures.distortions`.
    oxidation_states
        Those that are not to be guessed where electrons are counted for distorted starts.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> maker = DefectFormationEnergyMaker(engine("emt"))
    >>> [job.name for job in maker.make(hosts.load("fcc-Cu"), species="Cu")]
    ['relax host', 'relax defects']
    """

    engine: Engine
    name: str = "defect formation energy"
    host_cell: HostCell = "relax"
    min_image_distance_A: float = 8.0
    supercell: Sequence[Sequence[int]] | None = None
    relax: dict[str, Any] = field(default_factory=dict)
    charges: ChargePlan = field(default_factory=ChargePlan)
    distort: bool = False
    oxidation_states: dict[str, float] = field(default_factory=dict)

    def make(
        self,
        host: Host | Structure,
        species: str = "",
        reference: Reservoirs | Host | Structure | str | None = None,
        provenance: Provenance | None = None,
        defects: DefectsIn | None = None,
    ) -> Flow:
        """Return the flow; its output is a `DefectFormationEnergyDocument`.

        Parameters
        ----------
        species
            Symbol of the element that is taken out; unless `defects` are given.
        reference
            Crystal of that element, or the formula of its molecule; by default the host itself if
            it holds nothing else, or the standard state. `Reservoirs` for several elements.
        defects
            Yields the distinct defects in a supercell: any generator of `defectflow.structures`.

        Raises
        ------
        StructureError
            If the host cannot have such a defect, or no standard state of an element is known.
        EngineError
            If the engine cannot do what is needed.
        """
        host = as_host(host)
        if defects is None:
            defects = _vacancies_of(host, species)
        matrix = chosen_supercell(host.structure, self.supercell, self.min_image_distance_A)
        plans = plans_in(supercell(host.structure, matrix), defects)
        charged = any(plan.charge for plan in plans)
        self.charges.check(self.engine, host.structure, charged=charged)
        exchanged = {symbol for plan in plans for symbol in plan.added}
        self.engine.check({element.symbol for element in host.structure.elements} | exchanged)
        reservoirs = _reservoirs(reference, species)
        phases = phases_for(host, exchanged, reservoirs)
        whole = supercell(host.structure, matrix)
        cells = (plan.cell(whole).structure for plan in plans)
        one_hubbard_set(self.engine, chain([whole], cells, crystals_in(phases)))
        scene = Scene(
            plans=plans,
            matrix=matrix,
            phases=[plan for plan, _ in phases.values()],
            limit=reservoirs.limit,
            about={**about(host), "species": species or _species(plans)},
            notes=list(cautions(self.engine, host.structure)),
            provenance=provenance or self._provenance(host, plans),
        )
        return self._flow(host, phases, scene)

    def _provenance(self, host: Host, plans: list[DefectPlan]) -> Provenance:
        name = f"{plans[0].name} in {host.name}"
        return Provenance.of(name, self.as_dict(), host.structure.as_dict(), plans[0].changes)

    def _flow(self, host: Host, phases: Mapping[str, Any], scene: Scene) -> Flow:
        relaxed = relax_host(self.engine, host, self.host_cell, self.relax)
        jobs: list[Job | Flow] = [relaxed]
        found = []
        for plan, source in phases.values():
            made = phase_jobs(self.engine, self.relax, plan, source)
            jobs += made
            found.append(made[-1].output)
        dos = None
        if self.charges.temperature_K is not None or any(plan.charge for plan in scene.plans):
            perfect: Any = relaxed.output
            bands = self.engine.dos_maker().make(perfect.structure)
            bands.name = "bands of the host"
            jobs.append(bands)
            dos = bands.output
        defects = self.relax_defects(relaxed.output, found, dos, scene)
        defects.name = "relax defects"
        return Flow([*jobs, defects], output=defects.output, name=scene.provenance.recipe)

    @job
    def relax_defects(
        self,
        host: RelaxDocument,
        phases: Sequence[RelaxDocument],
        dos: DosDocument | None,
        scene: Scene,
    ) -> Response[Any]:
        """Relax the supercell of the relaxed host with and without each defect."""
        whole = supercell(host.structure, scene.matrix)
        if dos:
            electronic_host(dos, self.charges)  # refuse a metal before its cells are computed
        cells = (plan.cell(whole).structure for plan in scene.plans)
        settings = one_spacing(self.engine, "relax", chain([whole], cells), self.relax)
        maker = self.engine.relax_maker("fixed", **settings)
        jobs = [maker.make(whole)]
        jobs[0].name = "relax pristine supercell"
        begun: list[list[tuple[str, Any]]] = []
        for plan in scene.plans:
            tried = []
            cell, known = plan.cell(whole), self.oxidation_states
            for start in starts(cell, distort=self.distort, known=known):
                moments = unpaired(self.engine, start.structure, plan) if dos else None
                more: dict[str, Any] = {"charge": plan.charge, "magnetic_moments": moments}
                jobs.append(maker.make(start.structure, **more))
                jobs[-1].name = f"relax {start.name}{f' {plan.charge:+d}' if plan.charge else ''}"
                tried.append((start.name, jobs[-1].output))
            begun.append(tried)
        steps = {"host": host, "pristine": jobs[0].output, "phases": phases, "dos": dos}
        last = self.conclude(steps, begun, scene)
        last.name = "defect formation energy"
        return Response(replace=Flow([*jobs, last], output=last.output))

    @job(output_schema=DefectFormationEnergyDocument, metadata={"defectflow": "result"})
    def conclude(
        self, steps: dict[str, Any], begun: Sequence[Sequence[Any]], scene: Scene
    ) -> DefectFormationEnergyDocument:
        """Subtract the energies: step 5."""
        host, pristine, phases = steps["host"], steps["pristine"], steps["phases"]
        relaxed = [step for tried in begun for _, step in tried]
        one_engine(pristine, *phases, *relaxed)
        named = list(zip(scene.phases, phases, strict=True))
        potentials = chemical_potentials(
            self.engine, pristine, named, scene.limit, scene.exchanged, scene.about["host"]
        )
        dos: DosDocument | None = steps["dos"]
        electronic = electronic_host(dos, self.charges) if dos else None
        defects = [
            self._defect(plan, tried, pristine, potentials, electronic)
            for plan, tried in zip(scene.plans, begun, strict=True)
        ]
        lowest = _lowest(defects, host, pristine, *phases)
        shown = lowest or defects[0]
        document = DefectFormationEnergyDocument(
            **heading(self.engine, scene.provenance),
            **cost(host, pristine, *phases, *relaxed, *([dos] if dos else [])),
            **scene.about,
            defect=shown.name,
            converged=lowest is not None,
            value=lowest.formation_energy_eV if lowest else None,
            charge=shown.charge,
            fermi_eV=self.charges.fermi_eV,
            host_cell=self.host_cell,
            **cell_fields(host.structure, scene.matrix),
            relaxed_host=host,
            pristine=pristine,
            defects=tuple(defects),
            chemical_potentials=potentials.chosen,
            limits=potentials.limits,
            competing_phases=competing(named, scene.limit),
            electronic=electronic,
            notes=(*scene.notes, *potentials.notes, *_fermi_notes(shown, self.charges.fermi_eV)),
        )
        return self._with_charges(document)

    def _defect(
        self,
        plan: DefectPlan,
        tried: Sequence[Any],
        pristine: RelaxDocument,
        potentials: Potentials,
        electronic: ElectronicHost | None,
    ) -> DefectDocument:
        name, relaxed = _deepest(tried)
        correction = charge_correction(self.charges, plan, relaxed, pristine)
        energy_eV = formation_energy_eV(
            relaxed.energy_eV, pristine.energy_eV, plan.added, potentials.by_element_eV
        )
        if electronic is not None:
            energy_eV += charging_energy_eV(
                relaxed.charge,
                electronic.valence_band_eV,
                self.charges.fermi_eV,
                correction.total_eV if correction else 0.0,
            )
        return DefectDocument(
            name=plan.name,
            multiplicity=plan.multiplicity,
            formation_energy_eV=energy_eV if relaxed.converged else None,
            added=plan.added,
            charge=relaxed.charge,
            correction=correction,
            start=name if len(tried) > 1 else "",
            starts=_starts(tried, relaxed.energy_eV) if len(tried) > 1 else (),
            relaxed=relaxed,
        )

    def _with_charges(
        self, document: DefectFormationEnergyDocument
    ) -> DefectFormationEnergyDocument:
        """Add transition levels and the neutral Fermi level."""
        if document.electronic is None or not document.converged:
            return document
        energies = document.energies_at_valence_band_eV()
        added: dict[str, Any] = {"transitions": TransitionDocument.from_energies(energies)}
        if self.charges.temperature_K is not None:
            places = {one.name: one.multiplicity for one in document.defects}
            added["equilibrium"] = EquilibriumDocument.from_energies(
                document.electronic, energies, places, self.charges.temperature_K
            )
        return document.model_copy(update=added)


def _vacancies_of(host: Host, species: str) -> DefectsIn:
    require_element(species)
    next(iter(vacancies(host.structure, species)))

    def defects(structure: Structure) -> list[Cell]:
        return list(vacancies(structure, species))

    return defects


def _reservoirs(reference: Any, species: str) -> Reservoirs:
    if reference is None:
        return Reservoirs()
    if isinstance(reference, Reservoirs):
        return reference
    return Reservoirs({species: reference})


def _species(plans: Sequence[DefectPlan]) -> str:
    """Return what a table calls the defect's element: the first that is added, or taken away."""
    added = plans[0].added
    return max(added, key=lambda symbol: added[symbol]) if added else ""


def _deepest(tried: Sequence[Any]) -> tuple[str, RelaxDocument]:
    """Return name and end of the start that ended lowest; one that converged, if any did."""
    name, relaxed = min(tried, key=lambda one: (not one[1].converged, one[1].energy_eV))
    return name, relaxed


def _starts(tried: Sequence[Any], lowest_eV: float) -> tuple[StartDocument, ...]:
    return tuple(
        StartDocument(
            name=name, above_lowest_eV=step.energy_eV - lowest_eV if step.converged else None
        )
        for name, step in tried
    )


def _lowest(defects: Sequence[DefectDocument], *steps: RelaxDocument) -> DefectDocument | None:
    """Return the defect of lowest energy; None unless everything converged."""
    energies = [one.formation_energy_eV for one in defects]
    known = [energy for energy in energies if energy is not None]
    if len(known) < len(defects) or not all(step.converged for step in steps):
        return None
    return defects[energies.index(min(known))]


def _fermi_notes(shown: DefectDocument, fermi_eV: float) -> list[str]:
    """Return at which Fermi level the energy of a charged defect is."""
    if not shown.charge:
        return []
    where = f"{fermi_eV:g} eV above the valence band maximum"
    return [f"{shown.name} {shown.charge:+d}: with the Fermi level {where}"]
