"""The formation energy of a defect in a host."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Maker, Response, job

from defectflow.analysis.formation import formation_energy_eV
from defectflow.documents import (
    ChemicalPotential,
    DefectDocument,
    DefectFormationEnergyDocument,
    RelaxDocument,
)
from defectflow.flows.host import (
    HostCell,
    about,
    as_host,
    cautions,
    cell_fields,
    chosen_supercell,
    molecule_cautions,
    moments_for,
    one_engine,
    relax_host,
    supercell,
)
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures import hosts
from defectflow.structures.cells import require_element
from defectflow.structures.molecules import STANDARD_STATES, molecule, molecules
from defectflow.structures.points import vacancies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.structures.cells import Cell
    from defectflow.structures.hosts import Host


@dataclass
class DefectFormationEnergyMaker(Maker):
    """Formation energy of a neutral vacancy in a host, in the dilute limit.

    1. Relax the host: atoms only (``keep``), or atoms and cell (``relax``), or atoms and volume
       (``scale``).
    2. Make the supercell; relax it without and with each symmetry-distinct vacancy, at the cell of
       the host.
    3. Relax the reservoir of the missing atom: for an element its own crystal, which is the
       pristine supercell itself; else the reference given, or the element's standard state.
    4. E_f = E(defect) - E(pristine) + μ; the lowest is the value.

    All energies come from the one engine of the flow.

    Attributes
    ----------
    supercell
        Rows of the supercell's matrix; None to take the smallest symmetric one of
        `min_image_distance_A`.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
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

    def make(
        self,
        host: Host | Structure,
        species: str,
        reference: Host | Structure | str | None = None,
        provenance: Provenance | None = None,
    ) -> Flow:
        """Return the flow; its output is a `DefectFormationEnergyDocument`.

        Parameters
        ----------
        species
            Symbol of the element that is taken out.
        reference
            Crystal of that element, or the formula of its molecule; by default the host itself if
            it holds nothing else, or the standard state.

        Raises
        ------
        StructureError
            If the host has no such element, or no standard state of it is known.
        EngineError
            If the engine cannot do what is needed.
        """
        host = as_host(host)
        require_element(species)
        next(iter(vacancies(host.structure, species)))
        self.engine.check({element.symbol for element in host.structure.elements})
        origin = provenance or Provenance.of(
            f"V_{species} in {host.name}", self.as_dict(), host.structure.as_dict(), species
        )
        relaxed = relax_host(self.engine, host, self.host_cell, self.relax)
        reservoir = self._reservoir(host, species, reference)
        defects = self.relax_defects(
            relaxed.output,
            species,
            reservoir[1][-1].output if reservoir else None,
            {**about(host), "notes": self._notes(host, reservoir)},
            reservoir[0] if reservoir else "host",
            origin,
        )
        defects.name = "relax defects"
        jobs: list[Job | Flow] = [relaxed, defects]
        if reservoir:
            jobs[1:1] = reservoir[1]
        return Flow(jobs, output=defects.output, name=origin.recipe)

    def _reservoir(
        self, host: Host, species: str, reference: Host | Structure | str | None
    ) -> tuple[str, list[Job]] | None:
        """Return the name of the reservoir and the jobs that relax it; None if it is the host.

        The last job has the cell fixed, like those of the supercells: a cell is relaxed with more
        plane waves, whose energy must not be mixed with theirs.
        """
        if reference is None:
            if {element.symbol for element in host.structure.elements} == {species}:
                return None
            reference = _standard_state(species)
        maker = self.engine.relax_maker("fixed", **self.relax)
        if isinstance(reference, str) and reference in molecules():
            gas = molecule(reference)
            moments = moments_for(self.engine, gas.moments_muB)
            boxed = maker.make(gas.boxed(), magnetic_moments=moments)
            boxed.name = f"relax {gas.name}"
            return gas.name, [boxed]
        crystal = as_host(hosts.load(reference) if isinstance(reference, str) else reference)
        _check_reservoir(crystal.structure, species, crystal.name)
        cell = relax_host(self.engine, crystal, "relax", self.relax)
        cell.name = f"relax cell of {crystal.name}"
        relaxed: Any = cell.output
        settled = maker.make(relaxed.structure)
        settled.name = f"relax {crystal.name}"
        return crystal.name, [cell, settled]

    def _notes(self, host: Host, reservoir: tuple[str, list[Job]] | None) -> list[str]:
        notes = list(cautions(self.engine, host.structure))
        if reservoir and reservoir[0] in molecules():
            gas = molecule(reservoir[0])
            notes += molecule_cautions(self.engine, gas.name, magnetic=gas.magnetic)
        return notes

    @job
    def relax_defects(
        self,
        host: RelaxDocument,
        species: str,
        reservoir: RelaxDocument | None,
        about: dict[str, Any],
        source: str,
        provenance: Provenance,
    ) -> Response[Any]:
        """Relax the supercell of the relaxed host with and without each defect."""
        matrix = chosen_supercell(host.structure, self.supercell, self.min_image_distance_A)
        whole = supercell(host.structure, matrix)
        cells = list(vacancies(whole, species))
        maker = self.engine.relax_maker("fixed", **self.relax)
        jobs = [maker.make(whole)]
        jobs[0].name = "relax pristine supercell"
        for cell in cells:
            jobs.append(maker.make(cell.structure))
            jobs[-1].name = f"relax {cell.name}"
        kinds = [(cell.name, cell.multiplicity, _added(cell)) for cell in cells]
        last = self.conclude(
            [host, reservoir, *(one.output for one in jobs)],
            matrix,
            kinds,
            {**about, "species": species},
            source,
            provenance,
        )
        last.name = "defect formation energy"
        return Response(replace=Flow([*jobs, last], output=last.output))

    @job(output_schema=DefectFormationEnergyDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        steps: Sequence[RelaxDocument | None],
        matrix: Sequence[Sequence[int]],
        kinds: Sequence[tuple[str, int, dict[str, int]]],
        about: dict[str, Any],
        source: str,
        provenance: Provenance,
    ) -> DefectFormationEnergyDocument:
        """Subtract the energies: step 4."""
        host, reservoir, pristine, *relaxed = steps
        if host is None or pristine is None:
            message = "the host and its supercell have to be computed first"
            raise TypeError(message)
        computed = [step for step in steps if step is not None]
        one_engine(*computed[1:])
        mu = _chemical_potential(about["species"], reservoir or pristine, source)
        defects = [
            _defect(kind, step, pristine, mu)
            for kind, step in zip(kinds, relaxed, strict=True)
            if step is not None
        ]
        settled = all(step.converged for step in computed)
        energies = [one.formation_energy_eV for one in defects]
        value = min(e for e in energies if e is not None) if settled else None
        lowest = defects[energies.index(value) if value is not None else 0]
        return DefectFormationEnergyDocument(
            **heading(self.engine, provenance),
            **cost(*computed),
            **about,
            defect=lowest.name,
            converged=settled,
            value=value,
            host_cell=self.host_cell,
            **cell_fields(host.structure, matrix),
            relaxed_host=host,
            pristine=pristine,
            defects=tuple(defects),
            chemical_potentials=(mu,),
        )


