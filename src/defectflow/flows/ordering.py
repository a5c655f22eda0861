"""Which arrangement of a composition is lowest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobflow import Flow, Maker, job
from monty.json import MSONable

from defectflow.documents.ordering import OrderingEnergyDocument, RankedCell
from defectflow.errors import StructureError
from defectflow.flows.host import about, as_host, cautions, one_engine, relax_host
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.charges import refuse_charge

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.documents.steps import RelaxDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.cells import Cell
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell


@dataclass(frozen=True)
class OrderingScene(MSONable):
    """What is known before anything is computed, in the order of the results."""

    names: list[str]
    multiplicities: list[int]
    formula: str
    about: dict[str, Any]
    notes: list[str]
    provenance: Provenance


@dataclass
class OrderingEnergyMaker(Maker):
    """Energies of arrangements of one composition, ranked.

    1. Relax each arrangement: atoms only (``keep``), atoms and cell (``relax``), or atoms and
       volume (``scale``).
    2. Rank them by energy per atom; compare the lowest with the mean over all, equivalents counted.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> from defectflow.structures import hosts
    >>> from defectflow.structures.ordering import Decoration, orderings
    >>> host = hosts.load("fcc-Cu").in_primitive_cell()
    >>> cells = list(orderings(host.structure * (2, 2, 1), [Decoration("Cu", {"Au": 2})]))
    >>> flow = OrderingEnergyMaker(engine("emt")).make(host, cells)
    >>> [job.name for job in flow]
    ['relax Au_Cu(2/4)_1', 'relax Au_Cu(2/4)_2', 'ranking']
    """

    engine: Engine
    name: str = "ordering energy"
    host_cell: HostCell = "relax"
    relax: dict[str, Any] = field(default_factory=dict)

    def make(
        self,
        host: Host | Structure,
        cells: Sequence[Cell],
        provenance: Provenance | None = None,
        notes: Sequence[str] = (),
    ) -> Flow:
        """Return the flow; its output is an `OrderingEnergyDocument`.

        Parameters
        ----------
        cells
            At least two, of one composition; their sizes may differ.

        Raises
        ------
        StructureError
            If there are fewer, or their compositions differ.
        RecipeError
            If one is charged.
        EngineError
            If the engine cannot do what is needed.
        """
        host = as_host(host)
        formula = _one_formula(host, cells)
        self.engine.check({e.symbol for cell in cells for e in cell.structure.elements})
        jobs = []
        for cell in cells:
            refuse_charge(cell.name, cell.charge, "ordering_energy")
            jobs.append(
                relax_host(self.engine, as_host(cell.structure), self.host_cell, self.relax)
            )
            jobs[-1].name = f"relax {cell.name}"
        scene = OrderingScene(
            names=[cell.name for cell in cells],
            multiplicities=[cell.multiplicity for cell in cells],
            formula=formula,
            about=about(host),
            notes=[*notes, *cautions(self.engine, cells[0].structure)],
            provenance=provenance
            or Provenance.of(
                f"order of {formula}",
                self.as_dict(),
                [cell.structure.as_dict() for cell in cells],
            ),
        )
        last = self.conclude([one.output for one in jobs], scene)
        last.name = "ranking"
        return Flow([*jobs, last], output=last.output, name=scene.provenance.recipe)

    @job(output_schema=OrderingEnergyDocument, metadata={"defectflow": "result"})
    def conclude(
        self, steps: Sequence[RelaxDocument], scene: OrderingScene
    ) -> OrderingEnergyDocument:
        """Rank the arrangements: step 2."""
        one_engine(*steps)
        energies = [
            step.energy_eV / len(step.structure) if step.converged else None for step in steps
        ]
        known = [energy for energy in energies if energy is not None]
        lowest = min(known, default=None)
        cells = sorted(_compared(scene, steps, energies, lowest), key=_rank)
        settled = len(known) == len(energies)
        weights = scene.multiplicities
        mean = (
            sum(g * e for g, e in zip(weights, known, strict=True)) / sum(weights)
            if settled
            else None
        )
        return OrderingEnergyDocument(
            **heading(self.engine, scene.provenance),
            **cost(*steps),
            **scene.about,
            defect=cells[0].name,
            species="",
            converged=settled,
            value=lowest - mean if mean is not None and lowest is not None else None,
            formula=scene.formula,
            host_cell=self.host_cell,
            mean_eV_per_atom=mean,
            cells=tuple(cells),
            notes=tuple(scene.notes),
        )


def _compared(
    scene: OrderingScene,
    steps: Sequence[RelaxDocument],
    energies: Sequence[float | None],
    lowest: float | None,
) -> list[RankedCell]:
    """Return the arrangements with their energies against the lowest one, in the order given."""
    rows = zip(scene.names, scene.multiplicities, energies, steps, strict=True)
    return [
        RankedCell(
            name=name,
            multiplicity=multiplicity,
            energy_eV_per_atom=energy,
            above_lowest_eV_per_atom=None if energy is None or lowest is None else energy - lowest,
            relaxed=step,
        )
        for name, multiplicity, energy, step in rows
    ]


def _rank(cell: RankedCell) -> float:
    return float("inf") if cell.energy_eV_per_atom is None else cell.energy_eV_per_atom


def _one_formula(host: Host, cells: Sequence[Cell]) -> str:
    formulas = {cell.structure.composition.reduced_formula for cell in cells}
    if len(formulas) > 1:
        message = (
            f"{host.name}: {', '.join(sorted(formulas))} cannot be ranked together; give one "
            "composition"
        )
        raise StructureError(message)
    if len(cells) < 2:  # noqa: PLR2004 - a comparison
        message = (
            f"{host.name}: {len(cells)} arrangement, nothing to rank; give a larger cell (repeat, "
            "changed) or another composition"
        )
        raise StructureError(message)
    return formulas.pop()
