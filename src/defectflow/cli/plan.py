"""`defectflow plan`: what recipes would run, without running it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from defectflow.cli.options import settings, store_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.cli.computing import Task
    from defectflow.launch.site import Site
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
    from finished jobs in it. No program has to be installed, unless --check is given.
    """
    chosen = settings(store)
    from defectflow.cli.computing import Asked, prepare
    from defectflow.engines import programs
    from defectflow.launch.plan_writing import write_plan
    from defectflow.launch.planning import Planner, check_plan, cost_line

    site = _checked_site(queue or chosen.queue)
    plans = []
    with programs.only_planned(strict=check) as missing:
        planner = Planner(_known(chosen.store), site)
        tasks = prepare(recipes, Asked(asked["engine"], asked["level"], store))
        for task, place in zip(tasks, _places(tasks, folder), strict=True):
            plan = planner.plan(task.recipe.name, task.flow)
            if check and site is not None:
                check_plan(plan, site)
            write_plan(plan, place)
            click.echo("\n".join(plan.summary()))
            plans.append(plan)
    if len(plans) > 1:
        click.echo(f"all {len(plans)} recipes\n{cost_line(plans)}")
    for problem in missing:
        click.echo(f"missing here: {problem}", err=True)
    click.echo(f"written to {folder}: a plan, nothing was computed", err=True)


def _places(tasks: Sequence[Task], folder: str) -> list[Path]:
    """Return where the plan of each task is written; say it where that is not its name."""
    from defectflow.launch.plan_writing import folder_names

    names = [task.recipe.name for task in tasks]
    places = [Path(folder) / name for name in folder_names(names)]
    for task, place in zip(tasks, places, strict=True):
        if place.name != task.recipe.name:
            click.echo(f"{task.recipe.path}: its plan is in {place}", err=True)
    return places


def _checked_site(queue: str | None) -> Site | None:
    """Read the queue file and see that queue jobs of every kind can be written."""
    if queue is None:
        return None
    from defectflow.launch import queues
    from defectflow.launch.site import load_site

    site = load_site(queue)
    for kind in site.kinds:
        queues.adapter(site, kind, "true")
    return site


def _known(url: str | None) -> Store | None:
    """Open the store, if there is one."""
    from defectflow.errors import MissingData
    from defectflow.store import open_store

    try:
        return open_store(url, create=False)
    except MissingData:
        return None
