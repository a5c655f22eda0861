"""`defectflow retry`: run what failed or was lost again."""

from __future__ import annotations

import click

from defectflow.cli.options import settings, store_option


@click.command()
@click.argument("recipes", nargs=-1, metavar="[RECIPE...]")
@store_option
def command(recipes: tuple[str, ...], store: str | None) -> None:
    """Run jobs of submitted recipes again that failed or were lost.

    Without a name, all of the store. A job goes on from the files that it has left; what finished
    is not computed again.
    """
    from defectflow.cli.submitting import chosen

    for manager, found in chosen(settings(store).store, recipes):
        again = manager.retry([one.key for one in found])
        click.echo(f"jobs that run again: {', '.join(again) or 'none'}", err=True)
        for line in manager.start():
            click.echo(line, err=True)
