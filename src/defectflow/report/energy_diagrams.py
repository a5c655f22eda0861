"""Formation energies against the Fermi level, and voltage profiles, as data and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from defectflow.analysis.transition_levels import lower_envelope
from defectflow.documents import IntercalationVoltageDocument
from defectflow.errors import MissingData

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from defectflow.documents import EquilibriumDocument, ResultDocument
    from defectflow.report.defect_sets import DefectSet


@dataclass(frozen=True)
class DiagramLine:
    """The lowest formation energy of one defect across the gap.

    Attributes
    ----------
    fermi_eV, energies_eV
        Corners, from the valence band maximum to the conduction band minimum.
    charges
        Stable above each corner; the last one repeats the one before.
    """

    defect: str
    fermi_eV: tuple[float, ...]
    energies_eV: tuple[float, ...]
    charges: tuple[int, ...]


def formation_lines(defects: DefectSet) -> tuple[DiagramLine, ...]:
    """Return one line per defect; corners inside the gap are stable transition levels.

    Raises
    ------
    MissingData
        If the band gap is not known: no charged defect was computed.
    """
    if defects.electronic is None:
        message = (
            f"{defects.host}: only neutral defects were computed, there is no Fermi level to draw "
            "against; ask for `charges` in the recipe"
        )
        raise MissingData(message)
    lines = []
    for name, energies in defects.energies_eV.items():
        corners = lower_envelope(energies, defects.electronic.gap_eV)
        fermi, heights, charges = zip(*corners, strict=True)
        lines.append(DiagramLine(name, fermi, heights, charges))
    return tuple(lines)


def formation_diagram(defects: DefectSet, equilibria: Sequence[EquilibriumDocument] = ()) -> Figure:
    """Return formation energies against the Fermi level, and where crystals are neutral.

    Raises
    ------
    MissingData
        If no charged defect was computed.
    """
    lines = formation_lines(defects)
    figure, axes = _picture("Fermi level above the valence band (eV)", "formation energy (eV)")
    for line in lines:
        axes.plot(line.fermi_eV, line.energies_eV, "o-", ms=4, lw=1.5, label=line.defect)
    for one in equilibria:
        label = f"neutral at {one.temperature_K:g} K"
        axes.axvline(one.fermi_eV, color="gray", ls=":", label=label)
    axes.set_title(" ".join([defects.host, defects.limit, f"({defects.engine})"]), fontsize=9)
    axes.legend(frameon=False, fontsize=8)
    return figure


def voltage_corners(document: IntercalationVoltageDocument) -> tuple[list[float], list[float]]:
    """Return compositions and voltages of the corners of the profile, from empty to full."""
    ions = [x for step in document.steps for x in (step.start, step.end)]
    volts = [step.voltage_V for step in document.steps for _ in range(2)]
    return ions, volts


def voltage_profiles(results: Iterable[ResultDocument]) -> Figure:
    """Return the equilibrium voltage against composition, one line per result, averages dotted.

    Raises
    ------
    MissingData
        If there is no converged voltage.
    """
    chosen = [
        one for one in results if isinstance(one, IntercalationVoltageDocument) and one.converged
    ]
    if not chosen:
        message = "nothing to draw: no converged voltage is there; `defectflow run` a recipe"
        raise MissingData(message)
    figure, axes = _picture("ions per formula unit of the host", "voltage against the metal (V)")
    for number, one in enumerate(chosen):
        label = f"{one.species} in {one.host_unit} ({one.engine.name})"
        axes.plot(*voltage_corners(one), lw=1.5, color=f"C{number}", label=label)
        if one.value is not None:
            axes.axhline(one.value, color=f"C{number}", ls=":", lw=1)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _picture(x: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="tight")
    axes: Axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes
