"""Equations of state on EMT."""

from __future__ import annotations

import pytest

from defectflow import hosts
from defectflow.documents import load_result
from defectflow.engines import engine
from defectflow.errors import RecipeError
from defectflow.flows import EquationOfStateMaker
from defectflow.launch import run

EMT = engine("emt")


def test_the_volume_is_that_of_the_relaxed_cell():
    document = run(EquationOfStateMaker(EMT).make(hosts.load("fcc-Cu")))
    relaxed = EMT.relax_maker("relax", stress_max_eV_per_A3=1e-6)
    cell = run(relaxed.make(hosts.load("fcc-Cu").structure))
    assert document.converged
    assert document.value == pytest.approx(cell.structure.volume / 4, abs=5e-3)
    assert document.unit == "A3/atom"
    assert len(document.points) == document.force_calls == 7
    assert 120 < document.bulk_modulus_GPa < 150, "EMT was fitted to 137 GPa"
    assert document.residual_meV_per_atom < 0.1
    assert load_result(document.model_dump(mode="json")).value == document.value


def test_volumes_keep_the_shape_and_the_range():
    maker = EquationOfStateMaker(EMT, volumes=5, range=0.04)
    document = run(maker.make(hosts.load("fcc-Pt")))
    volume = hosts.load("fcc-Pt").structure.volume
    assert document.volumes_A3[0] == pytest.approx(0.96 * volume)
    assert document.volumes_A3[-1] == pytest.approx(1.04 * volume)
    assert all(point.structure.lattice.is_orthogonal for point in document.points)


def test_a_host_far_from_equilibrium_gives_no_value_unless_it_is_relaxed_first():
    host = hosts.load("fcc-Cu").structure
    host.scale_lattice(host.volume * 1.25)
    lost = run(EquationOfStateMaker(EMT).make(host))
    assert (lost.converged, lost.value, lost.bulk_modulus_GPa) == (False, None, None)
    assert "no minimum between" in lost.notes[-1]
    found = run(EquationOfStateMaker(EMT, host_cell="scale").make(host))
    assert found.converged
    assert found.relaxed_host is not None


def test_atoms_may_relax_at_every_volume(copper):
    fixed = run(EquationOfStateMaker(EMT, range=0.1).make(copper))
    free = run(EquationOfStateMaker(EMT, range=0.1, atoms="relaxed").make(copper))
    assert max(point.fmax_eV_per_A for point in free.points) < 0.03
    assert free.energy_eV < fixed.energy_eV - 0.01


def test_every_volume_has_the_mesh_of_the_host():
    """A mesh that changes from volume to volume would put steps into the curve."""
    gpaw = engine("gpaw", settings={"kpoint_spacing_per_A": 0.3})
    maker = EquationOfStateMaker(gpaw)
    from defectflow.engines.electrons import kpoint_mesh

    host = hosts.load("fcc-Al").structure
    meshes = set()
    for factor in (0.8, 0.9, 1.0, 1.1, 1.2):
        scaled = host.copy()
        scaled.scale_lattice(host.volume * factor)
        meshes.add(kpoint_mesh(scaled, maker._maker(factor).settings["kpoint_spacing_per_A"]))
    assert meshes == {kpoint_mesh(host, 0.3)}


@pytest.mark.parametrize("atoms", ["fixed", "relaxed"])
def test_every_volume_has_the_settings_asked_for(atoms):
    asked = {"cutoff_eV": 600.0, "kpoint_spacing_per_A": 0.1}
    maker = EquationOfStateMaker(engine("gpaw"), atoms=atoms, relax=asked)
    settings = maker._maker(1.0).settings
    assert asked.items() <= settings.items()
    assert settings["metal_kpoint_spacing_per_A"] == 0.1
    assert maker._maker(1.331).settings["kpoint_spacing_per_A"] == pytest.approx(0.1 / 1.1)


def test_a_setting_that_no_step_has_is_refused():
    with pytest.raises(RecipeError, match="did you mean cutoff_eV"):
        EquationOfStateMaker(engine("gpaw"), relax={"cutof_eV": 600.0})._maker(1.0)
