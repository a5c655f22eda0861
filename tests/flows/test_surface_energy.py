"""Surface energies with a cheap engine, against energies added up here."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from ase.build import fcc111
from ase.calculators.emt import EMT
from jobflow import run_locally
from monty.json import MontyDecoder

from defectflow.documents import SurfaceEnergyDocument, load_result
from defectflow.engines import engine
from defectflow.errors import Remark, StructureError
from defectflow.flows.surface_energy import SurfaceEnergyMaker, SurfacePlan, faces_of, halves
from defectflow.recipes import build, load
from defectflow.structures import hosts
from defectflow.structures.terminations import surfaces

EV_PER_A2 = 16.02176634


def run(flow) -> SurfaceEnergyDocument:
    outputs = run_locally(flow, log=False, ensure_success=True)
    found = [
        MontyDecoder().process_decoded(one.output)
        for responses in outputs.values()
        for one in responses.values()
    ]
    return next(one for one in found if isinstance(one, SurfaceEnergyDocument))


def test_copper_111_as_cut_is_what_ase_adds_up():
    plan = SurfacePlan(planes=((1, 1, 1),))
    maker = SurfaceEnergyMaker(engine("emt"), plan, host_cell="keep", atoms="fixed")
    document = run(maker.make(hosts.load("fcc-Cu")))
    constant = hosts.load("fcc-Cu").structure.lattice.a
    slab = fcc111("Cu", (1, 1, 6), a=constant, vacuum=8.0, periodic=True)
    slab.calc = EMT()
    bulk = fcc111("Cu", (1, 1, 6), a=constant, periodic=True)
    bulk.cell[2, 2] = 6 * constant / np.sqrt(3)
    bulk.calc = EMT()
    area = np.linalg.norm(np.cross(slab.cell[0], slab.cell[1]))
    excess = slab.get_potential_energy() - bulk.get_potential_energy()
    assert document.value == pytest.approx(EV_PER_A2 * excess / (2 * area), rel=1e-4)
    assert document.unit == "J/m2"
    assert document.defect == "(111)"
    assert load_result(document.model_dump(mode="json")) is not None


def test_a_recipe_of_all_low_planes_gives_a_shape(tmp_path):
    path = tmp_path / "one.yaml"
    path.write_text(
        "quantity: surface_energy\nhost: {prototype: fcc-Ag}\nsurface: {highest: 1}\nengine: emt\n",
        encoding="utf-8",
    )
    document = run(build(load(path)))
    energies = {one.name: one.energy_J_per_m2 for one in document.surfaces}
    assert set(energies) == {"(001)", "(011)", "(111)"}
    assert document.value == min(energies.values()) == energies["(111)"]
    assert sum(document.wulff.values()) == pytest.approx(1.0)
    assert document.wulff["111"] > document.wulff["001"] > 0.0
    assert document.converged


def test_unlike_faces_are_told_apart_by_a_pair():
    """Half copper, half gold along [001], as the crystal: one face of each."""
    host = hosts.load("fcc-Cu").structure.copy()
    host.make_supercell([1, 1, 2])
    heights = np.round(host.frac_coords[:, 2] * 4).astype(int) % 4
    for k, height in enumerate(heights):
        host.replace(k, "Au" if height >= 2 else "Cu")
    cells = list(surfaces(host, [(0, 0, 1)]))
    unlike = [cell for cell in cells if not cell.planar.equivalent]
    assert unlike
    plan = SurfacePlan(planes=((0, 0, 1),), thickness_A=12.0)
    maker = SurfaceEnergyMaker(engine("emt"), plan, host_cell="keep")
    document = run(maker.make(host))
    one = next(one for one in document.surfaces if not one.equivalent)
    assert one.energy_J_per_m2 == pytest.approx((one.top_J_per_m2 + one.bottom_J_per_m2) / 2)
    assert one.top_J_per_m2 < one.unrelaxed_J_per_m2
    assert one.bottom_J_per_m2 < one.unrelaxed_J_per_m2
    assert abs(one.top_J_per_m2 - one.bottom_J_per_m2) > 1e-3
    assert len(one.relaxed) == 3
    assert any("faces differ" in note for note in document.notes)


@pytest.mark.parametrize("atoms", ["relaxed", "fixed"])
def test_every_slab_has_the_settings_of_the_crystal(atoms):
    """The slab as cut is evaluated only; its energy is subtracted from relaxed ones."""
    asked = {"cutoff_eV": 640.0, "kpoint_spacing_per_A": 0.2, "smearing_eV": 0.01}
    plan = SurfacePlan(planes=((0, 0, 1),), thickness_A=6)
    cells = plan.cells(hosts.load("anatase-TiO2").structure)
    cell = next(one for one in cells if not one.planar.equivalent)
    relax = asked | {"fmax_eV_per_A": 0.02}
    maker = SurfaceEnergyMaker(engine("gpaw"), plan, atoms=atoms, relax=relax)
    steps = [one.function.__self__ for one in maker._slab_jobs(cell)]
    assert len(steps) == (3 if atoms == "relaxed" else 1)
    for step in (*steps, maker._step()):
        assert asked.items() <= step.settings.items()


def test_halves_share_out_all_atoms():
    cell = next(surfaces(hosts.load("fcc-Cu").structure, [(1, 1, 1)]))
    lower, upper = halves(cell.structure)
    assert sorted(lower + upper) == list(range(len(cell.structure)))
    assert set(lower).isdisjoint(upper)


def test_named_terminations_of_a_slab_relaxed_at_once(tmp_path):
    """The mean of unlike faces from one relaxation: between the pair's mean and the cut."""
    host = hosts.load("fcc-Cu").structure.copy()
    host.make_supercell([1, 1, 2])
    heights = np.round(host.frac_coords[:, 2] * 4).astype(int) % 4
    for k, height in enumerate(heights):
        host.replace(k, "Au" if height >= 2 else "Cu")
    unlike = next(one for one in surfaces(host, [(0, 0, 1)]) if not one.planar.equivalent)
    plan = SurfacePlan(planes=((0, 0, 1),), thickness_A=12.0, only=(faces_of(unlike),))
    pair, mean = (
        run(SurfaceEnergyMaker(engine("emt"), plan, host_cell="keep", faces=faces).make(host))
        for faces in ("pair", "mean")
    )
    (one,) = mean.surfaces
    assert one.said == unlike.planar.said
    assert len(one.relaxed) == 1
    assert one.top_J_per_m2 is None
    (relaxed,) = one.relaxed
    ratio = len(relaxed.structure) / len(mean.crystal.structure)
    excess = relaxed.energy_eV - ratio * mean.crystal.energy_eV
    assert one.energy_J_per_m2 == pytest.approx(EV_PER_A2 * excess / (2 * one.area_A2))
    assert one.energy_J_per_m2 < pair.surfaces[0].unrelaxed_J_per_m2
    with pytest.raises(
        StructureError, match=r"termination '\(001\) Ag': there is none; .*\(001\) Au"
    ):
        SurfacePlan(planes=((0, 0, 1),), only=("(001) Ag",)).cells(host)


