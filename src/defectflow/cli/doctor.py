"""`defectflow doctor`: what is wrong with this site, one line each, with the remedy."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from defectflow.cli.options import format_option, settings, store_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from defectflow.cli.options import Format
    from defectflow.launch.checkup import Finding
    from defectflow.settings import Settings


@click.command()
@click.argument("recipes", nargs=-1, metavar="[RECIPE...]")
@click.option("--engine", "engines", multiple=True, metavar="E", help="Engine to look at.")
@click.option("--queue", metavar="FILE", help="Queue file; [default: that of `defectflow init`]")
@click.option("--no-start", is_flag=True, help="Let no engine compute; takes seconds less.")
@click.option("--nodes", is_flag=True, help="Send queue jobs that tell the time of their nodes.")
@click.option("--wait", default=300.0, metavar="S", help="Wait so long for nodes; [default: 300]")
@format_option("table", "json")
@store_option
def command(
    recipes: tuple[str, ...],
    engines: tuple[str, ...],
    style: Format,
    store: str | None,
    **looks: Any,
) -> None:
    """Look whether this site works.

    Database and clocks, the queue and its commands, the manager's files, passwords where none
    belong, engines: their programs, data for each element of the recipes, and one small
    calculation. Exit status 1 if anything is wrong.
    """
    from defectflow.report import to_json

    chosen = settings(store)
    if looks["queue"]:
        chosen = chosen.model_copy(update={"queue": looks["queue"]})
    found = findings(chosen, recipes, engines, start=not looks["no_start"])
    if looks["nodes"]:
        found = chain(found, _nodes(chosen, looks["wait"]))
    rows = []
    for one in found:
        rows.append({"about": one.about, "ok": one.ok, "finding": one.words})
        if style == "table":
            click.echo(f"{'ok ' if one.ok else 'BAD'} {one.about}: {one.words}")
    if style == "json":
        click.echo(to_json(rows))
    if not all(row["ok"] for row in rows):
        raise SystemExit(1)


def _nodes(chosen: Settings, wait_s: float) -> Iterator[Finding]:
    """Ask compute nodes."""
    from defectflow.errors import DefectflowError
    from defectflow.launch.checkup import Finding
    from defectflow.launch.site import load_site
    from defectflow.settings import FOLDER

    url = chosen.store or ""
    if chosen.queue is None or not url.startswith("mongodb"):
        words = (
            "--nodes needs a queue file and the URL of a server: --queue FILE --store mongodb://…"
        )
        yield Finding("nodes", ok=False, words=words)
        return
    try:
        site = load_site(chosen.queue)
    except DefectflowError:  # said already
        return
    from defectflow.launch.node_checkup import node_findings

    yield from node_findings(site, url, Path.cwd() / FOLDER, wait_s)


def findings(
    chosen: Settings, recipes: tuple[str, ...], engines: tuple[str, ...], *, start: bool
) -> Iterator[Finding]:
    """Look at everything that the settings, recipes and options name."""
    from defectflow.errors import DefectflowError
    from defectflow.launch import checkup
    from defectflow.launch.site import load_site
    from defectflow.settings import FOLDER

    folder = Path.cwd() / FOLDER
    yield from checkup.store_findings(chosen.store)
    yield from checkup.clock_findings(chosen.store, folder)
    yield from checkup.password_findings(chosen.store, folder)
    if chosen.queue is not None:
        try:
            site = load_site(chosen.queue)
        except DefectflowError as error:
            yield checkup.Finding("queue", ok=False, words=str(error))
        else:
            yield from checkup.queue_findings(site)
    if chosen.to is not None:
        yield from checkup.manager_findings(chosen.to, chosen.store, folder)
    yield from _engines(chosen, recipes, engines, start=start)


def _engines(
    chosen: Settings, recipes: tuple[str, ...], engines: tuple[str, ...], *, start: bool
) -> Iterator[Finding]:
    from defectflow.cli.computing import Asked, prepare
    from defectflow.engines import engine, programs
    from defectflow.errors import DefectflowError
    from defectflow.launch.checkup import Finding
    from defectflow.launch.engine_checkup import engine_findings, needs_of

    needed = []
    if recipes:
        try:
            with programs.only_planned():
                flows = [task.flow for task in prepare(recipes, Asked(None, None, None))]
                needed = list(needs_of(flows).values())
        except DefectflowError as error:
            yield Finding("recipe", ok=False, words=str(error))
    names = engines or (() if recipes else chosen.engines)
    for name in names:
        try:
            needed.append((engine(name), set()))
        except DefectflowError as error:
            yield Finding("engine", ok=False, words=str(error))
    for one, elements in needed:
        yield from engine_findings(one, elements, start=start)
