"""`defectflow submit`: hand recipes over to FireWorks or jobflow-remote and its queue jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from defectflow.cli.options import settings, store_option

if TYPE_CHECKING:
    from defectflow.documents import Level


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option(
    "--to",
    type=click.Choice(["fireworks", "jobflow-remote"]),
    help="Who keeps the jobs and hands them to the queue; [default: that of `defectflow init`]",
)
@click.option(
    "--queue",
    metavar="FILE",
    help="Queue file, or one of slurm, pbs, sge, lsf; [default: that of `defectflow init`]",
)
@click.option("--engine", metavar="E", help="Engine to use instead of the recipe's.")
@click.option(
    "--level",
    type=click.Choice(["fast", "balanced", "stringent"]),
    help="Level to use instead of the recipe's.",
)
@store_option
def command(
    recipes: tuple[str, ...],
    to: str | None,
    queue: str | None,
    engine: str | None,
    level: Level | None,
    store: str | None,
) -> None:
    """Submit recipes to the queue of a cluster.

    The same recipe is never submitted twice; what the store holds is not computed again. The store
    must be a MongoDB server that all machines reach; see `defectflow status` for what becomes of
    it. Passwords are taken from $DEFECTFLOW_PASSWORD or the keyring.
    """
    chosen = settings(store)
    from defectflow.cli.computing import Asked, prepare
    from defectflow.cli.submitting import submit
    from defectflow.errors import RecipeError

    to, queue = to or chosen.to, queue or chosen.queue
    if to is None or queue is None:
        option = "--to fireworks or jobflow-remote" if to is None else "--queue FILE"
        message = f"submit: {option} is missing; give it, or set this folder up: defectflow init"
        raise RecipeError(message)
    tasks = prepare(recipes, Asked(engine, level, store))
    for line in submit(tasks, to, queue, chosen, Asked(engine, level, store)):
        click.echo(line, err=True)
