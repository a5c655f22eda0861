"""Energies of planar defects: stacking faults, twins and grain boundaries."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.documents.planar import PlanarCandidate, PlanarEnergyDocument
from defectflow.engines.electrons import shared_spacing
from defectflow.errors import StructureError
from defectflow.flows.alike import one_cutoff
from defectflow.flows.evaluation import static_settings
from defectflow.flows.host import about, cautions, checked_host, one_engine, relax_host
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.handover import magnetised_cell
from defectflow.structures.planar import planar_cells
from defectflow.structures.surroundings import BECAME, left_of_defect
from defectflow.units import MJ_PER_M2_PER_EV_A2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobflow.core.job import Job
    from pymatgen.core import Structure

    from defectflow.documents.steps import RelaxDocument
    from defectflow.engines.contract import Engine, FreeCell
    from defectflow.structures.cells import Cell, Planar
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell

PlanarQuantity = Literal["stacking_fault_energy", "twin_energy", "grain_boundary_energy"]

#: Said of every fault energy that a potential gives.
CAUTION: Final = (
    "fault and twin energies of close-packed metals are a few meV per atom: EMT and the embedded "
    "machine-learned potentials do not give them (negative, or wrong by their own size); trust "
    "density functional theory, or a potential that was fitted to them"
)


@dataclass(frozen=True)
class PlanarPlan(MSONable):
    """Which planar defect: its kind, and what decides its cells.

    Attributes
    ----------
    options
        Arguments of `structures.planar.planar_cells`.
    candidates
        How many of the cells are looked at, the most likely ones; all by default.
    keep
        How many of these are relaxed, those of lowest energy before relaxation.
    """

    kind: str
    options: dict[str, Any] = field(default_factory=dict)
    candidates: int | None = None
    keep: int = 1

    def cells(self, host: Structure) -> list[Cell]:
        """Return the candidates in a crystal.

        Raises
        ------
        StructureError
            If it has none.
        """
        made = planar_cells(self.kind, host, **self.options)
        cells = list(itertools.islice(made, self.candidates))
        if not cells:
            message = (
                f"{host.composition.reduced_formula}: no such {self.kind.replace('_', ' ')} keeps "
                "its atoms apart; choose another plane or displacement"
            )
            raise StructureError(message)
        return [magnetised_cell(cell, host) for cell in cells]


@dataclass(frozen=True)
class _Scene(MSONable):
    """What the steps after the host share."""

    host: RelaxDocument
    about: dict[str, Any]
    provenance: Provenance


@dataclass
class PlanarEnergyMaker(Maker):
    """Energy of a planar defect per area, against the perfect crystal in the same orientation.

    1. Relax the host.
    2. Build the candidates from it: cuts of a fault, mirrors of a twin, terminations and
       displacements of a grain boundary.
    3. Where there are more than are to be relaxed, evaluate them all as built.
    4. Relax the atoms of the lowest ones (or evaluate them only), with ``height`` relaxed also the
       distance of the grains, and the perfect crystal alike.
    5. γ = (E(defect) - N/N₀ E(crystal)) / (n A), of the lowest.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> plan = PlanarPlan("stacking_fault", {"fault": "intrinsic"})
    >>> maker = PlanarEnergyMaker(engine("emt"), plan, "stacking_fault_energy")
    >>> [job.name for job in maker.make(hosts.load("fcc-Cu"))]
    ['relax host', 'cut cells']
    """

    engine: Engine
    plan: PlanarPlan
    quantity: PlanarQuantity
    name: str = "planar defect"
    host_cell: HostCell = "relax"
    atoms: Literal["relaxed", "fixed"] = "relaxed"
    height: Literal["relaxed", "fixed"] = "fixed"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is a `PlanarEnergyDocument`.

        Raises
        ------
        StructureError
            If the crystal has no such defect.
        EngineError
            If the engine cannot do what is needed.
        """
        host = checked_host(self.engine, host)
        first = self.plan.cells(host.structure)[0]
        self.engine.check_request(first.structure)
        self.engine.relax_maker(self._free())
        origin = provenance or Provenance.of(
            f"{first.name} in {host.name}", self.as_dict(), host.structure.as_dict()
        )
        notes = list(cautions(self.engine, host.structure))
        if self.engine.stamp().fidelity != "dft" and self.quantity != "grain_boundary_energy":
            notes.append(CAUTION)
        bulk = relax_host(self.engine, host, self.host_cell, self.relax)
        cells = self.cut_cells(bulk.output, {**about(host), "notes": notes}, origin)
        cells.name = "cut cells"
        return Flow([bulk, cells], output=cells.output, name=origin.recipe)

    @job
    def cut_cells(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Build the candidates from the relaxed host and evaluate them: steps 2 and 3."""
        cells = self.plan.cells(host.structure)
        scene = _Scene(host, about, provenance)
        if len(cells) <= self.plan.keep:
            return self._relaxed(scene, cells, None, {})
        static = self.engine.static_maker(**self._settings("static", cells))
        jobs = [static.make(cell.structure) for cell in cells]
        for one, cell in zip(jobs, cells, strict=True):
            one.name = f"evaluate {cell.name}"
        crystal = static.make(cells[0].pristine)
        crystal.name = "evaluate crystal"
        names = [cell.name for cell in cells]
        built = dict(zip(names, [one.output for one in jobs], strict=True))
        after = self.relax_cells(scene, crystal.output, built)
        after.name = "relax cells"
        return Response(replace=Flow([crystal, *jobs, after], output=after.output))

    @job
    def relax_cells(
        self, scene: _Scene, crystal: RelaxDocument, built: dict[str, RelaxDocument]
    ) -> Response[Any]:
        """Relax the candidates that are lowest as built: step 4."""
        cells = self.plan.cells(scene.host.structure)
        cells.sort(key=lambda cell: energy_mJ_per_m2(cell, built[cell.name], crystal))
        return self._relaxed(scene, cells[: self.plan.keep], crystal, built)

    def _relaxed(
        self,
        scene: _Scene,
        cells: Sequence[Cell],
        unrelaxed: RelaxDocument | None,
        built: dict[str, RelaxDocument],
    ) -> Response[Any]:
        jobs: dict[str, Job] = {}
        maker = self._maker(cells, self._free())
        for cell in cells:
            jobs[cell.name] = maker.make(cell.structure)
            jobs[cell.name].name = f"relax {cell.name}"
        crystal = self._maker(cells).make(cells[0].pristine)
        crystal.name = "relax crystal"
        outputs = {name: one.output for name, one in jobs.items()}
        last = self.conclude(scene, [crystal.output, unrelaxed], outputs, built)
        last.name = self.quantity.replace("_", " ")
        return Response(replace=Flow([crystal, *jobs.values(), last], output=last.output))

    def _free(self) -> FreeCell:
        """Return what of the candidates' cells is free: nothing if the crystal is not at rest."""
        free = self.atoms == self.height == "relaxed" and self.host_cell != "keep"
        return "height" if free else "fixed"

    def _maker(self, cells: Sequence[Cell], free: FreeCell = "fixed") -> Any:
        if self.atoms == "fixed":
            return self.engine.static_maker(**self._settings("static", cells))
        return self.engine.relax_maker(free, **self._settings("relax", cells))

    def _settings(self, step: str, cells: Sequence[Cell]) -> dict[str, Any]:
        """Return what is asked of a step, with one mesh for defects and crystal if alike."""
        given = one_cutoff(self.engine, self._free(), self.relax)
        asked = given if step == "relax" else static_settings(self.engine, given)
        structures = [*(cell.structure for cell in cells), cells[0].pristine]
        return asked | shared_spacing(structures, self.engine.settings(step, **asked))

    @job(output_schema=PlanarEnergyDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        scene: _Scene,
        crystals: Sequence[RelaxDocument | None],
        relaxed: dict[str, RelaxDocument],
        built: dict[str, RelaxDocument],
    ) -> PlanarEnergyDocument:
        """Subtract the energies: step 5."""
        cells = self.plan.cells(scene.host.structure)
        known = [one for one in crystals if one is not None]
        one_engine(*known, *relaxed.values(), *built.values())
        found = [
            _candidate(cell, relaxed.get(cell.name), built.get(cell.name), known) for cell in cells
        ]
        done = [one for one in found if one.energy_mJ_per_m2 is not None]
        open_still = _open(found)
        settled = scene.host.converged and known[0].converged and bool(done) and not open_still
        notes = (*scene.about["notes"], *_gone(found), *open_still)
        best = min(done, key=lambda one: one.energy_mJ_per_m2 or 0.0) if done else found[0]
        return PlanarEnergyDocument(
            **heading(self.engine, scene.provenance),
            **cost(scene.host, *known, *relaxed.values(), *built.values()),
            **{**scene.about, "notes": (*notes, *_remarks(best, known[0]))},
            quantity=self.quantity,
            defect=best.name,
            species=element_of(scene.host.structure),
            converged=settled,
            value=best.energy_mJ_per_m2 if settled else None,
            host_cell=self.host_cell,
            atoms=self.atoms,
            miller=_planar(cells[0]).miller,
            fault=str(self.plan.options.get("fault") or ""),
            relaxed_host=scene.host,
            reference=known[0],
            candidates=tuple(found),
        )


def energy_mJ_per_m2(cell: Cell, defect: RelaxDocument, crystal: RelaxDocument) -> float:
    """Return γ = (E(defect) - N/N₀ E(crystal)) / (n A), mJ/m².

    N/N₀ is the ratio of the numbers of atoms: both cells have the composition of the crystal.
    """
    planar = _planar(cell)
    ratio = len(defect.structure) / len(crystal.structure)
    excess_eV = defect.energy_eV - ratio * crystal.energy_eV
    return MJ_PER_M2_PER_EV_A2 * excess_eV / (planar.count * planar.area_A2)


def _planar(cell: Cell) -> Planar:
    if cell.planar is None:
        message = f"{cell.name}: is no planar defect; give e.g. a stacking fault"
        raise StructureError(message)
    return cell.planar


def _candidate(
    cell: Cell,
    step: RelaxDocument | None,
    built: RelaxDocument | None,
    crystals: Sequence[RelaxDocument],
) -> PlanarCandidate:
    planar = _planar(cell)
    left = left_of_defect(cell.structure, step.structure, cell.pristine) if step else "defect"
    good = step is not None and step.converged and left == "defect"
    return PlanarCandidate(
        name=cell.name,
        said=planar.said,
        area_A2=planar.area_A2,
        count=planar.count,
        equivalent=planar.equivalent,
        screened_mJ_per_m2=energy_mJ_per_m2(cell, built, crystals[-1]) if built else None,
        energy_mJ_per_m2=energy_mJ_per_m2(cell, step, crystals[0]) if step and good else None,
        left=left,
        relaxed=step,
    )


def element_of(structure: Structure) -> str:
    """Return the element of an elementary crystal; nothing for a compound."""
    symbols = {element.symbol for element in structure.elements}
    return symbols.pop() if len(symbols) == 1 else ""


def _gone(found: Sequence[PlanarCandidate]) -> list[str]:
    """Say which candidates have lost their defect."""
    return [
        f"{one.name}: relaxing made {BECAME[one.left]} of it; it does not count"
        for one in found
        if one.left != "defect"
    ]


def _open(found: Sequence[PlanarCandidate]) -> list[str]:
    """Say which candidates did not converge: each may be the lowest."""
    return [
        f"{one.name}: not converged; it may be the lowest"
        for one in found
        if one.left == "defect" and one.relaxed is not None and not one.relaxed.converged
    ]


def _remarks(best: PlanarCandidate, crystal: RelaxDocument) -> list[str]:
    """Say what makes the number doubtful."""
    notes = []
    if not best.equivalent:
        notes.append(f"the {best.count} defects of {best.name} differ: the energy is their mean")
    if best.relaxed is None:
        return notes
    meshes = [list(one.inputs.get("kpoints") or ()) for one in (best.relaxed, crystal)]
    if meshes[0] != meshes[1]:
        notes.append(f"the k-point meshes differ: {meshes[0]} with the defect, {meshes[1]} without")
    if best.energy_mJ_per_m2 is not None and best.energy_mJ_per_m2 < 0:
        notes.append(
            "the defect is lower in energy than the crystal: for this engine it is unstable"
        )
    return notes
