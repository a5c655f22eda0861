"""Results about planar defects: faults, twins, grain boundaries, and the energy of gliding."""

from __future__ import annotations

from typing import Literal

from defectflow.documents.base import Document, ResultDocument
from defectflow.documents.steps import RelaxDocument, Vector
from defectflow.structures.surroundings import Left
from defectflow.words import HostCell


class PlanarCandidate(Document):
    """One cell that may hold the defect, e.g. one termination or displacement of a boundary.

    Attributes
    ----------
    said
        What tells it from the others, in words.
    equivalent
        Whether all defects in the cell are images of each other; the energy is their mean.
    screened_mJ_per_m2
        Before any relaxation; None where that was not computed.
    energy_mJ_per_m2
        None where it was left out, did not converge, or relaxing left nothing of the defect.
    left
        What relaxing has left: the ``defect``, stacking ``faults`` at most, or ``nothing``.
    """

    name: str
    said: str = ""
    area_A2: float
    count: int
    equivalent: bool
    screened_mJ_per_m2: float | None = None
    energy_mJ_per_m2: float | None = None
    left: Left = "defect"
    relaxed: RelaxDocument | None = None


class PlanarEnergyDocument(ResultDocument):
    """Energy of a planar defect per area, mJ/m²; positive where the defect costs energy.

    γ = (E(cell with n defects) - N/N₀ E(perfect crystal)) / (n A), where N/N₀ is the ratio of the
    formula units in the two cells. `value` is that of the lowest candidate.

    Attributes
    ----------
    defect
        Name of the lowest candidate, e.g. ``ISF(111)``.
    miller
        Of the plane, in the standard conventional cell.
    atoms
        ``relaxed`` in a cell that keeps the plane, and its height too unless that of `relaxed` says
        otherwise, or ``fixed`` as built from the relaxed crystal.
    reference
        The perfect crystal in the same orientation.
    """

    quantity: Literal["stacking_fault_energy", "twin_energy", "grain_boundary_energy"]
    unit: Literal["mJ/m2"] = "mJ/m2"
    host_formula: str
    prototype: str | None = None
    host_cell: HostCell
    atoms: Literal["relaxed", "fixed"]
    miller: tuple[int, int, int]
    fault: str = ""
    relaxed_host: RelaxDocument
    reference: RelaxDocument
    candidates: tuple[PlanarCandidate, ...]
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()


class GlidePoint(Document):
    """The energy of one displacement.

    Attributes
    ----------
    fractions
        In the two vectors of the plane's cell.
    multiplicity
        How many points of the grid it stands for.
    gap_A
        Extra distance of the two halves at which the energy is lowest.
    """

    fractions: tuple[float, float]
    shift_A: Vector
    multiplicity: int
    gap_A: float
    energy_J_per_m2: float


class SurfaceFit(Document):
    """Coefficients of the Fourier surface; see `analysis.gamma_surface.FourierSurface`."""

    orders: tuple[tuple[int, int], ...]
    cosines_J_per_m2: tuple[float, ...]
    sines_J_per_m2: tuple[float, ...]
    symmetry: tuple[tuple[tuple[int, int], tuple[int, int]], ...]
    residual_J_per_m2: float


class UnstableFaultDocument(ResultDocument):
    """Highest energy per area on the straight path of gliding from the crystal to a displacement.

    γ_us = max over the path of (E(displaced) - E(crystal)) / A. The two halves are rigid; their
    distance is relaxed or fixed. J/m², as published values are; a barrier is positive.

    Attributes
    ----------
    shift
        End of the path, in vectors of the standard conventional cell.
    summit
        Where on the path the highest point lies, 0 to 1.
    end_J_per_m2
        Energy at the end of the path: that of the fault, if it ends in one.
    gap
        ``relaxed``: the distance of the halves along the normal; ``fixed``.
    points
        Along the path; with `fit`, over the whole plane.
    vectors_A
        The two vectors of the plane's cell.
    """

    quantity: Literal["unstable_stacking_fault_energy"] = "unstable_stacking_fault_energy"
    unit: Literal["J/m2"] = "J/m2"
    host_formula: str
    prototype: str | None = None
    host_cell: HostCell
    miller: tuple[int, int, int]
    shift: Vector
    gap: Literal["relaxed", "fixed"]
    summit: float | None
    end_J_per_m2: float | None
    area_A2: float
    vectors_A: tuple[Vector, Vector]
    points: tuple[GlidePoint, ...]
    fit: SurfaceFit | None = None
    relaxed_host: RelaxDocument
    reference: RelaxDocument
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()
