"""Bands that fall into another site on their way, or over a saddle that no image has seen."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pymatgen.core import Lattice, Structure

from defectflow.documents import BandDocument, Image
from defectflow.engines.registry import engine
from defectflow.flows.barrier import HopPlan, Outcome, hop_document
from defectflow.flows.elementary import elementary
from defectflow.structures.hops import distinct_hops

if TYPE_CHECKING:
    from collections.abc import Sequence

CELL = 3.0
#: A in the middle of a cubic cell and B on its three faces, 1.5 Å beside.
PLACES = [[0.5, 0.5, 0.5], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]]


@pytest.fixture(scope="module")
def plans() -> dict[str, HopPlan]:
    """Return the hop between A and B, and that between A and its image, which leads over B."""
    frame = Structure(Lattice.cubic(CELL), ["Cu"], [[0, 0, 0]])
    points = (np.array(PLACES) * CELL).tolist()
    hops = distinct_hops(frame, np.array(PLACES), CELL + 0.01)
    found = [HopPlan.from_hop(hop, ["A", "B", "B", "B"], points) for hop in hops]
    return {
        "A to B": next(one for one in found if {one.start, one.end} == {"A", "B"}),
        "A to A": next(one for one in found if one.start == one.end == "A"),
    }


def hop(plan: HopPlan, energies_eV: Sequence[float], aside_A: float = 0.0) -> Any:
    """Return a hop whose ion goes straight, or in a bow, in a cell beside that of the crystal."""
    start, end, shift = plan.edges[0]
    points = np.array(plan.points_A)
    first, last = points[start], points[end] + CELL * np.array(shift)
    share = np.linspace(0, 1, len(energies_eV))[:, None]
    way = first + share * (last - first) + aside_A * np.sin(np.pi * share) * [0.0, 0.0, 1.0]
    way += np.array([2 * CELL + 0.05, -CELL, 0.0])
    band = SimpleNamespace(
        positions=lambda: np.stack([np.zeros_like(way), way], axis=1),
        energies_eV=tuple(np.array(energies_eV) - energies_eV[0]),
        images=[SimpleNamespace(energy_eV=energy) for energy in energies_eV],
        distances_A=np.linspace(0.0, 1.0, len(energies_eV)),
        guidance=None,
        converged=True,
    )
    top = max(energies_eV)
    return SimpleNamespace(
        label=plan.label,
        band=band,
        converged=True,
        span_eV=top - min(energies_eV),
        forward_eV=top - energies_eV[0],
        spline_forward_eV=top - energies_eV[0],
    )


def test_a_hop_that_falls_into_a_site_between_is_two_others(plans: dict[str, HopPlan]) -> None:
    """B is 0.9 eV below A; a coarse band from A to A has not seen the saddles of 0.2 eV above A."""
    both = [plans["A to B"], plans["A to A"]]
    hops = [hop(both[0], [0.0, 0.2, -0.9]), hop(both[1], [0.0, -0.1, -0.9, -0.1, 0.0])]
    network, notes = elementary(both, hops, CELL * np.eye(3))
    assert network == (both[:1], hops[:1])
    assert len(notes) == 1
    assert notes[0].startswith("A to A, 3.00 Å: leads over B, by hops that are counted already")
    outcome = Outcome.of(*network, steps_converged=True, lowest_eV=-0.9)
    assert outcome.value_eV == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("energies_eV", "aside_A"),
    [
        ([0.0, 0.1, 0.3, 0.1, 0.0], 0.0),  # no minimum
        ([0.0, 0.2, 0.1, 0.2, 0.0], 1.2),  # one that is no site
    ],
)
def test_a_hop_of_its_own_stays(
    plans: dict[str, HopPlan], energies_eV: list[float], aside_A: float
) -> None:
    both = [plans["A to B"], plans["A to A"]]
    hops = [hop(both[0], [0.0, 0.2, -0.9]), hop(both[1], energies_eV, aside_A)]
    assert elementary(both, hops, CELL * np.eye(3)) == ((both, hops), [])


def test_a_hop_whose_parts_are_not_in_the_network_stays(plans: dict[str, HopPlan]) -> None:
    plan = plans["A to A"]
    band = hop(plan, [0.0, 0.2, -0.9, 0.2, 0.0])
    assert elementary([plan], [band], CELL * np.eye(3)) == (([plan], [band]), [])
    unknown = replace(plan, points_A=[])  # as of a vacancy
    both = [plans["A to B"], unknown], [band, band]
    assert elementary(*both, CELL * np.eye(3)) == (both, [])


def _band(energies_eV: Sequence[float], slopes: Sequence[float]) -> BandDocument:
    """Return a converged band of one atom that goes 4 Å along x."""
    way = np.linspace(0.0, 4.0, len(energies_eV))
    images = [
        Image(
            structure=Structure(Lattice.cubic(9.0), ["Cu"], [[x, 0, 0]], coords_are_cartesian=True),
            energy_eV=energy,
            forces_eV_per_A=((-slope, 0.0, 0.0),),
        )
        for x, energy, slope in zip(way, energies_eV, slopes, strict=True)
    ]
    return BandDocument(
        images=tuple(images),
        distances_A=tuple(way),
        climbing_index=None,
        climbing_fmax_eV_per_A=0.01,
        band_fmax_eV_per_A=0.01,
        force_threshold_eV_per_A=0.05,
        converged=True,
        mirrored=False,
        candidates=(),
        chosen="straight",
        steps=1,
        force_calls=1,
        wall_time_s=1.0,
        engine=engine("emt").stamp(),
    )


def test_a_saddle_that_no_image_has_seen_gives_no_barrier() -> None:
    """Both ends are minima, 0.1 eV above the images beside them, which fall on to a deep one."""
    plan = HopPlan("T to T, 4.00 Å", "T", "T", 4.0, 1, [[0, 0, [1, 0, 0]]], 2)
    unseen = hop_document(plan, _band([0.0, -0.1, -1.0, -0.1, 0.0], [0, -1.0, 0, 1.0, 0]))
    assert unseen.spline_forward_eV > 0.03
    assert not unseen.converged
    outcome = Outcome.of([plan], [unseen], steps_converged=True)
    assert (outcome.converged, outcome.value_eV) == (False, None)
    assert "the saddle lies between an end and the image next to it" in outcome.notes[0]


@pytest.mark.parametrize(
    ("energies_eV", "slopes"),
    [
        ([0.0, -0.3, -1.0, -0.3, 0.0], [0, -0.6, 0, 0.6, 0]),  # the end is a saddle by symmetry
        ([0.0, 0.2, -1.0, 0.2, 0.0], [0, 0, 0, 0, 0]),  # the saddle is an image
    ],
)
def test_a_saddle_that_an_end_or_an_image_has_seen_is_a_barrier(
    energies_eV: list[float], slopes: list[float]
) -> None:
    plan = HopPlan("T to T, 4.00 Å", "T", "T", 4.0, 1, [[0, 0, [1, 0, 0]]], 2)
    assert hop_document(plan, _band(energies_eV, slopes)).converged


def test_images_far_apart_may_hide_a_saddle_which_a_note_says() -> None:
    plan = HopPlan("T to T, 4.00 Å", "T", "T", 4.0, 1, [[0, 0, [1, 0, 0]]], 2)
    even = _band([0.0, 0.1, 0.3, 0.1, 0.0], [0, 0.2, 0, -0.2, 0])
    stamp = even.engine.model_copy(update={"fidelity": "dft"})
    far = {"distances_A": (0.0, 0.6, 1.2, 1.8, 4.0), "engine": stamp}
    uneven = even.model_copy(update=far)
    assert Outcome.of([plan], [hop_document(plan, even)], steps_converged=True).notes == ()
    (note,) = Outcome.of([plan], [hop_document(plan, uneven)], steps_converged=True).notes
    assert "images 3 and 4 are 2.2 Å apart (all atoms), most others 0.6 Å" in note
