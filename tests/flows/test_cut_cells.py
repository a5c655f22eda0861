"""Cells that are cut from a relaxed crystal start with the moments that it has."""

from __future__ import annotations

import pytest

from defectflow.engines import engine
from defectflow.flows.dislocation_cores import CorePlan
from defectflow.flows.gliding import GlidePlan, UnstableFaultMaker
from defectflow.flows.interface_energy import InterfacePlan, parts_of
from defectflow.flows.planar import PlanarPlan
from defectflow.flows.provenance import Provenance
from defectflow.flows.surface_energy import SurfacePlan
from defectflow.structures import hosts
from defectflow.structures.handover import magnetised

SCREW = {"burgers": [0.5, -0.5, 0.0], "line": [1, -1, 0]}
PLANS = {
    "fault": PlanarPlan("stacking_fault", {"fault": "intrinsic", "min_height_A": 10.0}),
    "boundary": PlanarPlan(
        "grain_boundary", {"sigma": 5, "axis": [0, 0, 1], "miller": [3, 1, 0]}, candidates=1
    ),
    "dislocation": CorePlan(SCREW, {"size": (8.0, 0.0), "places": 2}),
    "surface": SurfacePlan(planes=((1, 1, 1),), thickness_A=6.0),
}


def relaxed(name, *moments):
    """Return a prototype as an engine with spin leaves it."""
    crystal = hosts.load(name).structure.copy()
    values = moments * (len(crystal) // len(moments))
    return crystal.add_site_property("magmom", list(values))


def moments_of(structure):
    return {site.specie.symbol: site.properties.get("magmom") for site in structure}


@pytest.mark.parametrize("name", PLANS)
def test_cells_cut_from_a_magnet(name):
    nickel = relaxed("fcc-Ni", 0.62)
    for cell in PLANS[name].cells(nickel):
        for one in (cell.structure, cell.pristine):
            assert one.site_properties["magmom"] == [0.62] * len(one)
    for cell in PLANS[name].cells(hosts.load("fcc-Ni").structure):
        assert "magmom" not in cell.structure.site_properties


def test_halves_that_glide(unmoved):
    plan = GlidePlan((1, 1, 1), (1 / 6, 1 / 6, -2 / 6), points=2, min_height_A=8.0)
    maker = UnstableFaultMaker(engine("emt"), plan)
    host = unmoved(relaxed("fcc-Ni", 0.62))
    made = maker.glide.original(maker, host, {"notes": []}, Provenance.of("glide", "test"))
    cells = [job.function_args[0] for job in made.replace.jobs[:-1]]
    assert len(cells) > 2
    assert all(set(one.site_properties["magmom"]) == {0.62} for one in cells)


def test_each_side_of_an_interface_has_its_own():
    sides = {"miller": (1, 1, 1), "slices": 3}
    plan = InterfacePlan(sides, sides, {"gap_A": 2.1, "max_area_A2": 60})
    nickel, copper = relaxed("fcc-Ni", 0.62), relaxed("fcc-Cu", 0.0)
    below, above = parts_of(plan.cell(nickel, copper))
    assert (moments_of(below), moments_of(above)) == ({"Ni": 0.62}, {"Cu": 0.0})
    # Of the other crystal nothing is known: its engine had no spin.
    below, above = parts_of(plan.cell(nickel, hosts.load("fcc-Cu").structure))
    assert (moments_of(below), moments_of(above)) == ({"Ni": 0.62}, {"Cu": None})


def test_a_magnet_with_several_moments_of_an_element_is_left_to_the_engine():
    """Which atom of a generated cell is which of the crystal is not known."""
    crystal = relaxed("fcc-Ni", 0.62, -0.62)
    bare = hosts.load("fcc-Ni").structure
    assert "magmom" not in magnetised(bare, crystal).site_properties
    made = magnetised(bare, relaxed("fcc-Ni", 0.60, 0.64))
    assert made.site_properties["magmom"] == pytest.approx([0.62] * 4)


def test_an_element_that_the_crystal_has_not_has_no_moment():
    silver = hosts.load("fcc-Ni").structure.copy()
    silver.replace(0, "Ag")
    made = magnetised(silver, relaxed("fcc-Ni", 0.62))
    assert made.site_properties["magmom"] == [None, 0.62, 0.62, 0.62]
