"""`defectflow plot`: pictures of what the store holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from defectflow.cli.options import choice_options, host_option, store_option
from defectflow.cli.results import chosen, found

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.figure import Figure

    from defectflow.documents import ResultDocument

    Draw = Callable[[list[ResultDocument], str, str | None], Figure]

#: What each kind shows.
KINDS: Final = {
    "free-energy": "states of reactions, at 0 V and at the potential of the recipe",
    "volcano": "results on the published volcano of a reaction",
    "d-band": "d states of atoms with their centres",
    "strain": "adsorption against strain",
    "correlation": "adsorption against the d-band centre",
    "formation": "formation energies of the defects of a host against the Fermi level",
    "voltage": "voltages of electrodes against composition",
}


@click.command(
    help="Draw results of the store into a file.\n\n\b\n"
    + "\n".join(f"{kind:12s} {text}" for kind, text in KINDS.items())
)
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Picture to write (.png, .pdf, .svg). [default: KIND.png]",
)
@host_option
@choice_options
@click.option("--species", metavar="S", help="Adsorbate, e.g. H.")
@click.option(
    "--reaction",
    type=click.Choice(["HER", "ORR", "OER", "CO2RR-CO", "CO2RR-CHO"]),
    help="Of free energies, or of a volcano (HER by default).",
)
@click.option("--limit", metavar="L", default="", help="Of formation energies, e.g. O-poor.")
@click.option(
    "--temperature",
    "temperatures",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    metavar="K",
    help="Of formation energies: mark the Fermi level of the neutral crystal; may be repeated.",
)
@store_option
def command(
    kind: str,
    target: Path | None,
    host: str | None,
    species: str | None,
    store: str | None,
    **wishes: Any,
) -> None:
    """Draw results of the store into a file."""
    choice = [wishes.pop(name) for name in ("engine", "level", "recipes")]
    results = chosen(found(store, host=host), *choice)
    if species is not None and kind in {"strain", "voltage"}:
        results = [one for one in results if one.species == species]
    figure = _drawn(kind, results, species, **wishes)
    path = target or Path(f"{kind}.png")
    _save(figure, path)
    click.echo(path)


def _drawn(
    kind: str,
    results: list[Any],
    species: str | None,
    reaction: str | None,
    limit: str,
    temperatures: tuple[float, ...],
) -> Figure:
    from defectflow.report import energy_diagrams, plots

    pictures: dict[str, Callable[[], Figure]] = {
        "free-energy": lambda: plots.free_energy_diagram(results, reaction),
        "volcano": lambda: _volcano(results, reaction or "HER"),
        "d-band": lambda: plots.d_band(results),
        "strain": lambda: plots.strain(results),
        "correlation": lambda: plots.d_band_correlation(results, species or "H"),
        "formation": lambda: _formation(results, limit, temperatures),
        "voltage": lambda: energy_diagrams.voltage_profiles(results),
    }
    return pictures[kind]()


def _volcano(results: list[Any], reaction: str) -> Figure:
    from defectflow.errors import RecipeError
    from defectflow.report import plots

    if reaction not in plots.VOLCANOES:
        message = f"--reaction {reaction}: has no volcano; known: {', '.join(plots.VOLCANOES)}"
        raise RecipeError(message)
    return plots.volcano(results, reaction)


def _formation(results: list[Any], limit: str, temperatures: tuple[float, ...]) -> Figure:
    from defectflow.report.defect_sets import DefectSet
    from defectflow.report.energy_diagrams import formation_diagram

    defects = DefectSet.from_results(results, limit)
    return formation_diagram(defects, [defects.equilibrium(kelvin) for kelvin in temperatures])


def _save(figure: Figure, path: Path) -> None:
    from defectflow.errors import RecipeError

    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        message = f"-o {path}: cannot be written ({error}); give a .png, .pdf or .svg"
        raise RecipeError(message) from error
