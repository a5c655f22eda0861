"""What charges add to the results of defects: corrections, band edges, levels, concentrations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from defectflow.analysis.fermi_level import Bands, DefectLevels, neutral_fermi_level
from defectflow.analysis.transition_levels import transition_levels
from defectflow.documents.base import Document, Matrix
from defectflow.documents.electronic import Curve

if TYPE_CHECKING:
    from collections.abc import Mapping


class ChargeCorrectionDocument(Document):
    """What was added to the energy of a charged cell for its finite size.

    Attributes
    ----------
    method
        ``efnv``: point charges and alignment of the site potentials; ``point_charge``: the first
        alone; ``none``.
    far_sites, spread_V
        Atoms that the alignment is a mean over, and the standard deviation over them.
    """

    method: Literal["efnv", "point_charge", "none"]
    point_charge_eV: float = 0.0
    alignment_eV: float = 0.0
    far_sites: int = 0
    spread_V: float = 0.0

    @property
    def total_eV(self) -> float:
        """The whole correction."""
        return self.point_charge_eV + self.alignment_eV


class TransitionDocument(Document):
    """Fermi level (eV above the valence band maximum) at which two charges are equally stable."""

    defect: str
    upper: int
    lower: int
    level_eV: float
    stable: bool

    @classmethod
    def from_energies(cls, energies_eV: Mapping[str, Mapping[int, float]]) -> tuple[Self, ...]:
        """Return the levels of every defect, given its energies by charge at the valence band."""
        return tuple(
            cls(
                defect=name,
                upper=one.upper,
                lower=one.lower,
                level_eV=one.level_eV,
                stable=one.stable,
            )
            for name, by_charge in energies_eV.items()
            for one in transition_levels(by_charge)
        )


class HostBands(Document):
    """Density of states of the pristine crystal, per primitive cell.

    Attributes
    ----------
    energies_eV
        Relative to the valence band maximum.
    density
        States per eV and primitive cell, both spins together.
    volume_A3
        Of the primitive cell.
    """

    energies_eV: Curve
    density: Curve
    volume_A3: float


class ElectronicHost(Document):
    """What charged defects are counted against.

    Attributes
    ----------
    valence_band_eV
        Valence band maximum on the scale of the code's eigenvalues.
    dielectric
        Static dielectric tensor, as given in the recipe.
    bands
        For the concentrations of carriers; None in results of versions that did not keep them.
    """

    valence_band_eV: float
    gap_eV: float
    dielectric: Matrix | None = None
    bands: HostBands | None = None


class EquilibriumDocument(Document):
    """The Fermi level that makes the crystal neutral, and the concentrations there.

    Attributes
    ----------
    temperature_K
        Of the carriers and charges, and of the defects unless they are frozen in.
    frozen_at_K
        Temperature at which the numbers of defects stopped to change; None where they did not.
    fermi_eV
        Above the valence band maximum.
    defects_per_cm3
        By name and charge, e.g. ``{"V_O": {"0": 1e15, "2": 3e17}}``.
    """

    temperature_K: float
    frozen_at_K: float | None = None
    fermi_eV: float
    electrons_per_cm3: float
    holes_per_cm3: float
    defects_per_cm3: dict[str, dict[str, float]]

    @classmethod
    def from_energies(
        cls,
        host: ElectronicHost,
        energies_eV: Mapping[str, Mapping[int, float]],
        multiplicities: Mapping[str, int],
        temperature_K: float,
        frozen_at_K: float | None = None,
    ) -> Self:
        """Solve for the neutral crystal.

        Parameters
        ----------
        energies_eV
            By name and charge, with the Fermi level at the valence band maximum.
        multiplicities
            Places of each defect per primitive cell.
        frozen_at_K
            Take the numbers of defects from the equilibrium at this temperature.

        Raises
        ------
        StructureError
            If no Fermi level near the gap makes the crystal neutral.
        """
        if host.bands is None:
            message = "the host has no density of states"
            raise ValueError(message)
        bands = Bands(
            energies_eV=host.bands.energies_eV,
            density=host.bands.density,
            gap_eV=host.gap_eV,
            volume_A3=host.bands.volume_A3,
        )
        kinds = [
            DefectLevels(name, by_charge, multiplicities[name])
            for name, by_charge in energies_eV.items()
        ]
        frozen = None
        if frozen_at_K is not None:
            hot = neutral_fermi_level(bands, kinds, frozen_at_K).defects_per_cm3
            frozen = {name: sum(by_charge.values()) for name, by_charge in hot.items()}
        found = neutral_fermi_level(bands, kinds, temperature_K, frozen)
        return cls(
            temperature_K=temperature_K,
            frozen_at_K=frozen_at_K,
            fermi_eV=found.fermi_eV,
            electrons_per_cm3=found.electrons_per_cm3,
            holes_per_cm3=found.holes_per_cm3,
            defects_per_cm3={
                name: {str(charge): number for charge, number in by_charge.items()}
                for name, by_charge in found.defects_per_cm3.items()
            },
        )
