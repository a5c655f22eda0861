"""Pictures of results: one function each, all return a matplotlib figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from defectflow.analysis.volcanoes import (
    correlation,
    her_exchange_current_log10,
    oer_overpotential_V,
    orr_overpotential_V,
)
from defectflow.documents import (
    AdsorptionDocument,
    DBandCenterDocument,
    OverpotentialDocument,
)
from defectflow.errors import MissingData, RecipeError
from defectflow.report.adsorption_lines import d_band_lines, strain_lines, surface_said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.figure import Figure

    from defectflow.documents import ResultDocument
    from defectflow.report.adsorption_lines import Pair

_SIZE: Final = (6.0, 3.8)
#: What the axis of a figure and its words take of its height.
_MARGIN_INCHES: Final = 0.6
#: Height of a line of small text.
_LINE_INCHES: Final = 0.16
_FREE = "adsorption_free_energy"


def free_energy_diagram(results: Iterable[ResultDocument], reaction: str | None = None) -> Figure:
    """Return the states of a reaction as steps: at 0 V, and at the potential of each document.

    Parameters
    ----------
    reaction
        E.g. ``ORR``; by default the only one there is.

    Raises
    ------
    MissingData
        If there is no converged overpotential, or none of that reaction.
    RecipeError
        If there are several reactions, or their states differ.
    """
    chosen = _of_one_reaction(_chosen(results, OverpotentialDocument), reaction)
    figure, axes = _figure("", "free energy (eV)")
    for number, one in enumerate(chosen):
        color = f"C{number}"
        name = f"{one.defect} ({one.host}, {one.engine.name})"
        name += f", {said}" if (said := one.other_conditions()) else ""
        at_zero = [state.free_energy_eV for state in one.states]
        _steps(axes, at_zero, color, "-", f"{name}, 0 V")
        if one.potential_V:
            moved = [state.at_potential_eV for state in one.states]
            _steps(axes, moved, color, ":", f"{name}, {one.potential_V:.2f} V")
    labels = [state.label for state in chosen[0].states]
    axes.set_xticks(range(len(labels)), labels, fontsize=8)
    figure.set_size_inches(
        _SIZE[0], _SIZE[1] + _LINE_INCHES * len(axes.get_legend_handles_labels()[1])
    )
    figure.legend(frameon=False, fontsize=8, loc="outside lower center")
    return figure


def _of_one_reaction(
    results: Sequence[OverpotentialDocument], reaction: str | None
) -> list[OverpotentialDocument]:
    known = sorted({one.reaction for one in results})
    if reaction is None and len(known) > 1:
        message = (
            f"free-energy: results of {len(known)} reactions, {', '.join(known)}; one picture has "
            f"one, choose e.g. --reaction {known[0]}"
        )
        raise RecipeError(message)
    chosen = [one for one in results if reaction in (None, one.reaction)]
    if not chosen:
        message = (
            f"free-energy: no converged overpotential of {reaction}; known: {', '.join(known)}"
        )
        raise MissingData(message)
    first = chosen[0]
    for one in chosen:
        if [state.label for state in one.states] != [state.label for state in first.states]:
            message = (
                f"free-energy: {first.recipe} and {one.recipe} go through different states of "
                f"{one.reaction}; choose with --recipe"
            )
            raise RecipeError(message)
    return chosen


def volcano(results: Iterable[ResultDocument], reaction: str = "HER") -> Figure:
    """Return the published volcano of a reaction, with the results.

    Those of ``HER`` stand on its branches; those of ``OER`` and ``ORR`` at their own overpotential,
    which is above the branch as far as they depart from the scaling relation it is made of.

    Parameters
    ----------
    reaction
        ``HER`` (free energies of H, or overpotentials), ``OER`` or ``ORR`` (overpotentials).
        Results at other conditions than 298 K and 0 V without solvation are left out.

    Raises
    ------
    MissingData
        If no result belongs on it.
    """
    branch, label, low, high, height = _VOLCANOES[reaction]
    points = _volcano_points(results, reaction)
    if not points:
        message = (
            f"volcano of {reaction}: no converged result belongs on it (at 298 K and 0 V, without "
            f"solvation); run a recipe of quantity overpotential with reaction {reaction} first"
        )
        raise MissingData(message)
    values = [value for value, _, _ in points]
    grid = np.linspace(min(low, *values) - 0.1, max(high, *values) + 0.1, 400)
    figure, axes = _figure(label, height)
    heights = branch(grid)
    axes.plot(grid, heights, color="0.5", lw=1.2)
    for value, own, _ in points:
        axes.plot([value], [own], "o", ms=6)
    _annotated(axes, points, float(grid[heights.argmax()]))
    return figure


def _volcano_points(
    results: Iterable[ResultDocument], reaction: str
) -> list[tuple[float, float, str]]:
    """Return abscissa, ordinate and name of each result on a volcano, each point once.

    Several of one name are told apart by their recipes.
    """
    branch = _VOLCANOES[reaction][0]
    found: dict[tuple[str, float], tuple[float, float, str]] = {}
    for one in results:
        value = _abscissa(one, reaction)
        if value is None:
            continue
        own = branch(np.array(value)) if reaction == "HER" else -(one.value or 0.0)
        name = f"{surface_said(one)}, {one.engine.name}"  # type: ignore[arg-type] # has an abscissa
        found.setdefault((name, round(value, 3)), (value, float(own), one.recipe))
    names = [name for name, _ in found]
    return sorted(
        (value, own, f"{name}, {recipe}" if names.count(name) > 1 else name)
        for (name, _), (value, own, recipe) in found.items()
    )


def _annotated(axes: Any, points: Sequence[tuple[float, float, str]], peak: float) -> None:
    """Write names beside the points, outside the volcano, none above another."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high)
    height = _SIZE[1] - _MARGIN_INCHES
    for left in (True, False):
        side = sorted((one for one in points if (one[0] < peak) == left), key=lambda one: one[1])
        free = _apart(np.array([own for _, own, _ in side]), _LINE_INCHES * (high - low) / height)
        free = free - max(0.0, free.max(initial=low) - high)
        for (value, own, name), place in zip(side, free, strict=True):
            axes.annotate(
                name,
                (value, own),
                xytext=(-12 if left else 12, (place - own) / (high - low) * height * 72),
                textcoords="offset points",
                ha="right" if left else "left",
                va="center",
                fontsize=7,
                arrowprops={
                    "arrowstyle": "-",
                    "lw": 0.4,
                    "color": "0.6",
                    "shrinkA": 0,
                    "relpos": (1 if left else 0, 0.5),
                },
            )


