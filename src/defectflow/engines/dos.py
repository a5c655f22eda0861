"""The job that computes a density of states, with any engine that has electrons.

An engine needs a method ``density_of_states(request) -> DosDocument``. What any code's eigenvalues
mean is decided here, once: the grid, the broadening, and where the band edges are.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, Protocol

import numpy as np
from jobflow.core.job import job

from defectflow.documents.electronic import DosDocument
from defectflow.engines.step_maker import StepMaker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from pymatgen.core.structure import Structure

    from defectflow.engines.request import Request

    Array = NDArray[np.float64]

#: Levels this close (eV) are one level: a degenerate level that is filled in part splits by
#: rounding, and so do equal levels at equivalent k-points.
_NO_GAP_EV: Final = 1e-3


@dataclass(frozen=True)
class DosSettings:
    """The numbers of ``dos.yaml`` that do not concern the electrons.

    Attributes
    ----------
    lowest_eV, highest_eV
        Ends of the energy grid, relative to the Fermi level.
    step_eV
        Distance between its points.
    width_eV
        Each level of energy e becomes ``exp(-((E - e) / width)²) / (width √π)``: the convention of
        the smearing width in VASP, Quantum ESPRESSO and GPAW (standard deviation: width / √2).
    """

    lowest_eV: float
    highest_eV: float
    step_eV: float
    width_eV: float

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> DosSettings:
        """Pick these numbers from those of a step."""
        return cls(**{one.name: settings[one.name] for one in fields(cls)})

    def grid(self) -> Array:
        """Return the energies relative to the Fermi level, both ends included."""
        count = round((self.highest_eV - self.lowest_eV) / self.step_eV) + 1
        return np.linspace(self.lowest_eV, self.highest_eV, count)


@dataclass(frozen=True)
class BandEdges:
    """Gap and band edges (eV, relative to the Fermi level), as `DosDocument` has them."""

    gap_eV: float
    direct: bool | None
    vbm_eV: float | None
    cbm_eV: float | None


def broadened(energies_eV: Array, levels_eV: Array, weights: Array, width_eV: float) -> Array:
    """Return the density of `levels_eV` on the grid `energies_eV`, in 1/eV.

    Parameters
    ----------
    levels_eV, weights
        One number per level, shape (levels,); the integral of the density over all energies is the
        sum of the weights.

    Examples
    --------
    >>> grid = np.linspace(-1, 1, 2001)
    >>> density = broadened(grid, np.array([0.0]), np.array([2.0]), 0.1)
    >>> round(float(density.sum() * 0.001), 6)
    2.0
    """
    density = np.zeros_like(energies_eV)
    for level, weight in zip(levels_eV, weights, strict=True):
        density += weight * np.exp(-(((energies_eV - level) / width_eV) ** 2))
    density /= width_eV * np.sqrt(np.pi)
    return density


def band_edges(levels_eV: Array) -> BandEdges:
    """Return gap and band edges from levels relative to the Fermi level.

    A crystal is a metal if the number of levels below the Fermi level differs between the k-points
    of one spin, or if the gap would be below 1 meV. Two spins may have different numbers.

    Parameters
    ----------
    levels_eV
        Shape (spins, k-points, bands).

    Examples
    --------
    >>> band_edges(np.array([[[-1.0, 2.0], [-0.5, 1.5]]]))
    BandEdges(gap_eV=2.0, direct=True, vbm_eV=-0.5, cbm_eV=1.5)
    >>> band_edges(np.array([[[-1.0, 2.0], [-0.5, -0.1]]])).gap_eV
    0.0
    """
    metal = BandEdges(gap_eV=0.0, direct=None, vbm_eV=None, cbm_eV=None)
    below = levels_eV <= 0
    counts = below.sum(axis=2)
    if np.ptp(counts, axis=1).any() or below.all() or not below.any():
        return metal
    highest = np.where(below, levels_eV, -np.inf).max(axis=2)
    lowest = np.where(below, np.inf, levels_eV).min(axis=2)
    gap_eV = float(lowest.min() - highest.max())
    if gap_eV < _NO_GAP_EV:
        return metal
    vertical_eV = float((lowest.min(axis=0) - highest.max(axis=0)).min())
    return BandEdges(
        gap_eV=gap_eV,
        direct=vertical_eV - gap_eV < _NO_GAP_EV,
        vbm_eV=float(highest.max()),
        cbm_eV=float(lowest.min()),
    )


class DosEngine(Protocol):
    """What `DosMaker` needs of an engine."""

    def settings(self, step: str, **overrides: object) -> dict[str, Any]:
        """Return the numbers of a step."""
        ...

    def check_request(
        self,
        structure: object,
        frozen: object = (),
        charge: object = 0,
        magnetic_moments: object | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        """Refuse what cannot be served."""
        ...

    def density_of_states(self, request: Request) -> DosDocument:
        """Compute the electrons of `request` and return their density of states."""
        ...


@dataclass
class DosMaker(StepMaker):
    """Makes densities of states of a structure as it is, by a `DosEngine`.

    The output of its jobs is a `DosDocument`; `frozen` atoms change nothing here.
    """

    step: ClassVar = "dos"

    name: str = "dos"

    @job(output_schema=DosDocument)
    def calculate(
        self,
        structure: Structure,
        frozen: Sequence[int],
        charge: int,
        magnetic_moments: Sequence[float] | None,
    ) -> DosDocument:
        """Do what the job does: compute the density of states in the working directory."""
        self.check(structure, frozen, charge, magnetic_moments)
        engine: DosEngine = self.engine
        return engine.density_of_states(self.request(structure, charge, magnetic_moments))
