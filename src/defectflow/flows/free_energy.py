"""From an adsorption energy to a free energy: every term named, none added silently."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from monty.json import MSONable

from defectflow.analysis.reactions import OXYGEN_EV, against_oxygen, at_potential_eV, pairs_of
from defectflow.analysis.thermochemistry import (
    ROOM_K,
    at_room_temperature,
    harmonic,
    imaginary_modes_eV,
    in_words,
)
from defectflow.analysis.vibrations import SOFTEST_EV
from defectflow.documents import FreeEnergyCorrection, FreeEnergyDocument, ThermalDocument
from defectflow.errors import RecipeError
from defectflow.flows.corrections import correction
from defectflow.flows.gas import WATER_PA

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from defectflow.documents import GasReference
    from defectflow.documents.vibrations import VibrationsDocument

#: A Hessian by central differences is more even than this (eV/Å²) unless forces are noisy.
_UNEVEN_EV_PER_A2: Final = 0.5
#: The correction that comes from vibrations of the same engine.
VIBRATIONS: Final = "vibrations"
_SOURCE: Final = (
    "zero-point energy, heat and entropy at {:g} K: harmonic vibrations of the adsorbate, ideal "
    "gases (H2O at 0.035 bar, others at 1 bar), all from the engine of the energies"
)


@dataclass(frozen=True)
class FreeEnergyPlan(MSONable):
    """What is added to an adsorption energy.

    Attributes
    ----------
    correction
        ``vibrations``, or the name of a fixed one; None for an adsorption energy.
    potential_V
        Against the reversible hydrogen electrode; against the standard one if `pH` is given.
    solvation_eV
        Of the adsorbate by the electrolyte, negative if it stabilises; never a default.
    references
        Other references than by default, by element.
    """

    correction: str | None = None
    temperature_K: float = ROOM_K
    potential_V: float = 0.0
    pH: float | None = None
    solvation_eV: float = 0.0
    references: dict[str, str] = field(default_factory=dict)

    @property
    def vibrating(self) -> bool:
        """Whether vibrations are computed."""
        return self.correction == VIBRATIONS

    @property
    def against_oxygen(self) -> bool:
        """Whether O is counted against O2."""
        return self.references.get("O") == "O2"

    @property
    def held_at_room(self) -> bool:
        """Whether the temperature is one at which constants measured at 298 K hold."""
        return not self.vibrating or at_room_temperature(self.temperature_K)

    def notes(self, molecules: Collection[str]) -> list[str]:
        """Return which of the terms are those of 298 K although another temperature was asked for.

        Parameters
        ----------
        molecules
            Names of the references.
        """
        if self.held_at_room or "H2O" not in molecules:
            return []
        said = f"at {self.temperature_K:g} K"
        water = (
            f"H2O counts as a gas at {WATER_PA:g} Pa, which is liquid water at 298 K alone: {said} "
            "the free energy is not one against liquid water"
        )
        notes = [water]
        if self.against_oxygen:
            notes.append(
                f"O2 is counted from water by {OXYGEN_EV:g} eV for 2 H2O -> O2 + 2 H2, measured at "
                f"298 K, not {said}: trust differences between results with this reference only"
            )
        return notes

    def check(self, adsorbate: str, *, free: bool) -> None:
        """Refuse a correction that does not fit the quantity or the adsorbate.

        Raises
        ------
        RecipeError
            Naming what does not fit.
        """
        if (self.correction is None) == free:
            message = (
                f"quantity adsorption{'_free' if free else ''}_energy with correction "
                f"{self.correction}: a free energy needs a correction, an energy has none"
            )
            raise RecipeError(message)
        if self.against_oxygen and not self.vibrating:
            message = (
                "reference O2: its free energy comes from that of water, its energy is not "
                "computed; use quantity adsorption_free_energy with correction: vibrations"
            )
            raise RecipeError(message)
        if self.correction is not None and not self.vibrating:
            correction(self.correction, adsorbate, others=(VIBRATIONS,))
            if not at_room_temperature(self.temperature_K):
                message = (
                    f"correction {self.correction} holds at room temperature, not at "
                    f"{self.temperature_K:g} K; leave `temperature_K` out, or use {VIBRATIONS}"
                )
                raise RecipeError(message)


@dataclass(frozen=True)
class FreeEnergy:
    """What there is to add: the correction, all terms, and why there is nothing, if so.

    Attributes
    ----------
    notes
        How soft modes were counted.
    """

    correction: FreeEnergyCorrection | None
    terms: FreeEnergyDocument | None
    added_eV: float
    problem: str = ""
    notes: tuple[str, ...] = ()


def free_energy(
    plan: FreeEnergyPlan,
    adsorbate: str,
    gas: Sequence[GasReference],
    vibrations: VibrationsDocument | None,
    *,
    flat: bool = False,
) -> FreeEnergy:
    """Return the terms of a free energy; imaginary modes are a problem and give none.

    Parameters
    ----------
    flat
        Whether soft imaginary modes are known to be noise, by other means than the forces.
    """
    if plan.correction is None:
        return FreeEnergy(None, None, 0.0)
    terms = _electrode(plan, {one.molecule: one.count for one in gas})
    outer = terms.potential_eV + terms.solvation_eV + terms.oxygen_eV
    if not plan.vibrating:
        fixed = correction(plan.correction, adsorbate, others=(VIBRATIONS,))
        return FreeEnergy(fixed, terms, fixed.value_eV + outer)
    if vibrations is None:
        return FreeEnergy(None, None, 0.0)
    wrong = [] if flat else imaginary_modes_eV(np.array(vibrations.energies_eV))
    if wrong:
        problem = (
            f"imaginary modes ({in_words(wrong)}): the adsorbate is at a saddle, not at a minimum; "
            "start a molecule in more turns (`azimuth_step_deg: 30`), or take another site"
            + "".join(f"; {one}" for one in _noise(vibrations))
        )
        return FreeEnergy(None, None, 0.0, problem)
    own = _adsorbate_thermal(vibrations, plan.temperature_K, flat=flat)
    full = terms.model_copy(update=_differences(own, gas, plan.temperature_K))
    added = FreeEnergyCorrection(
        name=VIBRATIONS,
        value_eV=(full.delta_zero_point_eV or 0.0)
        + (full.delta_heat_eV or 0.0)
        + (full.minus_T_delta_entropy_eV or 0.0),
        source=_SOURCE.format(plan.temperature_K),
    )
    notes = (
        *_soft_modes(adsorbate, vibrations.energies_eV),
        *_noise(vibrations),
        *_measured_again(adsorbate, vibrations),
    )
    return FreeEnergy(added, full, added.value_eV + outer, notes=notes)


def _noise(vibrations: VibrationsDocument) -> tuple[str, ...]:
    """Return what to do where forces are noisy; forward differences are uneven without noise."""
    uneven = vibrations.asymmetry_eV_per_A2
    if uneven < _UNEVEN_EV_PER_A2 or not vibrations.central_differences:
        return ()
    note = (
        f"forces are noisy: second derivatives that should be equal differ by up to {uneven:.1f} "
        "eV/Å²; a tighter SCF (settings `scf_...`) makes soft modes surer"
    )
    return (note,)


def _measured_again(adsorbate: str, vibrations: VibrationsDocument) -> tuple[str, ...]:
    before = vibrations.measured_again_eV
    if not before:
        return ()
    note = (
        f"vibrations of {adsorbate}: imaginary by displacements along the axes "
        f"({in_words(before)}), thus measured along the modes, five times as far; the softest are "
        f"then {in_words(sorted(vibrations.energies_eV)[: len(before)])}"
    )
    return (note,)


def _soft_modes(adsorbate: str, energies_eV: Sequence[float]) -> tuple[str, ...]:
    soft = sorted(energy for energy in energies_eV if energy < SOFTEST_EV)
    if not soft:
        return ()
    listed = ", ".join(f"{1000 * one:.1f}" for one in soft)
    note = (
        f"vibrations of {adsorbate} at {listed} meV count as {1000 * SOFTEST_EV:.1f} meV (100 per "
        "cm) in heat and entropy, which diverge for soft harmonic ones"
    )
    return (note,)


def _adsorbate_thermal(
    vibrations: VibrationsDocument, temperature_K: float, *, flat: bool
) -> ThermalDocument:
    """Return the thermal contributions of the atoms that were displaced."""
    energies = np.array(vibrations.energies_eV)
    thermal = harmonic(np.maximum(energies, 0.0) if flat else energies, temperature_K)
    return ThermalDocument(
        modes_eV=vibrations.energies_eV,
        zero_point_eV=thermal.zero_point_eV,
        heat_eV=thermal.heat_eV,
        entropy_eV_per_K=thermal.entropy_eV_per_K,
        free_energy_eV=thermal.free_energy_eV,
    )


def _electrode(plan: FreeEnergyPlan, amounts: Mapping[str, float]) -> FreeEnergyDocument:
    oxygen = 0.0
    if plan.against_oxygen:
        # 1/2 O2 is H2O - H2 and half of what splitting water costs, and needs two pairs less.
        oxygen = -amounts.get("H2O", 0.0) * OXYGEN_EV / 2
        amounts = against_oxygen(amounts)
    pairs = pairs_of(amounts)
    return FreeEnergyDocument(
        temperature_K=plan.temperature_K if plan.vibrating else None,
        pairs=pairs,
        potential_V=plan.potential_V,
        pH=plan.pH,
        potential_eV=at_potential_eV(pairs, plan.potential_V, plan.pH, plan.temperature_K),
        solvation_eV=plan.solvation_eV,
        oxygen_eV=oxygen,
    )


def _differences(
    own: ThermalDocument, gas: Sequence[GasReference], temperature_K: float
) -> dict[str, object]:
    """Return adsorbate less gases; crystals are taken to change nothing."""
    known = [(one.count, one.thermal) for one in gas if one.thermal is not None]
    zero = own.zero_point_eV - sum(n * thermal.zero_point_eV for n, thermal in known)
    heat = own.heat_eV - sum(n * thermal.heat_eV for n, thermal in known)
    entropy = own.entropy_eV_per_K - sum(n * thermal.entropy_eV_per_K for n, thermal in known)
    return {
        "adsorbate": own,
        "delta_zero_point_eV": zero,
        "delta_heat_eV": heat,
        "minus_T_delta_entropy_eV": -temperature_K * entropy,
    }
