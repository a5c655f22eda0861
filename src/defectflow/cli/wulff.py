"""`defectflow wulff`: the equilibrium shape of a crystal from its surface energies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from defectflow.cli.options import format_option, store_option

if TYPE_CHECKING:
    import numpy as np

    from defectflow.analysis.wulff import Miller, Shape
    from defectflow.documents import ResultDocument

    Energies = dict[Miller, float]
    Origins = dict[Miller, tuple[str, str]]

#: The fields that scripts rely on, in order.
FIELDS: Final = (
    "plane",
    "energy_J_per_m2",
    "share",
    "faces",
    "appears_below_J_per_m2",
    "termination",
    "engine",
)


@click.command()
@click.argument("host")
@click.option(
    "--energy",
    "given",
    multiple=True,
    metavar="H,K,L=γ",
    help="Energy of a plane, J/m²; may be repeated. In place of what the store holds.",
)
@click.option("--engine", metavar="E", help="Only energies of this engine.")
@click.option(
    "-o",
    "--output",
    "target",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Picture of the shape to write (.png, .pdf, .svg).",
)
@format_option("table", "json", "csv")
@store_option
def command(
    host: str,
    given: tuple[str, ...],
    engine: str | None,
    target: Path | None,
    style: str,
    store: str | None,
) -> None:
    """Print Wulff's shape of HOST: which planes show, and how much of the surface they have.

    Energies are those of the newest `surface_energy` results of the host in the store, the lowest
    termination of each plane, all by one engine; or those given by --energy. HOST is a prototype or
    a file. A plane that does not show is one whose energy is above the last column.
    """
    from defectflow.report import to_csv, to_json

    lattice, rotations = _crystal(host)
    energies, about = (_read(given), _unknown()) if given else _stored(host, store, engine)
    shape, rows = _shaped(lattice, rotations, energies, about)
    if target is not None:
        _drawn(shape, host, target)
        click.echo(f"wrote {target}", err=True)
    if style == "json":
        click.echo(to_json(rows))
    elif style == "csv":
        click.echo(to_csv(rows, FIELDS))
    else:
        click.echo(_table(rows))
        click.echo(f"mean over the shape: {shape.mean_energy_J_per_m2():.3f} J/m2", err=True)


def _crystal(host: str) -> tuple[np.ndarray, np.ndarray]:
    from defectflow.structures import hosts
    from defectflow.structures.planes import standard_cell
    from defectflow.structures.symmetry import operations

    whole = standard_cell(hosts.load(host).structure)
    return whole.lattice.matrix, operations(whole)[0]


def _read(given: tuple[str, ...]) -> Energies:
    """Return the energies of the command line."""
    from defectflow.errors import RecipeError
    from defectflow.structures.planes import reduced_miller

    energies: Energies = {}
    for text in given:
        plane, _, number = text.partition("=")
        try:
            indices = [int(one) for one in plane.split(",")]
            energies[reduced_miller(indices)] = float(number)
        except ValueError as error:
            message = f"--energy {text}: give indices and an energy, e.g. --energy 1,1,1=0.8"
            raise RecipeError(message) from error
    return energies


def _unknown() -> Origins:
    return {}


def _stored(host: str, store: str | None, engine: str | None) -> tuple[Energies, Origins]:
    """Return energies of the store with their termination and engine.

    Raises
    ------
    MissingData
        If there are none, or only by several engines.
    """
    from defectflow.cli.results import found
    from defectflow.errors import MissingData

    results: list[Any] = [
        one
        for one in found(store, quantity="surface_energy", host=_name(host))
        if one.converged and engine in (None, one.engine.name)
    ]
    if not results:
        message = (
            f"host {host}: the store holds no converged surface energy; run a recipe of "
            "`surface_energy`, or give --energy H,K,L=γ"
        )
        raise MissingData(message)
    names = sorted({one.engine.name for one in results})
    if len(names) > 1:
        message = f"host {host}: surface energies by {', '.join(names)}; choose with --engine"
        raise MissingData(message)
    return _lowest(results)


def _name(host: str) -> str:
    """Return what results call a host: that of a file is its stem."""
    path = Path(host)
    return path.stem if path.is_file() else host


def _lowest(results: list[ResultDocument]) -> tuple[Energies, Origins]:
    """Return the lowest termination of each plane; results come newest first."""
    energies: Energies = {}
    about: Origins = {}
    for result in results:
        surfaces: Any = getattr(result, "surfaces", ())
        settled = [one for one in surfaces if one.energy_J_per_m2 is not None]
        settled.sort(key=lambda one: one.energy_J_per_m2)
        known = set(energies)
        for one in settled:
            if one.miller not in known and one.miller not in energies:
                energies[one.miller] = one.energy_J_per_m2
                about[one.miller] = (one.name, result.engine.name)
    return energies, about


def _shaped(
    lattice: np.ndarray,
    rotations: np.ndarray,
    energies: Energies,
    about: Origins,
) -> tuple[Shape, list[dict[str, Any]]]:
    from defectflow.analysis.wulff import appears_below_J_per_m2, wulff_shape
    from defectflow.structures.planes import written

    shape = wulff_shape(lattice, rotations, energies)
    below = appears_below_J_per_m2(lattice, rotations, energies)
    counts, shares = shape.counts(), shape.shares()
    rows = []
    for family in sorted(energies, key=lambda one: -shares[one]):
        termination, name = about.get(family, ("", ""))
        rows.append(
            {
                "plane": f"({written(family)})",
                "energy_J_per_m2": energies[family],
                "share": shares[family],
                "faces": counts[family],
                "appears_below_J_per_m2": below[family],
                "termination": termination,
                "engine": name,
            }
        )
    return shape, rows


def _table(rows: list[dict[str, Any]]) -> str:
    from defectflow.report import Column, table

    columns = [
        Column("plane"),
        Column("energy_J_per_m2", "energy (J/m2)", ".3f", "right"),
        Column("share", "share of surface", ".1%", "right"),
        Column("faces", align="right"),
        Column("appears_below_J_per_m2", "shows below (J/m2)", ".3f", "right"),
    ]
    if rows[0]["termination"]:
        columns += [Column("termination", wrap=True), Column("engine")]
    return table(rows, columns)


def _drawn(shape: Shape, host: str, target: Path) -> None:
    from defectflow.errors import RecipeError
    from defectflow.report.shapes import shape_figure

    try:
        shape_figure(shape, _name(host)).savefig(target, dpi=150)
    except (OSError, ValueError) as error:
        message = f"-o {target}: cannot be written ({error}); give a .png, .pdf or .svg"
        raise RecipeError(message) from error
