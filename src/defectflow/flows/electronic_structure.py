"""The electronic structure of a host, of its surface, or of a cell with a defect."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jobflow import Flow, Maker, Response, job
from monty.json import MSONable

from defectflow.analysis.electronic import BandMoments, band_moments
from defectflow.documents import (
    BandDescription,
    BandGapDocument,
    DBandCenterDocument,
    DosDocument,
    RelaxDocument,
    WorkFunctionDocument,
)
from defectflow.documents.electronic_structure import D_BAND_WINDOW_EV
from defectflow.engines.contract import Capability
from defectflow.errors import RecipeError, StructureError, did_you_mean
from defectflow.flows.host import (
    HostCell,
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

    from defectflow.engines.contract import Engine
    from defectflow.flows.slabs import SlabPlan
    from defectflow.structures.hosts import Host

#: A band whose density at an end of the window exceeds this share of its largest one is cut.
_CUT = 0.1
#: A potential that varies by more (eV) in the middle of the vacuum has not reached its level.
_RIPPLE_EV = 0.02


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

    def check(self, host: Structure) -> None:
        """Raise `StructureError` or `RecipeError` if the host has no such cell."""
        if self.slab and self.vacancy:
            message = "a vacancy in a slab is not built yet; leave out the slab or the vacancy"
            raise RecipeError(message)
        self.cut(host)

    def cut(self, host: Structure) -> dict[str, Any]:
        """Return the cell, what is frozen in it and what it is called."""
        if self.slab is not None:
            slab = self.slab.cut(host)
            return {
                "structure": slab.structure,
                "frozen": list(slab.bottom(self.slab.frozen_layers)),
                "surface": list(slab.top()),
                "name": "",
                "matrix": None,
            }
        if self.vacancy is None:
            return {"structure": host, "frozen": [], "surface": [], "name": "", "matrix": None}
        matrix = chosen_supercell(host, self.matrix, self.min_image_distance_A)
        cells = {cell.name: cell for cell in vacancies(supercell(host, matrix), self.vacancy)}
        if self.label is None and len(cells) > 1:
            message = f"{host.reduced_formula} has {', '.join(cells)}; say which, e.g. `label: ...`"
            raise StructureError(message)
        label = self.label or next(iter(cells))
        if label not in cells:
            message = f"{host.reduced_formula} has no {label}; {did_you_mean(label, cells)}"
            raise StructureError(message)
        structure = cells[label].structure
        return {
            "structure": structure,
            "frozen": [],
            "surface": [],
            "name": label,
            "matrix": matrix,
        }


@dataclass
class _ElectronicMaker(Maker):
    """What the makers of this module share: the way to a density of states.

    1. Relax the host.
    2. Cut the cell out of it and relax its atoms, if asked for; `geometry` may be a cheaper engine
       than the one of the electrons.
    3. Compute the density of states of the cell.
    """

    engine: Engine
    cell: CellPlan = field(default_factory=CellPlan)
    host_cell: HostCell = "relax"
    relax_atoms: bool = True
    geometry: Engine | None = None
    relax: dict[str, Any] = field(default_factory=dict)

    #: What is computed, in words.
    title: ClassVar[str]

    def make(self, host: Host | Structure, provenance: Provenance | None = None) -> Flow:
        """Return the flow; its output is the document of the quantity.

        Raises
        ------
        StructureError
            If the host has no such surface or defect.
        EngineError
            If the engine has no density of states.
        """
        self.engine.require(Capability.DOS)
        host = checked_host(self.engine, host)
        self._mover().check({element.symbol for element in host.structure.elements})
        self.cell.check(host.structure)
        self.check_host(host.structure)
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

    def _mover(self) -> Engine:
        return self.geometry or self.engine

    @job
    def cut_cell(
        self, host: RelaxDocument, about: dict[str, Any], provenance: Provenance
    ) -> Response[Any]:
        """Cut the cell out of the relaxed host, relax it and compute its density of states."""
        cut = self.cell.cut(host.structure)
        structure: Any = cut.pop("structure")
        jobs: list[Any] = []
        relaxed = None
        if self.relax_atoms and self.cell.kind != "bulk":
            maker = self._mover().relax_maker("fixed", **self.relax)
            jobs.append(maker.make(structure, frozen=cut["frozen"]))
            jobs[-1].name = f"relax {self.cell.kind} cell"
            relaxed = jobs[-1].output
            structure = relaxed.structure
        jobs.append(self.engine.dos_maker().make(structure))
        jobs[-1].name = "density of states"
        steps = [host, relaxed]
        last = self.conclude(steps, jobs[-1].output, cut, about, provenance)  # type: ignore[attr-defined]
        last.name = self.title
        return Response(replace=Flow([*jobs, last], output=last.output))

    def fields(
        self,
        steps: Sequence[RelaxDocument | None],
        dos: DosDocument,
        cut: dict[str, Any],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> dict[str, Any]:
        """Return the fields of the result that all quantities of a density of states have."""
        done = [step for step in steps if step is not None]
        notes = list(about["notes"])
        if self.geometry is not None:
            stamp = self.geometry.stamp()
            notes.append(f"the atoms were relaxed with {stamp.name} ({stamp.fidelity})")
        matrix = cut["matrix"]
        return {
            **heading(self.engine, provenance),
            **cost(*done, dos),
            **about,
            "notes": tuple(notes),
            "converged": all(step.converged for step in done),
            "host_cell": self.host_cell,
            "cell": self.cell.kind,
            "facet": self.cell.slab.facet if self.cell.slab else "",
            "surface": self.cell.slab.surface if self.cell.slab else "",
            "strain": self.cell.slab.strain if self.cell.slab else 0.0,
            "supercell_matrix": None if matrix is None else tuple(map(tuple, matrix)),
            "relaxed_host": steps[0],
            "geometry": steps[1],
            "dos": dos,
        }


@dataclass
class BandGapMaker(_ElectronicMaker):
    """Gap between occupied and empty levels of a host, a slab or a cell with a vacancy.

    Examples
    --------
    >>> BandGapMaker.__name__
    'BandGapMaker'
    """

    name: str = "band gap"
    title: ClassVar[str] = "band gap"

    @job(output_schema=BandGapDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        steps: Sequence[RelaxDocument | None],
        dos: DosDocument,
        cut: dict[str, Any],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> BandGapDocument:
        """Read the gap off the levels."""
        shared = self.fields(steps, dos, cut, about, provenance)
        surface = f"({self.cell.slab.facet}) slab" if self.cell.slab else ""
        return BandGapDocument(
            **shared,
            defect=cut["name"] or surface,
            species=self.cell.vacancy or "",
            value=dos.gap_eV if shared["converged"] else None,
            direct=dos.direct,
            vbm_eV=dos.vbm_eV,
            cbm_eV=dos.cbm_eV,
        )


@dataclass
class WorkFunctionMaker(_ElectronicMaker):
    """Work function of the upper side of a slab.

    Examples
    --------
    >>> WorkFunctionMaker.title
    'work function'
    """

    name: str = "work function"
    title: ClassVar[str] = "work function"

    def check_host(self, _: Structure) -> None:
        """Refuse an engine without a potential in the vacuum."""
        self.engine.require(Capability.VACUUM_LEVEL)

    @job(output_schema=WorkFunctionDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        steps: Sequence[RelaxDocument | None],
        dos: DosDocument,
        cut: dict[str, Any],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> WorkFunctionDocument:
        """Read the vacuum level off the potential."""
        shared = self.fields(steps, dos, cut, about, provenance)
        vacuum = dos.vacuum
        if vacuum is not None and vacuum.ripple_eV > _RIPPLE_EV:
            note = (
                f"the potential in the vacuum varies by {vacuum.ripple_eV:.2f} eV beside its tilt: "
                "give the slab more `vacuum_A`"
            )
            shared["notes"] = (*shared["notes"], note)
        good = shared["converged"] and vacuum is not None
        return WorkFunctionDocument(
            **{**shared, "converged": good},
            defect=f"{self.cell.slab.title} surface" if self.cell.slab else "",
            species="",
            value=vacuum.top_eV if good and vacuum else None,
            bottom_eV=vacuum.bottom_eV if vacuum else None,
        )


@dataclass
class DBandCenterMaker(_ElectronicMaker):
    """Centre, width and filling of the d band of a surface atom, or of an atom of the bulk.

    Attributes
    ----------
    window_eV
        Ends of the energy window, relative to the Fermi level.
    element
        Whose d band; None for a host of one element.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> DBandCenterMaker(engine("emt")).window_eV
    (-10.0, 2.0)
    """

    name: str = "d-band centre"
    window_eV: tuple[float, float] = D_BAND_WINDOW_EV
    element: str | None = None

    title: ClassVar[str] = "d-band centre"

    def check_host(self, host: Structure) -> None:
        """Refuse a host without the element, or of several without saying which."""
        symbols = sorted({element.symbol for element in host.elements})
        if self.element is None and len(symbols) > 1:
            message = f"{host.reduced_formula}: say whose d band, e.g. `element: {symbols[0]}`"
            raise RecipeError(message)
        if self.element is not None and self.element not in symbols:
            message = (
                f"{host.reduced_formula} has no {self.element}; "
                f"{did_you_mean(self.element, symbols)}"
            )
            raise RecipeError(message)

    @job(output_schema=DBandCenterDocument, metadata={"defectflow": "result"})
    def conclude(
        self,
        steps: Sequence[RelaxDocument | None],
        dos: DosDocument,
        cut: dict[str, Any],
        about: dict[str, Any],
        provenance: Provenance,
    ) -> DBandCenterDocument:
        """Take the moments of the d-projected density of states."""
        shared = self.fields(steps, dos, cut, about, provenance)
        element, atoms = _chosen(dos, self.element, cut["surface"])
        curves = _mean_d_band(dos, atoms)
        whole = band_moments(dos.energies_eV, curves.sum(axis=0), self.window_eV)
        spins = [band_moments(dos.energies_eV, one, self.window_eV) for one in curves]
        if whole.edge_share > _CUT:
            low, high = self.window_eV
            note = (
                f"the window {low:g} to {high:g} eV cuts the d band: at its end the density is "
                f"{whole.edge_share:.0%} of the largest"
            )
            shared["notes"] = (*shared["notes"], note)
        where = f"{self.cell.slab.title} surface atom" if self.cell.slab else "bulk atom"
        return DBandCenterDocument(
            **shared,
            defect=where,
            species=element,
            value=whole.center_eV if shared["converged"] else None,
            element=element,
            atoms=tuple(atoms),
            window_eV=self.window_eV,
            total=_described(whole),
            spins=tuple(map(_described, spins)) if len(curves) > 1 else (),
        )


def _chosen(dos: DosDocument, element: str | None, surface: Sequence[int]) -> tuple[str, list[int]]:
    """Return the element, and the indices of its atoms in the surface (or in the whole cell)."""
    symbol = element or dos.atoms[0].symbol
    among = surface or range(len(dos.atoms))
    atoms = [k for k in among if dos.atoms[k].symbol == symbol and "d" in dos.atoms[k].orbitals]
    if not atoms:
        message = f"no {symbol} atom with d states in the layer looked at; choose another element"
        raise StructureError(message)
    return symbol, atoms


def _mean_d_band(dos: DosDocument, atoms: Sequence[int]) -> np.ndarray:
    """Return the d band of one atom on average, shape (spins, energies)."""
    mean: np.ndarray = np.mean([np.array(dos.atoms[k].orbitals["d"]) for k in atoms], axis=0)
    return mean


def _described(moments: BandMoments) -> BandDescription:
    return BandDescription(
        center_eV=moments.center_eV,
        width_eV=moments.width_eV,
        states=moments.states,
        filling=moments.filling,
    )
