"""Which adsorption results stand on one line of a picture: those that differ in its axes alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, TypeVar

from defectflow.documents import AdsorptionDocument, DBandCenterDocument, OverpotentialDocument
from defectflow.errors import MissingData

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from defectflow.documents import EngineStamp, ResultDocument

_FREE: Final = "adsorption_free_energy"
_Points = TypeVar("_Points")
#: What a line is of, the same for all of its points, and what else they share.
Key = tuple[str, tuple[str, ...]]
#: Name, d-band centre (eV) and adsorption (eV) of a surface.
Pair = tuple[str, float, float]


def strain_lines(results: Iterable[ResultDocument]) -> list[tuple[str, dict[float, float]]]:
    """Return what each line is called, and its adsorption (eV) by strain; at least two points.

    On one line only the strain differs; of one strain the newest result counts, the first.

    Raises
    ------
    MissingData
        If no surface was computed at two strains.
    """
    lines: dict[Key, dict[float, float]] = {}
    for one in results:
        if isinstance(one, AdsorptionDocument) and one.value is not None:
            surface = one.surface or f"({one.facet})"
            name = f"{_kind(one)} {one.species} on {one.host}{surface}, {one.engine.name}"
            lines.setdefault((name, _shared(one)), {}).setdefault(one.strain, one.value)
    lines = {key: points for key, points in lines.items() if len(points) > 1}
    if not lines:
        message = (
            "strain: no surface has adsorption results at two strains that are alike in all else; "
            "run some with `strain`"
        )
        raise MissingData(message)
    return _labelled(lines)


def d_band_lines(
    results: Iterable[ResultDocument], species: str = "H"
) -> list[tuple[str, list[Pair]]]:
    """Return what each line is called, and its surfaces with a d-band centre and an adsorption.

    On one line everything is by one engine, model and level and under the same conditions; of one
    surface (host, facet and strain) the newest results count. Where there are lines of free
    energies those of energies are left out.

    Raises
    ------
    MissingData
        If on no line there are two surfaces.
    """
    centers: dict[tuple[str, str], dict[str, float]] = {}
    bound: dict[tuple[str, Key], dict[str, float]] = {}
    for one in results:
        if one.value is None:
            continue
        if isinstance(one, DBandCenterDocument) and one.cell == "slab":
            low, high = one.window_eV
            kind = (one.engine.scale_key(), f"window {low:g} to {high:g} eV")
            centers.setdefault(kind, {}).setdefault(surface_said(one), one.value)
        elif isinstance(one, AdsorptionDocument) and one.species == species:
            key = (f"{_kind(one)} {species}, {one.engine.name}", _shared(one))
            known = bound.setdefault((one.engine.scale_key(), key), {})
            known.setdefault(surface_said(one), one.value)
    return _paired(centers, bound, species)


def _paired(
    centers: Mapping[tuple[str, str], Mapping[str, float]],
    bound: Mapping[tuple[str, Key], Mapping[str, float]],
    species: str,
) -> list[tuple[str, list[Pair]]]:
    lines: dict[Key, list[Pair]] = {
        (name, (*words, window)): [
            (surface, center[surface], values[surface])
            for surface in sorted(set(center) & set(values))
        ]
        for (stamp, (name, words)), values in bound.items()
        for (other, window), center in centers.items()
        if stamp == other
    }
    most = max(map(len, lines.values()), default=0)
    lines = {key: pairs for key, pairs in lines.items() if len(pairs) > 1}
    if not lines:
        message = (
            f"correlation: {most} surfaces have a d-band centre and an adsorption result of "
            f"{species} by the same engine and level and alike in all else; two are needed"
        )
        raise MissingData(message)
    free = {key: pairs for key, pairs in lines.items() if key[0].startswith("ΔG")}
    return _labelled(free or lines)


def _kind(one: AdsorptionDocument) -> str:
    return "ΔG" if one.quantity == _FREE else "ΔE"


def surface_said(
    one: AdsorptionDocument | DBandCenterDocument | OverpotentialDocument,
) -> str:
    """Return what a surface is called, with its strain."""
    text = one.host + (one.surface or f"({one.facet})")
    return text + (f" {100 * one.strain:+g}%" if one.strain else "")


def _shared(one: AdsorptionDocument) -> tuple[str, ...]:
    """Return in words what all points of a line share beside the surface and the species."""
    asked = one.recipe_input.get("site", "lowest") if one.recipe_input else one.site
    free = one.free_energy
    extra = [f"{free.potential_V:g} V", f"solvation {free.solvation_eV:g} eV"] if free else ["", ""]
    warm = free is not None and free.temperature_K is not None
    return (
        "lowest site" if asked == "lowest" else asked,
        f"{one.coverage_ML:.3g} ML",
        f"{one.layers} layers, {one.frozen_layers} frozen",
        f"host_cell {one.host_cell}",
        one.correction.name if one.correction else "",
        f"{free.temperature_K:g} K" if free and warm else "",
        *extra,
        f"pH {free.pH:g}" if free and free.pH is not None else "",
        *_said(one.engine),
    )


def _said(stamp: EngineStamp) -> tuple[str, ...]:
    """Return in words what else than its name says how an engine computed."""
    rest = json.dumps([stamp.options, stamp.settings], sort_keys=True, default=str)
    weights = f"weights {stamp.model_sha256[:6]}" if stamp.model_sha256 else ""
    return stamp.level, stamp.model or "", stamp.functional or "", weights, rest


def _labelled(lines: Mapping[Key, _Points]) -> list[tuple[str, _Points]]:
    """Return each line with its name, and with what tells it from others of that name."""
    named = []
    for (name, words), points in lines.items():
        alike = [other for known, other in lines if known == name]
        differs = [len({other[k] for other in alike}) > 1 for k in range(len(words))]
        telling = [word for word, yes in zip(words, differs, strict=True) if yes and word]
        named.append((", ".join([name, *telling]), points))
    return named
