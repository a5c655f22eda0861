"""The energy of one ion in a host, and at a defect in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.documents import (
    ChemicalPotential,
    IntercalationDocument,
    IonSite,
    RelaxDocument,
)
from defectflow.flows.alike import one_hubbard_set, one_spacing
from defectflow.flows.defect_cells import DefectPlan, DefectsIn, neutral_plans_in
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
from defectflow.flows.reservoirs import PhasePlan, Reservoirs, crystals_in, phase_jobs, phases_for
from defectflow.flows.results import cost, heading
from defectflow.structures.cells import require_element
from defectflow.structures.ion_places import places_at, places_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell

IntercalationQuantity = Literal["intercalation_energy", "binding_energy"]
#: Key of the host without any defect among the cells without the ion.
PRISTINE = "pristine"


@dataclass(frozen=True)
class IonScene(MSONable):
    """What is known before anything is computed.

    Attributes
    ----------
    bare
        Each cell without the ion, by name.
    sites
        Of each ion: label of its place, name of the bare cell, distance from the defect, and the
        cell with it.
    """

    bare: dict[str, DefectPlan]
    sites: list[tuple[str, str, float | None, DefectPlan]]
    matrix: list[list[int]]
    reservoir: PhasePlan
    about: dict[str, Any]
    notes: list[str]
    provenance: Provenance


@dataclass
class IntercalationEnergyMaker(Maker):
    """Energy of one ion in a host, in the dilute limit, against its metal.

    1. Relax the host: atoms only (``keep``), or atoms and cell (``relax``), or atoms and volume
       (``scale``).
    2. Relax its supercell, at the cell of the host, without the ion and with it at each distinct
       site; with `defects`, also each defect without the ion and with it at each place near by.
    3. Relax the metal.
    4. E = E(with) - E(without) - μ; the lowest is the value: at the defect, if there is one.

    Attributes
    ----------
    reach_A
        Places of the ion up to this distance from a changed site count as at the defect.
    supercell
        As in `DefectFormationEnergyMaker`.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> maker = IntercalationEnergyMaker(engine("chgnet"))
    >>> [job.name for job in maker.make(hosts.load("1T-TiS2"), "Mg")]
    ['relax host', 'relax cell of hcp-Mg', 'relax hcp-Mg', 'relax ions']
    """

    engine: Engine
    name: str = "intercalation energy"
    host_cell: HostCell = "relax"
    min_image_distance_A: float = 8.0
    supercell: Sequence[Sequence[int]] | None = None
    reach_A: float = 3.5
    relax: dict[str, Any] = field(default_factory=dict)

    def make(
        self,
        host: Host | Structure,
        ion: str,
        defects: DefectsIn | None = None,
        metal: Host | Structure | str | None = None,
        provenance: Provenance | None = None,
    ) -> Flow:
        """Return the flow; its output is an `IntercalationDocument`.

        Parameters
        ----------
        ion
            Symbol of the element.
        defects
            Yields the distinct defects in a supercell; the result is then a binding energy.
        metal
            Crystal that the ion is counted against; the element's standard state by default.

        Raises
        ------
        StructureError
            If the host has no place for the ion, or cannot have such a defect.
        RecipeError
            If a defect is charged.
        EngineError
            If the engine cannot do what is needed, or gives an element U in one cell alone.
        """
        require_element(ion)
        host = as_host(host)
        matrix = chosen_supercell(host.structure, self.supercell, self.min_image_distance_A)
        whole = supercell(host.structure, matrix)
        plans = [] if defects is None else neutral_plans_in(whole, defects, "binding_energy")
        symbols = {element.symbol for element in host.structure.elements} | {ion}
        self.engine.check(symbols | {symbol for plan in plans for symbol in plan.added})
        reservoirs = Reservoirs({ion: metal} if metal is not None else {})
        phases = phases_for(host, {ion}, reservoirs)
        ((reservoir, source),) = phases.values()
        bare, sites = self._cells(host, whole, ion, plans)
        computed = (plan.cell(whole).structure for plan in _plans(bare, sites))
        one_hubbard_set(self.engine, chain(computed, crystals_in(phases)))
        scene = IonScene(
            bare=bare,
            sites=sites,
            matrix=matrix,
            reservoir=reservoir,
            about={**about(host), "species": ion},
            notes=list(cautions(self.engine, host.structure)),
            provenance=provenance
            or Provenance.of(
                f"{ion} in {host.name}", self.as_dict(), host.structure.as_dict(), list(bare)
            ),
        )
        relaxed = relax_host(self.engine, host, self.host_cell, self.relax)
        before = phase_jobs(self.engine, self.relax, reservoir, source)
        ions = self.relax_ions(relaxed.output, before[-1].output, scene)
        ions.name = "relax ions"
        return Flow([relaxed, *before, ions], output=ions.output, name=scene.provenance.recipe)

    def _cells(
        self, host: Host, whole: Structure, ion: str, plans: Sequence[DefectPlan]
    ) -> tuple[dict[str, DefectPlan], list[tuple[str, str, float | None, DefectPlan]]]:
        bare = {PRISTINE: DefectPlan(PRISTINE, PRISTINE, 1, [])}
        sites: list[tuple[str, str, float | None, DefectPlan]] = []
        for place in places_in(host, whole, ion):
            plan = DefectPlan.of(place.cell)
            sites.append((place.label, PRISTINE, None, plan))
        for defect in plans:
            bare[defect.name] = defect
            for place in places_at(host, defect.cell(whole), ion, self.reach_A):
                plan = DefectPlan.of(place.cell)
                sites.append((place.label, defect.name, place.from_defect_A, plan))
        return bare, sites

    @job
    def relax_ions(
        self, host: RelaxDocument, metal: RelaxDocument, scene: IonScene
    ) -> Response[Any]:
        """Relax the supercell of the relaxed host without and with the ion at each place."""
        whole = supercell(host.structure, scene.matrix)
        cells = (plan.cell(whole).structure for plan in _plans(scene.bare, scene.sites))
        settings = one_spacing(self.engine, "relax", cells, self.relax)
        maker = self.engine.relax_maker("fixed", **settings)
        empty = {}
        jobs = []
        for name, plan in scene.bare.items():
            jobs.append(maker.make(plan.cell(whole).structure))
            jobs[-1].name = f"relax {name}"
            empty[name] = jobs[-1].output
        filled = []
        for label, near, _, plan in scene.sites:
            jobs.append(maker.make(plan.cell(whole).structure))
            jobs[-1].name = f"relax {scene.about['species']} at {label}, {near}"
            filled.append(jobs[-1].output)
        last = self.conclude({"host": host, "metal": metal}, empty, filled, scene)
        last.name = self.name
        return Response(replace=Flow([*jobs, last], output=last.output))

    @job(output_schema=IntercalationDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        steps: dict[str, RelaxDocument],
        empty: dict[str, RelaxDocument],
        filled: Sequence[RelaxDocument],
        scene: IonScene,
    ) -> IntercalationDocument:
        """Subtract the energies: step 4."""
        host, metal = steps["host"], steps["metal"]
        one_engine(metal, *empty.values(), *filled)
        mu_eV = metal.energy_eV / len(metal.structure)
        whole = supercell(host.structure, scene.matrix)
        sites = [
            _site(one, step, empty[one[1]], mu_eV, whole)
            for one, step in zip(scene.sites, filled, strict=True)
        ]
        settled = all(s.converged for s in (host, metal, *empty.values(), *filled))
        return IntercalationDocument(
            **heading(self.engine, scene.provenance),
            **cost(host, metal, *empty.values(), *filled),
            **scene.about,
            **_energies(sites, scene.about["species"], settled=settled),
            converged=settled,
            sites=tuple(sites),
            reservoir=ChemicalPotential(
                element=scene.about["species"],
                energy_eV=mu_eV,
                source=scene.reservoir.name,
                relaxed=metal,
            ),
            host_cell=self.host_cell,
            **cell_fields(host.structure, scene.matrix),
            relaxed_host=host,
            bare=empty,
            notes=tuple(scene.notes),
        )


def _plans(
    bare: Mapping[str, DefectPlan], sites: Sequence[tuple[str, str, float | None, DefectPlan]]
) -> list[DefectPlan]:
    """Return all cells without and with the ion."""
    return [*bare.values(), *(plan for *_, plan in sites)]


def _site(
    planned: Sequence[Any],
    relaxed: RelaxDocument,
    empty: RelaxDocument,
    mu_eV: float,
    whole: Structure,
) -> IonSite:
    label, near, distance, plan = planned
    energy_eV = relaxed.energy_eV - empty.energy_eV - mu_eV
    return IonSite(
        label=label,
        near="" if near == PRISTINE else near,
        energy_eV=energy_eV if relaxed.converged and empty.converged else None,
        from_defect_A=distance,
        moved_A=_moved_A(plan.cell(whole).structure, relaxed.structure),
        relaxed=relaxed,
    )


def _moved_A(start: Structure, end: Structure) -> float:
    """Return how far the ion, the last atom, moved against the mean of all others."""
    moves = end.frac_coords - start.frac_coords
    # A sheet may drift as a whole: what counts is the way relative to its first atom.
    moves -= moves[0] + np.round(moves - moves[0])
    against = moves[-1] - moves[:-1].mean(axis=0)
    against -= np.round(against)
    return float(np.linalg.norm(against @ end.lattice.matrix))


def _energies(sites: Sequence[IonSite], ion: str, *, settled: bool) -> dict[str, Any]:
    """Return the fields of the result that say how strongly which site holds the ion."""
    pristine = _lowest([one for one in sites if not one.near])
    held = _lowest([one for one in sites if one.near])
    lowest = held or pristine
    free_eV, value = pristine.energy_eV, lowest.energy_eV
    return {
        "quantity": "binding_energy" if held else "intercalation_energy",
        "defect": _named(lowest, ion),
        "value": value if settled else None,
        "pristine_eV": free_eV if settled else None,
        "trapping_eV": value - free_eV if held and settled else None,
    }


def _lowest(sites: Sequence[IonSite]) -> Any:
    """Return the site of lowest energy, those that did not converge last; None without sites."""
    return min(sites, key=lambda one: (one.energy_eV is None, one.energy_eV or 0.0), default=None)


def _named(site: IonSite, ion: str) -> str:
    return f"{ion} at {site.near}" if site.near else f"{ion}_i, {site.label}"
