"""Options that several verbs share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from defectflow.settings import Settings

Format = Literal["table", "json", "csv"]

store_option: Final = click.option(
    "--store",
    metavar="URL",
    help="Store: a path such as runs/a.sqlite, mongodb://host/database or memory://. "
    "[default: $DEFECTFLOW_STORE or .defectflow/store.sqlite]",
)


def format_option(*choices: Format) -> Callable[[Any], Any]:
    """Return the option ``--format``; the first choice is the default."""
    return click.option(
        "--format",
        "style",
        type=click.Choice(choices),
        default=choices[0],
        show_default=True,
        help="How to print.",
    )


def settings(store: str | None, workers: int | None = None) -> Settings:
    """Return the settings of this environment, with what the command line says on top."""
    from defectflow.settings import load_settings

    given = {"store": store, "workers": workers}
    changes = {name: value for name, value in given.items() if value is not None}
    return load_settings().model_copy(update=changes)
