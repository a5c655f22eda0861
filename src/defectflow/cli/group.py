"""A group of verbs, each imported when it is needed, and what becomes of errors."""

from __future__ import annotations

import importlib
import io
import sys
import warnings
from typing import IO, Any, Final, cast

import click

from defectflow.errors import DefectflowError, Remark, did_you_mean

#: Exit status after Ctrl-C, as shells have it: 128 and the number of SIGINT.
INTERRUPTED: Final = 130
#: Exit status where the input is wrong.
BAD_INPUT: Final = 2


class HintingGroup(click.Group):
    """A group that names the nearest command where one is misspelt."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names."""
        known = self.list_commands(ctx)
        if args[0] not in known and not args[0].startswith("-"):
            message = f"no command {args[0]!r}; {did_you_mean(args[0], known)}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)


class LazyGroup(HintingGroup):
    """A group whose commands are imported on demand; mistakes of the user end in one line.

    Parameters
    ----------
    verbs
        Module of each command, which holds it under the name ``command``.
    """

    def __init__(self, *args: Any, verbs: dict[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the verbs in the order of the work."""
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the verb called `cmd_name`."""
        if cmd_name not in self.verbs:
            return None
        return cast("click.Command", importlib.import_module(self.verbs[cmd_name]).command)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; what the user can mend is said in one line."""
        if not sys.warnoptions:
            warnings.simplefilter("ignore")  # of other packages, to their developers
            warnings.simplefilter("once", Remark)
            warnings.showwarning = _shown
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without Å is no error
        try:
            return super().invoke(ctx)
        except DefectflowError as error:
            raise OneLine(str(error)) from error
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else ctx.command_path
            message = f"{error.format_message()} (see {path} --help)"
            raise OneLine(message) from error
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


def _shown(message: Warning | str, *_: Any, **_named: Any) -> None:
    """Write what the user should know as a note on stderr."""
    click.echo(f"note  {' '.join(str(message).split())}", err=True)


class OneLine(click.ClickException):
    """The end of a command that cannot do what it was asked: one line on stderr, status 2."""

    exit_code = BAD_INPUT

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the line."""
        click.echo(f"defectflow: {' '.join(self.message.split())}", file=file, err=file is None)
