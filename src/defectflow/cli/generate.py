"""`defectflow generate`: structures of defects, without any calculation."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from defectflow.cli.group import HintingGroup
from defectflow.cli.options import format_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pymatgen.core.structure import Structure

    from defectflow.structures import Cell

Options = dict[str, Any]


@click.group(cls=HintingGroup, no_args_is_help=False)
def command() -> None:
    """Make structures of point defects; no calculation.

    HOST is a file that pymatgen reads, or the name of a prototype such as 1T-TiS2. The symmetry-
    distinct cells are listed on stdout; -o DIR writes one CIF per cell and cells.csv.
    """


def _common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add what all kinds share."""
    function = click.option(
        "--min-image-distance",
        "distance_A",
        type=click.FloatRange(min=0.0),
        default=8.0,
        show_default=True,
        metavar="Å",
        help="Least distance of a defect from its periodic image; 0 keeps the cell of the host.",
    )(function)
    function = click.option(
        "-o",
        "--output",
        "folder",
        type=click.Path(path_type=Path),
        metavar="DIR",
        help="Folder to make: one CIF per cell and cells.csv.",
    )(function)
    function = format_option("table", "json", "csv")(function)
    return click.argument("host")(function)


@command.command()
@_common
@click.option("--species", metavar="S", help="Element to remove; every element by default.")
def vacancy(host: str, species: str | None, **options: Any) -> None:
    """Take one atom out, at each distinct site."""
    from defectflow.structures import points

    _show(host, lambda structure: points.vacancies(structure, species), options)


@command.command()
@_common
@click.option(
    "--replace",
    "replacements",
    required=True,
    multiple=True,
    metavar="OLD=NEW",
    help="Elements, e.g. Ti=Nb; may be given several times.",
)
def substitution(host: str, replacements: tuple[str, ...], **options: Any) -> None:
    """Put one atom of another element in, at each distinct site."""
    from defectflow.structures import points

    mapping = _mapping(replacements)
    _show(host, lambda structure: points.substitutions(structure, mapping), options)


@command.command()
@_common
@click.option(
    "--between",
    multiple=True,
    metavar="S",
    help="Elements that trade places, e.g. --between Li --between Ni; all by default.",
)
def antisite(host: str, between: tuple[str, ...], **options: Any) -> None:
    """Put an atom on the site of another element of the host."""
    from defectflow.structures import points

    _show(host, lambda structure: points.antisites(structure, between or None), options)


@command.command()
@_common
@click.option("--species", required=True, metavar="S", help="Element to put in.")
def interstitial(host: str, species: str, **options: Any) -> None:
    """Put one more atom in, at each distinct void."""
    from defectflow.structures import points

    _show(host, lambda structure: points.interstitials(structure, species), options)


def _mapping(replacements: Iterable[str]) -> dict[str, list[str]]:
    """Return the new elements by the old one."""
    mapping: dict[str, list[str]] = {}
    for text in replacements:
        old, separator, new = text.partition("=")
        if not (old and separator and new):
            message = f"--replace {text}: give OLD=NEW, two elements such as Ti=Nb"
            raise click.UsageError(message, click.get_current_context())
        mapping.setdefault(old, []).append(new)
    return mapping


def _show(host: str, make: Callable[[Structure], Iterable[Cell]], options: Options) -> None:
    """Make the cells, write them if asked, and list them."""
    from defectflow.cli.cells import FIELDS, rows_of, write
    from defectflow.errors import StructureError
    from defectflow.report import Column, table, to_csv, to_json

    source = _supercell(host, options["distance_A"])
    cells = list(make(source))
    if not cells:
        message = f"host {host}: has no site for this defect; choose another kind or element"
        raise StructureError(message)
    rows = rows_of(cells, host)
    if options["folder"] is not None:
        write(cells, rows, options["folder"])
    if options["style"] == "json":
        click.echo(to_json(rows))
    elif options["style"] == "csv":
        click.echo(to_csv(rows, FIELDS))
    else:
        right = {"atoms", "multiplicity"}
        columns = [
            Column(name, align="right" if name in right else "left", wrap=name == "changes")
            for name in FIELDS
            if name not in {"host", "charge"}
        ]
        click.echo(table(rows, columns))
    if options["folder"] is not None:
        click.echo(f"wrote {len(cells)} cells to {options['folder']}", err=True)


def _supercell(host: str, distance_A: float) -> Structure:
    from defectflow.structures import hosts, supercell_matrix

    structure = hosts.load(host).structure
    if distance_A == 0:
        return structure
    return structure.make_supercell(supercell_matrix(structure, distance_A), in_place=False)
