"""Adsorption along a family of surfaces: strains, coverages, metals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from jobflow import Flow, Maker, job
from monty.json import MSONable

from defectflow.analysis.volcanoes import correlation
from defectflow.documents import TrendDocument, TrendPoint
from defectflow.flows.results import heading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from defectflow.documents import ResultDocument
    from defectflow.engines.contract import Engine
    from defectflow.flows.provenance import Provenance

Along = Literal["strain", "coverage", "host"]
#: Unit of the slope, by what the line is drawn against.
UNITS: Final = {"strain": "eV/%", "coverage": "eV/ML", "d-band centre": "eV/eV"}
_LINE: Final = 2


@dataclass(frozen=True)
class Member(MSONable):
    """One surface of a family: what it is called, where it stands, and the keys of its results.

    Along coverage it is called by its cell, ``2x2``, and where it stands is in its result.
    """

    label: str
    x: float | None
    key: str
    d_band_key: str = ""


@dataclass
class TrendMaker(Maker):
    """Puts the adsorption of each surface of a family on one line.

    1. Run the flow of every surface and, where asked for, that of its d-band centre.
    2. Fit a straight line: against the d-band centre where it is there, else against what the
       surfaces differ by. A surface without a value is left out and named.

    Attributes
    ----------
    engine
        Of the adsorption.
    of_quantity
        What is computed on each surface.
    along
        What the surfaces differ by.

    Examples
    --------
    >>> from defectflow.engines.registry import engine
    >>> TrendMaker(engine("emt"), "adsorption_energy", "strain").along
    'strain'
    """

    engine: Engine
    of_quantity: str
    along: Along
    name: str = "trend"

    def make(
        self, members: Sequence[Member], flows: Mapping[str, Flow], provenance: Provenance
    ) -> Flow:
        """Return the flow; its output is a `TrendDocument`.

        Parameters
        ----------
        flows
            By key; their outputs are results of adsorption and of d-band centres.
        """
        outputs = {key: flow.output for key, flow in flows.items()}
        last = self.conclude(list(members), outputs, provenance)
        last.name = "trend"
        return Flow([*flows.values(), last], output=last.output, name=provenance.recipe)

    @job(output_schema=TrendDocument, metadata={"defectflow": "result"})
    def conclude(
        self, members: list[Member], results: dict[str, Any], provenance: Provenance
    ) -> TrendDocument:
        """Fit the line: step 2."""
        points = [_point(one, results, self.along) for one in members]
        d_band = any(one.d_band_key for one in members)
        against = "d-band centre" if d_band else self.along
        pairs = [(_abscissa(one, against), one.value) for one in points]
        slope, intercept, coefficient = _line(pairs)
        first = results[members[0].key]
        missing = [one.label for one in points if one.value is None]
        notes = [f"without a value: {', '.join(missing)}"] if missing else []
        return TrendDocument(
            **heading(self.engine, provenance),
            value=slope,
            unit=UNITS[against],
            host=first.host if self.along != "host" else " ".join(one.label for one in points),
            defect=_subject(first, self.along),
            species=first.species,
            converged=slope is not None and not missing,
            of_quantity=self.of_quantity,
            along=self.along,
            against=against,
            points=tuple(points),
            intercept_eV=intercept,
            correlation=coefficient,
            d_band_slope=_line([(one.x, one.d_band_center_eV) for one in points])[0],
            force_calls=sum(one.force_calls for one in results.values()),
            wall_time_s=sum(one.wall_time_s for one in results.values()),
            notes=(*notes, *_shared_notes(results)),
        )


def _point(one: Member, results: Mapping[str, Any], along: Along) -> TrendPoint:
    found = results[one.key]
    center = results[one.d_band_key].value if one.d_band_key else None
    covered = along == "coverage"
    return TrendPoint(
        label=f"{_monolayers(found.coverage_ML)} ({one.label})" if covered else one.label,
        x=found.coverage_ML if covered else one.x,
        value=found.value,
        site=found.site,
        d_band_center_eV=center,
        key=one.key,
        d_band_key=one.d_band_key,
    )


def _monolayers(coverage_ML: float) -> str:
    """Return the coverage of one adsorbate as it is written: ``1/4 ML``."""
    places = round(1 / coverage_ML)
    return f"1/{places} ML" if places > 1 else "1 ML"


def _abscissa(point: TrendPoint, against: str) -> float | None:
    return point.d_band_center_eV if against == "d-band centre" else point.x


def _line(
    pairs: Sequence[tuple[float | None, float | None]],
) -> tuple[float | None, float | None, float | None]:
    """Return slope, intercept and coefficient through the pairs that are whole."""
    whole = [(x, y) for x, y in pairs if x is not None and y is not None]
    if len({x for x, _ in whole}) < _LINE:
        return None, None, None
    return correlation(np.array([x for x, _ in whole]), np.array([y for _, y in whole]))


def _subject(first: ResultDocument, along: Along) -> str:
    """Return the adsorbate and what the surfaces have in common."""
    facet = getattr(first, "facet", "")
    surface = f"({facet})" if along == "host" else getattr(first, "surface", f"({facet})")
    return f"{first.species} on {surface}, along {along}"


def _shared_notes(results: Mapping[str, Any]) -> list[str]:
    """Return the notes that every result of the family has."""
    every = [set(one.notes) for one in results.values() if one.quantity != "d_band_center"]
    first = next(one for one in results.values() if one.quantity != "d_band_center")
    return [note for note in first.notes if all(note in notes for notes in every)]
