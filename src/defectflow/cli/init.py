"""`defectflow init`: write the files of a site, from options or answers, and check them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
from click.types import convert_type

from defectflow.cli.options import store_option

_MANAGERS = ("fireworks", "jobflow-remote")
_QUEUES = ("slurm", "pbs", "sge", "lsf")
#: Option, field of the queue file, type, help.
_FIELDS: tuple[tuple[str, str, Any, str], ...] = (
    ("--wall-time", "wall_time", str, "Longest time of a queue job, hours:minutes:seconds."),
    ("--nodes", "nodes", int, "Nodes of a queue job."),
    ("--processes", "processes_per_node", int, "MPI processes on each node."),
    ("--threads", "threads_per_process", int, "Threads of each process."),
    ("--memory", "memory_per_node_MB", int, "Memory on each node, MB."),
    ("--partition", "queue", str, "Queue or partition."),
    ("--account", "account", str, "Account or project that pays."),
    ("--parallel-environment", "parallel_environment", str, "Parallel environment (SGE)."),
    ("--mpi", "mpi", str, "What starts MPI, e.g. 'srun -n {n}'."),
)


def _queue_options(command: Any) -> Any:
    for option, field, kind, words in reversed(_FIELDS):
        command = click.option(option, field, type=kind, help=words)(command)
    return command


@click.command()
@click.option("--to", type=click.Choice(_MANAGERS), help="Who keeps jobs.")
@click.option("--scheduler", type=click.Choice(_QUEUES), help="Kind of queue.")
@_queue_options
@click.option("--setup", multiple=True, metavar="LINE", help="Shell line before the work.")
@click.option("--directive", "directives", multiple=True, metavar="WORDS", help="Queue option.")
@click.option("--engine", "engines", multiple=True, metavar="E", help="Engine to be checked.")
@click.option("--force", is_flag=True, help="Write files anew that are there.")
@click.option("--no-check", is_flag=True, help="Do not check afterwards.")
@click.option("--yes-delete", metavar="DATABASE", help="Empty our launchpad in this database.")
@store_option
def command(
    store: str | None,
    to: str | None,
    engines: tuple[str, ...],
    yes_delete: str | None,
    *,
    force: bool,
    no_check: bool,
    **queue: Any,
) -> None:
    """Set a folder up for this machine or a cluster.

    What no option says is asked on a terminal. Written are queue.yaml, .defectflow/settings.yaml
    with the defaults of the other verbs, and the files of FireWorks or jobflow-remote. No password
    goes into a file: put it into $DEFECTFLOW_PASSWORD or the keyring. Then `defectflow doctor`
    looks at all of it.
    """
    from defectflow.launch.site_files import Wishes, offered_limits, site_files, write_files

    given = {"store": store, "to": to, **queue}
    if sys.stdin.isatty():
        given = _asked(given)
    store, to = given.pop("store"), given.pop("to")
    if given["scheduler"] is not None:
        given["limits"] = offered_limits(given["scheduler"], given["queue"])
    elif any(given.values()):
        message = "options of a queue need --scheduler slurm, pbs, sge or lsf"
        raise click.UsageError(message)
    files = site_files(Wishes(store, to, _plain(given), engines), Path.cwd())
    if yes_delete is not None:
        from defectflow.launch.launchpad_contents import emptied

        click.echo(f"deleted from {yes_delete}: {emptied(store or '', yes_delete)}", err=True)
    write_files(files, force=force)
    for path in files:
        click.echo(f"wrote {path.relative_to(Path.cwd())}", err=True)
    if not no_check:
        from click import get_current_context

        from defectflow.cli.doctor import command as doctor

        get_current_context().invoke(doctor, recipes=(), engines=(), style="table")


def _plain(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of the queue file, tuples as lists; empty without a queue."""
    if given["scheduler"] is None:
        return {}
    return {name: list(one) if isinstance(one, tuple) else one for name, one in given.items()}


def _asked(given: dict[str, Any]) -> dict[str, Any]:
    """Ask for what is not given; an empty answer leaves it out, a wrong one is asked for again."""
    questions: dict[str, tuple[Any, str]] = {
        "store": (
            str,
            "Store (mongodb://HOST/DATABASE, a path, empty for .defectflow/store.sqlite)",
        ),
        "to": (
            click.Choice(_MANAGERS),
            "Submit to (fireworks, jobflow-remote, empty for this machine alone)",
        ),
        "scheduler": (click.Choice(_QUEUES), "Queue (slurm, pbs, sge, lsf, empty for none)"),
    }
    answers = dict(given)
    for name, (kind, question) in questions.items():
        if answers[name] is None:
            answers[name] = _answer(question, kind)
    if answers["scheduler"] is None:
        return answers
    for option, field, kind, words in _FIELDS:
        wanted = field != "parallel_environment" or answers["scheduler"] == "sge"
        if answers[field] is None and wanted:
            answers[field] = _answer(f"{words.rstrip('.')} ({option}, empty for none)", kind)
    return answers


def _answer(question: str, kind: Any) -> Any:
    """Return what is typed as `kind`, None for nothing; ask again until it can be."""
    wanted = convert_type(kind)

    def read(said: str) -> Any:
        return wanted.convert(said, None, None) if said else None

    return click.prompt(question, default="", show_default=False, value_proc=read)
