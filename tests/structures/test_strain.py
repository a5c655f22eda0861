"""Strain against hand calculation, and against spglib for what it does to symmetry."""

from __future__ import annotations

import numpy as np
import pytest
import spglib
from pymatgen.analysis.elasticity import Strain

from defectflow.errors import StructureError
from defectflow.structures import hosts, interstitials, substitutions, vacancies
from defectflow.structures.equivalence import equivalent_images
from defectflow.structures.strain import (
    biaxial,
    deformation,
    shear,
    strained,
    strained_hosts,
    strained_structure,
    uniaxial,
    volumetric,
)

VOIGT = (0.01, -0.02, 0.03, 0.04, -0.02, 0.01)


def green_lagrange(gradient):
    return (gradient.T @ gradient - np.eye(3)) / 2


def test_voigt_order_and_engineering_shears():
    gradient = deformation(VOIGT)
    expected = np.array([[1.01, 0.005, -0.01], [0.005, 0.98, 0.02], [-0.01, 0.02, 1.03]])
    assert np.allclose(gradient, expected, atol=1e-15)


def test_finite_strain_is_green_lagrange_by_an_independent_library():
    gradient = deformation(VOIGT, "finite")
    assert np.allclose(gradient, gradient.T)
    assert np.allclose(Strain.from_deformation(gradient).voigt, VOIGT, atol=1e-12)


def test_measures_agree_to_first_order():
    small = 1e-5 * np.array(VOIGT)
    gap = deformation(small) - deformation(small, "finite")
    assert np.abs(gap).max() < 1e-10 * 100
    assert np.abs(deformation(VOIGT) - deformation(VOIGT, "finite")).max() > 1e-4


def test_uniaxial_stretches_one_direction_only():
    direction = np.array([1.0, 2.0, 2.0]) / 3
    gradient = deformation(uniaxial(0.03, direction))
    across = np.cross(direction, [0.0, 0.0, 1.0])
    assert np.allclose(gradient @ direction, 1.03 * direction)
    assert np.allclose(gradient @ across, across)


def test_biaxial_keeps_the_normal():
    gradient = deformation(biaxial(0.02, (0, 1, 1)))
    assert np.allclose(gradient @ [0, 1, 1], [0, 1, 1])
    assert np.allclose(gradient @ [0, 1, -1], 1.02 * np.array([0, 1, -1]))
    assert np.allclose(gradient @ [1, 0, 0], [1.02, 0, 0])


def test_shear_changes_an_angle_and_no_length_to_first_order():
    gradient = deformation(shear(0.002, (0, 0, 1), (1, 0, 0)))
    x, z = gradient @ [1, 0, 0], gradient @ [0, 0, 1]
    angle = np.arccos(x @ z / np.linalg.norm(x) / np.linalg.norm(z))
    assert np.pi / 2 - angle == pytest.approx(0.002, abs=1e-6)
    assert np.linalg.norm(x) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("measure", ["small", "finite"])
def test_volumetric_is_exact(measure):
    host = hosts.load("rutile-TiO2").structure
    strained_host = strained_structure(host, volumetric(-0.12, measure), measure)
    assert strained_host.volume / host.volume == pytest.approx(0.88, abs=1e-12)
    assert np.allclose(strained_host.frac_coords, host.frac_coords)


