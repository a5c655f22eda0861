"""`defectflow compare`: the results beside the published numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from defectflow.cli.options import format_option, store_option
from defectflow.cli.results import FIELDS, filter_options, found

if TYPE_CHECKING:
    from defectflow.cli.options import Format
    from defectflow.reference import Comparison

_ADDED: Final = ("published", "error", "citation", "doi", "published_id", "condition", "note")


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
    """Print the results beside the published numbers.

    Each stands beside the published value that fits its conditions best. The error is ours minus
    the published value.
    """
    from defectflow.reference import compare
    from defectflow.report import comparison_table, to_csv, to_json

    compared = compare(found(store, quantity=quantity, species=species, host=host))
    if style == "json":
        click.echo(to_json([_row(one) for one in compared]))
    elif style == "csv":
        click.echo(to_csv([_row(one) for one in compared], [*FIELDS, *_ADDED]))
    elif compared:
        click.echo(comparison_table(compared))
    else:
        click.echo("no results", err=True)


def _row(comparison: Comparison) -> dict[str, Any]:
    published = comparison.published
    return {
        **comparison.row(),
        "condition": None if published is None else published.condition,
    }