def _standard_state(species: str) -> str:
    from defectflow.errors import StructureError

    if species not in STANDARD_STATES:
        message = (
            f"no standard state of {species} is known; give the crystal or molecule that the atom "
            "goes to, e.g. `reference: {file: metal.cif}`"
        )
        raise StructureError(message)
    return STANDARD_STATES[species]


def _check_reservoir(crystal: Structure, species: str, name: str) -> None:
    from defectflow.errors import StructureError

    if {element.symbol for element in crystal.elements} != {species}:
        message = (
            f"reference {name} is {crystal.reduced_formula}; the reservoir of {species} has to "
            f"hold {species} alone"
        )
        raise StructureError(message)


def _added(cell: Cell) -> dict[str, int]:
    added: dict[str, int] = {}
    for change in cell.changed:
        for symbol, count in ((change.before, -1), (change.after, 1)):
            if symbol is not None:
                added[symbol] = added.get(symbol, 0) + count
    return added


def _chemical_potential(species: str, step: RelaxDocument, source: str) -> ChemicalPotential:
    return ChemicalPotential(
        element=species,
        energy_eV=step.energy_eV / len(step.structure),
        source=source,
        relaxed=None if source == "host" else step,
    )


def _defect(
    kind: tuple[str, int, dict[str, int]],
    relaxed: RelaxDocument,
    pristine: RelaxDocument,
    mu: ChemicalPotential,
) -> DefectDocument:
    name, multiplicity, added = kind
    energy_eV = formation_energy_eV(
        relaxed.energy_eV, pristine.energy_eV, added, {mu.element: mu.energy_eV}
    )
    return DefectDocument(
        name=name,
        multiplicity=multiplicity,
        formation_energy_eV=energy_eV if relaxed.converged else None,
        added=added,
        relaxed=relaxed,
    )
