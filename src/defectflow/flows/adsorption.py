"""The adsorption of an atom or a molecule on a surface."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from jobflow import Flow, Maker, Response, job

from defectflow.documents import AdsorptionDocument, RelaxDocument
from defectflow.engines.guided import GuidedEngine
from defectflow.errors import RecipeError
from defectflow.flows.adsorbed import Scene, best_site, ended, site_documents, unsettled
from defectflow.flows.alike import (
    one_hubbard_set,
    one_spacing_on,
    require_vacuum,
    with_and_without,
)
from defectflow.flows.free_energy import FreeEnergyPlan, free_energy
from defectflow.flows.gas import GasJobs, Reference, gas_notes, references_of
from defectflow.flows.host import about, as_host, cautions, one_engine, relax_host
from defectflow.flows.modes import ModesMaker, at_minimum, left, remarks_on_saddles
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.flows.screening import distinct_ends, lowest, starts_of, weighings
from defectflow.flows.slabs import SlabPlan
from defectflow.structures.adsorbates import Adsorbate, adsorbate, adsorbates
from defectflow.structures.adsorption import named_site, sites_near, surface_sites
from defectflow.structures.handover import spread
from defectflow.structures.poses import AZIMUTH_STEP_DEG, placements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.documents.vibrations import VibrationsDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.adsorption import SurfaceSite
    from defectflow.structures.hosts import Host
    from defectflow.structures.poses import Placement
    from defectflow.structures.surfaces import Slab
    from defectflow.words import HostCell

__all__ = ["AdsorptionMaker", "AdsorptionQuantity", "SlabPlan"]

AdsorptionQuantity = Literal["adsorption_energy", "adsorption_free_energy"]


@dataclass
class AdsorptionMaker(Maker):
    """Adsorption energy on a surface, at the lowest site or at one that is named.

    1. Relax the bulk; its cell gives the slab's.
    2. Relax the gas molecules in a box, and the clean slab with its lowest layers frozen; one of
       several surface cells begins as the relaxed slab of one cell. With `screen` the cheap engine
       guides the relaxation of the slab (see `GuidedEngine`), which spares evaluations where a
       defect leaves much to relax.
    3. Put the adsorbate on every symmetry-distinct site of the relaxed slab, a molecule in every
       distinct orientation; with `screen`, relax these on a cheap engine first and go on with the
       `keep` lowest that differ. What passes from engine to engine is how far the adsorbate moved
       the atoms of the slab, not where the cheap engine has them. With `weigh_within_eV` one
       evaluation of each end on the engine itself decides which are the lowest.
    4. Relax them; after a screen, guided by the cheap engine, which takes a third of the
       evaluations to the same forces. An adsorbate that desorbs, falls apart or goes below the
       surface gives no value.
    5. ΔE = E(slab + adsorbate) - E(slab) - Σ n_i E(gas i).
    6. For a free energy with vibrations: those of the adsorbate's atoms at the lowest site, and of
       the molecules. A saddle is left along its imaginary mode (see `ModesMaker`); imaginary modes
       that stay give no value.

    Attributes
    ----------
    quantity
        ``adsorption_energy`` (ΔE) or ``adsorption_free_energy`` (ΔG, with the correction of
        `free`).
    site
        ``lowest``, or the label of a site.
    free
        What is added to ΔE, and the references.
    screen, keep, keep_within_eV
        Engine of the pre-screen, how many of its ends are passed on, and up to which energy above
        the lowest one all are.
    weigh_within_eV
        Ends of the screen up to this above its lowest one are weighed; 0 for none.
    azimuth_step_deg
        Turns of a molecule about the surface normal.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> maker = AdsorptionMaker(engine("emt"), SlabPlan((1, 1, 1)))
    >>> [job.name for job in maker.make(hosts.load("fcc-Pt"), "OH")]
    ['relax host', 'relax H2', 'relax H2O', 'cut slab']
    """

    engine: Engine
    slab: SlabPlan
    quantity: AdsorptionQuantity = "adsorption_energy"
    name: str = "adsorption"
    host_cell: HostCell = "relax"
    site: str = "lowest"
    free: FreeEnergyPlan = field(default_factory=FreeEnergyPlan)
    screen: Engine | None = None
    keep: int = 2
    keep_within_eV: float = 0.0
    weigh_within_eV: float = 0.0
    azimuth_step_deg: float = AZIMUTH_STEP_DEG
    relax: dict[str, Any] = field(default_factory=dict)

    def make(
        self, host: Host | Structure, adsorbate: str, provenance: Provenance | None = None
    ) -> Flow:
        """Return the flow; its output is an `AdsorptionDocument`.

        Raises
        ------
        RecipeError
            If the adsorbate or its references are not known, or the correction does not fit.
        StructureError
            If the surface or the site does not exist, or the slab is polar.
        EngineError
            If an engine cannot do what is needed.
        """
        host = as_host(host)
        bulk = relax_host(self.engine, host, self.host_cell, self.relax)
        gas = GasJobs(self.engine, self.relax, self.free.vibrating)
        last = self.adsorb(host, adsorbate, bulk.output, gas, provenance)
        name = provenance.recipe if provenance else f"{adsorbate} on {host.name}"
        return Flow([bulk, *gas.jobs, last], output=last.output, name=name)

    def adsorb(
        self,
        host: Host,
        species: str,
        bulk: Any,
        gas: GasJobs,
        provenance: Provenance | None = None,
    ) -> Job:
        """Return the job that begins with the relaxed bulk; its output is the document.

        Parameters
        ----------
        bulk
            Output of the relaxation of the host.
        gas
            Takes up the jobs of the references.
        """
        references = self.check(host, species)
        origin = provenance or Provenance.of(
            f"{species} on {host.name}{self.slab.title}",
            self.as_dict(),
            host.structure.as_dict(),
            species,
        )
        notes = [
            *(() if self.slab.sheet else cautions(self.engine, host.structure)),
            *gas_notes(self.engine, references),
            *self.free.notes({one.name for one in references if one.count}),
            *self.slab.check(host.structure),
        ]
        said = {**about(host), "species": species, "notes": notes}
        made = self.cut_slab(bulk, gas.outputs(references), references, said, origin)
        made.name = "cut slab"
        return made

    def check(self, host: Host, species: str) -> list[Reference]:
        """Refuse what cannot be computed; return the references of the adsorbate.

        Raises
        ------
        RecipeError, StructureError, EngineError
            See `make`.
        """
        if species not in adsorbates():
            message = f"adsorbate {species!r}: not known; choose among {', '.join(adsorbates())}"
            raise RecipeError(message)
        one = adsorbate(species)
        references = references_of(species, self.free.references)
        self.free.check(species, free=self.quantity == "adsorption_free_energy")
        slab = self.slab.cut(host.structure)
        sites = surface_sites(slab, one.species[0])
        require_vacuum(self.engine, slab, sites, one, self._placements(slab, sites, one))
        one_hubbard_set(self.engine, [host.structure, *with_and_without(slab, one)])
        elements = {*one.species, *(element.symbol for element in slab.structure.elements)}
        for engine in (self.engine, self.screen):
            if engine is not None:
                engine.check(elements | {element.symbol for element in host.structure.elements})
        return references

    def _placements(
        self, slab: Slab, sites: Sequence[SurfaceSite], one: Adsorbate
    ) -> tuple[Placement, ...]:
        chosen = sites if self.site == "lowest" else [named_site(sites, self.site)]
        if self.slab.near_defect_A and self.site == "lowest":
            chosen = sites_near(slab, sites, self.slab.near_defect_A)
        return placements(slab, chosen, one, self.azimuth_step_deg)

    @job
    def cut_slab(
        self,
        host: RelaxDocument,
        gas: dict[str, Any],
        references: list[Reference],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> Response[Any]:
        """Relax the clean slab of the relaxed bulk."""
        slab = self.slab.cut(host.structure)
        one = adsorbate(about["species"])
        sites = surface_sites(slab, one.species[0])
        scene = Scene(
            host=host,
            slab=slab,
            sites=list(sites),
            adsorbate=one,
            placements=list(self._placements(slab, sites, one)),
            gas=[(reference, gas[reference.name]) for reference in references],
            about=about,
            provenance=provenance,
        )
        if not self.slab.repeats:
            after: Job = self.relax_clean(scene)
            after.name = "relax clean slab"
            return Response(replace=Flow([after], output=after.output))
        cell = self.slab.smallest().cut(host.structure)
        small = self._relaxation(cell, one, cell.structure, self._guided)
        small.name = "relax one cell of the clean slab"
        after = self.relax_clean(scene, small.output)
        after.name = "spread clean slab"
        return Response(replace=Flow([small, after], output=after.output))

    @job
    def relax_clean(self, scene: Scene, small: RelaxDocument | None = None) -> Response[Any]:
        """Relax the clean slab, from one of its surface cells where there are several."""
        start = scene.slab.structure
        if small is not None:
            cell = self.slab.smallest().cut(scene.host.structure)
            start = spread(cell.structure, small.structure, start)
        clean = self._relaxation(scene.slab, scene.adsorbate, start, self._guided)
        clean.name = "relax clean slab"
        screened = self.screen is not None
        scene = replace(scene, small=small)
        after = (self.screen_sites if screened else self.relax_sites)(scene, clean.output)
        after.name = "screen sites" if screened else "relax sites"
        return Response(replace=Flow([clean, after], output=after.output))

    @property
    def _guided(self) -> Engine:
        """The engine that counts, guided by that of the screen where there is one."""
        return GuidedEngine.where_possible(self.engine, self.screen)

    def engine_after(self, scene: Scene, screened: Mapping[str, RelaxDocument]) -> Engine:
        """Return the engine of the last relaxations: a screen that binds nowhere guides none."""
        ends = distinct_ends(scene, screened, anywhere=self.site == "lowest")
        return self._guided if ends else self.engine

    def _relaxation(self, slab: Slab, one: Adsorbate, start: Structure, engine: Engine) -> Job:
        """Return the job that relaxes a slab, or one with an adsorbate, from a start."""
        frozen = slab.bottom(self.slab.frozen_layers)
        settings = one_spacing_on(slab, one, engine, "relax", self.relax)
        made: Job = engine.relax_maker("fixed", **settings).make(start, frozen=frozen)
        return made

    @job
    def screen_sites(self, scene: Scene, clean: RelaxDocument) -> Response[Any]:
        """Relax the adsorbate in every placement with the cheap engine."""
        if self.screen is None:
            message = "a pre-screen needs an engine"
            raise RecipeError(message)
        starts = starts_of(scene, clean, (), {}, None)
        jobs = self.relaxations(self.screen, scene, starts, "screen")
        bare = self._relaxation(scene.slab, scene.adsorbate, clean.structure, self.screen)
        bare.name = "screen clean slab"
        outputs = {label: one.output for label, one in jobs.items()}
        after = self.relax_sites(scene, clean, outputs, bare.output)
        after.name = "relax sites"
        return Response(replace=Flow([*jobs.values(), bare, after], output=after.output))

    @job
    def relax_sites(
        self,
        scene: Scene,
        clean: RelaxDocument,
        screened: dict[str, RelaxDocument] | None = None,
        bare: RelaxDocument | None = None,
        weighed: dict[str, RelaxDocument] | None = None,
    ) -> Response[Any]:
        """Relax the adsorbate in its placements, or in those that the pre-screen left."""
        seen = screened or {}
        ends = distinct_ends(scene, seen, anywhere=self.site == "lowest")
        near = lowest(ends, 1, self.weigh_within_eV)
        if weighed is None and self.weigh_within_eV and len(near) > self.keep:
            starts = starts_of(scene, clean, near, seen, bare)
            asked = self.weighings(scene, starts)
            found = {label: one.output for label, one in asked.items()}
            after = self.relax_sites(scene, clean, seen, bare, found)
            after.name = "relax sites"
            return Response(replace=Flow([*asked.values(), after], output=after.output))
        if weighed:
            ends = {label: one.energy_eV for label, one in weighed.items()}
        labels = lowest(ends, self.keep, self.keep_within_eV)
        starts = starts_of(scene, clean, labels, seen, bare)
        jobs = self.relaxations(
            self.engine_after(scene, seen), scene, starts, f"relax {scene.adsorbate.name} at"
        )
        steps = {"clean": clean, "screened": seen, "weighed": weighed or {}, "saddles": []}
        steps["relaxed"] = {label: one.output for label, one in jobs.items()}
        if self.free.vibrating:
            last = ModesMaker(self).vibrate(scene, steps)
            last.name = "vibrations"
        else:
            last = self.last(scene, steps)
        return Response(replace=Flow([*jobs.values(), last], output=last.output))

    def last(self, scene: Scene, steps: dict[str, Any], vibrations: Any = None) -> Job:
        """Return the job that concludes."""
        last: Job = self.conclude(scene, steps, vibrations)
        last.name = self.quantity.replace("_", " ")
        return last

    def relaxations(
        self, engine: Engine, scene: Scene, starts: Mapping[str, Structure], verb: str
    ) -> dict[str, Job]:
        """Return a job for each start, by the label of its placement."""
        jobs = {}
        for label, structure in starts.items():
            jobs[label] = self._relaxation(scene.slab, scene.adsorbate, structure, engine)
            jobs[label].name = f"{verb} {label}"
        return jobs

    def weighings(self, scene: Scene, starts: Mapping[str, Structure]) -> dict[str, Job]:
        """Return a job for each start: one evaluation by the engine that counts."""
        settings = one_spacing_on(scene.slab, scene.adsorbate, self.engine, "relax", self.relax)
        frozen = scene.slab.bottom(self.slab.frozen_layers)
        return weighings(self.engine, starts, frozen, settings)

    @property
    def _temperature_K(self) -> float | None:
        return self.free.temperature_K if self.free.vibrating else None

    def best(self, scene: Scene, steps: dict[str, Any]) -> tuple[list[Any], str]:
        """Return what became of each placement, and the label of the one that counts."""
        clean: RelaxDocument = steps["clean"]
        references = scene.references(self._temperature_K)
        reservoir_eV = clean.energy_eV + sum(r.count * r.relaxed.energy_eV for r in references)
        sites = site_documents(scene, steps, reservoir_eV)
        if unsettled(scene.before(clean)):
            return sites, ""
        return sites, best_site(sites, anywhere=self.site == "lowest")

    @job(output_schema=AdsorptionDocument, metadata={"defectflow": "result"})
    def conclude(
        self, scene: Scene, steps: dict[str, Any], vibrations: VibrationsDocument | None
    ) -> AdsorptionDocument:
        """Subtract the energies, and add what makes a free energy of them."""
        clean: RelaxDocument = steps["clean"]
        references = scene.references(self._temperature_K)
        relaxed = [clean, *(r.relaxed for r in references), *steps["relaxed"].values()]
        relaxed += steps["weighed"].values()
        one_engine(*relaxed)
        before = [scene.host, *([scene.small] if scene.small else [])]
        sites, label = self.best(scene, steps)
        energy_eV, where = ended(sites, label)
        flat = at_minimum(steps["saddles"])
        added = free_energy(self.free, scene.adsorbate.name, references, vibrations, flat=flat)
        good = energy_eV is not None and not added.problem
        shaken = [found["vibrations"] for _, found in scene.gas if found["vibrations"]]
        shaken += [vibrations, *left(steps["saddles"])] if vibrations else []
        notes = [*unsettled(scene.before(clean)), *remarks_on_saddles(scene, steps)]
        notes += [*scene.remarks(sites, label, added.problem), *added.notes]
        return AdsorptionDocument(
            **heading(self.engine, scene.provenance),
            **cost(*before, *relaxed, *steps["screened"].values(), *shaken),
            **{**scene.about, "notes": (*scene.about["notes"], *notes)},
            quantity=self.quantity,
            defect=f"{scene.adsorbate.name} on {self.slab.title}, {where or self.site}",
            converged=good,
            value=(energy_eV or 0.0) + added.added_eV if good else None,
            host_cell=self.host_cell,
            **self.slab.fields(scene.slab),
            site=where or self.site,
            adsorption_energy_eV=energy_eV,
            reaction=scene.reaction(with_oxygen=self.free.against_oxygen),
            correction=added.correction,
            free_energy=added.terms,
            vibrations=vibrations,
            relaxed_host=scene.host,
            slab=clean,
            gas=tuple(references),
            sites=tuple(sites),
            screen=self.screen.stamp() if self.screen and steps["screened"] else None,
        )
