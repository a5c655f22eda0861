"""`defectflow wulff`: the equilibrium shape of a crystal from its surface energies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from defectflow.cli.options import choice_options, format_option, store_option

if TYPE_CHECKING:
    import numpy as np

    from defectflow.analysis.wulff import Miller, Shape
    from defectflow.documents import SurfaceEnergyDocument

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
@choice_options
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
    target: Path | None,
    style: str,
    **where: Any,
) -> None:
    """Print Wulff's shape of HOST: which planes show, and how much of the surface they have.

    Energies are those of the newest `surface_energy` results of the host in the store, the lowest
    termination of each plane, all by one engine and level; or those given by --energy. HOST is a
    prototype or a file; results of a file are those of its crystal. A plane that does not show is
    one whose energy is above the last column.
    """
    from defectflow.report import to_csv, to_json

    lattice, rotations = _crystal(host)
    energies, about = (_read(given, rotations), {}) if given else _stored(host, **where)
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


def _read(given: tuple[str, ...], rotations: np.ndarray) -> Energies:
    """Return the energies of the command line.

    Raises
    ------
    RecipeError
        If one cannot be read, or two are of one plane or its images.
    """
    from defectflow.errors import RecipeError
    from defectflow.structures.planes import reduced_miller

    energies: Energies = {}
    texts: dict[tuple[int, ...], str] = {}
    for text in given:
        plane, _, number = text.partition("=")
        try:
            miller = reduced_miller([int(one) for one in plane.split(",")])
            energies[miller] = float(number)
        except ValueError as error:
            message = f"--energy {text}: give indices and an energy, e.g. --energy 1,1,1=0.8"
            raise RecipeError(message) from error
        if miller in texts:
            message = (
                f"--energy {texts[miller]} and {text}: the same plane of this crystal; leave one"
            )
            raise RecipeError(message)
        for rows in (miller @ rotations, -(miller @ rotations)):
            texts.update(dict.fromkeys(map(tuple, rows.tolist()), text))
    return energies


def _stored(
    host: str, store: str | None, engine: str | None, level: str | None, recipes: tuple[str, ...]
) -> tuple[Energies, Origins]:
    """Return energies of the store with their termination and engine.

    Raises
    ------
    MissingData
        If there are none.
    RecipeError, EngineError
        If they are of several engines or levels, or of relaxed and of fixed atoms.
    """
    from defectflow.cli.results import chosen
    from defectflow.errors import MissingData
    from defectflow.report.together import not_replaced

    settled = [one for one in _of_host(host, store) if one.converged]
    results: list[Any] = chosen(settled, engine, level, recipes)
    if not results:
        message = (
            f"host {host}: the store holds no converged surface energy of this crystal that fits; "
            "run a recipe of `surface_energy`, or give --energy H,K,L=γ"
        )
        raise MissingData(message)
    results = not_replaced(results, _planes)
    _require_alike(results)
    return _lowest(results)


def _of_host(host: str, store: str | None) -> list[Any]:
    """Return surface energies of a prototype by its name, of a file by its crystal."""
    from defectflow.cli.results import found
    from defectflow.structures import hosts
    from defectflow.structures.identity import same_crystal

    if not Path(host).is_file():
        return found(store, quantity="surface_energy", host=host)
    crystal = hosts.load(host).structure
    results: list[Any] = found(store, quantity="surface_energy")
    return [one for one in results if same_crystal(crystal, one.relaxed_host.structure)]


def _planes(result: SurfaceEnergyDocument) -> set[Miller]:
    """Return the planes of which a result has an energy."""
    return {one.miller for one in result.surfaces if one.energy_J_per_m2 is not None}


def _require_alike(results: list[SurfaceEnergyDocument]) -> None:
    from defectflow.errors import RecipeError
    from defectflow.report.together import require_one_scale

    require_one_scale([(one.recipe, one.crystal) for one in results])
    first = results[0]
    for one in results[1:]:
        if one.atoms != first.atoms:
            message = (
                f"{first.recipe} and {one.recipe}: atoms of the slabs are {first.atoms} and "
                f"{one.atoms}; choose with --recipe, or run both with the same `atoms`"
            )
            raise RecipeError(message)


def _lowest(results: list[SurfaceEnergyDocument]) -> tuple[Energies, Origins]:
    """Return the lowest termination of each plane; results come newest first."""
    energies: Energies = {}
    about: Origins = {}
    for result in results:
        known = set(energies)
        for one in result.surfaces:
            energy = one.energy_J_per_m2
            if energy is None or one.miller in known:
                continue
            if energy < energies.get(one.miller, float("inf")):
                energies[one.miller] = energy
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
        path = Path(host)
        name = path.stem if path.is_file() else host
        shape_figure(shape, name).savefig(target, dpi=150)
    except (OSError, ValueError) as error:
        message = f"-o {target}: cannot be written ({error}); give a .png, .pdf or .svg"
        raise RecipeError(message) from error
