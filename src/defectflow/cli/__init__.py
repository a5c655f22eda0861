"""The command line: one file per verb. Importing this package imports click and nothing heavier."""

from __future__ import annotations

import click

from defectflow.cli.group import LazyGroup

__all__ = ["main"]


@click.group(
    cls=LazyGroup,
    verbs={
        "init": "defectflow.cli.init",
        "doctor": "defectflow.cli.doctor",
        "run": "defectflow.cli.run",
        "plan": "defectflow.cli.plan",
        "submit": "defectflow.cli.submit",
        "status": "defectflow.cli.status",
        "cancel": "defectflow.cli.cancel",
        "retry": "defectflow.cli.retry",
        "results": "defectflow.cli.results",
        "compare": "defectflow.cli.compare",
        "levels": "defectflow.cli.levels",
        "plot": "defectflow.cli.plot",
        "wulff": "defectflow.cli.wulff",
        "engines": "defectflow.cli.engines",
        "generate": "defectflow.cli.generate",
    },
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="defectflow")
def main() -> None:
    """Defects in battery and catalyst materials: from a recipe to a number and its check.

    Exit status: 0 if everything asked for was computed and converged, 1 if something failed or did
    not converge, 2 if the input is wrong, 130 after Ctrl-C.
    """
