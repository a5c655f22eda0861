"""`defectflow results`: what the store holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from defectflow.cli.options import format_option, host_option, settings, store_option

if TYPE_CHECKING:
    from collections.abc import Callable

    from defectflow.cli.options import Format
    from defectflow.documents import ResultDocument
    from defectflow.report import Column

#: The fields that scripts rely on, in order.
FIELDS: Final = (
    "recipe",
    "quantity",
    "value",
    "unit",
    "host",
    "defect",
    "species",
    "engine",
    "level",
    "converged",
    "key",
    "created",
)


def filter_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose results."""
    function = host_option(function)
    function = click.option("--species", metavar="S", help="Only this ion, e.g. Mg.")(function)
    return click.option("--quantity", metavar="Q", help="E.g. migration_barrier.")(function)


def found(store: str | None, **filters: str | None) -> list[ResultDocument]:
    """Return the results in a store, newest first.

    Raises
    ------
    RecipeError
        If there is no such quantity.
    MissingData
        If there is no such store.
    """
    from defectflow.documents import RESULTS
    from defectflow.errors import RecipeError, did_you_mean
    from defectflow.store import open_store

    quantity = filters.get("quantity")
    if quantity is not None and quantity not in RESULTS:
        message = f"--quantity {quantity}: unknown; {did_you_mean(quantity, RESULTS)}"
        raise RecipeError(message)
    with open_store(settings(store).store, create=False) as opened:
        return opened.find(**filters)


def chosen(
    results: list[ResultDocument],
    engine: str | None,
    level: str | None,
    recipes: tuple[str, ...],
) -> list[ResultDocument]:
    """Return those of `results` that `choice_options` ask for.

    Raises
    ------
    RecipeError
        If a recipe has no result among them.
    """
    from defectflow.errors import RecipeError, did_you_mean

    known = {one.recipe for one in results}
    for recipe in recipes:
        if recipe not in known:
            remedy = did_you_mean(recipe, known) if known else "there are none"
            message = f"--recipe {recipe}: has no such result here; {remedy}"
            raise RecipeError(message)
    return [
        one
        for one in results
        if engine in (None, one.engine.name)
        and level in (None, one.engine.level)
        and (not recipes or one.recipe in recipes)
    ]


@click.command()
@filter_options
@format_option("table", "json", "csv")
@store_option
def command(
    quantity: str | None,
    species: str | None,
    host: str | None,
    style: Format,
    store: str | None,
) -> None:
    """Print the results in the store, newest first.

    JSON is one list of objects, CSV has a heading; both hold every field, also of results that did
    not converge (their value is null, or empty).
    """
    from defectflow.report import table, to_csv, to_json

    rows = [one.row() for one in found(store, quantity=quantity, species=species, host=host)]
    if style == "json":
        click.echo(to_json(rows))
    elif style == "csv":
        click.echo(to_csv(rows, FIELDS))
    elif rows:
        click.echo(table([_shown(row) for row in rows], _columns()))
    else:
        click.echo("no results", err=True)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a record as the table has it: no number if not converged, the day, no key."""
    value = row["value"] if row["converged"] else "not converged"
    return {**row, "value": value, "created": row["created"][:10]}


def _columns() -> list[Column]:
    from defectflow.report import Column

    names = [name for name in FIELDS if name not in {"key", "converged", "value"}]
    columns = [Column(name, wrap=name in {"recipe", "host"}) for name in names]
    columns.insert(FIELDS.index("value"), Column("value", form=".4g", align="right"))
    return columns