def test_nothing_but_polar_terminations_is_refused():
    plan = SurfacePlan(planes=((1, 1, 1),), polar="skip")
    with (
        pytest.warns(Remark, match=r"left out \(111\)"),
        pytest.raises(StructureError, match="polar: compensate"),
    ):
        plan.cells(hosts.load("rocksalt-MgO").structure)


@pytest.mark.filterwarnings("ignore::defectflow.errors.Remark")
def test_a_polar_termination_that_is_left_out_stands_in_the_notes():
    """Cu and Pt in alternating (111) planes, with charges that make these polar."""
    host = hosts.load("rocksalt-MgO").structure.copy()
    host.replace_species({"Mg": "Cu", "O": "Pt"})
    plan = SurfacePlan(
        planes=((0, 0, 1), (1, 1, 1)), polar="skip", charges={"Cu": 1, "Pt": -1}, thickness_A=5.0
    )
    maker = SurfaceEnergyMaker(engine("emt"), plan, host_cell="keep", atoms="fixed")
    document = run(maker.make(host))
    assert [one.name for one in document.surfaces] == ["(001)"]
    assert [note for note in document.notes if "left out" in note] == [
        "left out (111), Cu above, Pt below: polar"
    ]


def test_what_is_not_asked_for_need_not_be_compensated():
    spinel = hosts.load("spinel-LiMn2O4").structure
    faces = [faces_of(one) for one in surfaces(spinel, [(1, 1, 1)])]
    plan = SurfacePlan(planes=((1, 1, 1),), polar="compensate", only=(faces[2], faces[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", Remark)
        assert [faces_of(cell) for cell in plan.cells(spinel)] == [faces[2], faces[0]]
    missing = replace(plan, only=(faces[0], faces[1]))
    with (
        pytest.warns(Remark, match=r"left out \(111\)_2"),
        pytest.raises(StructureError, match=r"is polar, and left out or not to be compensated"),
    ):
        missing.cells(spinel)


def test_a_plane_that_did_not_converge_leaves_no_lowest_and_no_shape():
    plan = SurfacePlan(planes=((1, 1, 1), (1, 0, 0), (1, 1, 0)), thickness_A=7.0)
    maker = SurfaceEnergyMaker(
        engine("emt", "fast"), plan, host_cell="keep", relax={"max_steps": 4}
    )
    document = run(maker.make(hosts.load("fcc-Ag")))
    left = [one.name for one in document.surfaces if one.energy_J_per_m2 is None]
    assert 0 < len(left) < 3
    assert (document.converged, document.value, document.wulff) == (False, None, None)
    assert [note for note in document.notes if "not converged" in note] == [
        f"{name}: not converged; it may be the lowest" for name in left
    ]
