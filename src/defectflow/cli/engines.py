"""`defectflow engines`: what is installed, what each can do, why one is not available."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from defectflow.cli.options import format_option

if TYPE_CHECKING:
    from defectflow.cli.options import Format


@click.command()
@format_option("table", "json")
def command(style: Format) -> None:
    """Print what each engine can do here, and what is missing."""
    from defectflow.engines import inventory
    from defectflow.report import Column, table, to_json

    rows: list[dict[str, Any]] = [
        {
            "name": one.name,
            "available": one.available,
            "capabilities": [str(capability) for capability in one.capabilities],
            "models": list(one.models),
            "problem": one.problem,
        }
        for one in inventory()
    ]
    if style == "json":
        click.echo(to_json(rows))
        return
    shown = [
        {**row, "can": ", ".join(row["capabilities"]), "models": ", ".join(row["models"])}
        for row in rows
    ]
    columns = [Column("name"), Column("available"), Column("can", wrap=True)]
    columns.append(Column("models", wrap=True))
    if any(row["problem"] for row in rows):
        columns.append(Column("problem", "why not, and the remedy", wrap=True))
    click.echo(table(shown, columns))
