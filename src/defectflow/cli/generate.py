"""`defectflow generate`: structures of defects, without any calculation."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from defectflow.cli.group import HintingGroup
from defectflow.cli.model_options import model_from, options_of
from defectflow.cli.options import format_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pymatgen.core.structure import Structure

    from defectflow.recipes.kinds.choice import DefectChoice

#: Defaults of `defectflow.structures.supercells`; a test compares them.
DISTANCE_A: Final = 8.0
MOST_ATOMS: Final = 400
#: More changed atoms than this are counted in a table; files have the place of each.
FEW_CHANGES: Final = 6


class KindGroup(HintingGroup):
    """One command per kind of defect, its options made from the model that recipes use too."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the kinds, single atoms first."""
        from defectflow.recipes.defects import KINDS

        return list(KINDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command of a kind."""
        from defectflow.recipes.defects import KINDS

        return _command(cmd_name, KINDS[cmd_name]) if cmd_name in KINDS else None


@click.group(cls=KindGroup, no_args_is_help=False)
def command() -> None:
    """Make structures of defects; no calculation.

    HOST is a file that pymatgen reads, or the name of a prototype such as 1T-TiS2. The symmetry-
    distinct cells are listed on stdout as they are made; -o DIR writes one CIF per cell and
    cells.csv.
    """


def _command(kind: str, model: type[DefectChoice]) -> click.Command:
    def run(
        host: str,
        distance_A: float,
        folder: Path | None,
        style: str,
        limit: int = MOST_ATOMS,
        **given: Any,
    ) -> None:
        choice = model_from(model, given)
        _show(host, choice.cells(_supercell(host, distance_A, limit)), folder, style)

    text = (model.__doc__ or "").partition("\nAttributes\n")[0].strip()
    command = click.Command(kind, callback=run, help=text, params=[click.Argument(["host"])])
    command.params += options_of(model, skip=("kind",))
    for add in (
        _output_option,
        format_option("table", "json", "csv"),
        _distance(alone=model.alone),
        *([_limit_option] if model.alone else []),
    ):
        add(command)
    return command


def _distance(*, alone: bool) -> Any:
    return click.option(
        "--min-image-distance",
        "distance_A",
        type=click.FloatRange(min=0.0),
        default=DISTANCE_A if alone else 0.0,
        show_default=True,
        metavar="Å",
        help="Least distance of a defect from its periodic image; 0 keeps the cell of the host.",
    )


_limit_option: Final = click.option(
    "--max-atoms",
    "limit",
    type=click.IntRange(min=1),
    default=MOST_ATOMS,
    show_default=True,
    metavar="N",
    help="Largest supercell that --min-image-distance may lead to.",
)
_output_option: Final = click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to make: one CIF per cell and cells.csv.",
)


def _show(host: str, cells: Iterable[Any], folder: Path | None, style: str) -> None:
    """Write the cells if asked and list them, each as it comes: none is kept."""
    from defectflow.cli.cells import records, written
    from defectflow.errors import StructureError

    made = records(cells, host)
    first = next(made, None)
    if first is None:
        message = f"host {host}: has no site for this defect; choose another kind or element"
        raise StructureError(message)
    made = itertools.chain([first], made)
    with contextlib.ExitStack() as stack:
        if folder is not None:
            made = stack.enter_context(written(made, folder))
        counter = itertools.count()
        rows = (row for (_, row), _ in zip(made, counter, strict=False))
        for line in _printed(rows, style, files=folder is not None):
            click.echo(line)
    if folder is not None:
        click.echo(f"wrote {next(counter)} cells to {folder}", err=True)


def _printed(rows: Iterable[dict[str, object]], style: str, *, files: bool) -> Iterator[str]:
    """Yield what is shown, in pieces; a table without columns that say nothing."""
    from defectflow.cli.cells import FIELDS
    from defectflow.report import Column, csv_lines, json_lines, table_lines

    if style == "json":
        return json_lines(rows)
    if style == "csv":
        return csv_lines(rows, FIELDS)
    right = {"atoms", "multiplicity"}
    rows = iter(rows)
    first = next(rows)
    hidden = {"host", "charge", *([] if first["note"] else ["note"]), *([] if files else ["file"])}
    columns = [
        Column(name, align="right" if name in right else "left", wrap=name in {"changes", "note"})
        for name in FIELDS
        if name not in hidden
    ]
    every = itertools.chain([first], rows)
    shown = ({**row, "changes": _short(str(row["changes"]))} for row in every)
    return table_lines(shown, columns)


def _short(changes: str) -> str:
    """Return many changes without their places, equal ones counted; few as they are."""
    texts = changes.split("; ")
    if len(texts) <= FEW_CHANGES:
        return changes
    counts = Counter(text.partition(" at ")[0] for text in texts)
    return "; ".join(f"{count} {text}" for text, count in counts.items())


def _supercell(host: str, distance_A: float, limit: int) -> Structure:
    from defectflow.structures import hosts, supercell_matrix

    structure = hosts.load(host).structure
    if distance_A == 0:
        return structure
    return structure.make_supercell(supercell_matrix(structure, distance_A, limit), in_place=False)