def test_strain_turns_to_its_measure():
    """A finite strain of the lattice given is what comes back from lattice before and after."""
    host = hosts.load("delta-V2O5").structure
    after = strained_structure(host, VOIGT, "finite")
    gradient = np.linalg.solve(host.lattice.matrix, after.lattice.matrix).T
    measured = green_lagrange(gradient)
    assert np.allclose(np.diag(measured), VOIGT[:3])
    assert 2 * measured[1, 2] == pytest.approx(VOIGT[3])


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("rutile-TiO2", lambda host: vacancies(host, "O")),
        ("spinel-MgAl2O4", lambda host: substitutions(host, {"Al": "Cr"})),
        ("rocksalt-MgO", lambda host: interstitials(host, "Mg")),
        ("O3-LiCoO2", vacancies),
    ],
)
def test_changes_and_pristine_stay_in_step_and_multiplicity_is_true(name, make):
    host = hosts.load(name).structure
    for cell in make(host):
        after = strained(cell, uniaxial(0.03, (1, 0, 0)))
        assert after.changed == cell.changed
        assert np.allclose(after.structure.lattice.matrix, after.pristine.lattice.matrix)
        assert np.allclose(after.structure.frac_coords, cell.structure.frac_coords)
        assert after.structure.species == cell.structure.species
        # Filled by an element of its own the orbit is what spglib calls equivalent.
        change = cell.changed[0]
        if change.before is None:
            continue
        dataset = spglib.get_symmetry_dataset(
            (
                after.pristine.lattice.matrix,
                after.pristine.frac_coords,
                after.pristine.atomic_numbers,
            ),
            symprec=0.01,
        )
        size = int(np.sum(dataset.equivalent_atoms == dataset.equivalent_atoms[change.index]))
        primitive = dataset.mapping_to_primitive
        assert after.multiplicity == size * len(set(primitive)) // len(primitive)


def test_the_input_is_left_alone():
    cell = next(vacancies(hosts.load("rocksalt-MgO").structure, "O"))
    before = cell.pristine.copy()
    strained(cell, biaxial(0.05))
    assert cell.pristine == before
    assert cell.name == "V_O"


def test_name_says_the_strain():
    cell = next(vacancies(hosts.load("rocksalt-MgO").structure, "O"))
    assert strained(cell, biaxial(-0.015)).name == "V_O e(xx=-1.5%,yy=-1.5%)"
    assert strained(cell, (0,) * 6).name == "V_O"


def test_pairs_and_interstitials_count_their_images():
    """Octahedral voids of an fcc conventional cell: four; all split pairs of sites counted once."""
    host = hosts.load("fcc-Al").structure
    cell = max(interstitials(host, "Li"), key=lambda one: one.structure[-1].frac_coords[0])
    assert equivalent_images(host, cell.changed) == 4 * cell.multiplicity


@pytest.mark.parametrize(
    ("strain", "remedy"),
    [
        ((2, 0, 0, 0, 0, 0), "2 % is 0.02"),
        ((0.01, 0.01), "six numbers"),
        ((float("nan"), 0, 0, 0, 0, 0), "six numbers"),
    ],
)
def test_bad_strain_is_refused(strain, remedy):
    with pytest.raises(StructureError, match=remedy):
        deformation(strain)


def test_bad_directions_are_refused():
    with pytest.raises(StructureError, match="not all zero"):
        uniaxial(0.01, (0, 0, 0))
    with pytest.raises(StructureError, match="perpendicular"):
        shear(0.01, (0, 0, 1), (1, 0, 1))
    with pytest.raises(StructureError, match="nothing would be left"):
        volumetric(-1.0)
    with pytest.raises(StructureError, match="to nothing"):
        deformation((-0.5, 0, 0, 0, 0, 0), "finite")


def test_a_series_of_strained_hosts():
    host = hosts.load("rutile-TiO2").structure
    strains = [volumetric(one) for one in (-0.03, 0.0, 0.03)]
    cells = list(strained_hosts(host, strains))
    volumes = [cell.structure.volume / host.volume for cell in cells]
    assert volumes == pytest.approx([0.97, 1.0, 1.03])
    assert {cell.kind for cell in cells} == {"strain"}
    assert all(cell.pristine == host and not cell.changed for cell in cells)


def test_bad_strains_of_a_series_are_refused_at_the_call():
    with pytest.raises(StructureError, match=r"2 % is 0\.02"):
        strained_hosts(hosts.load("fcc-Al").structure, [biaxial(0.01), biaxial(3.0)])
