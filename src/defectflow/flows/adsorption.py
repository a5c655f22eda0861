"""The adsorption of an atom on a surface."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.documents import (
    AdsorptionDocument,
    AdsorptionSite,
    GasReference,
    RelaxDocument,
)
from defectflow.errors import RecipeError, did_you_mean
from defectflow.flows.corrections import correction
from defectflow.flows.host import (
    HostCell,
    about,
    as_host,
    cautions,
    molecule_cautions,
    moments_for,
    one_engine,
    relax_host,
)
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.adsorption import (
    SurfaceSite,
    named_site,
    placed,
    surface_sites,
    whereabouts,
)
from defectflow.structures.molecules import molecule
from defectflow.structures.surfaces import Slab, slab_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.engines.contract import Engine
    from defectflow.structures.hosts import Host

#: Gas that an adsorbate is counted against: molecules per adsorbate.
GASES: Final[dict[str, dict[str, float]]] = {"H": {"H2": 0.5}}

AdsorptionQuantity = Literal["adsorption_energy", "adsorption_free_energy"]


@dataclass(frozen=True)
class SlabPlan(MSONable):
    """Which surface, and what stands for it.

    Attributes
    ----------
    miller
        In the conventional cell of the host.
    repeat
        Surface cells along the two vectors; one adsorbate is put on all of them.
    frozen_layers
        Layers at the bottom that stay as in the bulk.
    """

    miller: tuple[int, int, int]
    layers: int = 4
    vacuum_A: float = 12.0
    repeat: tuple[int, int] = (1, 1)
    frozen_layers: int = 2

    def cut(self, host: Structure) -> Slab:
        """Return the slab of a crystal."""
        return slab_of(host, self.miller, self.layers, self.vacuum_A, self.repeat)

    @property
    def facet(self) -> str:
        """Miller indices as they are written: ``111``."""
        return "".join(map(str, self.miller))


@dataclass(frozen=True)
class _Scene(MSONable):
    """What the steps after the bulk share."""

    host: RelaxDocument
    slab: Slab
    sites: list[SurfaceSite]
    about: dict[str, Any]
    provenance: Provenance


@dataclass
class AdsorptionMaker(Maker):
    """Adsorption energy of an atom on a surface, at the lowest site or at one that is named.

    1. Relax the bulk; its cell gives the slab's.
    2. Relax the gas molecules in a box, and the clean slab with its lowest layers frozen.
    3. Put the adsorbate on every symmetry-distinct site of the relaxed slab; with `screen`, relax
       these on a cheap engine first and go on with the `keep` lowest.
    4. Relax them. An adsorbate that desorbs, goes below the surface or to another site gives no
       value of its site.
    5. ΔE = E(slab + adsorbate) - E(slab) - Σ n_i E(gas i); ΔG = ΔE + the named correction.

    Attributes
    ----------
    quantity
        ``adsorption_energy`` (ΔE) or ``adsorption_free_energy`` (ΔG, with `correction`).
    site
        ``lowest``, or the label of a site.
    screen, keep
        Engine of the pre-screen, and how many sites it passes on.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> maker = AdsorptionMaker(engine("emt"), SlabPlan((1, 1, 1)))
    >>> [job.name for job in maker.make(hosts.load("fcc-Pt"), "H")]
    ['relax host', 'relax H2', 'cut slab']
    """

    engine: Engine
    slab: SlabPlan
    quantity: AdsorptionQuantity = "adsorption_energy"
    name: str = "adsorption"
    host_cell: HostCell = "relax"
    site: str = "lowest"
    correction: str | None = None
    screen: Engine | None = None
    keep: int = 2
    relax: dict[str, Any] = field(default_factory=dict)

    def make(
        self, host: Host | Structure, adsorbate: str, provenance: Provenance | None = None
    ) -> Flow:
        """Return the flow; its output is an `AdsorptionDocument`.

        Raises
        ------
        RecipeError
            If no gas is known for the adsorbate, or the correction does not fit.
        StructureError
            If the surface or the site does not exist.
        EngineError
            If an engine cannot do what is needed.
        """
        host = as_host(host)
        self._check(host, adsorbate)
        origin = provenance or Provenance.of(
            f"{adsorbate} on {host.name}({self.slab.facet})",
            self.as_dict(),
            host.structure.as_dict(),
            adsorbate,
        )
        bulk = relax_host(self.engine, host, self.host_cell, self.relax)
        gas = [self._relax_gas(name) for name in GASES[adsorbate]]
        said = {**about(host), "species": adsorbate, "notes": self._notes(host, adsorbate)}
        outputs = [one.output for one in gas]
        slab = self.cut_slab(bulk.output, outputs, said, origin)
        slab.name = "cut slab"
        return Flow([bulk, *gas, slab], output=slab.output, name=origin.recipe)

    def _check(self, host: Host, adsorbate: str) -> None:
        if adsorbate not in GASES:
            message = f"adsorbate {adsorbate!r}: no gas is known; {did_you_mean(adsorbate, GASES)}"
            raise RecipeError(message)
        if (self.correction is None) != (self.quantity == "adsorption_energy"):
            message = (
                f"quantity {self.quantity} with correction {self.correction}: a free energy needs "
                "a correction, an energy has none"
            )
            raise RecipeError(message)
        if self.correction is not None:
            correction(self.correction, adsorbate)
        sites = surface_sites(self.slab.cut(host.structure), adsorbate)
        if self.site != "lowest":
            named_site(sites, self.site)
        elements = {adsorbate, *(element.symbol for element in host.structure.elements)}
        for engine in (self.engine, self.screen):
            if engine is not None:
                engine.check(elements)

    def _notes(self, host: Host, adsorbate: str) -> list[str]:
        notes = list(cautions(self.engine, host.structure))
        for name in GASES[adsorbate]:
            notes += molecule_cautions(self.engine, name, magnetic=molecule(name).magnetic)
        return notes

    def _relax_gas(self, name: str) -> Job:
        gas = molecule(name)
        moments = moments_for(self.engine, gas.moments_muB)
        maker = self.engine.relax_maker("fixed", **self.relax)
        made = maker.make(gas.boxed(), magnetic_moments=moments)
        made.name = f"relax {name}"
        return made

    @job
    def cut_slab(
        self,
        host: RelaxDocument,
        gas: Sequence[RelaxDocument],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> Response[Any]:
        """Relax the clean slab of the relaxed bulk."""
        slab = self.slab.cut(host.structure)
        found = surface_sites(slab, about["species"])
        sites = list(found) if self.site == "lowest" else [named_site(found, self.site)]
        scene = _Scene(host, slab, list(found), about, provenance)
        maker = self.engine.relax_maker("fixed", **self.relax)
        clean = maker.make(slab.structure, frozen=slab.bottom(self.slab.frozen_layers))
        clean.name = "relax clean slab"
        labels = [site.label for site in sites]
        starts = self.screen_sites if self.screen and len(sites) > self.keep else self.relax_sites
        after = starts(scene, labels, clean.output, gas)
        after.name = "screen sites" if starts == self.screen_sites else "relax sites"
        return Response(replace=Flow([clean, after], output=after.output))

    @job
    def screen_sites(
        self,
        scene: _Scene,
        labels: Sequence[str],
        clean: RelaxDocument,
        gas: Sequence[RelaxDocument],
    ) -> Response[Any]:
        """Relax the adsorbate at every site with the cheap engine."""
        if self.screen is None:
            message = "a pre-screen needs an engine"
            raise RecipeError(message)
        maker = self.screen.relax_maker("fixed", **self.relax)
        jobs = [self._adsorbed(maker, scene, label, clean) for label in labels]
        for label, one in zip(labels, jobs, strict=True):
            one.name = f"screen {label}"
        after = self.relax_sites(scene, labels, clean, gas, [one.output for one in jobs])
        after.name = "relax sites"
        return Response(replace=Flow([*jobs, after], output=after.output))

    @job
    def relax_sites(
        self,
        scene: _Scene,
        labels: Sequence[str],
        clean: RelaxDocument,
        gas: Sequence[RelaxDocument],
        screened: Sequence[RelaxDocument] = (),
    ) -> Response[Any]:
        """Relax the adsorbate at the sites, or at those that the pre-screen left."""
        maker = self.engine.relax_maker("fixed", **self.relax)
        starts = self._passed(scene, labels, screened)
        jobs = {}
        for label, start in starts.items():
            jobs[label] = self._adsorbed(maker, scene, label, clean, start)
            jobs[label].name = f"relax {scene.about['species']} at {label}"
        outputs = {label: one.output for label, one in jobs.items()}
        seen = dict(zip(labels, screened, strict=True)) if screened else {}
        last = self.conclude(scene, clean, gas, outputs, seen)
        last.name = self.quantity.replace("_", " ")
        return Response(replace=Flow([*jobs.values(), last], output=last.output))

    def _adsorbed(
        self,
        maker: Any,
        scene: _Scene,
        label: str,
        clean: RelaxDocument,
        start: Structure | None = None,
    ) -> Job:
        """Return the job that relaxes the adsorbate at a site, from there or from `start`."""
        slab, site = scene.slab, named_site(scene.sites, label)
        structure = start or placed(slab, clean.structure, site, scene.about["species"])
        made: Job = maker.make(structure, frozen=slab.bottom(self.slab.frozen_layers))
        return made

    def _passed(
        self, scene: _Scene, labels: Sequence[str], screened: Sequence[RelaxDocument]
    ) -> dict[str, Structure | None]:
        """Return the sites to go on with, the lowest of the pre-screen first, and their starts."""
        if not screened:
            return dict.fromkeys(labels)
        ranked = sorted(
            (step.energy_eV, label, step.structure)
            for label, step in zip(labels, screened, strict=True)
            if _outcome(scene, label, step).outcome == "stays"
        )
        return {label: start for _, label, start in ranked[: self.keep]} or dict.fromkeys(labels)

    @job(output_schema=AdsorptionDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        scene: _Scene,
        clean: RelaxDocument,
        gas: Sequence[RelaxDocument],
        relaxed: dict[str, RelaxDocument],
        screened: dict[str, RelaxDocument],
    ) -> AdsorptionDocument:
        """Subtract the energies: step 5."""
        adsorbate = scene.about["species"]
        steps = [scene.host, clean, *gas, *relaxed.values()]
        one_engine(*steps[1:])
        references = _references(adsorbate, gas)
        reservoir_eV = clean.energy_eV + sum(r.count * r.relaxed.energy_eV for r in references)
        settled = all(step.converged for step in (scene.host, clean, *gas))
        sites = _site_documents(scene, relaxed, screened, reservoir_eV)
        valid = [one for one in sites if one.energy_eV is not None]
        best = min(valid, key=lambda one: one.energy_eV or 0.0, default=None) if settled else None
        added = correction(self.correction, adsorbate) if self.correction else None
        energy = best.energy_eV if best else None
        site = best.label if best else self.site
        return AdsorptionDocument(
            **heading(self.engine, scene.provenance),
            **cost(*steps, *screened.values()),
            **{**scene.about, "notes": (*scene.about["notes"], *_remarks(sites, valid))},
            quantity=self.quantity,
            defect=f"{adsorbate} on ({self.slab.facet}), {site}",
            converged=best is not None,
            value=None if energy is None else energy + (added.value_eV if added else 0.0),
            host_cell=self.host_cell,
            **self._slab_fields(scene.slab),
            site=site,
            adsorption_energy_eV=energy,
            correction=added,
            relaxed_host=scene.host,
            slab=clean,
            gas=tuple(references),
            sites=tuple(sites),
            screen=self.screen.stamp() if self.screen and screened else None,
        )

    def _slab_fields(self, slab: Slab) -> dict[str, Any]:
        return {
            "facet": self.slab.facet,
            "coverage_ML": 1 / len(slab.top()),
            "layers": self.slab.layers,
            "frozen_layers": self.slab.frozen_layers,
            "vacuum_A": self.slab.vacuum_A,
        }


def _outcome(scene: _Scene, label: str, step: RelaxDocument) -> Any:
    start = named_site(scene.sites, label)
    return whereabouts(scene.slab, scene.sites, start, step.structure)


def _references(adsorbate: str, gas: Sequence[RelaxDocument]) -> list[GasReference]:
    return [
        GasReference(molecule=name, count=count, relaxed=step)
        for (name, count), step in zip(GASES[adsorbate].items(), gas, strict=True)
    ]


def _site_documents(
    scene: _Scene,
    relaxed: dict[str, RelaxDocument],
    screened: dict[str, RelaxDocument],
    reservoir_eV: float,
) -> list[AdsorptionSite]:
    floor = min((step.energy_eV for step in screened.values()), default=0.0)
    documents = []
    for site in scene.sites:
        step, seen = relaxed.get(site.label), screened.get(site.label)
        if step is None and seen is None:
            continue
        found = _outcome(scene, site.label, step or seen)  # type: ignore[arg-type]
        good = step is not None and step.converged and found.outcome == "stays"
        documents.append(
            AdsorptionSite(
                label=site.label,
                multiplicity=site.multiplicity,
                outcome=found.outcome,
                where=found.where,
                height_A=found.height_A,
                energy_eV=step.energy_eV - reservoir_eV if step and good else None,
                screened_eV=seen.energy_eV - floor if seen else None,
                relaxed=step,
            )
        )
    return documents


def _remarks(sites: Sequence[AdsorptionSite], valid: Sequence[AdsorptionSite]) -> list[str]:
    """Say what became of an adsorbate that did not stay, if that decides the result."""
    if valid:
        return []
    return [
        f"put at {one.label}: "
        + (f"moved to {one.where}" if one.outcome == "moved" else str(one.outcome))
        for one in sites
        if one.outcome != "stays"
    ]
