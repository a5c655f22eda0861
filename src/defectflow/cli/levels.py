"""`defectflow levels`: charged defects of one host together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from defectflow.cli.options import choice_options, format_option, host_option, store_option
from defectflow.cli.results import chosen, found

if TYPE_CHECKING:
    from defectflow.cli.options import Format
    from defectflow.documents import EquilibriumDocument
    from defectflow.report.defect_sets import DefectSet


@click.command()
@host_option
@choice_options
@click.option("--limit", metavar="L", default="", help="E.g. O-poor, with competing phases.")
@click.option(
    "--temperature",
    "temperatures",
    type=click.FloatRange(min=0, min_open=True),
    multiple=True,
    metavar="K",
    help="Fermi level and concentrations at this temperature; may be repeated.",
)
@click.option(
    "--frozen-at",
    type=click.FloatRange(min=0, min_open=True),
    metavar="K",
    help="Take the numbers of defects from this temperature: only charges change below it.",
)
@format_option("table", "json")
@store_option
def command(
    limit: str,
    temperatures: tuple[float, ...],
    frozen_at: float | None,
    style: Format,
    **where: Any,
) -> None:
    """Print formation energies, transition levels and concentrations of the defects of a host.

    All formation energies of the host in the store are taken together, of the same defect the
    newest; they have to be of one crystal and engine and against the same reservoirs. Energies hold
    for a Fermi level at the valence band maximum, from which levels are counted.
    """
    from defectflow.errors import RecipeError
    from defectflow.report.defect_sets import DefectSet, records
    from defectflow.report.records import to_json

    if frozen_at is not None and not temperatures:
        message = f"--frozen-at {frozen_at:g}: needs the temperature now, e.g. --temperature 300"
        raise RecipeError(message)
    results = found(where["store"], quantity="defect_formation_energy", host=where["host"])
    results = chosen(results, where["engine"], where["level"], where["recipes"])
    defects = DefectSet.from_results(results, limit)
    equilibria = [defects.equilibrium(kelvin, frozen_at) for kelvin in temperatures]
    if style == "json":
        about = {"host": defects.host, "engine": defects.engine, "limit": limit}
        rows = [{**about, "kind": "equilibrium", **one.model_dump()} for one in equilibria]
        click.echo(to_json([*records(defects), *rows]))
        return
    _print(defects, equilibria)


def _print(defects: DefectSet, equilibria: list[EquilibriumDocument]) -> None:
    from defectflow.report import Column, table
    from defectflow.report.defect_sets import records

    click.echo(f"{defects.host}, {defects.engine}")
    for element, source in defects.reservoirs.items():
        click.echo(f"{element} from {source}")
    rows = records(defects)
    energies = [row for row in rows if row["kind"] == "energy"]
    levels = [_named(row) for row in rows if row["kind"] == "transition"]
    numbers = [
        Column("charge", form="+d", align="right"),
        Column("energy_eV", form=".3f", align="right"),
        Column("correction_eV", form=".3f", align="right"),
    ]
    click.echo("\n" + table(energies, [Column("defect"), *numbers]))
    if levels:
        level = Column("level_eV", form=".3f", align="right")
        click.echo("\n" + table(levels, [Column("defect"), Column("transition"), level]))
    if equilibria:
        click.echo("\n" + table([_flat(one) for one in equilibria], _columns(equilibria)))


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "transition": f"{row['upper']:+d}/{row['lower']:+d}"}


def _flat(one: EquilibriumDocument) -> dict[str, Any]:
    numbers = {
        f"{name} {int(charge):+d}": number
        for name, by_charge in one.defects_per_cm3.items()
        for charge, number in by_charge.items()
    }
    return {**one.model_dump(exclude={"defects_per_cm3"}), **numbers}


def _columns(equilibria: list[EquilibriumDocument]) -> list[Any]:
    from defectflow.report import Column

    rows = [_flat(one) for one in equilibria]
    columns = [
        Column("temperature_K", "T (K)", form="g", align="right"),
        Column("fermi_eV", "Fermi (eV)", form=".3f", align="right"),
        Column("electrons_per_cm3", "e (cm-3)", form=".2e", align="right"),
        Column("holes_per_cm3", "h (cm-3)", form=".2e", align="right"),
    ]
    names = [name for name in rows[0] if " " in name]
    if rows[0]["frozen_at_K"] is not None:
        columns.insert(1, Column("frozen_at_K", "frozen at (K)", form="g", align="right"))
    return [*columns, *(Column(name, form=".2e", align="right") for name in names)]