def _apart(places: np.ndarray, gap: float) -> np.ndarray:
    """Return places in their order, at least a gap apart and about where they were.

    Examples
    --------
    >>> _apart(np.array([0.0, 0.0, 5.0]), 1.0).round(3).tolist()
    [-0.333, 0.667, 4.667]
    """
    steps = gap * np.arange(len(places))
    free = np.maximum.accumulate(places - steps) + steps
    shifted: np.ndarray = free - (free - places).mean() if len(places) else free
    return shifted


def d_band(results: Iterable[ResultDocument]) -> Figure:
    """Return the d-projected densities of states, each with its centre and window marked.

    Raises
    ------
    MissingData
        If there is no converged d-band centre.
    """
    chosen = _chosen(results, DBandCenterDocument)
    figure, axes = _figure("energy relative to the Fermi level (eV)", "d states (1/eV/atom)")
    for number, one in enumerate(chosen):
        color = f"C{number}"
        curves = np.mean([one.dos.atoms[k].orbitals["d"] for k in one.atoms], axis=0)
        label = f"{one.host} {one.defect}: {one.value:.2f} eV"
        axes.plot(one.dos.energies_eV, curves[0], color=color, lw=1, label=label)
        for other in curves[1:]:
            axes.plot(one.dos.energies_eV, -other, color=color, lw=1)
        axes.axvline(one.total.center_eV, color=color, ls="--", lw=1)
    for end in chosen[0].window_eV:
        axes.axvline(end, color="0.8", lw=0.8)
    axes.axvline(0.0, color="0.4", lw=0.8)
    low, high = chosen[0].window_eV
    axes.set_xlim(low - 1, high + 1)
    axes.legend(frameon=False, fontsize=8)
    return figure


def strain(results: Iterable[ResultDocument]) -> Figure:
    """Return free energies (or energies) of adsorption against strain.

    One line per surface, site, coverage, correction, potential, engine, model and level.

    Raises
    ------
    MissingData
        If no surface was computed at two strains.
    """
    lines = strain_lines(results)
    figure, axes = _figure("strain in the plane (%)", "adsorption (eV)")
    for label, points in lines:
        x = np.array(sorted(points))
        axes.plot(100 * x, [points[value] for value in x], "o-", ms=4, lw=1, label=label)
    axes.legend(frameon=False, fontsize=8)
    return figure


