"""`defectflow cancel`: stop submitted recipes."""

from __future__ import annotations

import click

from defectflow.cli.options import settings, store_option


@click.command()
@click.argument("recipes", nargs=-1, metavar="[RECIPE...]")
@click.option("--all", "everything", is_flag=True, help="Stop everything in this store.")
@store_option
def command(recipes: tuple[str, ...], everything: bool, store: str | None) -> None:  # noqa: FBT001
    """Stop recipes that were submitted.

    What is computed stays. A recipe is named by its file, its name or the start of its key.
    `defectflow submit` (FireWorks) or `defectflow retry` (jobflow-remote) goes on with it.
    """
    if not recipes and not everything:
        message = "name the recipes to stop, or give --all"
        raise click.UsageError(message)
    from defectflow.cli.submitting import chosen

    for manager, found in chosen(settings(store).store, recipes):
        names = {one.key: one.recipe for one in found}
        for key in manager.cancel(list(names)):
            click.echo(f"{names[key]}: stopped", err=True)
