"""`defectflow status`: what ran, runs, failed and why, with the command that resumes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from defectflow.cli.options import format_option, settings, store_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defectflow.cli.options import Format
    from defectflow.store import RunRecord

_FIELDS = (
    "recipe",
    "state",
    "started",
    "ended",
    "seconds",
    "jobs_done",
    "jobs_total",
    "error",
    "resume",
    "recipe_path",
    "key",
    "run_id",
    "host",
    "pid",
)


@click.command()
@format_option("table", "json", "csv")
@store_option
def command(style: Format, store: str | None) -> None:
    """Print what ran, runs, waits in a queue, and failed and why.

    Newest first; for what did not end well also the command that goes on with it.
    """
    from defectflow.report import to_csv, to_json
    from defectflow.store import open_store

    url = settings(store).store
    with open_store(url, create=False) as opened:
        rows = _rows(opened.runs.all())
    if url is not None and url.startswith("mongodb"):
        rows = [*_submitted(url), *rows]
    if style == "json":
        click.echo(to_json(rows))
    elif style == "csv":
        click.echo(to_csv(rows, _FIELDS))
    elif rows:
        click.echo(_text(rows))
    else:
        click.echo("no runs", err=True)


def _rows(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return one record per run; only the last run of a result can be resumed."""
    rows, seen = [], set()
    for record in records:
        what = record.key or record.recipe
        unfinished = record.state in {"failed", "interrupted"} and what not in seen
        seen.add(what)
        known = record.model_dump(mode="json", include=set(_FIELDS))
        extra = {
            "seconds": _seconds(record),
            "resume": record.command if unfinished and record.command else None,
        }
        rows.append({name: (known | extra)[name] for name in _FIELDS})
    return rows


def _submitted(url: str) -> list[dict[str, Any]]:
    """Return one record per submitted recipe, over all managers of a store."""
    from defectflow.cli.submitting import resume
    from defectflow.launch.backends import managers

    rows = []
    submissions = [one for manager in managers(url) for one in manager.submissions()]
    for one in submissions:
        known = {
            "recipe": one.recipe,
            "state": one.state,
            "started": one.submitted,
            "jobs_done": one.jobs_done,
            "jobs_total": one.jobs_total,
            "error": "\n".join(f"{t.job}: {t.words}" for t in one.troubles) or None,
            "resume": resume(one, url, submissions),
            "recipe_path": one.recipe_path,
            "key": one.key,
            "host": one.to,
        }
        rows.append({name: known.get(name) for name in _FIELDS})
    return rows


def _seconds(record: RunRecord) -> float | None:
    """Return how long a run took, or has taken so far; None if that cannot be known."""
    if record.ended is None and record.state != "running":
        return None
    until = datetime.fromisoformat(record.ended) if record.ended else datetime.now(UTC)
    return (until - datetime.fromisoformat(record.started)).total_seconds()


def _text(rows: Sequence[dict[str, Any]]) -> str:
    from defectflow.report import Column, duration, table

    shown = [
        {
            **row,
            "jobs": f"{row['jobs_done']}/{row['jobs_total']}" if row["jobs_total"] else None,
            "took": duration(row["seconds"]),
        }
        for row in rows
    ]
    columns = [Column(name) for name in ("recipe", "state", "started")]
    columns += [Column(name, align="right") for name in ("took", "jobs")]
    lines = table(shown, columns).splitlines()
    blocks = lines[:2]
    for line, row in zip(lines[2:], rows, strict=True):
        blocks.append(line)
        blocks += [f"    why: {one}" for one in (row["error"] or "").splitlines()]
        if row["resume"]:
            blocks.append(f"    go on: {row['resume']}")
    return "\n".join(blocks)
