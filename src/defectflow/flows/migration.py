"""The migration barrier of an ion in a host, in the dilute limit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jobflow import Flow, Maker, Response, job

from defectflow.documents import (
    BandDocument,
    Image,
    MigrationBarrierDocument,
    RelaxDocument,
    SiteDocument,
)
from defectflow.errors import StructureError
from defectflow.flows.barrier import (
    HopPlan,
    Outcome,
    cost_of_path,
    hop_document,
    path_notes,
)
from defectflow.flows.elementary import elementary
from defectflow.flows.host import (
    about,
    as_host,
    cell_fields,
    chosen_supercell,
    relax_host,
    require_one_of,
)
from defectflow.flows.network import (
    Scene,
    Site,
    distinct_sites,
    hops_among,
    settled_sites,
    sites_near_defect,
    stays,
    waypoints,
)
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import heading
from defectflow.flows.walks import Network, Walk
from defectflow.structures.cells import require_element
from defectflow.structures.moments import moments_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.documents.migration import Diffusion, HopDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.hops import Hop
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell


@dataclass
class MigrationBarrierMaker(Maker):
    """Barrier of one ion (charged limit) or one vacancy (discharged limit) in a host.

    1. Relax the host: atoms only (``keep``), or atoms and cell (``relax``), or atoms and volume
       (``scale``). In layered hosts this choice alone moves the barrier by 0.3 eV.
    2. Make the supercell and relax the ion at each symmetry-distinct site, once.
    3. Take the lowest site; find the distinct hops between its equivalents. Or, with ``sites:
       all``, those between all sites, as along a grain boundary, where no two are alike.
    4. Relax the band of each hop, straight and through the interstitial sites beside it.
    5. Find the easiest way across the crystal; its bottleneck is the barrier.

    Attributes
    ----------
    engine
        From `defectflow.engine`.
    limit
        ``charged``: one ion in the empty host; ``discharged``: one vacancy in the full host.
    host_cell
        See 1.
    min_image_distance_A
        Least distance of an ion from its periodic image.
    supercell
        Rows give the supercell's vectors in those of the host; None to choose it by that distance.
    cutoff_A
        Longest hop; None to take the shortest hops that together cross the crystal.
    images
        Moving images of a band; 0 to take the engine's images per Å.
    sites
        ``lowest`` or ``all``: see 3.
    near_defect_A
        Of a generated host only sites this near to its defect are looked at; 0 for all.
    explore
        Send bands through interstitial sites, not only straight.
    temperatures_K, attempt_frequency_Hz
        For the diffusion coefficient.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> flow = MigrationBarrierMaker(engine("emt")).make(hosts.load("fcc-Cu"), species="Cu")
    >>> [job.name for job in flow]
    ['relax host', 'relax sites']
    """

    engine: Engine
    name: str = "migration barrier"
    limit: Literal["charged", "discharged"] = "charged"
    host_cell: HostCell = "relax"
    min_image_distance_A: float = 8.0
    supercell: tuple[tuple[int, int, int], ...] | None = None
    cutoff_A: float | None = None
    images: int = 0
    sites: Literal["lowest", "all"] = "lowest"
    near_defect_A: float = 0.0
    explore: bool = True
    temperatures_K: tuple[float, ...] = (300.0,)
    attempt_frequency_Hz: float = 1.0e13
    relax: dict[str, Any] = field(default_factory=dict)
    band: dict[str, Any] = field(default_factory=dict)

    def make(
        self, host: Host | Structure, species: str, provenance: Provenance | None = None
    ) -> Flow:
        """Return the flow; its output is a `MigrationBarrierDocument`.

        Parameters
        ----------
        species
            Symbol of the element that moves.
        provenance
            Name and key of the recipe; made from the content if there is none.

        Raises
        ------
        RecipeError
            If there is no such limit, or no such choice of sites.
        StructureError
            If `species` is no element, or the host has no site for it.
        EngineError
            If the engine cannot do what is needed.
        """
        require_one_of("limit", self.limit, ("charged", "discharged"))
        require_one_of("sites", self.sites, ("lowest", "all"))
        host = as_host(host)
        require_element(species)
        sites = distinct_sites(host.structure, species, self.limit, host.sites)
        sites = sites_near_defect(host, sites, self.near_defect_A)
        self.engine.check({*(e.symbol for e in host.structure.elements), species})
        self._band_maker()
        origin = provenance or Provenance.of(
            f"{species} in {host.name}", self.as_dict(), host.structure.as_dict(), species
        )
        relaxed = relax_host(self.engine, host, self.host_cell, self.relax)
        placed = self.relax_sites(relaxed.output, list(sites), species, about(host), origin)
        placed.name = "relax sites"
        return Flow([relaxed, placed], output=placed.output, name=origin.recipe)

    def _band_maker(self) -> Any:
        overrides = self.band | ({"images": self.images} if self.images else {})
        return self.engine.band_maker(**overrides)

    @job
    def relax_sites(
        self,
        host: RelaxDocument,
        sites: Sequence[Site],
        species: str,
        about: dict[str, Any],
        provenance: Provenance,
    ) -> Response[Any]:
        """Relax the ion at each distinct site of the relaxed host's supercell."""
        matrix = chosen_supercell(host.structure, self.supercell, self.min_image_distance_A)
        scene = Scene(host.structure, matrix, species, self.limit)
        sites = settled_sites(scene, sites)
        stage = scene.stage()
        maker = self.engine.relax_maker("fixed", **self.relax)
        jobs = []
        for site in sites:
            relaxed = maker.make(stage.state(scene.cartesian(site.frac_coords)))
            relaxed.name = f"relax {species} at {site.label}"
            jobs.append(relaxed)
        bands = self.relax_bands(
            host, scene, list(sites), [relaxed.output for relaxed in jobs], about, provenance
        )
        bands.name = "relax bands"
        return Response(replace=Flow([*jobs, bands], output=bands.output))

    @job
    def relax_bands(
        self,
        host: RelaxDocument,
        scene: Scene,
        sites: Sequence[Site],
        relaxed: Sequence[RelaxDocument],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> Response[Any]:
        """Choose the stable site and relax the band of each distinct hop: steps 3 and 4."""
        documents = _site_documents(scene, sites, relaxed)
        best = _stable_site(scene, documents)
        stage, maker = scene.stage(), self._band_maker()
        whole = self.sites == "all"
        nodes = [k for k, d in enumerate(documents) if d.stays] if whole else [best]
        owners = [k for k in nodes for _ in scene.orbit(sites[k])]
        labels = [sites[k].label for k in owners]
        points = self._points_A(scene, [sites[k] for k in nodes])
        plans, jobs = [], []
        for hop in hops_among(scene, [sites[k] for k in nodes], self.cutoff_A):
            kinds = [owners[place] for place in hop.edges[0][:2]]
            images = _ends(scene, stage, hop, [(sites[k], relaxed[k]) for k in kinds])
            between = self.explore and not (whole and self.limit == "charged")
            through = waypoints(scene, sites[best], sites, relaxed, hop) if between else {}
            band = maker.make(images[0], images[1], through)
            plans.append(HopPlan.from_hop(hop, labels, points))
            band.name = plans[-1].label
            jobs.append(band)
        outputs = [band.output for band in jobs]
        last = self.conclude(host, scene, documents, plans, outputs, about, provenance)
        last.name = "migration barrier"
        return Response(replace=Flow([*jobs, last], output=last.output))

    def _points_A(self, scene: Scene, sites: Sequence[Site]) -> list[list[float]]:
        """Return where an ion on its way may come to lie; one that fills a vacancy: nowhere."""
        if self.limit == "discharged":
            return []
        return [scene.cartesian(one).tolist() for site in sites for one in scene.orbit(site)]

    @job(output_schema=MigrationBarrierDocument, metadata={"defectflow": "result"})
    def conclude(  # noqa: PLR0913, PLR0917 - everything the steps before have found
        self,
        host: RelaxDocument,
        scene: Scene,
        sites: Sequence[SiteDocument],
        plans: Sequence[HopPlan],
        bands: Sequence[BandDocument],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> MigrationBarrierDocument:
        """Reduce the bands to the barrier of the easiest way across the crystal."""
        relaxed = [site.relaxed for site in sites]
        hops = tuple(hop_document(plan, band) for plan, band in zip(plans, bands, strict=True))
        network, notes = elementary(plans, hops, host.structure.lattice.matrix)
        settled = all(step.converged for step in (host, *relaxed))
        lowest = min(one.energy_eV for one in relaxed) if self.sites == "all" else None
        outcome = Outcome.of(*network, steps_converged=settled, lowest_eV=lowest)
        return MigrationBarrierDocument(
            **heading(self.engine, provenance),
            **cost_of_path(bands, host, *relaxed),
            **about,
            defect=_defect_name(scene),
            species=scene.species,
            limit=scene.limit,
            converged=outcome.converged,
            value=outcome.value_eV,
            barrier_eV=outcome.value_eV,
            spline_barrier_eV=outcome.spline_eV,
            dimensions=outcome.dimensions,
            host_cell=self.host_cell,
            **cell_fields(host.structure, scene.matrix),
            sites=tuple(sites),
            hops=hops,
            diffusion=self._diffusion(host, sites, *network, outcome),
            notes=(*notes, *outcome.notes, *path_notes(self.engine, bands, host.structure)),
        )

    def _diffusion(
        self,
        host: RelaxDocument,
        sites: Sequence[SiteDocument],
        plans: Sequence[HopPlan],
        hops: Sequence[HopDocument],
        outcome: Outcome,
    ) -> Diffusion | None:
        """Return how the ion diffuses over the hops that converged; None without a barrier."""
        if outcome.value_eV is None:
            return None
        known = [k for k, hop in enumerate(hops) if hop.converged]
        walked = [plans[k] for k in known]
        above = {site.label: site.energy_above_lowest_eV for site in sites}
        network = Network.of(
            walked,
            [outcome.heights_eV[k] for k in known],
            above,
            host.structure.lattice.matrix.tolist(),
        )
        walk = Walk(self.attempt_frequency_Hz, self.temperatures_K)
        return walk.document(network, walked, outcome.value_eV, outcome.dimensions or 1)


def _site_documents(
    scene: Scene, sites: Sequence[Site], relaxed: Sequence[RelaxDocument]
) -> list[SiteDocument]:
    lowest = min(document.energy_eV for document in relaxed)
    return [
        SiteDocument(
            label=site.label,
            multiplicity=site.multiplicity,
            energy_above_lowest_eV=document.energy_eV - lowest,
            relaxed=document,
            stays=stays(scene, site, document.structure),
        )
        for site, document in zip(sites, relaxed, strict=True)
    ]


def _stable_site(scene: Scene, sites: Sequence[SiteDocument]) -> int:
    """Return the number of the lowest site at which the ion has stayed."""
    staying = [k for k, site in enumerate(sites) if site.stays]
    if not staying:
        tried = ", ".join(site.label for site in sites)
        message = (
            f"{scene.species} leaves every site of {scene.host.reduced_formula} that was tried "
            f"({tried}); look for others with `defectflow generate interstitial`"
        )
        raise StructureError(message)
    return min(staying, key=lambda k: sites[k].relaxed.energy_eV)


def _ends(
    scene: Scene, stage: Any, hop: Hop, kinds: Sequence[tuple[Site, RelaxDocument]]
) -> list[Image]:
    """Return both ends of a hop, as relaxed at the sites of their kinds.

    A vacancy goes from start to end, hence the ion that is followed the other way.
    """
    ends = stage.ends(scene.cartesian(hop.start), scene.cartesian(hop.end))
    order = kinds if scene.limit == "charged" else kinds[::-1]
    return [
        _carried(stage, end, stage.state(scene.cartesian(site.frac_coords)), relaxed)
        for end, (site, relaxed) in zip(ends, order, strict=True)
    ]


def _carried(stage: Any, end: Structure, ideal: Structure, relaxed: RelaxDocument) -> Image:
    forces = np.array(relaxed.forces_eV_per_A)
    structure, carried = stage.carried(end, ideal, relaxed.structure, forces)
    return Image(
        structure=structure,
        energy_eV=relaxed.energy_eV,
        forces_eV_per_A=tuple(map(tuple, carried.tolist())),
        magnetic_moments=moments_of(structure),
        charge=relaxed.charge,
    )


def _defect_name(scene: Scene) -> str:
    return f"{scene.species}_i" if scene.limit == "charged" else f"V_{scene.species}"
