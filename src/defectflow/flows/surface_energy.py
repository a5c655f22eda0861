"""Surface energies, and the shape of a crystal that follows from them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.analysis.wulff import wulff_shape
from defectflow.documents.surfaces import (
    SurfaceEnergyDocument,
    SurfaceTermination,
    lowest_of_each_plane,
)
from defectflow.errors import Remark, StructureError, did_you_mean
from defectflow.flows.evaluation import static_settings
from defectflow.flows.host import about, cautions, checked_host, one_engine, relax_host
from defectflow.flows.planar import element_of
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.handover import magnetised_cell
from defectflow.structures.planes import distinct_planes, standard_cell, written
from defectflow.structures.symmetry import operations
from defectflow.structures.terminations import surfaces
from defectflow.units import MJ_PER_M2_PER_EV_A2

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pymatgen.core import Structure

    from defectflow.documents.steps import RelaxDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.cells import Cell
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell

#: J/m² in eV/Å².
J_PER_M2_PER_EV_A2 = MJ_PER_M2_PER_EV_A2 / 1000


@dataclass(frozen=True)
class SurfacePlan(MSONable):
    """Which surfaces, and the slabs that stand for them.

    Attributes
    ----------
    planes
        Miller indices, or empty for all distinct planes up to `highest`.
    most
        Terminations of each plane, those at the widest gaps; all for None.
    only
        Planes and faces of the terminations that count, see `faces_of`; all if empty.
    polar, charges
        See `structures.terminations.surfaces`.
    """

    planes: tuple[tuple[int, ...], ...] = ()
    highest: int = 1
    thickness_A: float = 10.0
    vacuum_A: float = 12.0
    most: int | None = None
    only: tuple[str, ...] = ()
    polar: Literal["keep", "compensate", "skip"] = "keep"
    charges: dict[str, float] = field(default_factory=dict)

    def cells(self, host: Structure) -> list[Cell]:
        """Return the slabs.

        Raises
        ------
        StructureError
            If there is none, or none with the faces asked for.
        """
        planes = self.planes or distinct_planes(host, self.highest)
        size = (self.thickness_A, self.vacuum_A)
        wanted = (self.only, self.most)
        found = list(surfaces(host, planes, size, self.polar, self.charges or None, wanted))
        if self.only:
            every = surfaces(host, planes, size, "keep", self.charges or None)
            found = [_named(name, found, every) for name in self.only]
        if not found:
            message = (
                f"{host.composition.reduced_formula}: every termination is polar and left out; "
                "use `polar: compensate`, or another plane"
            )
            raise StructureError(message)
        return [magnetised_cell(cell, host) for cell in found]

    def cells_and_left_out(self, host: Structure) -> tuple[list[Cell], list[str]]:
        """Return the slabs, and a note for each termination without one, because it is polar."""
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always", Remark)
            cells = self.cells(host)
        return cells, [str(one.message) for one in found if issubclass(one.category, Remark)]


@dataclass
class SurfaceEnergyMaker(Maker):
    """Energies of the surfaces of a crystal.

    1. Relax the host; evaluate it once more in a fixed cell, as the slabs are.
    2. Cut a slab for each distinct termination of each plane.
    3. Relax the atoms of each (or evaluate it only). Of a slab with unlike faces, evaluate it as
       cut, and relax each half with the other kept: the pair tells the two faces apart. Where the
       mean of both is enough, relax the whole slab once.
    4. γ = (E(slab) - N/N₀ E(crystal)) / 2A; Wulff's shape from the lowest of each plane.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> maker = SurfaceEnergyMaker(engine("emt"), SurfacePlan(planes=((1, 1, 1),)))
    >>> [job.name for job in maker.make(hosts.load("fcc-Cu"))]
    ['relax host', 'cut slabs']
    """

    engine: Engine
    plan: SurfacePlan
    name: str = "surface energy"
    host_cell: HostCell = "relax"
    atoms: Literal["relaxed", "fixed"] = "relaxed"
    faces: Literal["pair", "mean"] = "pair"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is a `SurfaceEnergyDocument`.

        Raises
        ------
        StructureError
            If the crystal has no such surface.
        EngineError
            If the engine cannot do what is needed.
        """
        host = checked_host(self.engine, host)
        self.engine.check_request(self.plan.cells(host.structure)[0].structure)
        origin = provenance or Provenance.of(
            f"surfaces of {host.name}", self.as_dict(), host.structure.as_dict()
        )
        said = {**about(host), "notes": list(cautions(self.engine, host.structure))}
        bulk = relax_host(self.engine, host, self.host_cell, self.relax)
        slabs = self.cut_slabs(bulk.output, said, origin)
        slabs.name = "cut slabs"
        return Flow([bulk, slabs], output=slabs.output, name=origin.recipe)

    @job
    def cut_slabs(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Compute the crystal and every slab: steps 2 and 3."""
        crystal = self._step().make(host.structure)
        crystal.name = "crystal"
        jobs, outputs = [crystal], {}
        for cell in self.plan.cells(host.structure):
            mine = self._slab_jobs(cell)
            jobs += mine
            outputs[cell.name] = [one.output for one in mine]
        last = self.conclude(host, crystal.output, outputs, about, provenance)
        last.name = "surface energy"
        return Response(replace=Flow([*jobs, last], output=last.output))

    def _slab_jobs(self, cell: Cell) -> list[Any]:
        """Return the jobs of a slab: one, or those of the pair."""
        unlike = cell.planar is not None and not cell.planar.equivalent
        if self.atoms == "fixed" or self.faces == "mean" or not unlike:
            made = self._step().make(cell.structure)
            made.name = f"slab {cell.name}"
            return [made]
        lower, upper = halves(cell.structure)
        maker = self.engine.relax_maker("fixed", **self.relax)
        jobs = [
            self._static().make(cell.structure),
            maker.make(cell.structure, frozen=lower),
            maker.make(cell.structure, frozen=upper),
        ]
        for one, said in zip(jobs, ("as cut", "upper face", "lower face"), strict=True):
            one.name = f"slab {cell.name} {said}"
        return jobs

    def _step(self) -> Any:
        if self.atoms == "fixed":
            return self._static()
        return self.engine.relax_maker("fixed", **self.relax)

    def _static(self) -> Any:
        return self.engine.static_maker(**static_settings(self.engine, self.relax))

    @job(output_schema=SurfaceEnergyDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        host: RelaxDocument,
        crystal: RelaxDocument,
        slabs: dict[str, list[RelaxDocument]],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> SurfaceEnergyDocument:
        """Subtract the energies: step 4."""
        steps = [one for several in slabs.values() for one in several]
        one_engine(crystal, *steps)
        cells, left_out = self.plan.cells_and_left_out(host.structure)
        found = [_termination(cell, slabs[cell.name], crystal) for cell in cells]
        done = [one for one in found if one.energy_J_per_m2 is not None]
        settled = host.converged and crystal.converged and len(done) == len(found)
        best = min(done, key=lambda one: one.energy_J_per_m2 or 0.0) if done else found[0]
        shape, remark = _shape(host.structure, done) if settled else (None, "")
        notes = [*about["notes"], *([remark] if remark else []), *_remarks(found), *left_out]
        return SurfaceEnergyDocument(
            **heading(self.engine, provenance),
            **cost(host, crystal, *steps),
            **{**about, "notes": tuple(notes)},
            defect=best.name,
            species=element_of(host.structure),
            converged=settled,
            value=best.energy_J_per_m2 if settled else None,
            host_cell=self.host_cell,
            atoms=self.atoms,
            relaxed_host=host,
            crystal=crystal,
            surfaces=tuple(found),
            wulff=shape,
        )


def faces_of(cell: Cell) -> str:
    """Return plane and faces of a slab, e.g. ``(001) Ti above, O below``.

    Numbers of terminations follow the widths of gaps, which change when the host relaxes; these
    words do not.
    """
    planar = cell.planar
    if planar is None:
        message = f"{cell.name}: is no surface; give a slab"
        raise StructureError(message)
    faces = planar.said.partition(", Tasker")[0].partition(", polar")[0]
    return f"({written(planar.miller)}) {faces}"


def _named(name: str, cells: Sequence[Cell], every: Iterable[Cell]) -> Cell:
    """Return the slab with the faces asked for; `every` tells what there would be."""
    for cell in cells:
        if faces_of(cell) == name:
            return cell
    known = {faces_of(cell) for cell in every}
    why = f"there is none; {did_you_mean(name, known)}"
    if name in known:
        why = "is polar, and left out or not to be compensated; use another, or `polar: keep`"
    message = f"termination {name!r}: {why}"
    raise StructureError(message)


def halves(slab: Structure) -> tuple[list[int], list[int]]:
    """Return the atoms below the middle of a slab, and those above."""
    heights = slab.cart_coords[:, 2]
    middle = (heights.min() + heights.max()) / 2
    below = heights < middle
    return [int(k) for k in np.flatnonzero(below)], [int(k) for k in np.flatnonzero(~below)]


def excess_J_per_m2(slab: RelaxDocument, crystal: RelaxDocument, area_A2: float) -> float:
    """Return (E(slab) - N/N₀ E(crystal)) / A, J/m²: the energy of both faces together."""
    ratio = len(slab.structure) / len(crystal.structure)
    return J_PER_M2_PER_EV_A2 * (slab.energy_eV - ratio * crystal.energy_eV) / area_A2


def _termination(
    cell: Cell, steps: Sequence[RelaxDocument], crystal: RelaxDocument
) -> SurfaceTermination:
    planar = cell.planar
    if planar is None:
        message = f"{cell.name}: is no surface; give a slab"
        raise StructureError(message)
    both = [excess_J_per_m2(step, crystal, planar.area_A2) for step in steps]
    settled = all(step.converged for step in steps)
    faces: dict[str, float] = {}
    energy = both[0] / 2
    if len(steps) > 1:
        # Each half gains what it relaxes by; the energy of cleaving belongs to both alike.
        top, bottom = (both[0] / 2 + relaxed - both[0] for relaxed in both[1:])
        faces = {"top_J_per_m2": top, "bottom_J_per_m2": bottom, "unrelaxed_J_per_m2": both[0] / 2}
        energy = (top + bottom) / 2
    return SurfaceTermination(
        name=cell.name,
        miller=planar.miller,
        said=planar.said,
        area_A2=planar.area_A2,
        equivalent=planar.equivalent,
        energy_J_per_m2=energy if settled else None,
        **(faces if settled else {}),
        relaxed=tuple(steps),
    )


def _shape(
    host: Structure, done: Sequence[SurfaceTermination]
) -> tuple[dict[str, float] | None, str]:
    """Return the share of each plane on the equilibrium shape, or why there is none."""
    lowest = lowest_of_each_plane(done)
    if len(lowest) < 2:  # noqa: PLR2004 - one plane has no shape
        return None, ""
    whole = standard_cell(host)
    try:
        shape = wulff_shape(whole.lattice.matrix, operations(whole)[0], lowest)
    except StructureError as error:
        return None, str(error)
    return {written(miller): share for miller, share in shape.shares().items()}, ""


def _remarks(found: Sequence[SurfaceTermination]) -> list[str]:
    return (
        [
            f"{one.name}: the slab is polar, its energy depends on its thickness; use `polar: "
            "compensate`"
            for one in found
            if "polar" in one.said and "moved" not in one.said
        ]
        + [
            f"{one.name}: its faces differ, the energy is their mean"
            for one in found
            if not one.equivalent
        ]
        + [
            f"{one.name}: not converged; it may be the lowest"
            for one in found
            if one.energy_J_per_m2 is None
        ]
    )
