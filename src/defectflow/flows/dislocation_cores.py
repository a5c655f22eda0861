"""How much cores of a dislocation differ in energy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.documents.dislocations import (
    DislocationCore,
    DislocationCoreDocument,
    Outcome,
)
from defectflow.errors import StructureError
from defectflow.flows.host import about, cautions, checked_host, one_engine, relax_host
from defectflow.flows.planar import element_of
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.dislocations import dislocations
from defectflow.structures.frank_circuit import burgers_vector
from defectflow.structures.handover import magnetised_cell
from defectflow.structures.slip_systems import slip_system

if TYPE_CHECKING:
    from pymatgen.core import Structure

    from defectflow.documents.steps import RelaxDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.cells import Cell, Line
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell

#: Two relaxed cores nearer in energy than this are one, eV/Å.
_SAME: Final = 1e-4
#: Circuits begin so far from a line, Å, and end at this fraction of the way to the other line.
_CORE_A: Final = 3.5
_FAR: Final = 0.75
#: A Burgers vector that differs by less than this fraction is the one that was put in.
_ALIKE: Final = 0.1


@dataclass(frozen=True)
class CorePlan(MSONable):
    """Which dislocation, and where its core begins.

    Attributes
    ----------
    system
        Burgers vector, line and plane; see `structures.slip_systems.slip_system`.
    options
        Arguments of `structures.dislocations.dislocations` but the system.
    """

    system: dict[str, Any]
    options: dict[str, Any] = field(default_factory=dict)

    def cells(self, host: Structure) -> list[Cell]:
        """Return a cell for each gap between planes and each place of the line.

        Raises
        ------
        StructureError
            If there is no such dislocation, or but one start: nothing to compare.
        """
        cells = list(dislocations(slip_system(host, **self.system), **self.options))
        if len(cells) < 2:  # noqa: PLR2004 - a difference takes two
            message = (
                f"{cells[0].name}: has one start of its core; give `places` of 2 or more to compare"
            )
            raise StructureError(message)
        return [magnetised_cell(cell, host) for cell in cells]


@dataclass
class DislocationCoreMaker(Maker):
    """Differences of the energies of the cores of a dislocation.

    1. Relax the host.
    2. Build the cell of a pair of lines for each distinct gap between planes and each place.
    3. Relax the atoms of each in its cell, and evaluate the perfect crystal.
    4. ΔE = (E(one) - E(lowest)) / 2L; the elastic energies of equal arrays cancel.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> plan = CorePlan({"burgers": (0.5, -0.5, 0), "line": (1, 1, -2)}, {"places": 2})
    >>> [job.name for job in DislocationCoreMaker(engine("emt"), plan).make(hosts.load("fcc-Cu"))]
    ['relax host', 'build cores']
    """

    engine: Engine
    plan: CorePlan
    name: str = "dislocation cores"
    host_cell: HostCell = "relax"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is a `DislocationCoreDocument`.

        Raises
        ------
        StructureError
            If there is no such dislocation, or nothing to compare.
        EngineError
            If the engine cannot do what is needed.
        """
        host = checked_host(self.engine, host)
        first = self.plan.cells(host.structure)[0]
        self.engine.check_request(first.structure)
        origin = provenance or Provenance.of(
            f"{first.name} in {host.name}", self.as_dict(), host.structure.as_dict()
        )
        said = {**about(host), "notes": list(cautions(self.engine, host.structure))}
        bulk = relax_host(self.engine, host, self.host_cell, self.relax)
        cores = self.build_cores(bulk.output, said, origin)
        cores.name = "build cores"
        return Flow([bulk, cores], output=cores.output, name=origin.recipe)

    @job
    def build_cores(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Relax the cells of the relaxed host: steps 2 and 3."""
        cells = self.plan.cells(host.structure)
        maker = self.engine.relax_maker("fixed", **self.relax)
        perfect = maker.make(cells[0].pristine)
        perfect.name = "relax perfect crystal"
        jobs = [maker.make(cell.structure) for cell in cells]
        for one, cell in zip(jobs, cells, strict=True):
            one.name = f"relax {cell.name}"
        outputs = [one.output for one in jobs]
        last = self.conclude([host, perfect.output], outputs, about, provenance)
        last.name = "dislocation core energy"
        return Response(replace=Flow([perfect, *jobs, last], output=last.output))

    @job(output_schema=DislocationCoreDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        crystals: list[RelaxDocument],
        relaxed: list[RelaxDocument],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> DislocationCoreDocument:
        """Subtract the energies: step 4."""
        host, perfect = crystals
        one_engine(perfect, *relaxed)
        cells = self.plan.cells(host.structure)
        line = _line(cells[0])
        cores = _cores(cells, relaxed, perfect)
        ends = {one.name: one.outcome for one in cores}
        energies = [one.energy_eV_per_A for one in cores]
        known = sorted(energy for energy in energies if energy is not None)
        settled = len(known) == len(energies) and all(one.converged for one in crystals)
        others = [energy - known[0] for energy in known if energy - known[0] > _SAME]
        (left, _), (right, _) = line.cores_A
        return DislocationCoreDocument(
            **heading(self.engine, provenance),
            **cost(host, perfect, *relaxed),
            **{**about, "notes": (*about["notes"], *_remarks(ends, one_core=not others))},
            defect=cells[0].name.partition(" at ")[0],
            species=element_of(host.structure),
            converged=settled,
            value=(min(others) if others else 0.0) if settled else None,
            host_cell=self.host_cell,
            character=line.character,
            burgers_A=line.burgers_A,
            length_A=line.length_A,
            separation_A=abs(right - left),
            line_energy_eV_per_A=known[0] if known else None,
            relaxed_host=host,
            perfect=perfect,
            cores=tuple(cores),
        )


def _cores(
    cells: list[Cell], relaxed: list[RelaxDocument], perfect: RelaxDocument
) -> list[DislocationCore]:
    """Return what became of each start, and its energy per length of line."""
    length_A = _line(cells[0]).length_A
    ends = [outcome(cell, one.structure) for cell, one in zip(cells, relaxed, strict=True)]
    energies = [
        (one.energy_eV - perfect.energy_eV) / (2 * length_A)
        if one.converged and end != "annihilated"
        else None
        for one, end in zip(relaxed, ends, strict=True)
    ]
    lowest = min((energy for energy in energies if energy is not None), default=0.0)
    return [
        DislocationCore(
            name=cell.name,
            cores_A=_line(cell).cores_A,
            energy_eV_per_A=energy,
            above_lowest_eV_per_A=None if energy is None else energy - lowest,
            outcome=end,
            relaxed=one,
        )
        for cell, energy, end, one in zip(cells, energies, ends, relaxed, strict=True)
    ]


def outcome(cell: Cell, relaxed: Structure) -> Outcome:
    """Return what became of the first line, from a Frank circuit around where it was put.

    ``kept``: loops from 3.5 Å outwards show its Burgers vector; ``spread``: loops disagree, since
    the core has split up and reaches farther; ``annihilated``: they show nothing.
    """
    line = _line(cell)
    apart = abs(line.cores_A[1][0] - line.cores_A[0][0])
    try:
        found = burgers_vector(relaxed, cell.pristine, line.cores_A[0], (_CORE_A, _FAR * apart))
    except StructureError:
        return "spread"
    missing = np.linalg.norm(found - np.array(line.burgers_A))
    return "kept" if missing < _ALIKE * np.linalg.norm(line.burgers_A) else "annihilated"


def _remarks(ends: dict[str, Outcome], *, one_core: bool) -> list[str]:
    """Say what makes the number doubtful."""
    lost = [name for name, end in ends.items() if end == "annihilated"]
    spread = [name for name, end in ends.items() if end == "spread"]
    notes = ["all starts relaxed into one core, within 0.1 meV/Å"] if one_core else []
    if lost:
        notes.append(f"{', '.join(lost)}: the lines annihilated; raise `separation_A`")
    if spread:
        notes.append(
            f"{', '.join(spread)}: the core has spread over much of the cell, as dissociated ones "
            "do; see whether the number changes with a larger `separation_A`"
        )
    return notes


def _line(cell: Cell) -> Line:
    if cell.line is None:
        message = f"{cell.name}: is no dislocation; give a Burgers vector and a line"
        raise StructureError(message)
    return cell.line
