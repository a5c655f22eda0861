"""From relaxed bands to the barrier that limits diffusion."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from monty.json import MSONable

from defectflow.analysis.barriers import energy_profile, path_slopes, wide_gaps
from defectflow.analysis.percolation import Edge, percolation
from defectflow.documents.migration import HopDocument
from defectflow.flows.host import cautions
from defectflow.flows.results import cost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pymatgen.core import Structure

    from defectflow.analysis.barriers import EnergyProfile
    from defectflow.documents.steps import BandDocument, RelaxDocument
    from defectflow.engines.contract import Engine
    from defectflow.structures.hops import Hop


#: Where the fitted curve is by more above the highest image, which is an end, the band has missed
#: its saddle, eV. Forces left on the ends make some meV.
UNSEEN_EV = 0.03


@dataclass(frozen=True)
class HopPlan(MSONable):
    """What has to be remembered of a hop until its band is done.

    Attributes
    ----------
    start, end
        Labels of the sites between which it leads.
    edges
        All directed hops of the orbit, as ``[i, j, [a, b, c]]``, once per direction.
    per_site
        Number of such hops that leave one `start` site.
    places, points_A
        Labels and Cartesian coordinates of the sites that the indices of `edges` stand for.
    """

    label: str
    start: str
    end: str
    distance_A: float
    multiplicity: int
    edges: list[list[Any]]
    per_site: int
    places: list[str] = field(default_factory=list)
    points_A: list[list[float]] = field(default_factory=list)

    @classmethod
    def from_hop(
        cls, hop: Hop, labels: Sequence[str], points_A: Sequence[Sequence[float]] = ()
    ) -> HopPlan:
        """Describe a hop between places of which `labels` name the sites that they belong to.

        Without `points_A` it is not found out whether its band leads over another site.
        """
        first, last = (labels[place] for place in hop.edges[0][:2])
        return cls(
            label=f"{first} to {last}, {hop.distance_A:.2f} Å",
            start=first,
            end=last,
            distance_A=hop.distance_A,
            multiplicity=hop.multiplicity,
            edges=[[i, j, list(image)] for i, j, image in hop.edges],
            per_site=sum(edge[0] == hop.edges[0][0] for edge in hop.edges),
            places=list(labels),
            points_A=[[float(x) for x in point] for point in points_A],
        )


def hop_document(plan: HopPlan, band: BandDocument) -> HopDocument:
    """Reduce a band to its barriers; one whose saddle no image has seen is not converged."""
    positions = band.positions()
    forces = np.array([image.forces_eV_per_A for image in band.images])
    profile = energy_profile(
        np.array(band.distances_A), np.array(band.energies_eV), path_slopes(positions, forces)
    )
    return HopDocument(
        label=plan.label,
        start=plan.start,
        end=plan.end,
        distance_A=plan.distance_A,
        multiplicity=plan.multiplicity,
        forward_eV=profile.forward_eV,
        reverse_eV=profile.reverse_eV,
        spline_forward_eV=profile.spline_forward_eV,
        spline_reverse_eV=profile.spline_reverse_eV,
        span_eV=profile.span_eV,
        path_length_A=profile.length_A,
        converged=band.converged and _unseen_eV(profile, band) < UNSEEN_EV,
        band=band,
    )


def _unseen_eV(profile: EnergyProfile, band: BandDocument) -> float:
    """Return how far a path whose highest image is an end rises above it between the images.

    An end is a minimum, so that such a path goes over a saddle before it falls below its end. One
    that ends on a saddle, by symmetry, only falls.
    """
    ends, inner = band.energies_eV[:: len(band.energies_eV) - 1], band.energies_eV[1:-1]
    return 0.0 if max(inner) > max(ends) else profile.spline_forward_eV - profile.forward_eV


def unseen_notes(hops: Sequence[HopDocument]) -> list[str]:
    """Return what is to be said of hops whose saddle no image has seen, or may not have seen."""
    return [
        f"{hop.label}: the saddle lies between an end and the image next to it, and the path falls "
        "far below the end; give more `images`, or as ends the minimum that it falls into"
        for hop in hops
        if hop.band.converged and not hop.converged
    ] + [f"{hop.label}: {gap}" for hop in hops if (gap := _gap(hop.band))]


def _gap(band: BandDocument) -> str:
    """Return what is to be said of images that lie much farther apart than the others.

    Potentials were asked between such images, and so was the surface that guides a dear engine.
    """
    gaps = wide_gaps(band.distances_A)
    if not gaps or band.guidance is not None or band.engine.fidelity != "dft":
        return ""
    apart = np.diff(band.distances_A)
    return (
        f"images {gaps[0]} and {gaps[0] + 1} are {apart[gaps[0]]:.1f} Å apart (all atoms), most "
        f"others {np.median(apart):.1f} Å: a higher saddle may lie between them; give more `images`"
    )


def cost_of_path(bands: Sequence[BandDocument], *steps: RelaxDocument) -> dict[str, Any]:
    """Return what ends and bands cost together, and how much of the path the engine has seen."""
    return cost(*steps, *bands) | seen(bands)


def seen(bands: Sequence[BandDocument]) -> dict[str, Any]:
    """Return how much of the path the engine has seen, as fields of the result."""
    guided = [band.guidance for band in bands if band.guidance is not None]
    if not guided:
        potential = all(band.engine.fidelity != "dft" for band in bands)
        return {"path": "potential" if potential else "dft"}
    guide = guided[0].engine
    return {
        "path": guided[0].path,
        "guide": f"{guide.name} ({guide.model})" if guide.model else guide.name,
        "error_eV": max(one.error_eV for one in guided),
    }


def path_notes(engine: Engine, bands: Sequence[BandDocument], host: Structure) -> tuple[str, ...]:
    """Return what a reader has to know about barriers of this engine in this crystal."""
    notes = cautions(engine, host)
    found = seen(bands)
    if "guide" not in found:
        return notes
    what = "ends and saddles only" if found["path"] == "refined" else "every image"
    note = (
        f"path: {found['path']}: {engine.name} has seen {what}, on a path that {found['guide']} "
        f"found; remaining forces and unseen places are worth about {found['error_eV']:.3f} eV"
    )
    return (note, *notes)


def edges_of(plans: Sequence[HopPlan], heights_eV: Sequence[float]) -> list[Edge]:
    """Return all hops of a cell, with the height of each kind as their saddles' energy."""
    return [
        Edge(start, end, (shift[0], shift[1], shift[2]), height, plan.label)
        for plan, height in zip(plans, heights_eV, strict=True)
        for start, end, shift in plan.edges
    ]


