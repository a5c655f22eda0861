"""`defectflow run`: compute what recipes ask for, and show it beside the published numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from defectflow.cli.options import settings, store_option

if TYPE_CHECKING:
    from defectflow.documents import Level


@click.command()
@click.argument("recipes", nargs=-1, required=True, metavar="RECIPE...")
@click.option("--engine", metavar="E", help="Engine to use instead of the recipe's.")
@click.option(
    "--level",
    type=click.Choice(["fast", "balanced", "stringent"]),
    help="Level to use instead of the recipe's.",
)
@store_option
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Jobs at a time. [default: $DEFECTFLOW_WORKERS or 1]",
)
@click.option("--fresh", is_flag=True, help="Compute again what is in the store already.")
def command(
    recipes: tuple[str, ...],
    engine: str | None,
    level: Level | None,
    store: str | None,
    workers: int | None,
    fresh: bool,  # noqa: FBT001
) -> None:
    """Compute what recipes ask for, beside published numbers.

    All recipes are checked before anything is computed. What the store holds is not computed again,
    and an interrupted run goes on where it stopped. Progress goes to stderr, the table to stdout.
    """
    chosen = settings(store, workers)
    _one_thread_per_worker()
    from defectflow.cli.computing import Asked, compute, prepare, summary

    asked = Asked(engine, level, store, workers, fresh=fresh)
    tasks = prepare(recipes, asked)
    outcomes = compute(tasks, asked, chosen)
    click.echo(summary(outcomes))
    if not all(outcome.ok for outcome in outcomes):
        click.get_current_context().exit(1)


def _one_thread_per_worker() -> None:
    """Keep torch to one thread, unless told otherwise; heeded if torch is not imported yet.

    Two threads on an idle two-core machine gain a third at best; on a busy one they wait for each
    other and a force call takes thirty times as long. Workers are what uses more cores.
    """
    import os

    os.environ.setdefault("OMP_NUM_THREADS", "1")
