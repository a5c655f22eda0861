"""A cell cut out of a relaxed host and relaxed itself: the way to all that electrons tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from jobflow import Flow, Job, Maker, Response, job
from monty.json import MSONable

from defectflow.errors import RecipeError, StructureError, did_you_mean
from defectflow.flows.host import (
    about,
    cautions,
    checked_host,
    chosen_supercell,
    relax_host,
    supercell,
)
from defectflow.flows.provenance import Provenance
from defectflow.flows.results import cost, heading
from defectflow.structures.points import vacancies

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.documents import RelaxDocument
    from defectflow.engines.contract import Capability, Engine
    from defectflow.flows.slabs import SlabPlan
    from defectflow.structures.hosts import Host
    from defectflow.words import HostCell


@dataclass(frozen=True)
class Cut(MSONable):
    """A cell that was cut out of a host.

    Attributes
    ----------
    frozen, surface
        Indices of the atoms that keep their places, and of those of the upper surface.
    name
        Of the defect in it.
    matrix
        Supercell of the host, where it is one.
    """

    structure: Structure
    frozen: Sequence[int] = ()
    surface: Sequence[int] = ()
    name: str = ""
    matrix: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class CellPlan(MSONable):
    """Which cell is looked at: the host itself, a slab of it, or a supercell with a vacancy.

    Attributes
    ----------
    vacancy
        Element that is taken out.
    label
        Which of several distinct vacancies, e.g. ``V_O_2``.
    matrix
        Supercell of the vacancy; None to choose it by `min_image_distance_A`.
    """

    slab: SlabPlan | None = None
    vacancy: str | None = None
    label: str | None = None
    matrix: Sequence[Sequence[int]] | None = None
    min_image_distance_A: float = 8.0

    @property
    def kind(self) -> str:
        """``slab``, ``defect`` or ``bulk``."""
        return "slab" if self.slab else "defect" if self.vacancy else "bulk"

    def cut(self, host: Structure) -> Cut:
        """Return the cell.

        Raises
        ------
        RecipeError
            If both a slab and a vacancy are asked for.
        StructureError
            If the host has no such surface or defect.
        """
        if self.slab and self.vacancy:
            message = "a vacancy in a slab is not built yet; leave out the slab or the vacancy"
            raise RecipeError(message)
        if self.slab is not None:
            slab = self.slab.cut(host)
            bottom = slab.bottom(self.slab.frozen_layers)
            return Cut(slab.structure, frozen=list(bottom), surface=list(slab.top()))
        if self.vacancy is None:
            return Cut(host)
        matrix = chosen_supercell(host, self.matrix, self.min_image_distance_A)
        cells = {cell.name: cell for cell in vacancies(supercell(host, matrix), self.vacancy)}
        if self.label is None and len(cells) > 1:
            message = f"{host.reduced_formula} has {', '.join(cells)}; say which, e.g. `label: ...`"
            raise StructureError(message)
        label = self.label or next(iter(cells))
        if label not in cells:
            message = f"{host.reduced_formula} has no {label}; {did_you_mean(label, cells)}"
            raise StructureError(message)
        return Cut(cells[label].structure, name=label, matrix=matrix)


@dataclass(frozen=True)
class CellScene(MSONable):
    """What the steps after the host share.

    Attributes
    ----------
    host
        Relaxed.
    about
        Fields of the document.
    """

    host: RelaxDocument
    cut: Cut
    about: dict[str, Any]
    provenance: Provenance


@dataclass
class CellMaker(Maker):
    """What the makers of electronic quantities share.

    1. Relax the host.
    2. Cut the cell out of it and relax its atoms, if asked for; `geometry` may be a cheaper engine
       than the one of the electrons.
    3. Compute the electrons of the cell: the jobs of `electrons`.
    """

    engine: Engine
    cell: CellPlan = field(default_factory=CellPlan)
    host_cell: HostCell = "relax"
    relax_atoms: bool = True
    geometry: Engine | None = None
    relax: dict[str, Any] = field(default_factory=dict)

    #: What is computed, in words.
    title: ClassVar[str]
    #: What the engine must be able to do.
    capability: ClassVar[Capability]

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is the document of the quantity.

        Raises
        ------
        RecipeError
            If what is asked for does not fit together, or the host lacks the element.
        StructureError
            If the host has no such surface, site or defect.
        EngineError
            If the engine does not compute the quantity, or lacks an element.
        """
        self.engine.require(self.capability)
        host = checked_host(self.engine, host)
        symbols = {site.specie.symbol for site in self.built(host.structure).structure}
        self.check_host(host.structure)
        for one in (self.engine, self._mover()):
            one.check(symbols | {element.symbol for element in host.structure.elements})
        origin = provenance or Provenance.of(
            f"{self.title} of {host.name}", self.as_dict(), host.structure.as_dict()
        )
        bulk = relax_host(self._mover(), host, self.host_cell, self.relax)
        said = {**about(host), "notes": list(cautions(self._mover(), host.structure))}
        cell = self.cut_cell(bulk.output, said, origin)
        cell.name = "cut cell"
        return Flow([bulk, cell], output=cell.output, name=origin.recipe)

    def check_host(self, host: Structure) -> None:
        """Refuse a host that the quantity makes no sense for."""

    def built(self, host: Structure) -> Cut:
        """Return the cell before it is relaxed."""
        return self.cell.cut(host)

    def _mover(self) -> Engine:
        return self.geometry or self.engine

    @job
    def cut_cell(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Cut the cell out of the relaxed host, relax it and go on with its electrons."""
        scene = CellScene(host, self.built(host.structure), about, provenance)
        structure: Any = scene.cut.structure
        jobs: list[Any] = []
        relaxed = None
        if self.relax_atoms and self.cell.kind != "bulk":
            maker = self._mover().relax_maker("fixed", **self.relax)
            jobs.append(maker.make(structure, frozen=scene.cut.frozen))
            jobs[-1].name = f"relax {self.cell.kind} cell"
            relaxed = jobs[-1].output
            structure = relaxed.structure
        jobs += self.electrons(structure, scene, relaxed)
        return Response(replace=Flow(jobs, output=jobs[-1].output))

    def electrons(self, structure: Structure, scene: CellScene, relaxed: Any) -> list[Job]:
        """Return the jobs that follow; the output of the last is the result.

        Parameters
        ----------
        structure
            Of the relaxed cell, or a reference to it.
        relaxed
            Reference to the relaxation of the cell; None where it was not relaxed.
        """
        raise NotImplementedError

    def fields(
        self, scene: CellScene, relaxed: RelaxDocument | None, found: Sequence[Any]
    ) -> dict[str, Any]:
        """Return the fields of the result that all quantities have; `found` are the electrons."""
        done = [scene.host, *([relaxed] if relaxed else [])]
        notes = list(scene.about["notes"])
        if self.geometry is not None:
            stamp = self.geometry.stamp()
            notes.append(f"the atoms were relaxed with {stamp.name} ({stamp.fidelity})")
        matrix, slab = scene.cut.matrix, self.cell.slab
        return {
            **heading(self.engine, scene.provenance),
            **cost(*done, *found),
            **scene.about,
            "notes": tuple(notes),
            "converged": all(step.converged for step in done),
            "host_cell": self.host_cell,
            "cell": self.cell.kind,
            "facet": slab.facet if slab else "",
            "surface": slab.surface if slab else "",
            "strain": slab.strain if slab else 0.0,
            "supercell_matrix": None if matrix is None else tuple(map(tuple, matrix)),
            "relaxed_host": scene.host,
            "geometry": relaxed,
        }