def heights_eV(hops: Sequence[HopDocument], lowest_eV: float | None = None) -> list[float]:
    """Return the saddle energies of hops on one scale.

    Parameters
    ----------
    lowest_eV
        Energy of the lowest of all sites, where an ion spends its time: saddles count from there,
        or from an image that is lower still. None for sites of one kind: each saddle counts from
        the lowest image of its own band.
    """
    if lowest_eV is None:
        return [hop.span_eV for hop in hops]
    bands = [[image.energy_eV for image in hop.band.images] for hop in hops]
    lowest = min(lowest_eV, *map(min, bands))
    return [max(band) - lowest for band in bands]


def spline_span_eV(hop: HopDocument) -> float:
    """Return the barrier of the fitted curve, counted from the lowest image like the raw one."""
    return hop.span_eV + hop.spline_forward_eV - hop.forward_eV


@dataclass(frozen=True)
class Outcome:
    """The barrier of a network of hops.

    Attributes
    ----------
    value_eV, spline_eV
        None unless everything on the way converged.
    heights_eV
        Of each hop's saddle, on the scale of `value_eV`.
    """

    converged: bool
    value_eV: float | None
    spline_eV: float | None
    dimensions: int | None
    heights_eV: tuple[float, ...]
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        plans: Sequence[HopPlan],
        hops: Sequence[HopDocument],
        *,
        steps_converged: bool,
        lowest_eV: float | None = None,
    ) -> Outcome:
        """Find the easiest way across the crystal and its bottleneck; see `heights_eV`."""
        sites = 1 + max(int(site) for plan in plans for edge in plan.edges for site in edge[:2])
        heights = heights_eV(hops, lowest_eV)
        across = percolation(edges_of(plans, heights), sites)
        if across is None:
            return cls(
                converged=False,
                value_eV=None,
                spline_eV=None,
                dimensions=None,
                heights_eV=tuple(heights),
                notes=("the hops found do not lead across the crystal",),
            )
        used = [hop for hop in hops if hop.label in across.kinds]
        converged = steps_converged and all(hop.converged for hop in used)
        limiting = heights.index(across.saddle_eV)
        # The fitted curve counts from where the raw one does.
        fitted_eV = hops[limiting].spline_forward_eV - hops[limiting].forward_eV
        return cls(
            converged=converged,
            value_eV=across.saddle_eV if converged else None,
            spline_eV=across.saddle_eV + fitted_eV if converged else None,
            dimensions=across.dimensions,
            heights_eV=tuple(heights),
            notes=tuple(unseen_notes(used)),
        )
