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

host_option: Final = click.option(
    "--host", metavar="H", help="Prototype, or all of a reduced formula."
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


def choice_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose among results of one quantity; `results.chosen` obeys them."""
    levels = click.Choice(["fast", "balanced", "stringent"])
    function = click.option("--level", type=levels, help="Only results of this level.")(function)
    function = click.option("--engine", metavar="E", help="Only results of this engine.")(function)
    return click.option(
        "--recipe",
        "recipes",
        multiple=True,
        metavar="R",
        help="Only results of this recipe; may be repeated.",
    )(function)


def settings(store: str | None, workers: int | None = None) -> Settings:
    """Return the settings of this environment, with what the command line says on top."""
    from defectflow.settings import load_settings

    given = {"store": store, "workers": workers}
    changes = {name: value for name, value in given.items() if value is not None}
    return load_settings().model_copy(update=changes)
