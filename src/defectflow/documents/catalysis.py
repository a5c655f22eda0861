"""The result of an overpotential recipe."""

from __future__ import annotations

from typing import Final, Literal

from defectflow.analysis.thermochemistry import at_room_temperature
from defectflow.documents.base import Document, ResultDocument

#: Solvation (eV) below this counts as none.
_SAME_EV: Final = 1e-3


class ReactionState(Document):
    """One state of a reaction, pairs (H⁺ + e⁻) aside.

    Attributes
    ----------
    label
        Species beside each other, e.g. ``OH* + H2O``.
    free_energy_eV
        At 0 V, relative to the first state.
    at_potential_eV
        The same at `potential_V` of the document.
    """

    label: str
    free_energy_eV: float | None
    at_potential_eV: float | None


class ReactionStep(Document):
    """One step of a reaction.

    Attributes
    ----------
    equation
        E.g. ``O* + H⁺ + e⁻ -> OH*``.
    pairs
        (H⁺ + e⁻) taken up; negative where they are given off.
    free_energy_eV
        At 0 V against the reversible hydrogen electrode.
    """

    equation: str
    pairs: int
    free_energy_eV: float | None


class Intermediate(Document):
    """What adsorbs in between, and the result that says how strongly.

    Attributes
    ----------
    free_energy_eV
        Against H2O, H2 and CO2 at 0 V, `solvation_eV` counted.
    solvation_eV
        By the electrolyte, as the recipe says; 0 in results of older versions, whose recipe says.
    key
        Content key of its own result.
    """

    adsorbate: str
    site: str
    adsorption_energy_eV: float | None
    free_energy_eV: float | None
    solvation_eV: float = 0.0
    notes: tuple[str, ...] = ()
    key: str


class OverpotentialDocument(ResultDocument):
    """Thermodynamic overpotential of a reaction on a surface, V; positive, as it is a loss.

    Attributes
    ----------
    limiting_potential_V
        At which every step with electrons goes downhill; against the reversible hydrogen electrode.
    equilibrium_potential_V
        From experiment; its source is in the notes.
    limiting_step
        Equation of the step that decides.
    potential_V
        Of the second profile in `states`.
    scaling_deviation_eV
        G(OOH*) - G(OH*) less 3.2 eV; None where the reaction lacks one of them.
    """

    quantity: Literal["overpotential"] = "overpotential"
    unit: Literal["V"] = "V"
    host_formula: str
    prototype: str | None = None
    facet: str
    surface: str = ""
    strain: float = 0.0
    reaction: str
    limiting_potential_V: float | None
    equilibrium_potential_V: float
    limiting_step: str
    potential_V: float
    temperature_K: float
    states: tuple[ReactionState, ...]
    steps: tuple[ReactionStep, ...]
    intermediates: tuple[Intermediate, ...]
    scaling_deviation_eV: float | None = None
    force_calls: int
    wall_time_s: float
    notes: tuple[str, ...] = ()

    def solvation(self) -> dict[str, float]:
        """Return what solvation adds to each intermediate (eV), those without any left out."""
        asked = self.recipe_input.get("solvation_eV", {})
        found = {
            one.adsorbate: one.solvation_eV or asked.get(one.adsorbate.rstrip("*"), 0.0)
            for one in self.intermediates
        }
        return {name: value for name, value in found.items() if abs(value) > _SAME_EV}

    def solvation_said(self) -> str:
        """Return the same in words, ``solvation of OH* -0.5 eV``; empty for none."""
        terms = [f"{name} {value:g} eV" for name, value in self.solvation().items()]
        return f"solvation of {', '.join(terms)}" if terms else ""

    def other_conditions(self) -> str:
        """Return what differs from 298 K without solvation; empty if nothing does."""
        hot = not at_room_temperature(self.temperature_K)
        said = [f"at {self.temperature_K:g} K" if hot else "", self.solvation_said()]
        return ", ".join(one for one in said if one)