def d_band_correlation(results: Iterable[ResultDocument], species: str = "H") -> Figure:
    """Return free energies of adsorption against d-band centres of the same surfaces, and lines.

    One line per engine, model, level, site, coverage, correction and potential.

    Raises
    ------
    MissingData
        If fewer than two surfaces have both.
    """
    lines = d_band_lines(results, species)
    figure, axes = _figure("d-band centre (eV)", f"adsorption of {species} (eV)")
    for number, (name, pairs) in enumerate(lines):
        color = f"C{number}" if len(lines) > 1 else None
        _correlated(axes, pairs, color, f"{name}: " if color else "")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _correlated(axes: Any, pairs: Sequence[Pair], color: str | None, name: str) -> None:
    """Draw surfaces and the line through them; each in its own colour if there is one line."""
    x, y = (np.array([pair[k] for pair in pairs]) for k in (1, 2))
    slope, intercept, coefficient = correlation(x, y)
    for surface, center, value in pairs:
        axes.plot([center], [value], "o", ms=5, color=color)
        where = {"xytext": (4, 3), "textcoords": "offset points"}
        axes.annotate(surface, (center, value), fontsize=8, **where)
    ends = np.array([x.min(), x.max()])
    label = f"{name}slope {slope:.2f}, r = {coefficient:.2f}"
    axes.plot(ends, slope * ends + intercept, color=color or "0.5", lw=1, label=label)


def _figure(x: str, y: str) -> tuple[Figure, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def _steps(axes: Any, energies: Sequence[float | None], color: str, style: str, label: str) -> None:
    """Draw each state as a bar, neighbours joined."""
    for k, energy in enumerate(energies):
        if energy is None:
            continue
        bar = [k - 0.3, k + 0.3]
        axes.plot(
            bar, [energy, energy], color=color, ls=style, lw=2, label=label if not k else None
        )
        after = energies[k + 1] if k + 1 < len(energies) else None
        if after is not None:
            axes.plot([k + 0.3, k + 0.7], [energy, after], color=color, lw=0.6, ls=style)


def _chosen(results: Iterable[ResultDocument], kind: type[Any]) -> list[Any]:
    found = [one for one in results if isinstance(one, kind) and one.value is not None]
    if not found:
        quantity = kind.model_fields["quantity"].default
        message = f"plot: the store has no converged {quantity} that fits; run a recipe of it first"
        raise MissingData(message)
    return found


def _abscissa(one: ResultDocument, reaction: str) -> float | None:
    """Return where a result stands on the volcano; None if it does not belong."""
    if one.value is None:
        return None
    if isinstance(one, OverpotentialDocument):
        return _of_reaction(one, reaction)
    return _of_adsorption(one, reaction)


def _of_adsorption(one: ResultDocument, reaction: str) -> float | None:
    hydrogen = reaction == "HER" and one.species == "H" and one.quantity == _FREE
    if not (hydrogen and isinstance(one, AdsorptionDocument)):
        return None
    return None if one.free_energy and one.free_energy.other_conditions() else one.value


def _of_reaction(one: OverpotentialDocument, reaction: str) -> float | None:
    if one.reaction != reaction or one.other_conditions():
        return None
    energies = {each.adsorbate: each.free_energy_eV for each in one.intermediates}
    first = energies.get({"HER": "H*", "OER": "O*", "ORR": "OH*"}[reaction])
    second = energies.get("OH*") if reaction == "OER" else 0.0
    return None if first is None or second is None else first - second


#: By reaction: branch, its axis, the range shown at least, and what is drawn upwards.
_VOLCANOES: Final[dict[str, tuple[Callable[[Any], Any], str, float, float, str]]] = {
    "HER": (
        her_exchange_current_log10,
        "ΔG of H* (eV)",
        -0.8,
        0.8,
        "log10 exchange current (A/cm²)",
    ),
    "OER": (
        lambda gap: -oer_overpotential_V(gap),
        "ΔG of O* - ΔG of OH* (eV)",
        0.6,
        2.6,
        "-overpotential (V)",
    ),
    "ORR": (
        lambda energy: -orr_overpotential_V(energy),
        "ΔG of OH* (eV)",
        0.0,
        1.8,
        "-overpotential (V)",
    ),
}
#: Reactions with a published volcano.
VOLCANOES: Final = tuple(_VOLCANOES)
