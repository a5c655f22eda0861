"""The electronic structure of a host, of its surface, or of a cell with a defect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from jobflow import Job, job

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
from defectflow.flows.cells import CellMaker, CellScene

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pymatgen.core import Structure

    from defectflow.documents.electronic import VacuumDocument

#: A band whose density at an end of the window exceeds this share of its largest one is cut.
_CUT = 0.1
#: A potential that varies by more (eV) in the middle of the vacuum has not reached its level.
_RIPPLE_EV = 0.02
#: Sides of a slab that differ by more have a dipole whose field between the images changes them.
_SIDES_EV = 0.1


@dataclass
class _DosMaker(CellMaker):
    """What the makers of this module share: the density of states of the cell."""

    capability: ClassVar[Capability] = Capability.DOS

    def electrons(self, structure: Structure, scene: CellScene, relaxed: Any) -> list[Job]:
        """Return the density of states, and what is read off it."""
        dos = self.engine.dos_maker().make(structure)
        dos.name = "density of states"
        last: Job = self.conclude(scene, relaxed, dos.output)  # type: ignore[attr-defined]
        last.name = self.title
        return [dos, last]


@dataclass
class BandGapMaker(_DosMaker):
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
        self, scene: CellScene, relaxed: RelaxDocument | None, dos: DosDocument
    ) -> BandGapDocument:
        """Read the gap off the levels."""
        shared = self.fields(scene, relaxed, [dos])
        surface = f"({self.cell.slab.facet}) slab" if self.cell.slab else ""
        return BandGapDocument(
            **shared,
            dos=dos,
            defect=scene.cut.name or surface,
            species=self.cell.vacancy or "",
            value=dos.gap_eV if shared["converged"] else None,
            direct=dos.direct,
            vbm_eV=dos.vbm_eV,
            cbm_eV=dos.cbm_eV,
        )


@dataclass
class WorkFunctionMaker(_DosMaker):
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
        self, scene: CellScene, relaxed: RelaxDocument | None, dos: DosDocument
    ) -> WorkFunctionDocument:
        """Read the vacuum level off the potential."""
        shared = self.fields(scene, relaxed, [dos])
        vacuum = dos.vacuum
        shared["notes"] = (*shared["notes"], *_cautions(vacuum))
        good = shared["converged"] and vacuum is not None
        return WorkFunctionDocument(
            **{**shared, "converged": good},
            dos=dos,
            defect=f"{self.cell.slab.title} surface" if self.cell.slab else "",
            species="",
            value=vacuum.top_eV if good and vacuum else None,
            bottom_eV=vacuum.bottom_eV if vacuum else None,
        )


def _cautions(vacuum: VacuumDocument | None) -> Iterator[str]:
    """Yield what makes the levels of a vacuum uncertain."""
    if vacuum is None:
        return
    if vacuum.ripple_eV > _RIPPLE_EV:
        yield (
            f"the potential in the vacuum varies by {vacuum.ripple_eV:.2f} eV beside its tilt: "
            "give the slab more `vacuum_A`"
        )
    apart_eV = abs(vacuum.top_eV - vacuum.bottom_eV)
    if vacuum.field_eV_per_A and apart_eV > _SIDES_EV:
        yield (
            f"the sides of the slab differ by {apart_eV:.2f} eV, and the field of its dipole "
            "between the images adds to that: ask for `settings: {dipole_correction: true}`"
        )


@dataclass
class DBandCenterMaker(_DosMaker):
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
        self, scene: CellScene, relaxed: RelaxDocument | None, dos: DosDocument
    ) -> DBandCenterDocument:
        """Take the moments of the d-projected density of states."""
        shared = self.fields(scene, relaxed, [dos])
        element, atoms = _chosen(dos, self.element, scene.cut.surface)
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
            dos=dos,
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
