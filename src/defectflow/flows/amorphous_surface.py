"""Surfaces whose uppermost layer is amorphous, by melting and quenching it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Maker, Response, job

from defectflow.documents.melting import AmorphousSurfaceDocument, OrderDocument
from defectflow.engines.melting import MeltQuenchMaker, Schedule, check_cheap
from defectflow.errors import StructureError
from defectflow.flows.host import about, cautions, checked_host, one_engine, relax_host
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.flows.surface_energy import J_PER_M2_PER_EV_A2, SurfacePlan
from defectflow.structures.disordered_layers import (
    disorder,
    shortest_bond_A,
    surroundings,
    upper_atoms,
)
from defectflow.structures.terminations import side_by_side

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.documents.melting import MeltDocument
    from defectflow.documents.steps import RelaxDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.cells import Cell
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell


@dataclass
class AmorphousSurfaceMaker(Maker):
    """A slab with an amorphous layer of chosen thickness, and what it costs per area.

    1. Relax the host; cut the slab, and take its surface cells side by side.
    2. Relax the slab: the crystalline surface.
    3. Melt and quench the atoms of the layer by molecular dynamics, the others kept.
    4. Relax the layer.
    5. γ = (E(amorphous) - E(crystalline)) / A; measure how deep the disorder is.

    Attributes
    ----------
    plan
        One plane; the first of its terminations counts.
    repeat
        Surface cells along both vectors: a glass needs some 10 Å.
    layer_A
        Thickness of the layer.
    schedule
        Fields of `engines.melting.Schedule`.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> plan = SurfacePlan(planes=((1, 1, 1),))
    >>> maker = AmorphousSurfaceMaker(engine("emt"), plan, 4.0, {"melt_K": 2000.0})
    >>> [job.name for job in maker.make(hosts.load("fcc-Cu"))]
    ['relax host', 'cut slab']
    """

    engine: Engine
    plan: SurfacePlan
    layer_A: float
    schedule: dict[str, Any]
    repeat: tuple[int, int] = (2, 2)
    name: str = "amorphous surface"
    host_cell: HostCell = "relax"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is an `AmorphousSurfaceDocument`.

        Raises
        ------
        StructureError
            If the crystal has no such surface, or the slab is not thicker than the layer.
        EngineError
            If molecular dynamics with the engine is too dear.
        """
        check_cheap(self.engine)
        host = checked_host(self.engine, host)
        upper_atoms(self.slab(host.structure).structure, self.layer_A)
        origin = provenance or Provenance.of(
            f"amorphous surface of {host.name}", self.as_dict(), host.structure.as_dict()
        )
        said = {**about(host), "notes": list(cautions(self.engine, host.structure))}
        bulk = relax_host(self.engine, host, self.host_cell, self.relax)
        cut = self.cut_slab(bulk.output, said, origin)
        cut.name = "cut slab"
        return Flow([bulk, cut], output=cut.output, name=origin.recipe)

    def slab(self, host: Structure) -> Cell:
        """Return the crystalline slab."""
        return side_by_side(self.plan.cells(host)[0], self.repeat)

    @job
    def cut_slab(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Relax the slab, melt its layer, and relax that: steps 2 to 4."""
        slab = self.slab(host.structure).structure
        layer = set(upper_atoms(slab, self.layer_A))
        kept = [k for k in range(len(slab)) if k not in layer]
        maker = self.engine.relax_maker("fixed", **self.relax)
        crystalline = maker.make(slab, frozen=kept)
        crystalline.name = "relax crystalline slab"
        melt = MeltQuenchMaker(self.engine, self.schedule).make(slab, kept)
        quenched: Any = melt.output
        amorphous = maker.make(quenched.structure, frozen=kept)
        amorphous.name = "relax quenched slab"
        last = self.conclude(
            [host, crystalline.output, amorphous.output], melt.output, about, provenance
        )
        last.name = "amorphous surface energy"
        return Response(replace=Flow([crystalline, melt, amorphous, last], output=last.output))

    @job(output_schema=AmorphousSurfaceDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        steps: list[RelaxDocument],
        melt: MeltDocument,
        about: dict[str, Any],
        provenance: Provenance,
    ) -> AmorphousSurfaceDocument:
        """Subtract the energies and measure the disorder: step 5."""
        host, crystalline, amorphous = steps
        one_engine(crystalline, amorphous)
        cell = self.slab(host.structure)
        planar = cell.planar
        if planar is None:
            message = f"{cell.name}: is no surface; give the Miller indices of one"
            raise StructureError(message)
        layer = upper_atoms(cell.structure, self.layer_A)
        found = disorder(cell.structure, amorphous.structure, layer)
        settled = all(step.converged for step in steps)
        gained_eV = amorphous.energy_eV - crystalline.energy_eV
        return AmorphousSurfaceDocument(
            **heading(self.engine, provenance),
            **_spent(steps, melt),
            **{**about, "notes": (*about["notes"], *_remarks(found.fraction, gained_eV))},
            defect=f"amorphous {cell.name}, {self.layer_A:g} Å",
            species="",
            converged=settled,
            value=J_PER_M2_PER_EV_A2 * gained_eV / planar.area_A2 if settled else None,
            host_cell=self.host_cell,
            miller=planar.miller,
            said=planar.said,
            area_A2=planar.area_A2,
            layer_A=self.layer_A,
            disordered_A=found.thickness_A,
            displaced_fraction=found.fraction,
            melt_K=float(self.schedule["melt_K"]),
            quench_K_per_ps=Schedule(**self.schedule).quench_K_per_ps,
            **_orders(cell, layer, crystalline.structure, amorphous.structure),
            relaxed_host=host,
            crystalline=crystalline,
            amorphous=amorphous,
        )


def _spent(steps: list[RelaxDocument], melt: MeltDocument) -> dict[str, Any]:
    """Return what the steps and the melt took."""
    known = cost(*steps)
    return {
        **known,
        "force_calls": known["force_calls"] + melt.force_calls,
        "wall_time_s": known["wall_time_s"] + melt.wall_time_s,
    }


def _orders(
    cell: Cell, layer: list[int], crystal: Structure, quenched: Structure
) -> dict[str, OrderDocument]:
    return {
        "layer_order": _order(crystal, quenched, layer),
        "rest_order": _order(crystal, quenched, _others(cell, layer)),
    }


def _others(cell: Cell, layer: list[int]) -> list[int]:
    """Return the atoms below the layer, but those of the lower surface."""
    heights = cell.structure.cart_coords[:, 2]
    bottom = heights.min() + shortest_bond_A(cell.structure)
    chosen = set(range(len(heights))) - set(layer)
    inner = [k for k in sorted(chosen) if heights[k] > bottom]
    return inner or sorted(chosen)


def _order(crystal: Structure, quenched: Structure, atoms: list[int]) -> OrderDocument:
    bond_A = shortest_bond_A(crystal)
    before, after = (surroundings(one, atoms, bond_A) for one in (crystal, quenched))
    return OrderDocument(
        distance_A=tuple(before.distance_A.tolist()),
        crystalline=tuple(before.density.tolist()),
        amorphous=tuple(after.density.tolist()),
        coordination=(before.coordination, after.coordination),
        spread=(before.spread, after.spread),
        order=(before.order(), after.order()),
    )


def _remarks(fraction: float, gained_eV: float) -> list[str]:
    """Say what makes the number doubtful."""
    notes = ["one glass of many: compare several seeds"]
    if fraction < 0.5:  # noqa: PLR2004 - half of the layer
        notes.append(
            f"only {100 * fraction:.0f} % of the layer's atoms left the places of the crystal: it "
            "did not melt or has grown back; raise `melt_K` or quench faster"
        )
    if gained_eV < 0:
        notes.append("the quenched slab is lower in energy: the surface reconstructs")
    return notes
