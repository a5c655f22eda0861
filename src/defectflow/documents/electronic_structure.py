"""The results of recipes about the electronic structure of a cell."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from defectflow.documents.base import Document, ResultDocument
from defectflow.documents.electronic import DosDocument
from defectflow.documents.steps import RelaxDocument

#: Window (eV, relative to the Fermi level) in which a d band is described by default. It holds the
#: whole d band of Ni, Cu, Rh, Pd, Ag, Ir, Pt and Au: the lowest one begins near -8 eV, and they end
#: at most 1 eV above the Fermi level. Higher up codes project free-electron-like states onto d:
#: how much of them is counted moves the centre of Pt by 0.4 eV. Earlier metals need a higher end.
D_BAND_WINDOW_EV: Final = (-10.0, 2.0)


class BandDescription(Document):
    """Moments of a projected band; energies are relative to the Fermi level.

    Attributes
    ----------
    width_eV
        Square root of the second central moment.
    states
        Number of states in the window.
    filling
        Share of them below the Fermi level.
    """

    center_eV: float
    width_eV: float
    states: float
    filling: float


class _ElectronicResult(ResultDocument):
    """What results about the electronic structure of one cell share.

    Attributes
    ----------
    cell
        Which cell it is of: the host itself, a slab of it, or a supercell with a defect.
    facet
        Miller indices of the slab's surface, e.g. ``111``; empty where there is none.
    surface, strain
        The facet with its defects, and its strain in the plane (a fraction).
    geometry
        The cell after the relaxation of its atoms; None where they stay as they are in the host.
    geometry_engine
        Stamp name of what relaxed it, which may be a cheaper engine.
    """

    host_formula: str
    prototype: str | None = None
    host_cell: Literal["keep", "relax", "scale"]
    cell: Literal["bulk", "slab", "defect"]
    facet: str = ""
    surface: str = ""
    strain: float = 0.0
    supercell_matrix: tuple[tuple[int, int, int], ...] | None = None
    relaxed_host: RelaxDocument | None = None
    geometry: RelaxDocument | None = None
    dos: DosDocument
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()


class DBandCenterDocument(_ElectronicResult):
    """Centre of the d band of one atom (the mean over equivalent ones), from both spins together.

    `value` is the first moment of the d-projected density of states within `window_eV`.

    Attributes
    ----------
    atoms
        Indices of the atoms in the cell that were averaged over.
    element
        What they are.
    total
        Both spins together.
    spins
        Each spin, up first; empty without spin.
    """

    quantity: Literal["d_band_center"] = "d_band_center"
    unit: Literal["eV"] = "eV"
    element: str
    atoms: tuple[int, ...]
    window_eV: tuple[float, float]
    total: BandDescription
    spins: tuple[BandDescription, ...] = ()


class WorkFunctionDocument(_ElectronicResult):
    """Energy that moves an electron from the Fermi level out of the upper side of a slab.

    Attributes
    ----------
    bottom_eV
        The same of the lower side, whose layers are as in the bulk.
    """

    quantity: Literal["work_function"] = "work_function"
    unit: Literal["eV"] = "eV"
    bottom_eV: float | None


class BandGapDocument(_ElectronicResult):
    """Gap between occupied and empty levels of a cell; 0 for a metal.

    In a cell with a defect the levels of the defect count: the gap is that between the highest
    occupied level, wherever it belongs to, and the lowest empty one.

    Attributes
    ----------
    direct
        Whether both edges lie at one k-point; None for metals.
    vbm_eV, cbm_eV
        Edges relative to the Fermi level; None for metals.
    """

    quantity: Literal["band_gap"] = "band_gap"
    unit: Literal["eV"] = "eV"
    direct: bool | None = Field(description="both edges at one k-point")
    vbm_eV: float | None
    cbm_eV: float | None
