"""Formation energies against the Fermi level, and voltage profiles, as data and pictures.

Pictures are drawn with matplotlib, without a window.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from defectflow.analysis.transition_levels import lower_envelope
from defectflow.errors import MissingData

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from defectflow.documents import (
        DefectFormationEnergyDocument,
        IntercalationVoltageDocument,
        PotentialLimit,
    )


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


def formation_lines(
    document: DefectFormationEnergyDocument, limit: PotentialLimit | None = None
) -> tuple[DiagramLine, ...]:
    """Return one line per defect; corners inside the gap are stable transition levels.

    Parameters
    ----------
    limit
        One of `document.limits`; that of the value by default.

    Raises
    ------
    MissingData
        If the band gap is not known: no charged defect was computed.
    """
    if document.electronic is None:
        message = (
            f"{document.recipe}: only neutral defects were computed, there is no Fermi level to "
            "draw against; ask for `charges` in the recipe"
        )
        raise MissingData(message)
    lines = []
    for name, energies in document.energies_at_valence_band_eV(limit).items():
        corners = lower_envelope(energies, document.electronic.gap_eV)
        fermi, heights, charges = zip(*corners, strict=True)
        lines.append(DiagramLine(name, fermi, heights, charges))
    return tuple(lines)


def voltage_corners(document: IntercalationVoltageDocument) -> tuple[list[float], list[float]]:
    """Return compositions and voltages of the corners of the profile, from empty to full."""
    ions = [x for step in document.steps for x in (step.start, step.end)]
    volts = [step.voltage_V for step in document.steps for _ in range(2)]
    return ions, volts


def draw_formation_diagram(
    document: DefectFormationEnergyDocument,
    path: str | Path,
    limit: PotentialLimit | None = None,
) -> None:
    """Write a picture of formation energies against the Fermi level; the suffix decides the format.

    Raises
    ------
    MissingData
        If no charged defect was computed.
    """
    lines = formation_lines(document, limit)
    figure, axes = _picture("Fermi level above the valence band (eV)", "formation energy (eV)")
    for line in lines:
        axes.plot(line.fermi_eV, line.energies_eV, "o-", ms=4, lw=1.5, label=line.defect)
    if document.equilibrium is not None:
        level = document.equilibrium.fermi_eV
        label = f"neutral at {document.equilibrium.temperature_K:g} K"
        axes.axvline(level, color="gray", ls=":", label=label)
    _save(figure, path)


def draw_voltage_profile(document: IntercalationVoltageDocument, path: str | Path) -> None:
    """Write a picture of the equilibrium voltage against composition."""
    ion = document.species
    figure, axes = _picture(f"{ion} per {document.host_unit}", f"voltage against {ion} (V)")
    axes.plot(*voltage_corners(document), lw=1.5, label=document.engine.name)
    if document.value is not None:
        axes.axhline(document.value, color="gray", ls=":", label="average")
    _save(figure, path)


def _picture(x: str, y: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="tight")
    axes: Axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _save(figure: Figure, path: str | Path) -> None:
    figure.axes[0].legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
