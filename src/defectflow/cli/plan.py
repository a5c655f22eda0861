"""`defectflow plan`: what recipes would run, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from defectflow.cli.options import settings, store_option

if TYPE_CHECKING:
    from defectflow.store import Store


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--engine", metavar="E", help="Engine to use instead of the recipe's.")
@click.option(
    "--level",
    type=click.Choice(["fast", "balanced", "stringent"]),
    help="Level to use instead of the recipe's.",
)
@click.option("--queue", metavar="FILE", help="Queue file, for processes, memory and wall time.")
@click.option("--check", is_flag=True, help="Stop at the first thing that would fail.")
@click.option(
    "-o", "folder", metavar="DIR", default="plan", show_default=True, help="Where to write."
)
@store_option
def command(
    recipes: tuple[str, ...],
    queue: str | None,
    folder: str,
    store: str | None,
    *,
    check: bool,
    **asked: Any,
) -> None:
    """Show what recipes would run.

    The whole flow is gone through with made-up outputs, so that jobs which come into being at run
    time are there too. For each recipe a folder is written with every input file, the drawing of
    the graph and the table of jobs. What the store holds is marked; estimates of core-hours come
    from finished jobs in it.
    """
    chosen = settings(store)
    from defectflow.cli.computing import Asked, prepare
    from defectflow.launch import queues
    from defectflow.launch.planning import check_plan, make_plan, write_plan
    from defectflow.launch.site import load_site

    site = load_site(queue) if queue else None
    if site is not None:
        for kind in site.kinds:
            queues.adapter(site, kind, "true")
    known = _known(chosen.store)
    for task in prepare(recipes, Asked(asked["engine"], asked["level"], store)):
        plan = make_plan(task.recipe.name, task.flow, known, site)
        if check and site is not None:
            check_plan(plan, site)
        place = Path(folder) / task.recipe.name
        write_plan(plan, place)
        click.echo("\n".join(plan.summary()))
        click.echo(f"  written to {place}", err=True)


def _known(url: str | None) -> Store | None:
    """Open the store, if there is one."""
    from defectflow.errors import MissingData
    from defectflow.store import open_store

    try:
        return open_store(url, create=False)
    except MissingData:
        return None
